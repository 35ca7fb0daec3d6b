//! A worker from its entry to its leave.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::cycle::Scope;
use super::jobs::Jobs;
use super::source::Source;
use super::sources::Sources;
use super::stop::{PATIENCE, Stop};
use super::turns::{LONGEST_BACKOFF, State, Until};
use super::{Left, Worker, WorkerError};
use crate::queue::presence::{Card, Presence};
use crate::store::StoreError;

/// How long the worker's row may take to be removed.
const FAREWELL: Duration = Duration::from_secs(1);

pub(super) async fn run(
    mut worker: Worker,
    shutdown: impl Future<Output = ()>,
    until: Until,
) -> Result<Left, WorkerError> {
    let others = std::mem::take(&mut worker.sources);
    let is_here = |source: &dyn Source| source.store().is_same(&worker.store);
    if !others.iter().all(|source| is_here(&**source)) {
        return Err(WorkerError::OtherStore);
    }
    let scope = Scope::new(
        worker.store.backend(),
        worker.queues.clone(),
        worker.limits.clone(),
        worker.events.claimable(),
    );
    let jobs = Jobs::new(&worker.store, scope, worker.retention);
    let sources = Sources::new(jobs, others, worker.poll);
    let stop = Stop::new();
    // Polled whatever the worker waits for: it may itself use the store, whose one writer the worker then waits for.
    let watch = async {
        shutdown.await;
        stop.begin();
        std::future::pending::<Infallible>().await
    };
    // Once for each worker, so that the future of who waits for it stays small.
    let working = Box::pin(work(&worker, sources, &stop, until));
    tokio::select! {
        result = working => result,
        never = watch => match never {},
    }
}

async fn work(
    worker: &Worker,
    mut sources: Sources,
    stop: &Stop,
    until: Until,
) -> Result<Left, WorkerError> {
    let (claims, queues) = (sources.claims(), sources.queues().to_owned());
    let card = Card {
        name: &worker.name,
        claims: &claims,
        queues: &queues,
        lapse: worker.lapse,
    };
    let Some(presence) = enter(worker, card, stop).await? else {
        return Ok(Left::default());
    };
    let state = State::new(worker, sources, card, presence);
    let (result, left, presence) = state.run(stop, until).await;
    let leaving = presence.leave(worker.store.writer());
    match tokio::time::timeout(FAREWELL, leaving).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => {
            tracing::warn!(%error, "the worker could not sign off: others will find it dead");
        }
        Err(_) => tracing::warn!(
            "the worker could not sign off, as the database does not answer: others will find it dead"
        ),
    }
    result.map(|()| left)
}

/// Enters the worker, in several tries if the database is away. None: the shutdown came first.
async fn enter(
    worker: &Worker,
    card: Card<'_>,
    stop: &Stop,
) -> Result<Option<Presence>, WorkerError> {
    let until = Instant::now() + worker.start_within;
    let mut pause = worker.poll.min(LONGEST_BACKOFF);
    loop {
        let (store, now) = (&worker.store, worker.events.now());
        let entering = Presence::enter(store, card, now);
        let Some(entered) = stop.bound(timeout_at(until + PATIENCE, entering)).await else {
            return Ok(None);
        };
        let silent = |_| Err(StoreError::NoAnswer(worker.start_within + PATIENCE));
        match entered.unwrap_or_else(silent) {
            Ok(presence) => return Ok(Some(presence)),
            Err(error) if Instant::now() + pause >= until => return Err(WorkerError::Start(error)),
            Err(error) => {
                tracing::error!(%error, "the worker could not start: it will try again");
            }
        }
        tokio::select! {
            biased;
            () = stop.begun() => return Ok(None),
            () = tokio::time::sleep(pause) => {}
        }
        pause = pause.saturating_mul(2).min(LONGEST_BACKOFF);
    }
}
