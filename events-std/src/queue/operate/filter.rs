//! Which of the parked jobs are meant.

use std::fmt;

use chrono::{DateTime, Utc};
use events_core::ParkReason;
use sea_orm::Value;

use super::record::JobId;

/// Which of the parked jobs are meant: all, until told otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct FailedFilter {
    queue: Option<String>,
    event: Option<String>,
    listener: Option<String>,
    reason: Option<ParkReason>,
    parked_before: Option<DateTime<Utc>>,
}

impl FailedFilter {
    /// All parked jobs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only those of a queue.
    pub fn queue(mut self, queue: impl Into<String>) -> Self {
        self.queue = Some(queue.into());
        self
    }

    /// Only those of an event, by its stored name.
    pub fn event(mut self, event: impl Into<String>) -> Self {
        self.event = Some(event.into());
        self
    }

    /// Only those of a listener, by its stored name.
    pub fn listener(mut self, listener: impl Into<String>) -> Self {
        self.listener = Some(listener.into());
        self
    }

    /// Only those parked for a reason.
    pub fn reason(mut self, reason: ParkReason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Only those parked before a time.
    pub fn parked_before(mut self, time: DateTime<Utc>) -> Self {
        self.parked_before = Some(time);
        self
    }
}

/// The conditions of a statement on `events_jobs AS j`, with the values that they name as `$1`, `$2`..
pub(super) struct Conditions {
    text: String,
    values: Vec<Value>,
}

impl Conditions {
    /// Parked jobs. The state is a literal: only so does the partial index match.
    pub(super) fn parked() -> Self {
        Self {
            text: "j.state = 3".to_owned(),
            values: Vec::new(),
        }
    }

    pub(super) fn filter(&mut self, filter: &FailedFilter) {
        let texts = [
            ("j.queue =", filter.queue.clone()),
            ("j.event =", filter.event.clone()),
            ("j.listener =", filter.listener.clone()),
            (
                "j.reason =",
                filter.reason.map(|reason| reason.as_str().to_owned()),
            ),
        ];
        for (left, right) in texts {
            if let Some(right) = right {
                self.compare(left, right.into());
            }
        }
        if let Some(time) = filter.parked_before {
            self.compare("j.changed_at <", time.timestamp_millis().into());
        }
    }

    pub(super) fn id(&mut self, id: JobId) {
        match id {
            JobId::Number(number) => self.compare("j.id =", number.into()),
            JobId::Uid(uid) => self.compare("j.uid =", uid.into()),
        }
    }

    /// Adds a comparison with a value: `left` is the column and the operator.
    pub(super) fn compare(&mut self, left: &str, right: Value) {
        let place = self.bind(right);
        self.text.push_str(" AND ");
        self.text.push_str(left);
        self.text.push(' ');
        self.text.push_str(&place);
    }

    /// The place of a value in the statement.
    pub(super) fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }

    pub(super) fn values(&self) -> Vec<Value> {
        self.values.clone()
    }
}

impl fmt::Display for Conditions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
