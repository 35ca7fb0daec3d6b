//! How the store is reached.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::DatabaseConnection;
use tokio::sync::Notify;

#[cfg(feature = "sqlite")]
use super::place::OpenFile;
#[cfg(feature = "postgres")]
use super::silence::Silence;
use super::{Inner, Store, StoreError};

/// What a commit on SQLite survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// A loss of power: every commit waits for the disk (`synchronous = FULL`).
    #[default]
    PowerLoss,
    /// The death of the process, not a loss of power: the last commits may be gone then, the file stays whole
    /// (`synchronous = NORMAL`).
    ProcessDeath,
}

/// How the store is reached: see [`Store::connect`] for the defaults.
#[derive(Clone)]
#[must_use]
pub struct StoreOptions {
    pub(super) url: String,
    pub(super) durability: Durability,
    pub(super) connections: u32,
    pub(super) busy_timeout: Duration,
    pub(super) create: bool,
    migrate: bool,
}

impl StoreOptions {
    /// The defaults: commits survive a loss of power, 8 connections, a wait of 5 s for SQLite's lock, a SQLite file is made
    /// if it is missing, migrations run.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            durability: Durability::default(),
            connections: 8,
            busy_timeout: Duration::from_secs(5),
            create: true,
            migrate: true,
        }
    }

    /// What a commit on SQLite survives. Postgres decides by its own `synchronous_commit`.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How many connections: on SQLite for reading, beside the one that writes; on Postgres in all. At least 1. On SQLite
    /// each that reads keeps up to 512 KiB of the file in memory, the one that writes 2 MiB.
    pub fn connections(mut self, connections: u32) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// How long a statement on SQLite waits for another process's lock: at most 24 days, which is as far as SQLite
    /// counts.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout.min(Duration::from_millis(i32::MAX as u64));
        self
    }

    /// Whether a SQLite file is made if it is missing, `true` unless given. With `false` that is an error, as an operator's
    /// program wants it whose address may be mistyped.
    pub fn create_if_missing(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Connects without touching the tables: [`Store::migrate`] is called by somebody else, as at deployment.
    pub fn without_migrations(mut self) -> Self {
        self.migrate = false;
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// As [`Store::connect`].
    pub async fn connect(self) -> Result<Store, StoreError> {
        let opened = self.open().await?;
        let backend = opened.writer.get_database_backend();
        let store = Store {
            inner: Arc::new(Inner {
                writer: opened.writer,
                reader: opened.reader,
                #[cfg(feature = "sqlite")]
                file: opened.file,
                #[cfg(feature = "postgres")]
                silence: opened.silence,
                backend,
                pushed: Arc::new(Notify::new()),
            }),
            events: None,
            answers_within: None,
        };
        if self.migrate {
            store.migrate().await?;
        }
        Ok(store)
    }

    async fn open(&self) -> Result<Opened, StoreError> {
        let (scheme, rest) = self.url.split_once(':').unwrap_or_default();
        match scheme {
            "sqlite" if rest.trim_start_matches('/').is_empty() => {
                Err(StoreError::UnknownAddress("names no file".to_owned()))
            }
            #[cfg(feature = "sqlite")]
            "sqlite" => super::sqlite::open(self).await,
            #[cfg(feature = "postgres")]
            "postgres" | "postgresql" => super::postgres::open(self).await,
            #[cfg(not(feature = "sqlite"))]
            "sqlite" => Err(StoreError::NoDriver("sqlite")),
            #[cfg(not(feature = "postgres"))]
            "postgres" | "postgresql" => Err(StoreError::NoDriver("postgres")),
            _ => Err(StoreError::UnknownAddress(self.scheme())),
        }
    }

    /// Only the scheme is shown: anything after it may be a password.
    fn scheme(&self) -> String {
        match self.url.split_once(':') {
            Some((scheme, _)) if scheme.chars().all(|c| c.is_ascii_alphanumeric()) => {
                format!("begins with `{scheme}:`")
            }
            _ => "has no scheme".to_owned(),
        }
    }
}

/// What a database's kind gives to its store.
pub(super) struct Opened {
    pub(super) writer: DatabaseConnection,
    pub(super) reader: DatabaseConnection,
    #[cfg(feature = "sqlite")]
    pub(super) file: Option<OpenFile>,
    #[cfg(feature = "postgres")]
    pub(super) silence: Arc<Silence>,
}

impl fmt::Debug for StoreOptions {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreOptions")
            .field("durability", &self.durability)
            .field("connections", &self.connections)
            .field("busy_timeout", &self.busy_timeout)
            .field("create_if_missing", &self.create)
            .field("migrate", &self.migrate)
            .finish_non_exhaustive()
    }
}
