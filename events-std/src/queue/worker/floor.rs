//! Where the claims of a queue begin to look, on Postgres. Jobs that have just ended leave entries in the index of ready
//! jobs, until a vacuum takes them away; as long as a transaction somewhere may still see them, every claim would step
//! over all of them. So a claim begins where the last one found its first job. What comes earlier all the same, as a
//! job that is given back, is found by a look from the beginning, which happens now and then.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::Instant;

use crate::queue::claim::Claimed;

/// How often a claim looks from the beginning, if that is quick.
const LOOK: Duration = Duration::from_millis(300);
/// A look from the beginning may take this part of the time, so that it is rarer where it is slow.
const PART: u32 = 20;

/// A claim begins so much earlier than where the last one found something: a transaction may commit late what it had
/// dispatched before. In milliseconds.
const SLACK: i64 = 2_000;

/// Where the claims of each queue begin to look.
#[derive(Default)]
pub(super) struct Floors(BTreeMap<String, Floor>);

struct Floor {
    /// Nothing was due earlier, in milliseconds.
    at: i64,
    /// When a claim last looked from the beginning.
    looked: Instant,
    /// How long that took.
    took: Duration,
}

/// A claim, and how it went.
pub(super) struct Look<'l> {
    /// Where it began; none: at the beginning.
    pub(super) from: Option<i64>,
    /// What it took for now.
    pub(super) due: DateTime<Utc>,
    pub(super) began: Instant,
    pub(super) ended: Instant,
    /// Of any queue.
    pub(super) claimed: &'l [Claimed],
}

impl Floors {
    /// Where the next claim of the queue begins to look; none: at the beginning.
    pub(super) fn of(&self, queue: &str, now: Instant) -> Option<i64> {
        let floor = self.0.get(queue)?;
        let rest = LOOK.max(floor.took * PART);
        (now.duration_since(floor.looked) < rest).then_some(floor.at)
    }

    /// Notes how a claim went.
    pub(super) fn found(&mut self, queue: &str, look: &Look<'_>) {
        let of_queue = look.claimed.iter().map(|claimed| &claimed.job);
        let of_queue = of_queue.filter(|job| job.queue == queue);
        let first = of_queue.map(|job| job.run_at).min();
        if look.from.is_some() {
            if let (Some(floor), Some(first)) = (self.0.get_mut(queue), first) {
                floor.at = before(first);
            }
            return;
        }
        let floor = Floor {
            at: before(first.unwrap_or(look.due)),
            looked: look.ended,
            took: look.ended.duration_since(look.began),
        };
        self.0.insert(queue.to_owned(), floor);
    }
}

fn before(time: DateTime<Utc>) -> i64 {
    time.timestamp_millis().saturating_sub(SLACK)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;
    use tokio::time::Instant;

    use super::{Floors, LOOK, Look, PART, SLACK};

    #[test]
    fn claims_look_from_the_beginning_now_and_then_and_more_rarely_where_that_is_slow() {
        let (mut floors, start) = (Floors::default(), Instant::now());
        assert_eq!(floors.of("mail", start), None, "nothing is known yet");
        let slow = Duration::from_secs(1);
        for (took, rest) in [(Duration::ZERO, LOOK), (slow, slow * PART)] {
            let look = Look {
                from: None,
                due: DateTime::UNIX_EPOCH,
                began: start,
                ended: start + took,
                claimed: &[],
            };
            floors.found("mail", &look);
            let nearly = start + took + rest - Duration::from_millis(1);
            assert_eq!(floors.of("mail", nearly), Some(-SLACK));
            assert_eq!(floors.of("mail", start + took + rest), None);
            assert_eq!(floors.of("alerts", nearly), None, "each queue has its own");
        }
    }
}
