//! What is decided when the last item of a run has ended: pure rules, without a database.

use std::time::Duration;

use chrono::{DateTime, Utc};
use events_core::BoxError;
use serde_json::Value;

/// How many attempts of an item count at most.
pub(super) const MAX_ATTEMPTS: u32 = 5;

/// The waits after the attempts of an item.
const WAITS: [Duration; 5] = [
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_mins(2),
    Duration::from_mins(5),
    LAST_WAIT,
];

/// The longest of them.
pub(super) const LAST_WAIT: Duration = Duration::from_mins(15);

/// How long after an item was found a rate limit still defers it without counting the attempt.
pub(super) const DEFERRED_FOR: Duration = Duration::from_hours(6);

/// When the attempt after this one, which counts, may start; none if it was the last.
pub(super) fn next_attempt(attempts: u32, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let index = usize::try_from(attempts.saturating_sub(1)).unwrap_or(usize::MAX);
    let wait = WAITS.get(index).unwrap_or(&WAITS[WAITS.len() - 1]);
    (attempts < MAX_ATTEMPTS).then(|| now + *wait)
}

/// When an item whose provider asks for patience may start again; none if that is too late for it.
pub(super) fn deferred(
    wait: Duration,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let wait = chrono::TimeDelta::from_std(wait.max(Duration::from_secs(1))).ok()?;
    let at = now.checked_add_signed(wait)?;
    (at <= expires_at).then_some(at)
}

/// The wait after the n-th run with failures in a row, from 1: twice the one before, up to 16 intervals.
pub(super) fn backoff(interval: Duration, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(4);
    interval.saturating_mul(1 << doublings)
}

/// The log's word for a run.
pub(super) fn status(success: u64, failed: u64, error: bool) -> &'static str {
    match (success, failed) {
        (_, 0) if !error => "success",
        (0, _) => "failed",
        _ => "partial",
    }
}

/// What two checkpoints come to.
pub(super) type Merge<'m> = &'m (dyn Fn(Value, Value) -> Result<Value, BoxError> + Sync);

/// Folds checkpoints, those of a run and at last the cursor, by the provider's merge.
pub(super) struct Fold<'m> {
    merge: Merge<'m>,
    value: Option<Value>,
}

impl<'m> Fold<'m> {
    pub(super) fn new(merge: Merge<'m>) -> Self {
        Self { merge, value: None }
    }

    pub(super) fn add(&mut self, value: Value) -> Result<(), BoxError> {
        self.value = Some(match self.value.take() {
            Some(before) => (self.merge)(before, value)?,
            None => value,
        });
        Ok(())
    }

    /// What all come to; none of none.
    pub(super) fn end(self) -> Option<Value> {
        self.value
    }
}

/// The cursor after a clean run: never behind what it is.
pub(super) fn advanced(
    merge: Merge<'_>,
    cursor: Option<Value>,
    checkpoint: Option<Value>,
) -> Result<Option<Value>, BoxError> {
    match (cursor, checkpoint) {
        (Some(cursor), Some(checkpoint)) => merge(cursor, checkpoint).map(Some),
        (cursor, checkpoint) => Ok(checkpoint.or(cursor)),
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::sync::latest_checkpoint;

    fn merge(a: Value, b: Value) -> Result<Value, BoxError> {
        Ok(latest_checkpoint(a, b)?)
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_767_225_600_000).expect("a time")
    }

    #[test]
    fn five_attempts_count_and_wait_longer_each_time() {
        let waits: Vec<Option<i64>> = (1..=6)
            .map(|attempts| next_attempt(attempts, now()).map(|at| (at - now()).num_seconds()))
            .collect();
        assert_eq!(
            waits,
            [Some(10), Some(30), Some(120), Some(300), None, None]
        );
    }

    #[test]
    fn a_rate_limit_defers_until_six_hours_after_the_item_was_found() {
        let expires = now() + DEFERRED_FOR;
        let at = |wait| deferred(Duration::from_secs(wait), expires, now());
        assert_eq!(at(40), Some(now() + TimeDelta::seconds(40)));
        assert_eq!(at(6 * 3_600), Some(expires));
        assert_eq!(at(6 * 3_600 + 1), None);
        assert_eq!(at(u64::MAX), None);
        assert_eq!(
            at(0),
            Some(now() + TimeDelta::seconds(1)),
            "not at once, for ever"
        );
    }

    #[test]
    fn the_schedule_backs_off_to_sixteen_intervals() {
        let minutes = |n| backoff(Duration::from_mins(15), n).as_secs() / 60;
        let found: Vec<u64> = (1..=7).map(minutes).collect();
        assert_eq!(found, [15, 30, 60, 120, 240, 240, 240]);
        assert_eq!(backoff(Duration::MAX, 3), Duration::MAX);
    }

    #[test]
    fn the_log_says_how_the_run_went() {
        assert_eq!(status(0, 0, false), "success");
        assert_eq!(status(3, 0, false), "success");
        assert_eq!(status(3, 1, false), "partial");
        assert_eq!(status(0, 2, false), "failed");
        assert_eq!(status(0, 0, true), "failed");
        assert_eq!(status(3, 0, true), "partial");
    }

    proptest! {
        #[test]
        fn the_cursor_is_the_merge_of_all_in_any_order_and_never_goes_back(
            cursor in prop::option::of(0_i64..1_000),
            checkpoints in prop::collection::vec(prop::option::of(0_i64..1_000), 0..20),
        ) {
            let fold = |values: &mut dyn Iterator<Item = i64>| {
                let mut fold = Fold::new(&merge);
                for value in values {
                    fold.add(json!(value)).expect("numbers");
                }
                fold.end()
            };
            let some: Vec<i64> = checkpoints.into_iter().flatten().collect();
            let forth = fold(&mut some.iter().copied());
            prop_assert_eq!(&forth, &fold(&mut some.iter().rev().copied()));
            let after = advanced(&merge, cursor.map(|n| json!(n)), forth).expect("numbers");
            let expected = some.iter().copied().chain(cursor).max();
            prop_assert_eq!(after, expected.map(|n| json!(n)));
        }
    }
}
