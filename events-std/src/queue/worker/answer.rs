//! How long a running worker waits for its database.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use crate::store::{Store, StoreError};

/// Waits for what is asked of the store, but only so long: a database that accepts what it is sent and never answers must
/// not keep a worker from trying anew.
pub(super) async fn answered<T, E: Into<StoreError>>(
    store: &Store,
    within: Duration,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, StoreError> {
    let mut work = pin!(work);
    if let Ok(done) = tokio::time::timeout(within, work.as_mut()).await {
        return done.map_err(Into::into);
    }
    // Before the connection is given back, as it is when this returns.
    store.note_silence();
    Err(StoreError::NoAnswer(within))
}
