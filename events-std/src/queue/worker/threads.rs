//! Threads for listeners that block. They are the worker's own: a runtime waits at its end for threads that it started
//! for such work, so that one listener that hangs would keep the process from ending.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;

type Work = Box<dyn FnOnce() + Send>;

/// The threads that wait for work. They end with this value; those that work go on to the end of their work.
#[derive(Clone, Default)]
pub(super) struct Threads(Arc<Mutex<Vec<Sender<Work>>>>);

/// What became of work on a thread.
pub(crate) enum OnThread<T> {
    Ended(T),
    /// It took too long, and goes on there.
    Hangs(Hanging),
    /// There was no thread for it, or the runtime's end stopped it.
    Stopped,
}

/// Work on a thread that cannot be stopped.
pub(crate) struct Hanging(Arc<AtomicBool>);

impl Hanging {
    pub(super) fn still_runs(&self) -> bool {
        !self.0.load(Ordering::Acquire)
    }
}

/// Tells, however it ends, that a thread is done with its work.
struct Over(Arc<AtomicBool>);

impl Drop for Over {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl Threads {
    /// Runs the work on a thread, in the span of the caller. `kept` is dropped when the work is over.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        timeout: Duration,
        kept: impl Send + 'static,
        work: impl AsyncFnOnce() -> T + Send + 'static,
    ) -> OnThread<T> {
        let (runtime, span) = (Handle::current(), tracing::Span::current());
        let over = Arc::new(AtomicBool::new(false));
        let guard = Over(over.clone());
        let (tell, told) = tokio::sync::oneshot::channel();
        let started = self.start(move || {
            let _kept = (guard, kept);
            let _entered = span.entered();
            let ended = runtime.block_on(work());
            // Nobody listens any more after a timeout.
            let _ = tell.send(ended);
        });
        if let Err(error) = started {
            tracing::error!(%error, "no thread for a listener that blocks: its job is given back");
            // Others, and this worker too, may have more luck in a moment.
            tokio::time::sleep(Duration::from_millis(100)).await;
            return OnThread::Stopped;
        }
        match tokio::time::timeout(timeout, told).await {
            Ok(Ok(ended)) => OnThread::Ended(ended),
            // The kernel catches panics: the thread was ended by the runtime's shutdown.
            Ok(Err(_)) => OnThread::Stopped,
            Err(_) => OnThread::Hangs(Hanging(over)),
        }
    }

    /// Starts the work on a thread that waits, else on a new one.
    fn start(&self, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let mut work: Work = Box::new(work);
        while let Some(idle) = self.idle() {
            match idle.send(work) {
                Ok(()) => return Ok(()),
                Err(unsent) => work = unsent.0,
            }
        }
        let threads = Arc::downgrade(&self.0);
        let thread = move || {
            loop {
                work();
                let (give, take) = channel();
                match threads.upgrade() {
                    Some(threads) => threads
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(give),
                    None => return,
                }
                match take.recv() {
                    Ok(next) => work = next,
                    Err(_) => return,
                }
            }
        };
        thread::Builder::new()
            .name("events-listener".to_owned())
            .spawn(thread)
            .map(drop)
    }

    fn idle(&self) -> Option<Sender<Work>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}
