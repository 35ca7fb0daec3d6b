//! A worker from its entry to its leave.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;
use tracing::instrument::WithSubscriber as _;

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
    worker.store.check_file().map_err(WorkerError::FileGone)?;
    // It would wait for the task's transaction, and that for it.
    worker.store.check_free().map_err(WorkerError::Start)?;
    let scope = Scope::new(
        worker.store.backend(),
        worker.queues.clone(),
        worker.limits.clone(),
        worker.events.claimable(),
    );
    let jobs = Jobs::new(&worker.store, scope, worker.retention);
    let sources = Sources::new(jobs, others, worker.poll);
    let stop = Arc::new(Stop::new());
    let work = work(worker, sources, stop.clone(), until);
    let work = work.in_current_span().with_current_subscriber();
    // In a task of its own: what it begins is then begun, and what it waits for is heard, on the runtime's own threads,
    // with fewer ways between them. Whoever drops this future stops it.
    let mut working = JoinSet::new();
    working.spawn(work);
    // Polled whatever the worker waits for: it may itself use the store, whose one writer the worker then waits for.
    let watch = async {
        shutdown.await;
        stop.begin();
        std::future::pending::<Infallible>().await
    };
    tokio::select! {
        Some(ended) = working.join_next() => match ended {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends, and whoever waits here with it.
                Err(_) => std::future::pending().await,
            },
        },
        never = watch => match never {},
    }
}

async fn work(
    worker: Worker,
    mut sources: Sources,
    stop: Arc<Stop>,
    until: Until,
) -> Result<Left, WorkerError> {
    let (claims, queues) = (sources.claims(), sources.queues().to_owned());
    let card = Card {
        name: &worker.name,
        claims: &claims,
        queues: &queues,
        lapse: worker.lapse,
    };
    let Some(presence) = enter(&worker, card, &stop).await? else {
        return Ok(Left::default());
    };
    let state = State::new(&worker, sources, card, presence);
    let (result, left, presence) = state.run(&stop, until).await;
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
