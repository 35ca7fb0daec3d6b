//! Transactions: rows, jobs and listeners that wait for the commit stand or fall together.

use std::sync::{Arc, Mutex, PoisonError};

use events_core::{
    AfterCommit, BoxError, Context, DispatchError, Dispatched, Event, Events, Extensions,
    FromContext, Job, Needs, PushError,
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    TransactionTrait,
};

use super::{Store, StoreError, outbox};

/// So many jobs are held before they are written: one statement for many is several times faster.
const HELD_AT_MOST: usize = 500;

/// An open transaction. SeaORM's queries run on it, and events are dispatched through it.
///
/// A queued listener may ask for `&Tx`: what it writes there is committed together with the end of its job. So may an
/// inline listener; the event must then be dispatched through a transaction, in which it runs at once.
pub struct Tx {
    connection: Arc<DatabaseTransaction>,
    shared: Arc<Shared>,
}

/// What a transaction and its savepoints share.
struct Shared {
    after: AfterCommit,
    /// Jobs that are not written yet. They are before anything could tell the difference: a savepoint, or the commit.
    held: Mutex<Vec<Job>>,
}

impl Shared {
    fn hold(&self, jobs: Vec<Job>) -> usize {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.extend(jobs);
        held.len()
    }

    fn take(&self) -> Vec<Job> {
        std::mem::take(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tx {
    fn new(connection: DatabaseTransaction, shared: Arc<Shared>) -> Self {
        Self {
            connection: Arc::new(connection),
            shared,
        }
    }

    /// Another handle of the same transaction, for a listener that asks for it.
    pub(crate) fn handle(&self) -> Self {
        Self {
            connection: self.connection.clone(),
            shared: self.shared.clone(),
        }
    }

    /// Dispatches an event in the transaction. The jobs of its queued listeners are written with its rows; listeners
    /// that ask for `&Tx` run at once; all other inline listeners run after the commit, and never after a rollback.
    ///
    /// # Errors
    ///
    /// As [`Events::dispatch`], for the listeners that ran.
    pub async fn dispatch<E: Event + Clone>(
        &self,
        event: &E,
    ) -> Result<Dispatched<E::Response>, DispatchError<E::Response>> {
        let extensions = Extensions::new().with(self.handle());
        self.shared
            .after
            .dispatch(event, &extensions, |jobs| self.push(jobs))
            .await
    }

    async fn push(&self, jobs: Vec<Job>) -> Result<(), PushError> {
        if self.shared.hold(jobs) >= HELD_AT_MOST {
            self.write_held()
                .await
                .map_err(|error| PushError::Failed(error.into()))?;
        }
        Ok(())
    }

    async fn write_held(&self) -> Result<(), DbErr> {
        outbox::write(&*self.connection, &self.shared.take()).await
    }

    /// Runs a block in a savepoint: if it fails, what it wrote and dispatched is undone, and the transaction goes on.
    ///
    /// # Errors
    ///
    /// The block's own error, or the database's.
    pub async fn savepoint<T, E: From<StoreError>>(
        &self,
        block: impl AsyncFnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.write_held().await.map_err(StoreError::from)?;
        let mark = self.shared.after.savepoint();
        let connection = self.connection.begin().await.map_err(StoreError::from)?;
        let inner = Self::new(connection, self.shared.clone());
        let ended = match block(&inner).await {
            Ok(value) => match inner.write_held().await {
                Ok(()) => Ok(value),
                Err(error) => Err(StoreError::from(error).into()),
            },
            Err(error) => Err(error),
        };
        let connection = inner.into_connection()?;
        match ended {
            Ok(value) => {
                connection.commit().await.map_err(StoreError::from)?;
                Ok(value)
            }
            Err(error) => {
                self.shared.take();
                self.shared.after.roll_back_to(mark);
                connection.rollback().await.map_err(StoreError::from)?;
                Err(error)
            }
        }
    }

    /// The connection, when no listener holds it any more.
    fn into_connection(self) -> Result<DatabaseTransaction, StoreError> {
        Arc::into_inner(self.connection).ok_or_else(|| {
            StoreError::Database(DbErr::Custom(
                "a listener still runs in the transaction that is to end".to_owned(),
            ))
        })
    }
}

impl<'a> FromContext<'a> for &'a Tx {
    fn needs(needs: &mut Needs) {
        needs.extension();
    }

    fn from_context(cx: &Context<'a>) -> Result<Self, BoxError> {
        cx.extension()
            .ok_or_else(|| "there is no transaction here: dispatch the event through one".into())
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Tx {
    fn get_database_backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.connection.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.connection.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.connection.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.connection.query_all_raw(statement).await
    }
}

impl Store {
    /// Runs a block in a transaction, and commits it if the block succeeds. Listeners that wait for the commit run
    /// after it, before this returns; a failure of theirs goes to the error hook. A caller that stops waiting, as when
    /// its client hangs up, stops the block, but never parts a commit from what follows it.
    ///
    /// Events go through the dispatcher of [`with_events`](Self::with_events), else the current one.
    ///
    /// # Errors
    ///
    /// The block's own error, after a rollback; or the database's; or [`StoreError::TransactionOpen`] if the task has
    /// one open already.
    pub async fn transaction<T, E: From<StoreError>>(
        &self,
        block: impl AsyncFnOnce(&Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        let events = self.events.clone().unwrap_or_else(Events::current);
        if AfterCommit::is_open(&events) {
            return Err(StoreError::TransactionOpen.into());
        }
        let connection = self.begin().await?;
        let shared = Arc::new(Shared {
            after: AfterCommit::new(&events),
            held: Mutex::default(),
        });
        let tx = Tx::new(connection, shared.clone());
        let block = shared.after.scope(async {
            let value = block(&tx).await?;
            tx.write_held().await.map_err(StoreError::from)?;
            Ok::<T, E>(value)
        });
        let ended = block.await;
        let connection = tx.into_connection()?;
        match ended {
            Ok(value) => {
                self.commit(connection, shared).await?;
                Ok(value)
            }
            Err(error) => {
                connection.rollback().await.map_err(StoreError::from)?;
                Err(error)
            }
        }
    }

    /// Commits, and runs what waits for it, in a task of its own: whoever stops waiting for it does not stop it.
    async fn commit(
        &self,
        connection: DatabaseTransaction,
        shared: Arc<Shared>,
    ) -> Result<(), StoreError> {
        let pushed = self.pushed().clone();
        let committing = tokio::spawn(async move {
            connection.commit().await?;
            pushed.notify_waiters();
            if let Some(shared) = Arc::into_inner(shared) {
                shared.after.committed().await;
            }
            Ok(())
        });
        match committing.await {
            Ok(ended) => ended,
            Err(_) => Err(StoreError::Interrupted),
        }
    }
}
