//! How many runs have not ended yet, for who waits until there are few.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts runs. Who waits is woken once, not by each end.
#[derive(Debug)]
pub(super) struct Level {
    runs: AtomicUsize,
    /// The number of runs that is waited for.
    wanted: AtomicUsize,
    reached: Notify,
}

/// Nobody waits.
const NONE: usize = usize::MAX;

impl Default for Level {
    fn default() -> Self {
        Self {
            runs: AtomicUsize::new(0),
            wanted: AtomicUsize::new(NONE),
            reached: Notify::new(),
        }
    }
}

impl Level {
    /// Counts a run, until what it gives is dropped.
    pub(super) fn begin(this: &Arc<Self>) -> Ending {
        this.runs.fetch_add(1, Ordering::SeqCst);
        Ending(this.clone())
    }

    /// Waits until so few runs are left, or fewer. One waits at a time, and may be woken too early.
    pub(super) async fn falls_to(&self, runs: usize) {
        // In this order: whoever ends after the look sees what is wanted.
        self.wanted.store(runs, Ordering::SeqCst);
        let _waits = Waits(self);
        if self.runs.load(Ordering::SeqCst) > runs {
            self.reached.notified().await;
        }
    }
}

/// Forgets what was waited for.
struct Waits<'l>(&'l Level);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.wanted.store(NONE, Ordering::SeqCst);
    }
}

/// A run that is counted.
pub(super) struct Ending(Arc<Level>);

impl Drop for Ending {
    fn drop(&mut self) {
        let left = self.0.runs.fetch_sub(1, Ordering::SeqCst) - 1;
        if left == self.0.wanted.load(Ordering::SeqCst) {
            self.0.reached.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Waker};

    use super::Level;

    #[test]
    fn who_waits_is_woken_when_as_few_runs_are_left_as_it_waits_for() {
        let level = Arc::<Level>::default();
        let mut runs: Vec<_> = (0..3).map(|_| Level::begin(&level)).collect();
        pollster::block_on(level.falls_to(3));
        let mut waiting = pin!(level.falls_to(1));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        runs.pop();
        assert!(waiting.as_mut().poll(&mut cx).is_pending());
        runs.pop();
        assert!(waiting.as_mut().poll(&mut cx).is_ready());
        runs.pop();
        pollster::block_on(level.falls_to(0));
    }
}
