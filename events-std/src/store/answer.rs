//! How long a running worker waits for its database.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use super::{Store, StoreError};

/// Waits for what is asked of the store, but only so long: a database that accepts what it is sent and never answers must
/// not keep a worker from trying anew.
pub(crate) async fn answered<T, E: Into<StoreError>>(
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

impl Store {
    /// The same store, whose transactions wait only so long for their begin, for what is written at their end, and for
    /// their end itself. What the block of a transaction asks of it may take its time.
    pub(crate) fn answering_within(&self, time: Duration) -> Self {
        Self {
            answers_within: Some(time),
            ..self.clone()
        }
    }

    /// Waits for work that may take its time, unless the database is found silent meanwhile, by whoever asks it: then
    /// nothing, since the work may wait for an answer that never comes.
    pub(crate) async fn unless_silent<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let silent = self.falls_silent();
        tokio::select! {
            done = work => Some(done),
            () = silent => None,
        }
    }

    /// Waits as [`answered`] does, where the store's transactions are to be answered in time.
    pub(crate) async fn in_time<T, E: Into<StoreError>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, StoreError> {
        match self.answers_within {
            Some(within) => answered(self, within, work).await,
            None => work.await.map_err(Into::into),
        }
    }
}
