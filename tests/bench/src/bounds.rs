//! The bounds of the kernel: instructions per dispatch, listener bodies and the measuring loop included.

use crate::case::LISTENERS;

/// The most that a case may take with each of [`LISTENERS`].
#[must_use]
pub fn instructions(case: &str) -> Option<[u64; LISTENERS.len()]> {
    match case {
        "sync" => Some([25, 75, 210, 1500]),
        "sync-result" => Some([25, 80, 240, 1800]),
        "sync-state" => Some([25, 85, 290, 2350]),
        "async" | "async-mixed" | "async-of-sync" => Some([125, 155, 410, 2900]),
        _ => None,
    }
}
