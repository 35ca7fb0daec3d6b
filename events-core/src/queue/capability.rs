//! The options of queued listeners, of which a queue says which it carries out.

use std::fmt;

use crate::listener::{OnMissing, QueueOptions};

/// An option of queued listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// `tries`
    Tries,
    /// `backoff`
    Backoff,
    /// `jitter`
    Jitter,
    /// `timeout`
    Timeout,
    /// `delay`
    Delay,
    /// `retry_for`
    RetryFor,
    /// `unique` and `unique_for`, of jobs with one of the former names too ([`Job::formerly`](super::Job::formerly))
    Unique,
    /// `unique_until_start`
    UniqueUntilStart,
    /// `order_by`, with jobs of the former names too
    OrderBy,
    /// `failed`
    Failed,
    /// `on_missing`
    OnMissing,
    /// No option: an argument, of the listener or its `failed` hook, that whoever runs the job hands in, as its
    /// transaction.
    Transaction,
}

impl Capability {
    /// The options that a listener has.
    pub(crate) fn wanted_by(options: &QueueOptions) -> impl Iterator<Item = Self> {
        [
            (options.tries.is_some(), Self::Tries),
            (!options.backoff.is_empty(), Self::Backoff),
            (options.jitter, Self::Jitter),
            (options.timeout.is_some(), Self::Timeout),
            (options.delay.is_some(), Self::Delay),
            (options.retry_for.is_some(), Self::RetryFor),
            (options.unique.is_some(), Self::Unique),
            (
                options.unique.is_some_and(|unique| unique.until_start),
                Self::UniqueUntilStart,
            ),
            (options.order_by.is_some(), Self::OrderBy),
            (options.failed.is_some(), Self::Failed),
            (options.on_missing != OnMissing::Fail, Self::OnMissing),
        ]
        .into_iter()
        .filter_map(|(wanted, option)| wanted.then_some(option))
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tries => "tries",
            Self::Backoff => "backoff",
            Self::Jitter => "jitter",
            Self::Timeout => "timeout",
            Self::Delay => "delay",
            Self::RetryFor => "retry_for",
            Self::Unique => "unique",
            Self::UniqueUntilStart => "unique_until_start",
            Self::OrderBy => "order_by",
            Self::Failed => "failed",
            Self::OnMissing => "on_missing",
            Self::Transaction => "transaction",
        })
    }
}
