//! Golden payloads: what programs have stored, kept as files, and whether today's program still reads it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fmt, fs, io};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::durable::{DecodeError, EncodeError};
use crate::event::AnyEvent;
use crate::events::Events;

/// The environment variable that lets `check` write a file.
const VARIABLE: &str = "EVENTS_GOLDEN";

/// A folder of payloads, one file for each version of each durable event: `order.paid.v2.json`. Commit it, and let a
/// test hold the program to it. It sees what `events.lock` cannot: changes inside the types of the fields.
///
/// ```no_run
/// # use events_core::{Event, Events, Golden};
/// # #[derive(Clone, Debug, Event)]
/// # #[event(durable, name = "order.paid")]
/// # struct OrderPaid { order: u64 }
/// # async fn test() {
/// let golden = Golden::new("tests/golden");
/// golden.check(&OrderPaid { order: 7 }).unwrap();         // what is stored today is as it was
/// golden.read_all(&Events::current()).await.unwrap();     // what was stored in any version can be read
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Golden {
    folder: PathBuf,
}

/// What a file holds.
#[derive(Serialize, Deserialize)]
struct Stored {
    event: String,
    version: u32,
    payload: Value,
}

impl Golden {
    /// The files of this folder. A relative path starts at the current directory, which in tests is that of the package.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    fn file(&self, event: &str, version: u32) -> PathBuf {
        self.folder.join(format!("{event}.v{version}.json"))
    }

    /// Compares an event's payload with the file of its version, as JSON. Give it the same values each time.
    ///
    /// With `EVENTS_GOLDEN=update` in the environment it writes the file instead; those of other versions stay.
    ///
    /// # Errors
    ///
    /// If they differ, there is no such file, or it cannot be read or written; if the event cannot be written as JSON.
    pub fn check(&self, event: &dyn AnyEvent) -> Result<(), GoldenError> {
        let meta = event.any_meta();
        let today = event.payload().map_err(GoldenError::Unwritten)?;
        let version = meta.durable.map_or(0, |form| form.version);
        let path = self.file(event.name(), version);
        if env::var_os(VARIABLE).is_some_and(|value| value == "update") {
            // As text, so that the fields keep their order.
            let text = format!(
                "{{\n  \"event\": \"{}\",\n  \"version\": {version},\n  \"payload\": {today}\n}}\n",
                event.name()
            );
            return fs::write(&path, text).map_err(|source| GoldenError::Io { path, source });
        }
        let stored = read(&path)?;
        if serde_json::from_str::<Value>(&today).ok() == Some(stored.payload.clone()) {
            return Ok(());
        }
        Err(GoldenError::Differs {
            path,
            stored: stored.payload.to_string(),
            today,
            ident: meta.ident,
            version,
        })
    }

    /// Reads every file as a worker reads a job, by upcasters and the loaders of models, and gives the events in the
    /// order of the files' names. Every version that today's program reads of an event in the folder must have a file.
    ///
    /// # Errors
    ///
    /// If a payload cannot be read, a version has no file, or the folder cannot be read.
    pub async fn read_all(&self, events: &Events) -> Result<Vec<Box<dyn AnyEvent>>, GoldenError> {
        let mut read_events = Vec::new();
        let mut kept = BTreeSet::new();
        for path in self.files()? {
            let Stored {
                event,
                version,
                payload,
            } = read(&path)?;
            let payload = payload.to_string();
            match events.read_payload(&event, version, &payload).await {
                Ok(event) => read_events.push(event),
                Err(source) => return Err(GoldenError::Unreadable { path, source }),
            }
            kept.insert((event, version));
        }
        let names: BTreeSet<&String> = kept.iter().map(|(name, _)| name).collect();
        for (name, version) in events.readable_versions() {
            if names.iter().any(|known| **known == name)
                && !kept.contains(&(name.to_owned(), version))
            {
                return Err(GoldenError::Missing {
                    path: self.file(name, version),
                });
            }
        }
        Ok(read_events)
    }

    fn files(&self) -> Result<Vec<PathBuf>, GoldenError> {
        let listed = fs::read_dir(&self.folder).and_then(|entries| {
            entries
                .map(|entry| Ok(entry?.path()))
                .collect::<io::Result<Vec<_>>>()
        });
        let mut files = listed.map_err(|source| GoldenError::Io {
            path: self.folder.clone(),
            source,
        })?;
        files.retain(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        });
        files.sort();
        Ok(files)
    }
}

fn read(path: &Path) -> Result<Stored, GoldenError> {
    let text = fs::read_to_string(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => GoldenError::Missing {
            path: path.to_owned(),
        },
        _ => GoldenError::Io {
            path: path.to_owned(),
            source,
        },
    })?;
    serde_json::from_str(&text).map_err(|error| GoldenError::Io {
        path: path.to_owned(),
        source: error.into(),
    })
}

impl Events {
    /// Every version of every durable event that can be read.
    fn readable_versions(&self) -> Vec<(&'static str, u32)> {
        let wiring = &self.inner().parts().wiring;
        let mut versions = Vec::new();
        for meta in wiring.events() {
            let (Some(name), Some(form)) = (meta.name, meta.durable) else {
                continue;
            };
            let older = wiring.upcasters().of(meta).iter().map(|step| step.from());
            versions.extend(older.chain([form.version]).map(|version| (name, version)));
        }
        versions
    }
}

/// Why a program is not held to its golden payloads.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum GoldenError {
    /// There is no file of a version.
    #[error("there is no `{}`: write today's with `{VARIABLE}=update cargo test`, take an older one from where it was committed", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A file or the folder cannot be read or written.
    #[error("`{}`: {source}", path.display())]
    Io {
        /// The file or the folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The event has no payload.
    #[error(transparent)]
    Unwritten(EncodeError),
    /// The payload is not as it was.
    #[error(
        "the wire form of `{ident}` is not that of `{}`:\n\n- {stored}\n+ {today}\n\nraise `version` to {}, write an \
         `#[upcaster({ident}, from = {version})]` and keep this file; if nothing was stored in this form yet, accept it \
         with `{VARIABLE}=update cargo test`",
        path.display(), version + 1
    )]
    Differs {
        /// The file.
        path: PathBuf,
        /// Its payload.
        stored: String,
        /// Today's payload.
        today: String,
        /// The event's type.
        ident: &'static str,
        /// Its version.
        version: u32,
    },
    /// What was stored cannot be read any more.
    #[error("`{}` cannot be read any more: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: DecodeError,
    },
}

impl fmt::Debug for GoldenError {
    /// As the text: `unwrap` then shows a difference to read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
