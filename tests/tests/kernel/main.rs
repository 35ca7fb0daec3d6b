//! The kernel, as its users see it.

mod arguments;
mod blocks;
mod cancelled;
mod commit;
mod deferring;
mod durable;
mod failures;
mod fakes;
mod golden;
mod heard;
mod locks;
mod lost_attempts;
mod many_arguments;
mod memory_queue;
mod order;
mod panicking_key;
mod responses;
mod runtime;
mod subscribers;
mod unchecked;
mod upcast;
mod user_panics;

use std::sync::Mutex;

use events_core::{Events, EventsBuilder};

/// What listeners wrote, in order.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn write(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(line.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A dispatcher of the listeners of one module, with a log.
fn builder(module: &str) -> EventsBuilder {
    Events::builder()
        .only_linked_in(module)
        .state(Log::default())
}

fn log(events: &Events) -> Vec<String> {
    events.state::<Log>().unwrap().take()
}

/// Polls a future once, by nobody's waker.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

/// A future that is ready when it is polled for the second time.
async fn once_pending() {
    let mut polled = false;
    std::future::poll_fn(|task| {
        if polled {
            return std::task::Poll::Ready(());
        }
        polled = true;
        task.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}
