//! How a queued listener is run: the options of `#[listener(.., queue)]`, and the hook for what failed for good.

use std::future::Future;
use std::time::Duration;

use super::{Arguments, FromContext, Heard, Need, Needs};
use crate::BoxError;
use crate::context::Context;
use crate::event::AnyEvent;
use crate::future::BoxFuture;
use crate::queue::JobFailure;

/// The options of a queued listener.
#[derive(Clone, Debug)]
pub struct QueueOptions {
    /// The queue's name.
    pub queue: &'static str,
    /// Attempts at most; the queue's default where none is given.
    pub tries: Option<u32>,
    /// The waits between attempts; the last repeats. Empty: the queue's default.
    pub backoff: &'static [Duration],
    /// Whether each wait is drawn between half of it and the whole, so that what failed together is not tried
    /// again together.
    pub jitter: bool,
    /// How long one attempt may take.
    pub timeout: Option<Duration>,
    /// How long the first attempt waits.
    pub delay: Option<Duration>,
    /// How long after the dispatch an attempt may still start.
    pub retry_for: Option<Duration>,
    /// Whether an equal job that is still waiting makes this one superfluous.
    pub unique: Option<Unique>,
    /// The key whose jobs run in order, never two at once.
    pub order_by: Option<fn(&dyn AnyEvent) -> String>,
    /// What runs when the job has failed for good.
    pub failed: Option<FailedHook>,
    /// What happens when a model that the event names is gone.
    pub on_missing: OnMissing,
}

impl QueueOptions {
    /// The queue of a listener that says `queue` and no name.
    pub const DEFAULT_QUEUE: &'static str = "default";

    /// No options but the queue's name.
    #[must_use]
    pub const fn new(queue: &'static str) -> Self {
        Self {
            queue,
            tries: None,
            backoff: &[],
            jitter: false,
            timeout: None,
            delay: None,
            retry_for: None,
            unique: None,
            order_by: None,
            failed: None,
            on_missing: OnMissing::Fail,
        }
    }

    /// The attempts at most: as given, else without bound where `retry_for` bounds the time, else the default.
    #[must_use]
    pub fn max_tries(&self) -> u32 {
        match (self.tries, self.retry_for) {
            (Some(tries), _) => tries,
            (None, Some(_)) => u32::MAX,
            (None, None) => Backoff::DEFAULT_TRIES,
        }
    }

    /// The waits between the attempts.
    #[must_use]
    pub fn waits(&self) -> Backoff {
        Backoff(if self.backoff.is_empty() {
            Backoff::DEFAULT
        } else {
            self.backoff
        })
    }
}

/// The waits between attempts: a list of which the last value repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff(&'static [Duration]);

impl Backoff {
    /// Attempts where `tries` is not given.
    pub const DEFAULT_TRIES: u32 = 3;
    /// Waits where `backoff` is not given: 10 s, 1 min, 5 min.
    pub const DEFAULT: &'static [Duration] = &[
        Duration::from_secs(10),
        Duration::from_mins(1),
        Duration::from_mins(5),
    ];

    /// The wait after attempt number `attempt`, which counts from 1.
    #[must_use]
    pub fn after(&self, attempt: u32) -> Duration {
        let last = self.0.len().saturating_sub(1);
        let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        self.0.get(index.min(last)).copied().unwrap_or_default()
    }
}

/// What makes two jobs of one listener equal.
#[derive(Clone, Copy, Debug)]
pub struct Unique {
    /// The key; the payload where none is given.
    pub key: Option<fn(&dyn AnyEvent) -> String>,
    /// How long after its dispatch a job keeps others away at most.
    pub for_at_most: Option<Duration>,
    /// Whether it keeps others away only until its first attempt starts, rather than until it ends: what happens
    /// while it runs then gets a job of its own.
    pub until_start: bool,
}

/// What happens to a job whose event names a model that is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnMissing {
    /// The job fails and is kept with its reason.
    #[default]
    Fail,
    /// The job counts as done.
    Discard,
}

/// A hook that is running.
pub type HookRun<'a> = BoxFuture<'a, Result<(), BoxError>>;

/// What is asked of a hook: a single function answers, so that one that is no hook is reported once.
pub enum HookAsk<'a, 'c> {
    /// To name what its arguments need.
    Needs(&'c mut Needs),
    /// To say whether it is not async.
    Blocks(&'c mut bool),
    /// To run.
    Run {
        /// The event.
        event: &'a dyn AnyEvent,
        /// Why the job has failed.
        failure: &'a JobFailure,
        /// What the arguments are made from.
        cx: &'c Context<'a>,
    },
}

/// The function of `failed = path`, erased.
#[derive(Clone, Copy)]
pub struct FailedHook {
    /// Its path, as written.
    pub name: &'static str,
    /// Answers what is asked; only [`HookAsk::Run`] gives a run.
    pub call: for<'a> fn(HookAsk<'a, '_>) -> Option<HookRun<'a>>,
}

impl FailedHook {
    /// Names what its arguments need.
    pub(crate) fn needs(&self) -> Vec<(usize, Need)> {
        Needs::collect(|needs| drop((self.call)(HookAsk::Needs(needs))))
    }

    /// Whether its function is not async.
    pub(crate) fn blocks(&self) -> bool {
        let mut blocks = false;
        drop((self.call)(HookAsk::Blocks(&mut blocks)));
        blocks
    }

    /// Whether it asks for a value of its own run, as a transaction.
    pub(crate) fn wants_extension(&self) -> bool {
        let needs = self.needs();
        needs
            .iter()
            .any(|(_, need)| matches!(need, Need::Extension { .. }))
    }

    /// Runs it.
    pub(crate) fn run<'a>(
        &self,
        event: &'a dyn AnyEvent,
        failure: &'a JobFailure,
        cx: &Context<'a>,
    ) -> HookRun<'a> {
        (self.call)(HookAsk::Run { event, failure, cx })
            .unwrap_or_else(|| Box::pin(std::future::ready(Ok(()))))
    }
}

impl std::fmt::Debug for FailedHook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A function that can be a listener's `failed` hook: `fn(&E, &JobFailure, ..)` with the arguments of a listener,
/// sync or async, that returns `()` or a `Result` of it. `Form` tells the forms apart and is inferred.
#[diagnostic::on_unimplemented(
    message = "this function cannot be the `failed` hook of a listener of `{E}`",
    note = "write `fn hook(event: &TheEvent, failure: &JobFailure)`, sync or async, with the arguments of a listener after these two, returning `()` or `Result<(), E>`"
)]
pub trait HookCall<'a, E: ?Sized, Form> {
    /// Whether the function is not async.
    const BLOCKS: bool;

    /// Names what the arguments need.
    fn needs(needs: &mut Needs);

    /// Runs the function.
    fn run(self, event: &'a E, failure: &'a JobFailure, cx: &Context<'a>) -> HookRun<'a>;
}

/// What a `failed` hook may return.
pub trait HookReturn {
    /// As a result.
    ///
    /// # Errors
    ///
    /// The hook's own.
    fn into_result(self) -> Result<(), BoxError>;
}

impl HookReturn for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> HookReturn for Result<(), E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// The form of a sync hook.
pub struct SyncForm<Args>(Args);
/// The form of an async hook.
pub struct AsyncForm<Args, Output>(Args, Output);

macro_rules! hook {
    ($($name:ident),*) => {
        #[allow(non_snake_case)]
        impl<'a, E, F, R, $($name),*> HookCall<'a, E, SyncForm<(R, $($name,)*)>> for F
        where
            E: ?Sized + 'a,
            F: FnOnce(&'a E, &'a JobFailure, $($name),*) -> R,
            R: HookReturn,
            $($name: FromContext<'a>,)*
        {
            const BLOCKS: bool = true;

            fn needs(needs: &mut Needs) {
                let _ = &needs;
                $($name::needs(needs);)*
            }

            fn run(self, event: &'a E, failure: &'a JobFailure, cx: &Context<'a>) -> HookRun<'a> {
                let result = <($($name,)*)>::make(cx)
                    .and_then(|($($name,)*)| self(event, failure, $($name),*).into_result());
                Box::pin(std::future::ready(result))
            }
        }

        #[allow(non_snake_case)]
        impl<'a, E, F, R, $($name),*> HookCall<'a, E, AsyncForm<($($name,)*), R>> for F
        where
            E: ?Sized + 'a,
            F: FnOnce(&'a E, &'a JobFailure, $($name),*) -> R,
            R: Future + Send + 'a,
            R::Output: HookReturn,
            $($name: FromContext<'a>,)*
        {
            const BLOCKS: bool = false;

            fn needs(needs: &mut Needs) {
                let _ = &needs;
                $($name::needs(needs);)*
            }

            fn run(self, event: &'a E, failure: &'a JobFailure, cx: &Context<'a>) -> HookRun<'a> {
                match <($($name,)*)>::make(cx) {
                    Ok(($($name,)*)) => {
                        let future = self(event, failure, $($name),*);
                        Box::pin(async move { future.await.into_result() })
                    }
                    Err(error) => Box::pin(std::future::ready(Err(error))),
                }
            }
        }
    };
}
hook!();
hook!(A);
hook!(A, B);
hook!(A, B, C);
hook!(A, B, C, D);

/// Asks `hook`. Called by what `#[listener(failed = path)]` writes.
pub fn ask_hook<'a, E: ?Sized + Heard, Form, H: HookCall<'a, E, Form>>(
    hook: H,
    ask: HookAsk<'a, '_>,
) -> Option<HookRun<'a>> {
    match ask {
        HookAsk::Needs(needs) => {
            H::needs(needs);
            None
        }
        HookAsk::Blocks(blocks) => {
            *blocks = H::BLOCKS;
            None
        }
        HookAsk::Run { event, failure, cx } => Some(match E::of_any(event) {
            Some(event) => hook.run(event, failure, cx),
            None => Box::pin(std::future::ready(Err(
                "the hook is of another event's listener".into(),
            ))),
        }),
    }
}
