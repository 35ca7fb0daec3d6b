//! Asking a provider whether it is well, and recording what it says. It stands here, above the requests, since most
//! providers ask by one, which has been recorded already.

use events_core::BoxError;

use crate::error::sources;
use crate::integration::{
    CheckFailure, ErasedHealthCheck, FailureClass, Integration, IntegrationError, Integrations,
};
use crate::store::StoreError;

use super::RequestError;

impl Integrations {
    /// Asks the provider whether the integration works, and records what it says as a success or as a failure of its
    /// class. A failed [request](Integrations::request) that stands in the failure's chain of sources is recorded
    /// already, and does not count twice. No transaction is open meanwhile.
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
            Err(failure) if is_recorded(failure, id) => {
                let found = self.find(id).await?;
                found.ok_or(IntegrationError::NotFound(id))?
            }
            Err(failure) => self.record_failure(id, failure.class).await?,
        };
        Ok((integration, said))
    }
}

/// Whether it comes from a request of this integration, which counted it.
fn is_recorded(failure: &CheckFailure, id: i64) -> bool {
    sources(&*failure.error)
        .filter_map(|error| error.downcast_ref::<RequestError>())
        .filter_map(RequestError::failed)
        .any(|failed| failed.request().integration_id == id)
}

// It is not an error itself: only so can every error become one.
/// Any error becomes one by `?`: of the class of the failed [request](Integrations::request) that stands in its chain of
/// sources, or else of an [unknown](FailureClass::Unknown) one.
impl<E: Into<BoxError>> From<E> for CheckFailure {
    fn from(error: E) -> Self {
        let error = error.into();
        let class = sources(&*error)
            .filter_map(|error| error.downcast_ref::<RequestError>())
            .find_map(RequestError::class);
        Self::new(class.unwrap_or(FailureClass::Unknown), error)
    }
}
