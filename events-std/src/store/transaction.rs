//! Transactions: rows, jobs and listeners that wait for the commit stand or fall together.

use std::future::Future;
use std::sync::{Arc, Weak};

use events_core::{AfterCommit, Events};
use sea_orm::{DatabaseTransaction, TransactionOptions, TransactionTrait};
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use super::to_its_end::ToItsEnd;
use super::tx::{Shared, Tx};
use super::{Inner, Store, StoreError};

tokio::task_local! {
    /// The transactions that this task has open.
    static OPEN: Vec<Open>;
}

/// A transaction that a task has open. It does not keep it open.
#[derive(Clone)]
struct Open {
    store: Arc<Inner>,
    connection: Weak<DatabaseTransaction>,
    shared: Weak<Shared>,
}

impl Store {
    /// Runs a block in a transaction, and commits it if the block succeeds. Listeners that wait for the commit run
    /// after it, before this returns; a failure of theirs goes to the error hook. A caller that stops waiting, as when
    /// its client hangs up, stops the block, but never parts a commit from what follows it.
    ///
    /// Events go through the dispatcher of [`with_events`](Self::with_events), else the current one.
    ///
    /// ```no_run
    /// # async fn run(store: events_std::Store) -> Result<(), events_std::StoreError> {
    /// use events_core::Event;
    /// use events_std::StoreError;
    /// use sea_orm::ConnectionTrait;
    ///
    /// #[derive(Clone, Debug, Event)]
    /// #[event(durable, name = "order.paid")]
    /// struct OrderPaid { order: u64 }
    ///
    /// store.transaction(async |tx| {
    ///     tx.execute_unprepared("UPDATE orders SET paid = TRUE WHERE id = 7").await?;
    ///     tx.dispatch(&OrderPaid { order: 7 }).await.expect("no listener failed");
    ///     Ok::<_, StoreError>(())
    /// })
    /// .await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The block's own error, after a rollback; or the database's; or [`StoreError::TransactionOpen`] if the task has
    /// one open already; or [`StoreError::Broken`] if the block ignored an error after which there is no commit; or
    /// [`StoreError::FileGone`] if SQLite's file is not there any more.
    pub async fn transaction<T, E: From<StoreError>>(
        &self,
        block: impl AsyncFnOnce(&Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        let events = self.events.clone().unwrap_or_else(Events::current);
        if AfterCommit::is_open(&events) {
            return Err(StoreError::TransactionOpen.into());
        }
        let connection = self.in_time(self.begin()).await?;
        let shared = Arc::new(Shared::new(&events));
        let tx = Tx::new(connection, shared.clone());
        let block = shared.after.scope(async {
            let value = block(&tx).await?;
            self.in_time(tx.ready_to_commit()).await?;
            Ok::<T, E>(value)
        });
        let ended = self.noting_open(&tx, block).await;
        let connection = tx.into_connection()?;
        match ended {
            Ok(value) => {
                self.commit(connection, shared).await?;
                Ok(value)
            }
            Err(error) => {
                // If this fails, the connection is gone, and the transaction with it.
                if let Err(failure) = self.in_time(connection.rollback()).await {
                    tracing::warn!(error = %failure, "a transaction was not rolled back in order");
                }
                Err(error)
            }
        }
    }

    /// Commits, and runs what waits for it, in a task of its own: whoever stops waiting for it does not stop it. Where
    /// nothing waits, the task is only made if the caller stops waiting.
    async fn commit(
        &self,
        connection: DatabaseTransaction,
        shared: Arc<Shared>,
    ) -> Result<(), StoreError> {
        let pushed = self.pushed().clone();
        let awaited = shared.after.is_awaited();
        let store = self.clone();
        let work = async move {
            store.in_time(connection.commit()).await?;
            if shared.ledger.has_pushed() {
                pushed.notify_waiters();
            }
            if let Some(shared) = Arc::into_inner(shared) {
                shared.after.committed().await;
            }
            Ok(())
        };
        if !awaited {
            return ToItsEnd::new(work).await;
        }
        let work = Events::current().scope(work);
        let committing = tokio::spawn(work.in_current_span().with_current_subscriber());
        match committing.await {
            Ok(ended) => ended,
            Err(_) => Err(StoreError::Interrupted),
        }
    }

    /// Whether something can be written beside the transactions that are open.
    pub(crate) fn check_free(&self) -> Result<(), StoreError> {
        if self.is_open_here() {
            // It would wait for the only connection that writes, which the task itself holds.
            return Err(StoreError::TransactionOpen);
        }
        self.check_file()
    }

    /// A transaction that writes: immediate on SQLite.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, StoreError> {
        self.check_free()?;
        let options = TransactionOptions {
            isolation_level: None,
            access_mode: None,
            #[cfg(feature = "sqlite")]
            sqlite_transaction_mode: (self.backend() == sea_orm::DbBackend::Sqlite)
                .then_some(sea_orm::SqliteTransactionMode::Immediate),
            #[cfg(not(feature = "sqlite"))]
            sqlite_transaction_mode: None,
        };
        Ok(self.writer().begin_with_options(options).await?)
    }

    /// Runs the block of a transaction of this store.
    fn noting_open<F: Future>(&self, tx: &Tx, block: F) -> impl Future<Output = F::Output> {
        let mut open = OPEN.try_with(Clone::clone).unwrap_or_default();
        open.push(Open {
            store: self.inner.clone(),
            connection: Arc::downgrade(&tx.connection),
            shared: Arc::downgrade(&tx.shared),
        });
        OPEN.scope(open, block)
    }

    /// Whether this task has a transaction of this store open.
    pub(crate) fn is_open_here(&self) -> bool {
        self.find_open(|_| ()).is_some()
    }

    /// The transaction of this store that the task has open.
    pub(super) fn open_here(&self) -> Option<Tx> {
        self.find_open(|open| Tx::again(&open.connection, &open.shared))?
    }

    fn find_open<T>(&self, then: impl FnOnce(&Open) -> T) -> Option<T> {
        let is_this = |open: &&Open| Arc::ptr_eq(&open.store, &self.inner);
        OPEN.try_with(|open| open.iter().find(is_this).map(then))
            .ok()?
    }
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Waker};

    use events_core::{Event, Events, listener};

    use crate::{Store, StoreError, Tx};

    #[derive(Clone, Debug, Event)]
    #[event(durable, name = "transaction.told")]
    struct Told;

    #[listener(Told, queue)]
    fn hears(_: &Told) {}

    #[tokio::test]
    async fn workers_wake_where_there_is_a_job_for_them() {
        let store = Store::connect("sqlite::memory:").await.unwrap();
        let events = Events::builder().queue(store.queue()).build().unwrap();
        let store = store.with_events(&events);
        for pushes in [false, true] {
            let mut woken = pin!(store.pushed().notified());
            woken.as_mut().enable();
            let block = async |tx: &Tx| {
                if pushes {
                    tx.dispatch(&Told).await.unwrap();
                }
                Ok::<_, StoreError>(())
            };
            store.transaction(block).await.unwrap();
            let task = &mut Context::from_waker(Waker::noop());
            assert_eq!(woken.as_mut().poll(task).is_ready(), pushes);
        }
    }
}
