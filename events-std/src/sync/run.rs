//! The record of a sync run, and how far it has come.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use serde_json::Value;

/// One sync run of an integration. At most one is not closed.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SyncRun {
    /// The row's id.
    pub id: i64,
    /// The integration that is synced.
    pub integration_id: i64,
    /// Its entry in the operation log.
    pub log_id: i64,
    /// How it stands.
    pub state: RunState,
    /// Who enumerates its items.
    pub lease: Option<RunLease>,
    /// The integration's cursor when it began.
    pub starting_cursor: Option<Value>,
    /// Whether an item has ended since anybody looked whether all have.
    pub reconcile_due: bool,
    /// How many items the provider handed over, repeats left out.
    pub enumerated: u64,
    /// How many repeats of an event type and external id were dropped.
    pub duplicates: u64,
    /// How many items have ended, well or not.
    pub finished: u64,
    /// When the enumeration ended.
    pub opened_at: Option<DateTime<Utc>>,
    /// When it was reconciled, or its enumeration failed.
    pub closed_at: Option<DateTime<Utc>>,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When the row was last changed.
    pub updated_at: DateTime<Utc>,
}

/// Who enumerates the items of a run, and until when that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunLease {
    /// The process, for people to read.
    pub holder: String,
    /// If it is not renewed until then, others take the run over. By the clock of Postgres, or of the app on SQLite.
    pub until: DateTime<Utc>,
    /// Which hold of the run it is.
    pub fence: i64,
}

/// How a sync run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// The provider enumerates its items: none is worked at yet.
    Enumerating,
    /// Its items are worked at.
    Open,
    /// All its items have ended, and what follows from it is decided; or its enumeration failed.
    Closed,
}

impl RunState {
    /// As it stands in the database.
    #[cfg(feature = "store")]
    pub(super) fn of(stored: i16) -> Option<Self> {
        match stored {
            0 => Some(Self::Enumerating),
            1 => Some(Self::Open),
            2 => Some(Self::Closed),
            _ => None,
        }
    }
}

impl fmt::Display for RunState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Enumerating => "enumerating",
            Self::Open => "open",
            Self::Closed => "closed",
        })
    }
}

/// How far a sync run has come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct SyncProgress {
    /// How the run stands.
    pub state: RunState,
    /// How many items were found so far; all of them unless it still enumerates.
    pub enumerated: u64,
    /// How many ended well, skipped ones included.
    pub done: u64,
    /// How many failed.
    pub failed: u64,
    /// Items that end in a second, since the enumeration ended; in JSON `items_per_second`.
    #[serde(rename = "items_per_second")]
    pub rate: f64,
    /// How long the rest will take at this rate. None while it enumerates, or nothing has ended. In JSON
    /// `estimate_seconds`.
    #[serde(rename = "estimate_seconds", serialize_with = "seconds")]
    pub estimate: Option<Duration>,
}

#[expect(clippy::ref_option, reason = "serde asks for it so")]
fn seconds<S: Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(|time| time.as_secs_f64()).serialize(serializer)
}

impl SyncProgress {
    /// The figures of a run at a time.
    #[cfg(feature = "store")]
    pub(super) fn of(run: &SyncRun, failed: u64, now: DateTime<Utc>) -> Self {
        let since = run.opened_at.unwrap_or(now);
        let until = run.closed_at.unwrap_or(now);
        let spent = (until - since).to_std().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
        let (finished, left) = (
            run.finished as f64,
            run.enumerated.saturating_sub(run.finished) as f64,
        );
        let rate = if spent.is_zero() {
            0.0
        } else {
            finished / spent.as_secs_f64()
        };
        let estimate = match run.state {
            RunState::Enumerating => None,
            RunState::Closed => Some(Duration::ZERO),
            RunState::Open => Duration::try_from_secs_f64(left / rate).ok(),
        };
        Self {
            state: run.state,
            enumerated: run.enumerated,
            done: run.finished.saturating_sub(failed),
            failed,
            rate,
            estimate,
        }
    }

    /// How many items are still to be worked at.
    #[must_use]
    pub fn pending(&self) -> u64 {
        self.enumerated
            .saturating_sub(self.done)
            .saturating_sub(self.failed)
    }
}
