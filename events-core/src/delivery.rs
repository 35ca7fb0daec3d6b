//! What identifies one dispatch, and one run of a queued listener.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// One dispatch of one event. A listener asks for it by value; it is made only if one asks, or a job is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Identifies the dispatch: a version 7 UUID (RFC 9562), so that ids sort by time.
    pub id: Uuid,
    /// When it was dispatched, by the dispatcher's clock.
    pub at: DateTime<Utc>,
    /// The id of the first dispatch in the chain of causes; its own id where it is the first.
    pub correlation_id: Uuid,
    /// The id of the dispatch whose listener dispatched this one.
    pub causation_id: Option<Uuid>,
}

impl Delivery {
    pub(crate) fn new(at: DateTime<Utc>, cause: Option<Cause>) -> Self {
        let id = Uuid::now_v7();
        Self {
            id,
            at,
            correlation_id: cause.map_or(id, |cause| cause.correlation_id),
            causation_id: cause.map(|cause| cause.causation_id),
        }
    }

    pub(crate) fn as_cause(&self) -> Cause {
        Cause {
            correlation_id: self.correlation_id,
            causation_id: self.id,
        }
    }
}

/// What a dispatcher handed to a listener writes into the deliveries it makes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cause {
    correlation_id: Uuid,
    causation_id: Uuid,
}

/// Which run of a listener this is. An inline listener has one attempt; a queued one has as many as its `tries`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The number of this attempt, from 1.
    pub number: u32,
    /// How many attempts there are at most; none where only the time bounds them, as with `retry_for` and no `tries`.
    pub max: Option<u32>,
    /// Whether a failure of this attempt is, as far as is known now, final.
    pub likely_final: bool,
}

impl Attempt {
    /// The only attempt of an inline listener.
    pub(crate) const INLINE: Self = Self {
        number: 1,
        max: Some(1),
        likely_final: true,
    };
}
