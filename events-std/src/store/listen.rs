//! Being told of pushes by other processes: by Postgres, which can.

#[cfg(feature = "postgres")]
use sea_orm::ConnectionTrait;

use super::{Store, StoreError, Tx};

/// Tells the workers of other processes, at the commit, that there is work: on Postgres. On SQLite they poll.
pub(crate) async fn tell_workers(tx: &Tx) -> Result<(), StoreError> {
    #[cfg(feature = "postgres")]
    if tx.get_database_backend() == sea_orm::DbBackend::Postgres {
        let tell = format!("SELECT pg_notify('{}', '')", super::CHANNEL);
        tx.execute_unprepared(&tell).await?;
    }
    #[cfg(not(feature = "postgres"))]
    let _ = tx;
    Ok(())
}

/// Ends with this value.
pub(crate) struct Listening(Option<tokio::task::JoinHandle<()>>);

impl Drop for Listening {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

/// Wakes this process's workers when another process pushes. SQLite tells nobody: workers poll it.
#[cfg(feature = "postgres")]
pub(crate) fn listen(store: &Store) -> Listening {
    use sea_orm::DbBackend;

    if store.backend() != DbBackend::Postgres {
        return Listening(None);
    }
    let store = store.clone();
    Listening(Some(tokio::spawn(async move {
        loop {
            if let Err(error) = relay(&store).await {
                tracing::warn!(%error, "no longer told of pushes by Postgres: polling until it is back");
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    })))
}

#[cfg(feature = "postgres")]
async fn relay(store: &Store) -> Result<(), sea_orm::sqlx::Error> {
    let pool = store.writer().get_postgres_connection_pool();
    // A connection of its own: it is never given back, and the pool may have a single one.
    let own = sea_orm::sqlx::postgres::PgPoolOptions::new()
        .max_connections(1)
        .connect_lazy_with((*pool.connect_options()).clone());
    let mut listener = sea_orm::sqlx::postgres::PgListener::connect_with(&own).await?;
    listener.listen(super::CHANNEL).await?;
    loop {
        listener.recv().await?;
        store.pushed().notify_waiters();
    }
}

/// Wakes this process's workers when another process pushes. SQLite tells nobody: workers poll it.
#[cfg(not(feature = "postgres"))]
pub(crate) fn listen(_: &Store) -> Listening {
    Listening(None)
}
