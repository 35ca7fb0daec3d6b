//! Dispatching into a transaction that the app has begun itself, by SeaORM or plain `sqlx`.

use events_core::{DispatchError, Dispatched, Event, Events, Job, PushError};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};

use super::outbox::{self, Outlet};
use super::{Store, StoreError};

impl Store {
    /// Joins a transaction of the app in the store's own database: what is dispatched through it becomes jobs among
    /// the transaction's rows, which stand or fall with them. Only queued listeners can hear such an event: nobody
    /// tells the others of the commit.
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// # use events_core::{Event, listener};
    /// # use events_std::Store;
    /// # use sea_orm::{DatabaseConnection, TransactionTrait, sqlx};
    /// # let store = Store::connect("sqlite:app.db").await?;
    /// # let database: DatabaseConnection = sea_orm::Database::connect("sqlite:app.db").await?;
    /// # let pool = database.get_sqlite_connection_pool().clone();
    /// #[derive(Clone, Debug, Event)]
    /// #[event(durable, name = "order.paid")]
    /// struct OrderPaid { order: u64 }
    ///
    /// #[listener(OrderPaid, queue = "mail")]
    /// async fn send_receipt(event: &OrderPaid) { println!("receipt for order {}", event.order); }
    ///
    /// let tx = database.begin().await?;                                  // SeaORM
    /// store.join(&tx).dispatch(&OrderPaid { order: 7 }).await?;
    /// tx.commit().await?;
    ///
    /// let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;            // sqlx
    /// sqlx::query("UPDATE orders SET paid = TRUE WHERE id = 8").execute(&mut *tx).await?;
    /// store.join(&mut tx).dispatch(&OrderPaid { order: 8 }).await?;
    /// tx.commit().await?;
    /// store.wake();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// After the commit Postgres wakes the workers. On SQLite they find the jobs when they next look, or at once when
    /// the app calls [`wake`](Self::wake).
    pub fn join<T: AppTransaction>(&self, transaction: T) -> Joined<T> {
        Joined {
            store: self.clone(),
            transaction,
        }
    }

    /// Wakes this process's workers, after the commit of a transaction that was [joined](Self::join).
    pub fn wake(&self) {
        self.pushed().notify_waiters();
    }
}

/// A transaction of the app through which events are dispatched: see [`Store::join`].
#[must_use = "dispatch through it"]
pub struct Joined<T> {
    store: Store,
    transaction: T,
}

impl<T: AppTransaction> Joined<T> {
    /// Writes the jobs of the event's queued listeners into the transaction. If it fails, or is dropped before its
    /// end, roll the transaction back.
    ///
    /// # Errors
    ///
    /// If a listener of the event runs inline (the error names it), if the transaction is of another kind of database
    /// than the store's, or as [`Events::dispatch`] where nothing ran.
    pub async fn dispatch<E: Event>(
        &mut self,
        event: &E,
    ) -> Result<Dispatched<E::Response>, DispatchError<E::Response>> {
        let events = self.store.events.clone().unwrap_or_else(Events::current);
        let (wanted, transaction) = (self.store.backend(), &mut self.transaction);
        events
            .dispatch_jobs(event, |jobs| async move {
                write(wanted, transaction, &jobs)
                    .await
                    .map_err(|error| PushError::Failed(error.into()))
            })
            .await
    }
}

impl<T> std::fmt::Debug for Joined<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Joined({:?})", self.store)
    }
}

async fn write<T: AppTransaction>(
    wanted: DbBackend,
    transaction: &mut T,
    jobs: &[Job],
) -> Result<(), StoreError> {
    let found = transaction.backend();
    if found != wanted {
        return Err(StoreError::OtherDatabase { found, wanted });
    }
    outbox::write_to(transaction, jobs).await
}

/// A transaction that an app may have begun: `&DatabaseTransaction` of SeaORM, or `&mut Transaction` of `sqlx` on
/// SQLite or Postgres.
///
/// It cannot be implemented elsewhere.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no transaction that the store can join",
    note = "give it `&transaction` of SeaORM's `begin()`, or `&mut transaction` of `sqlx`'s `begin()`"
)]
pub trait AppTransaction: Outlet {}

impl AppTransaction for &DatabaseTransaction {}

impl Outlet for &DatabaseTransaction {
    fn backend(&self) -> DbBackend {
        self.get_database_backend()
    }

    async fn run(&mut self, statement: Statement) -> Result<(), DbErr> {
        self.execute_raw(statement).await.map(drop)
    }
}

/// The statements of the outbox bind no other values than these.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
macro_rules! join_sqlx {
    ($database:ty, $backend:expr) => {
        impl AppTransaction for &mut sea_orm::sqlx::Transaction<'_, $database> {}

        impl Outlet for &mut sea_orm::sqlx::Transaction<'_, $database> {
            fn backend(&self) -> DbBackend {
                $backend
            }

            async fn run(&mut self, statement: Statement) -> Result<(), DbErr> {
                use sea_orm::{RuntimeErr, Value, sqlx};

                let mut query = sqlx::query(sqlx::AssertSqlSafe(statement.sql));
                for value in statement.values.into_iter().flatten() {
                    query = match value {
                        Value::Int(value) => query.bind(value),
                        Value::BigInt(value) => query.bind(value),
                        Value::String(value) => query.bind(value),
                        Value::Uuid(value) => query.bind(value),
                        other => {
                            return Err(DbErr::Type(format!("`{other:?}` is not bound here")));
                        }
                    };
                }
                match query.execute(&mut ***self).await {
                    Ok(_) => Ok(()),
                    Err(error) => Err(DbErr::Exec(RuntimeErr::SqlxError(error.into()))),
                }
            }
        }
    };
}

#[cfg(feature = "sqlite")]
join_sqlx!(sea_orm::sqlx::Sqlite, DbBackend::Sqlite);
#[cfg(feature = "postgres")]
join_sqlx!(sea_orm::sqlx::Postgres, DbBackend::Postgres);
