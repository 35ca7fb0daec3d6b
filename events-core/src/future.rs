//! The boxed future of the crate's ports, and one that survives a panic.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A future made by a function, either of which may panic: its output is the panic's payload then.
pub(crate) struct CatchPanic<'a, T, M> {
    make: Option<M>,
    made: Option<BoxFuture<'a, T>>,
}

impl<'a, T, M: FnOnce() -> BoxFuture<'a, T> + UnwindSafe> CatchPanic<'a, T, M> {
    pub(crate) fn new(make: M) -> Self {
        Self {
            make: Some(make),
            made: None,
        }
    }
}

impl<'a, T, M: FnOnce() -> BoxFuture<'a, T> + UnwindSafe + Unpin> Future for CatchPanic<'a, T, M> {
    type Output = Result<T, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(make) = self.make.take() {
            match catch_unwind(make) {
                Ok(made) => self.made = Some(made),
                Err(payload) => return Poll::Ready(Err(payload)),
            }
        }
        let Some(made) = &mut self.made else {
            return Poll::Pending;
        };
        match catch_unwind(AssertUnwindSafe(|| made.as_mut().poll(task))) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(payload) => Poll::Ready(Err(payload)),
        }
    }
}
