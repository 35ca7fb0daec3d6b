//! What every listener does: it adds a number to a counter, both of which its event carries. The count shows that
//! every listener ran; a counter for each dispatching thread leaves shared memory to the dispatcher alone.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter with cache lines of its own.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Count(AtomicU64);

/// A counter and what it is raised by. Copies share the counter.
#[derive(Clone, Copy, Debug)]
pub struct Tally {
    by: u64,
    count: &'static Count,
}

impl Tally {
    /// A counter for one dispatching thread. It is never freed.
    #[must_use]
    pub fn new() -> Self {
        Self {
            by: 1,
            count: Box::leak(Box::default()),
        }
    }

    /// Raises the counter. Only one thread may do so.
    #[inline]
    pub fn add(&self) {
        self.raise(self.by);
    }

    /// Raises the counter by another number than its own. Only one thread may do so.
    #[inline]
    pub fn raise(&self, by: u64) {
        // One writer needs no atomic addition.
        let count = self.count.0.load(Ordering::Relaxed);
        self.count
            .0
            .store(count.wrapping_add(by), Ordering::Relaxed);
    }

    /// The sum of what was added.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.count.0.load(Ordering::Relaxed)
    }

    /// Where the counter lies in memory.
    #[must_use]
    pub fn address(&self) -> usize {
        (&raw const *self.count).addr()
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}
