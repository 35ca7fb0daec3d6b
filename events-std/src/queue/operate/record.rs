//! A parked job, as it is shown.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use events_core::Delivery;
use sea_orm::{DbErr, QueryResult, TryGetable};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::time;

/// What names a job: its number in the store, or its id.
///
/// ```
/// use events_std::JobId;
///
/// assert_eq!("17".parse(), Ok(JobId::Number(17)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobId {
    /// Its number in the store. Short, and never given twice.
    Number(i64),
    /// The id that [`events_core::Job`] has, as in traces.
    Uid(Uuid),
}

impl From<i64> for JobId {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<Uuid> for JobId {
    fn from(uid: Uuid) -> Self {
        Self::Uid(uid)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Uid(uid) => uid.fmt(f),
        }
    }
}

/// A text that names no job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a job is named by its number, as `17`, or by its UUID")]
pub struct NotAJobId;

impl FromStr for JobId {
    type Err = NotAJobId;

    fn from_str(text: &str) -> Result<Self, NotAJobId> {
        // A UUID without hyphens may consist of digits alone, but is longer than any number of a job.
        match text.parse() {
            Ok(number) => Ok(Self::Number(number)),
            Err(_) => text.parse().map(Self::Uid).map_err(|_| NotAJobId),
        }
    }
}

/// A parked job, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FailedJob {
    /// Its number in the store.
    pub number: i64,
    /// Its id, as in [`events_core::Job`].
    pub id: Uuid,
    /// The queue.
    pub queue: String,
    /// The event's stored name.
    pub event: String,
    /// The version of the event's wire form.
    pub version: u32,
    /// The listener's stored name.
    pub listener: String,
    /// Why it is parked: the word of a [`ParkReason`](events_core::ParkReason). A text, since a newer program may have
    /// parked it for a reason that this one does not know.
    pub reason: String,
    /// What the last attempt said.
    pub error: String,
    /// How many attempts have started.
    pub attempts: u32,
    /// When it was parked.
    pub parked_at: DateTime<Utc>,
}

/// A page of parked jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FailedPage {
    /// The jobs.
    pub jobs: Vec<FailedJob>,
    /// What the next page is asked for with; none: this is the last.
    pub next: Option<i64>,
}

/// Everything that is known of a parked job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct FailedDetails {
    /// The job in short.
    #[serde(flatten)]
    pub job: FailedJob,
    /// The event as it is stored: JSON, unless the job is undecodable for want of it.
    #[serde(serialize_with = "as_json")]
    pub payload: String,
    /// The dispatch it comes from.
    pub delivery: Delivery,
    /// When the last attempt was due.
    pub run_at: DateTime<Utc>,
    /// When no attempt may start any more.
    pub expires_at: Option<DateTime<Utc>>,
    /// What makes it equal to another job of its listener.
    pub unique_key: Option<String>,
    /// The key whose jobs run in order.
    pub order_key: Option<String>,
    /// The trace it belongs to, as a `traceparent` header has it (W3C Trace Context), with a space and the `tracestate`
    /// behind it where there is one.
    pub trace: Option<String>,
    /// How often it was claimed or retried: what fences a worker that lost it.
    pub fence: i64,
}

/// JSON as itself, anything else as a text.
fn as_json<S: Serializer>(payload: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_str::<&RawValue>(payload) {
        Ok(json) => json.serialize(serializer),
        Err(_) => serializer.serialize_str(payload),
    }
}

/// What [`read`] reads.
pub(super) const COLUMNS: &str = "j.id, j.uid, j.queue, j.event, j.version, j.listener, j.reason, j.error, j.attempts, \
                                  j.changed_at";

/// What [`read_details`] reads behind them.
pub(super) const DETAILS: &str = "j.payload, j.delivery_id, j.dispatched_at, j.correlation_id, j.causation_id, j.run_at, \
                                  j.expires_at, j.unique_key, j.order_key, j.trace, j.fence";

/// Rows that something else has damaged are shown too: what cannot be read is empty, or zero.
pub(super) fn read(row: &QueryResult) -> Result<FailedJob, DbErr> {
    let version: i32 = or_empty(row, 4);
    let attempts: i32 = or_empty(row, 8);
    Ok(FailedJob {
        number: row.try_get_by_index(0)?,
        id: or_empty(row, 1),
        queue: or_empty(row, 2),
        event: or_empty(row, 3),
        version: u32::try_from(version).unwrap_or_default(),
        listener: or_empty(row, 5),
        reason: or_empty(row, 6),
        error: or_empty(row, 7),
        attempts: u32::try_from(attempts).unwrap_or_default(),
        parked_at: time(or_empty(row, 9)),
    })
}

pub(super) fn read_details(row: &QueryResult) -> Result<FailedDetails, DbErr> {
    Ok(FailedDetails {
        job: read(row)?,
        payload: or_empty(row, 10),
        delivery: Delivery {
            id: or_empty(row, 11),
            at: time(or_empty(row, 12)),
            correlation_id: or_empty(row, 13),
            causation_id: or_empty(row, 14),
        },
        run_at: time(or_empty(row, 15)),
        expires_at: or_empty::<Option<i64>>(row, 16).map(time),
        unique_key: or_empty(row, 17),
        order_key: or_empty(row, 18),
        trace: or_empty(row, 19),
        fence: row.try_get_by_index(20)?,
    })
}

/// A value, or what stands for one that is missing or cannot be read.
fn or_empty<T: TryGetable + Default>(row: &QueryResult, index: usize) -> T {
    row.try_get_by_index(index).unwrap_or_default()
}
