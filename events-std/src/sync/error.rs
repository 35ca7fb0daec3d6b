//! Why an item failed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why an item of a sync run ended `failed`. It travels by value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct SyncItemError {
    /// The kind of ending.
    pub kind: SyncItemErrorKind,
    /// What the listener said, or what happened: 1,000 characters at most.
    pub message: String,
}

/// The ways in which an item ends `failed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SyncItemErrorKind {
    /// Every attempt failed.
    Exhausted,
    /// The listener said that no further attempt would help: [`Permanent`](events_core::Permanent).
    Permanent,
    /// A listener is queued, and such a listener may not hear a per-item event.
    Refused,
    /// The last attempt took too long.
    TimedOut,
    /// The time in which attempts may start is over.
    Expired,
    /// The stored event cannot be read.
    Undecodable,
    /// A record that the stored event names is gone.
    MissingModel,
    /// The process died in the last attempt.
    Crashed,
    /// An operator ended an item that was processing for too long.
    Reclaimed,
}

impl fmt::Display for SyncItemErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exhausted => "exhausted",
            Self::Permanent => "permanent",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::Expired => "expired",
            Self::Undecodable => "undecodable",
            Self::MissingModel => "missing_model",
            Self::Crashed => "crashed",
            Self::Reclaimed => "reclaimed",
        })
    }
}
