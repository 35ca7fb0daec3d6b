//! An open transaction.

use std::future::Future;
use std::sync::{Arc, Weak};

use events_core::{
    AfterCommit, BoxError, Context, DispatchError, Dispatched, Event, Events, Extensions,
    FromContext, Job, Needs, PushError, Savepoint,
};
use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement,
};
use tokio::sync::Mutex;

use super::ledger::{Broken, Ledger, Pending};
use super::{Store, StoreError, outbox};

/// An open transaction. SeaORM's queries run on it, and events are dispatched through it.
///
/// A queued listener may ask for `&Tx`: what it writes there is committed together with the end of its job. So may its
/// `failed` hook, which has a transaction of its own in which the job is parked. So may an inline listener; the event
/// must then be dispatched through a transaction, in which it runs at once.
///
/// A transaction is all or nothing even for a block that ignores an error: if a statement failed in a way that makes
/// the database give up the transaction, or jobs could not be written, nothing more runs on it and it is not
/// committed.
pub struct Tx {
    pub(super) connection: Arc<DatabaseTransaction>,
    pub(super) shared: Arc<Shared>,
    /// 0 for the transaction itself, 1 for a savepoint in it, and so on.
    level: usize,
}

/// What a transaction and its savepoints share.
pub(super) struct Shared {
    events: Events,
    pub(super) after: AfterCommit,
    pub(super) ledger: Ledger,
    /// One statement at a time, so that nothing comes between a failure and the look at what it did.
    turn: Mutex<()>,
}

impl Shared {
    pub(super) fn new(events: &Events) -> Self {
        Self {
            events: events.clone(),
            after: AfterCommit::new(events),
            ledger: Ledger::default(),
            turn: Mutex::default(),
        }
    }

    /// Leaves a savepoint to be undone before the next statement.
    fn undo(&self, mark: Savepoint, level: usize) {
        self.after.roll_back_to(mark);
        self.ledger.undo(level);
    }
}

/// A statement that has not ended well yet: dropped so, it leaves a doubt.
struct Running<'t>(Option<&'t Ledger>);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(ledger) = self.0 {
            ledger.doubt();
        }
    }
}

impl Tx {
    pub(super) fn new(connection: DatabaseTransaction, shared: Arc<Shared>) -> Self {
        Self {
            connection: Arc::new(connection),
            shared,
            level: 0,
        }
    }

    /// A handle of a transaction that is open still.
    pub(super) fn again(
        connection: &Weak<DatabaseTransaction>,
        shared: &Weak<Shared>,
    ) -> Option<Self> {
        Some(Self {
            connection: connection.upgrade()?,
            shared: shared.upgrade()?,
            level: 0,
        })
    }

    /// The dispatcher of its events.
    pub(crate) fn events(&self) -> &Events {
        &self.shared.events
    }

    /// Another handle of the same transaction, for a listener that asks for it.
    pub(crate) fn handle(&self) -> Self {
        self.at(self.level)
    }

    fn at(&self, level: usize) -> Self {
        Self {
            connection: self.connection.clone(),
            shared: self.shared.clone(),
            level,
        }
    }

    /// Dispatches an event in the transaction. The jobs of its queued listeners are written with its rows; listeners
    /// that ask for `&Tx` run at once; all other inline listeners run after the commit, and never after a rollback.
    ///
    /// # Errors
    ///
    /// As [`Events::dispatch`](events_core::Events::dispatch), for the listeners that ran.
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

    /// Writes jobs in the transaction.
    pub(crate) async fn push(&self, jobs: Vec<Job>) -> Result<(), PushError> {
        let failed = |error: StoreError| PushError::Failed(error.into());
        outbox::check(&jobs).map_err(failed)?;
        if self.shared.ledger.hold(jobs) {
            self.write_held().await.map_err(failed)?;
        }
        Ok(())
    }

    async fn write_held(&self) -> Result<(), StoreError> {
        let _turn = self.shared.turn.lock().await;
        self.settle().await?;
        let jobs = self.shared.ledger.take();
        if jobs.is_empty() {
            return Ok(());
        }
        self.watched(outbox::write(&*self.connection, &jobs))
            .await?;
        self.shared.ledger.wrote();
        Ok(())
    }

    /// Runs a block in a savepoint: if it fails, panics or is dropped, what it wrote and dispatched is undone, and the
    /// transaction goes on. What is written through the outer transaction meanwhile belongs to the savepoint.
    ///
    /// # Errors
    ///
    /// The block's own error, or the database's; or [`StoreError::SavepointOpen`] if another savepoint of this
    /// transaction has not ended yet.
    pub async fn savepoint<T, E: From<StoreError>>(
        &self,
        block: impl AsyncFnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.savepoint_of(None, block).await
    }

    /// The same, where begin and end of the savepoint are to be answered as the store wants its transactions to be.
    pub(crate) async fn savepoint_in_time<T, E: From<StoreError>>(
        &self,
        store: &Store,
        block: impl AsyncFnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.savepoint_of(Some(store), block).await
    }

    async fn savepoint_of<T, E: From<StoreError>>(
        &self,
        store: Option<&Store>,
        block: impl AsyncFnOnce(&Self) -> Result<T, E>,
    ) -> Result<T, E> {
        in_time(store, self.write_held()).await?;
        let ledger = &self.shared.ledger;
        if ledger.level() != self.level {
            return Err(StoreError::SavepointOpen.into());
        }
        let inner = self.at(self.level + 1);
        let undo = Undo::new(&self.shared, inner.level);
        ledger.set_level(inner.level);
        let begin = format!("SAVEPOINT events_{}", inner.level);
        if let Err(error) = in_time(store, inner.execute_unprepared(&begin)).await {
            undo.disarm();
            ledger.set_level(self.level);
            return Err(error.into());
        }
        match block(&inner).await {
            Ok(value) => {
                in_time(store, inner.settled()).await?;
                // From here on it is part of the transaction, even if nobody waits for its end any more.
                let mark = undo.disarm();
                ledger.set_level(self.level);
                let end = format!("RELEASE SAVEPOINT events_{}", inner.level);
                if let Err(error) = in_time(store, inner.execute_unprepared(&end)).await {
                    // A statement in it had failed, and the block did not say so.
                    if let Some(mark) = mark {
                        self.shared.undo(mark, inner.level);
                    }
                    return Err(error.into());
                }
                Ok(value)
            }
            Err(error) => {
                drop(undo);
                // A failure of the rollback breaks the transaction, which then says so.
                if let Err(failure) = in_time(store, self.settled()).await {
                    tracing::warn!(error = %failure, "a savepoint could not be undone");
                }
                Err(error)
            }
        }
    }

    /// Does what is pending; an error if no statement can run any more.
    async fn settled(&self) -> Result<(), StoreError> {
        let _turn = self.shared.turn.lock().await;
        self.settle().await
    }

    async fn settle(&self) -> Result<(), StoreError> {
        let ledger = &self.shared.ledger;
        loop {
            match ledger.pending() {
                Pending::Nothing => return Ok(()),
                Pending::Broken(broken) => return Err(StoreError::Broken(broken.as_str())),
                Pending::Undo(level) => {
                    ledger.undoing();
                    let name = format!("SAVEPOINT events_{level}");
                    let undo = format!("ROLLBACK TO {name}; RELEASE {name}");
                    self.connection.execute_unprepared(&undo).await?;
                    ledger.undone();
                }
                // Postgres refuses all that follows a failure, so that the next statement tells.
                Pending::Doubt if self.get_database_backend() == DbBackend::Postgres => {
                    return Ok(());
                }
                Pending::Doubt => {
                    // SQLite may have rolled back, and would then commit each further statement on its own. A second
                    // `BEGIN` fails if not. If it succeeds, it stays: the connection's own rollback will find it.
                    ledger.broke(Broken::RolledBack);
                    if self.connection.execute_unprepared("BEGIN").await.is_err() {
                        ledger.mended();
                        ledger.trust();
                    }
                }
            }
        }
    }

    /// Runs a statement, alone, on a transaction that still stands.
    async fn run<T>(&self, statement: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        let _turn = self.shared.turn.lock().await;
        self.settle().await.map_err(|error| match error {
            StoreError::Database(error) => error,
            other => DbErr::Custom(other.to_string()),
        })?;
        self.watched(statement).await
    }

    /// Runs a statement, and doubts the transaction unless it ends well.
    async fn watched<T, E>(&self, statement: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let mut running = Running(Some(&self.shared.ledger));
        let ended = statement.await;
        if ended.is_ok() {
            running.0 = None;
            if self.get_database_backend() == DbBackend::Postgres {
                self.shared.ledger.trust();
            }
        }
        ended
    }

    /// Does what remains before the commit, and gives the connection. An error: it must be rolled back.
    pub(super) async fn ready_to_commit(&self) -> Result<(), StoreError> {
        self.write_held().await?;
        if matches!(self.shared.ledger.pending(), Pending::Doubt) {
            // Postgres would answer the commit of a failed transaction with a rollback, and call it a success.
            let asked = self.execute_unprepared("SELECT 1").await;
            asked.map_err(|_| StoreError::Broken(Broken::RolledBack.as_str()))?;
        }
        Ok(())
    }

    /// The connection, when no listener holds it any more.
    pub(super) fn into_connection(self) -> Result<DatabaseTransaction, StoreError> {
        Arc::into_inner(self.connection).ok_or_else(|| {
            StoreError::Database(DbErr::Custom(
                "a listener still runs in the transaction that is to end".to_owned(),
            ))
        })
    }
}

impl std::fmt::Debug for Tx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tx(level {})", self.level)
    }
}

async fn in_time<T, E: Into<StoreError>>(
    store: Option<&Store>,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, StoreError> {
    match store {
        Some(store) => store.in_time(work).await,
        None => work.await.map_err(Into::into),
    }
}

/// A savepoint that is undone unless it ends well.
struct Undo<'t> {
    shared: &'t Shared,
    mark: Option<Savepoint>,
    level: usize,
}

impl<'t> Undo<'t> {
    fn new(shared: &'t Shared, level: usize) -> Self {
        Self {
            mark: Some(shared.after.savepoint()),
            shared,
            level,
        }
    }

    /// Leaves the savepoint as it is.
    fn disarm(mut self) -> Option<Savepoint> {
        self.mark.take()
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if let Some(mark) = self.mark {
            self.shared.undo(mark, self.level);
        }
    }
}

impl<'a> FromContext<'a> for &'a Tx {
    fn needs(needs: &mut Needs) {
        needs.extension::<Tx>();
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
        self.run(self.connection.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.run(self.connection.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.run(self.connection.query_one_raw(statement)).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.run(self.connection.query_all_raw(statement)).await
    }
}
