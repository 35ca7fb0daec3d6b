//! The boxed future of the crate's ports, and what survives a panic of user code.

use std::any::Any;
use std::fmt::Display;
use std::future::Future;
use std::panic::{AssertUnwindSafe, UnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A boxed future that may move between threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The message of a panic. The payload's destructor is user code, and may panic too.
pub(crate) fn message_of(payload: Box<dyn Any + Send>) -> String {
    let message = message_in(&*payload);
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
    message
}

/// The message of a panic that goes on.
pub(crate) fn message_in(payload: &(dyn Any + Send)) -> String {
    if let Some(message) = payload.downcast_ref::<&'static str>() {
        (*message).to_owned()
    } else if let Some(message) = payload.downcast_ref::<String>() {
        message.clone()
    } else {
        "a panic whose payload is not a message".to_owned()
    }
}

/// Calls user code that may panic; gives the panic's message then.
pub(crate) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(message_of)
}

/// A text by the user's own `Display` or `Debug`, which may panic.
pub(crate) fn text_of(text: impl Display) -> String {
    caught(|| text.to_string()).unwrap_or_else(|_| "a text that cannot be made".to_owned())
}

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
