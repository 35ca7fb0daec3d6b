//! Asking a provider whether it is well.

use std::fmt;
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
/// its health. Any error becomes one by `?`.
#[derive(Debug)]
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

impl fmt::Display for CheckFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
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
