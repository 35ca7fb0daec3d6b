//! Asking a provider whether it is well.

use std::future::Future;
use std::sync::Arc;

use events_core::{BoxError, BoxFuture};

use super::{Capability, FailureClass, Integration, Provider};

/// A provider that can be asked whether an integration works: `#[provider(HealthCheck)]` registers it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be checked",
    label = "not a `HealthCheck`",
    note = "implement `events_std::HealthCheck` for it, or remove `HealthCheck` from `#[provider(..)]`"
)]
pub trait HealthCheck: Provider {
    /// Asks the provider something harmless with the integration's credentials.
    ///
    /// # Errors
    ///
    /// Why it does not work, and whose failure it is.
    fn check(
        &self,
        integration: &Integration,
    ) -> impl Future<Output = Result<(), CheckFailure>> + Send;
}

/// Why an integration does not work, and whose failure it is: only one [upstream](FailureClass::Upstream) counts against
/// its health.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct CheckFailure {
    /// Whose failure it is.
    pub class: FailureClass,
    /// What happened. No secrets.
    pub error: BoxError,
}

impl CheckFailure {
    /// A failure of this class.
    pub fn new(class: FailureClass, error: impl Into<BoxError>) -> Self {
        Self {
            class,
            error: error.into(),
        }
    }

    /// The provider's failure.
    pub fn upstream(error: impl Into<BoxError>) -> Self {
        Self::new(FailureClass::Upstream, error)
    }
}

/// [`HealthCheck`] where the provider's type is not known.
pub(crate) trait ErasedHealthCheck: Send + Sync {
    /// As [`HealthCheck::check`].
    fn check<'a>(&'a self, integration: &'a Integration)
    -> BoxFuture<'a, Result<(), CheckFailure>>;
}

impl<P: HealthCheck> ErasedHealthCheck for P {
    fn check<'a>(
        &'a self,
        integration: &'a Integration,
    ) -> BoxFuture<'a, Result<(), CheckFailure>> {
        Box::pin(HealthCheck::check(self, integration))
    }
}

/// The capability of a provider that can be checked.
#[must_use]
pub fn health_check<P: HealthCheck>(provider: &Arc<P>) -> Capability {
    Capability::new::<dyn ErasedHealthCheck>(provider.clone())
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod checked {
    use super::{CheckFailure, ErasedHealthCheck};
    use crate::integration::{Integration, IntegrationError, Integrations};
    use crate::store::StoreError;

    impl Integrations {
        /// Asks the provider whether the integration works, and records what it says as a success or as a failure of
        /// its class. No transaction is open meanwhile.
        ///
        /// # Errors
        ///
        /// If there is no such integration, its provider has no [`HealthCheck`](crate::HealthCheck), the task has a
        /// transaction open, or the database fails. What the provider says is no error of this.
        pub async fn check_health(
            &self,
            id: i64,
        ) -> Result<(Integration, Result<(), CheckFailure>), IntegrationError> {
            if self.store().is_open_here() {
                return Err(StoreError::TransactionOpen.into());
            }
            let found = self.find(id).await?;
            let integration = found.ok_or(IntegrationError::NotFound(id))?;
            let check = self
                .capability::<dyn ErasedHealthCheck>(&integration.provider)
                .ok_or_else(|| IntegrationError::Incapable {
                    provider: integration.provider.clone(),
                    capability: "HealthCheck",
                })?;
            let said = self.events().scope(check.check(&integration)).await;
            let integration = match &said {
                Ok(()) => self.record_success(id).await?,
                Err(failure) => self.record_failure(id, failure.class).await?,
            };
            Ok((integration, said))
        }
    }
}
