//! Threads for listeners that block. They are the worker's own: a runtime waits at its end for threads that it started
//! for such work, so that one listener that hangs would keep the process from ending.

use std::io;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

type Work = Box<dyn FnOnce() + Send>;

/// The threads that wait for work. They end with this value; those that work go on to the end of their work.
#[derive(Clone, Default)]
pub(super) struct Threads(Arc<Mutex<Vec<Sender<Work>>>>);

impl Threads {
    /// Runs the work on a thread that waits, else on a new one.
    pub(super) fn run(&self, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
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
