//! A database for one run.

use std::path::PathBuf;

use events_std::{Durability, Store, StoreOptions};
use sea_orm::ConnectionTrait;

use crate::Error;

/// Which database, and how durable.
#[derive(Clone, Debug)]
pub enum Setting {
    /// SQLite whose commits survive a loss of power.
    SqliteFull,
    /// SQLite whose commits survive the death of the process.
    SqliteNormal,
    /// Postgres, as it is set.
    Postgres(String),
}

impl Setting {
    /// For the report.
    pub fn name(&self) -> &'static str {
        match self {
            Self::SqliteFull => "SQLite FULL",
            Self::SqliteNormal => "SQLite NORMAL",
            Self::Postgres(_) => "Postgres",
        }
    }

    /// The ratios to reach: push of one, push of a hundred, process.
    pub fn bounds(&self) -> [f64; 3] {
        match self {
            Self::SqliteFull => [0.85, 0.6, 0.8],
            Self::SqliteNormal => [0.85, 0.6, 0.65],
            Self::Postgres(_) => [0.8, 0.6, 0.8],
        }
    }
}

/// A database that is removed after the run.
pub struct Base {
    /// The store on it.
    pub store: Store,
    /// Its address.
    pub url: String,
    folder: Option<PathBuf>,
    server: Option<(Store, String)>,
}

impl Base {
    /// A new, empty database.
    pub async fn new(setting: &Setting) -> Result<Self, Error> {
        let name = format!("events_bench_{}", std::process::id());
        match setting {
            Setting::SqliteFull | Setting::SqliteNormal => {
                // Beside the build: a folder in memory would measure no disk.
                let folder = std::env::current_exe()?
                    .parent()
                    .ok_or("the program stands in a folder")?
                    .join(&name);
                let _ = std::fs::remove_dir_all(&folder);
                std::fs::create_dir_all(&folder)?;
                let durability = match setting {
                    Setting::SqliteFull => Durability::PowerLoss,
                    _ => Durability::ProcessDeath,
                };
                let url = format!("sqlite:{}", folder.join("bench.db").display());
                let store = StoreOptions::new(&url)
                    .durability(durability)
                    .connect()
                    .await?;
                Ok(Self {
                    store,
                    url,
                    folder: Some(folder),
                    server: None,
                })
            }
            Setting::Postgres(url) => {
                let server = StoreOptions::new(url)
                    .without_migrations()
                    .connect()
                    .await?;
                server
                    .writer()
                    .execute_unprepared(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                    .await?;
                server
                    .writer()
                    .execute_unprepared(&format!("CREATE DATABASE {name}"))
                    .await?;
                let (address, _) = url.rsplit_once('/').ok_or("a database in the address")?;
                let url = format!("{address}/{name}");
                Ok(Self {
                    store: Store::connect(&url).await?,
                    url,
                    folder: None,
                    server: Some((server, name)),
                })
            }
        }
    }

    /// Removes it.
    pub async fn remove(self) -> Result<(), Error> {
        self.store.close().await?;
        if let Some(folder) = self.folder {
            std::fs::remove_dir_all(folder)?;
        }
        if let Some((server, name)) = self.server {
            server
                .writer()
                .execute_unprepared(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
                .await?;
            server.close().await?;
        }
        Ok(())
    }
}
