//! One dispatch: what it gathers, what it gives back, and the order of its work.

mod error;
mod ordered;
mod plan;
mod report;
mod result;

pub use error::{DispatchError, Failure, FailureCause, ListenerInfo, NotRun, Refusal};
pub(crate) use ordered::{
    dispatch_in_transaction, dispatch_job, dispatch_jobs, dispatch_ordered, dispatch_ordered_sync,
    run_inline, run_waiting,
};
pub(crate) use plan::willing;
pub(crate) use report::Report;
pub use result::Dispatched;

/// What a dispatcher does after a listener has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ErrorPolicy {
    /// The other listeners run; the error lists every failure.
    #[default]
    RunAll,
    /// The listeners after the one that failed do not run.
    FailFast,
}
