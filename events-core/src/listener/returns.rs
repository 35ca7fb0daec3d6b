//! What a listener may return.

use std::ops::ControlFlow;

use crate::BoxError;
use crate::erased::{Note, Outcome};

/// What a listener of `E` may return: `()`, `ControlFlow<()>`, the event's response (or `Option` of it), or a
/// `Result` of any of these.
#[diagnostic::on_unimplemented(
    message = "a listener of `{E}` cannot return `{Self}`",
    label = "not a listener's return type",
    note = "return `()`, `ControlFlow<()>`, the event's response type, or a `Result` of one of these whose error converts into `Box<dyn Error + Send + Sync>`"
)]
pub trait IntoOutcome<E: ?Sized> {
    /// The outcome as the kernel reads it.
    #[doc(hidden)]
    fn into_outcome(self) -> Outcome;
}

impl<E: ?Sized> IntoOutcome<E> for () {
    #[inline]
    fn into_outcome(self) -> Outcome {
        Outcome::FINE
    }
}

impl<E: ?Sized> IntoOutcome<E> for ControlFlow<()> {
    #[inline]
    fn into_outcome(self) -> Outcome {
        match self {
            ControlFlow::Continue(()) => Outcome::FINE,
            ControlFlow::Break(()) => Outcome::note(Note::Stop),
        }
    }
}

impl<E: ?Sized, T: IntoOutcome<E>, Failure: Into<BoxError>> IntoOutcome<E> for Result<T, Failure> {
    #[inline]
    fn into_outcome(self) -> Outcome {
        match self {
            Ok(fine) => fine.into_outcome(),
            Err(failure) => failed(failure),
        }
    }
}

#[cold]
fn failed(failure: impl Into<BoxError>) -> Outcome {
    Outcome::note(Note::Failed(failure.into()))
}
