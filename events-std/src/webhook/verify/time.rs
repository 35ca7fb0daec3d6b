//! Signed times: how they are written, and how far they may be from now.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Refused;

/// How far a signed time may be from now where nothing else is said.
pub(super) const TOLERANCE: Duration = Duration::from_mins(5);

/// Seconds since the Unix epoch, in digits alone: no sign, no space, no leading zero.
pub(super) fn from_digits(text: &str) -> Option<DateTime<Utc>> {
    let canonical = !text.is_empty()
        && text.len() <= 12
        && text.bytes().all(|byte| byte.is_ascii_digit())
        && (text == "0" || !text.starts_with('0'));
    if !canonical {
        return None;
    }
    DateTime::from_timestamp(text.parse().ok()?, 0)
}

/// Refuses a time that is further from now, to either side, than the tolerance.
pub(super) fn near(
    at: DateTime<Utc>,
    now: DateTime<Utc>,
    tolerance: Duration,
) -> Result<(), Refused> {
    let tolerance = TimeDelta::from_std(tolerance).unwrap_or(TimeDelta::MAX);
    if (now - at).abs() > tolerance {
        return Err(Refused::Outdated);
    }
    Ok(())
}
