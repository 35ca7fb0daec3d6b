//! Integrations that were loaded a moment ago: thousands of items in a row belong to one, and each names it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Integration, IntegrationError, Integrations};

/// How old what is remembered may be.
const FRESH: Duration = Duration::from_millis(100);

tokio::task_local! {
    static REMEMBERED: Remembered;
}

/// Integrations that were loaded a moment ago.
#[derive(Clone, Debug, Default)]
pub(crate) struct Remembered(Arc<Mutex<HashMap<i64, (Instant, Integration)>>>);

impl Remembered {
    /// Lets what is loaded meanwhile be at most a tenth of a second old.
    pub(crate) fn during<F: Future>(&self, loading: F) -> impl Future<Output = F::Output> {
        REMEMBERED.scope(self.clone(), loading)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, (Instant, Integration)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: i64) -> Option<Integration> {
        let remembered = self.lock();
        let (at, integration) = remembered.get(&id)?;
        (at.elapsed() < FRESH).then(|| integration.clone())
    }

    fn keep(&self, asked: Instant, integration: &Integration) {
        let mut remembered = self.lock();
        remembered.retain(|_, (at, _)| at.elapsed() < FRESH);
        remembered.insert(integration.id, (asked, integration.clone()));
    }
}

/// The integration with this id, for an event that names it.
pub(super) async fn load(
    integrations: &Integrations,
    id: i64,
) -> Result<Option<Integration>, IntegrationError> {
    let Ok(remembered) = REMEMBERED.try_with(Clone::clone) else {
        return integrations.find(id).await;
    };
    if let Some(integration) = remembered.get(id) {
        return Ok(Some(integration));
    }
    let asked = Instant::now();
    let found = integrations.find(id).await?;
    if let Some(integration) = &found {
        remembered.keep(asked, integration);
    }
    Ok(found)
}
