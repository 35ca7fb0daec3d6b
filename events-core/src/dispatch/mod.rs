//! One dispatch: what it gathers, what it gives back, and the order of its work.

mod error;
mod ordered;
mod report;
mod result;

pub use error::{DispatchError, Failure, FailureCause, ListenerInfo, NotRun, Refusal};
pub(crate) use ordered::{dispatch_job, dispatch_ordered, dispatch_ordered_sync, run_waiting};
pub(crate) use report::Report;
pub use result::Dispatched;

/// What ends a dispatch before its last listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stops {
    /// Nothing but a listener's `Break`.
    #[default]
    AtBreak,
    /// The first failure.
    AtFailure,
    /// The first answer.
    AtAnswer,
    /// The first failure or answer.
    AtEither,
}

impl Stops {
    pub(crate) fn at_failure(self) -> bool {
        matches!(self, Self::AtFailure | Self::AtEither)
    }

    pub(crate) fn at_answer(self) -> bool {
        matches!(self, Self::AtAnswer | Self::AtEither)
    }
}

/// What a dispatcher does after a listener has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorPolicy {
    /// The other listeners run; the error lists every failure.
    #[default]
    RunAll,
    /// The listeners after the one that failed do not run.
    FailFast,
}
