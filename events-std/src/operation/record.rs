//! The record of one entry of the operation log.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use events_core::Model;
use serde_json::Value;

use crate::error::UnknownWord;

/// One entry of the operation log: what an integration did, or is doing.
#[derive(Clone, Debug, PartialEq)]
pub struct IntegrationLog {
    /// The row's id; 0 before the insert.
    pub id: i64,
    /// The integration that did it.
    pub integration_id: i64,
    /// The entry of the operation of which this is a part.
    pub parent_id: Option<i64>,
    /// What was done, as `sync`.
    pub operation: String,
    /// Which way the data went.
    pub direction: Direction,
    /// How it stands. `processing`, `success` and `failed` fire an event when the row is inserted; any other text
    /// may stand here too.
    pub status: String,
    /// The provider's id of what it was about.
    pub external_id: Option<String>,
    /// What happened, in a sentence.
    pub summary: Option<String>,
    /// What else is known about it.
    pub metadata: Option<Value>,
    /// What came of it.
    pub result_data: Option<Value>,
    /// What went wrong. No secrets.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub duration_ms: Option<u64>,
    /// The number of this attempt, from 1.
    pub attempt: Option<u32>,
    /// How many attempts there are at most.
    pub max_attempts: Option<u32>,
    /// When the row was inserted.
    pub created_at: DateTime<Utc>,
    /// When the row was last changed.
    pub updated_at: DateTime<Utc>,
}

impl IntegrationLog {
    /// An entry that is not stored, everything optional unset. `id` is 0 and both timestamps are the Unix epoch.
    #[must_use]
    pub fn new(
        integration_id: i64,
        operation: impl Into<String>,
        direction: Direction,
        status: impl Into<String>,
    ) -> Self {
        Self {
            id: 0,
            integration_id,
            parent_id: None,
            operation: operation.into(),
            direction,
            status: status.into(),
            external_id: None,
            summary: None,
            metadata: None,
            result_data: None,
            error: None,
            duration_ms: None,
            attempt: None,
            max_attempts: None,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        }
    }
}

impl Model for IntegrationLog {
    const NAME: &'static str = "integration_log";
    type Key = i64;

    fn key(&self) -> i64 {
        self.id
    }
}

/// Which way the data of an operation went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the provider.
    Inbound,
    /// To the provider.
    Outbound,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        })
    }
}

impl FromStr for Direction {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        UnknownWord::or_one_of([Self::Inbound, Self::Outbound], word)
    }
}
