//! The current dispatcher of a job is that of its worker: no scope is needed, and no default.

use std::sync::Mutex;

use events_core::{Delivery, DispatchError, Event, Events, JobFailure, State, listener};
use events_std::{Store, Worker};
use uuid::Uuid;

use crate::kit::{Base, on_every_database, states};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "worker.current")]
struct Asked(u32);

/// No other dispatcher of this program has its listener's state.
#[derive(Debug, Event)]
struct Heard(&'static str);

/// What was heard, and by which dispatch.
#[derive(Default)]
struct Log(Mutex<Vec<(&'static str, Option<Uuid>)>>);

#[listener(Heard)]
fn hears(event: &Heard, delivery: Delivery, log: &State<Log>) {
    log.0.lock().unwrap().push((event.0, delivery.causation_id));
}

#[listener(Asked, queue)]
async fn awaits(_: &Asked) -> Result<(), DispatchError> {
    tokio::task::yield_now().await;
    Heard("in a job").dispatch().await.map(drop)
}

#[listener(Asked, queue)]
fn blocks(_: &Asked) -> Result<(), DispatchError> {
    Heard("on a thread").dispatch_sync().map(drop)
}

#[listener(Asked, queue, tries = 1, failed = gave_up)]
async fn fails(_: &Asked) -> Result<(), &'static str> {
    Err("no luck")
}

fn gave_up(_: &Asked, _: &JobFailure) {
    Heard("in a hook").dispatch_sync().unwrap();
}

fn events(store: &Store) -> Events {
    let builder = Events::builder().only_linked_in(module_path!());
    let builder = builder.state(Log::default()).queue(store.queue());
    builder.build().unwrap()
}

#[test]
fn what_a_job_dispatches_goes_through_its_worker_with_its_dispatch_as_the_cause() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(&store);
        events.dispatch(&Asked(7)).await.unwrap();
        let cause = "SELECT delivery_id FROM events_jobs LIMIT 1";
        let cause = crate::kit::uuid(&store, cause).await;
        Worker::new(&events, &store).drain().await.unwrap();
        assert_eq!(states(&store).await, [0, 0, 2, 1]);
        let mut heard = events.state::<Log>().unwrap().0.lock().unwrap().clone();
        heard.sort_unstable();
        let expected = ["in a hook", "in a job", "on a thread"];
        assert_eq!(heard, expected.map(|name| (name, Some(cause))));
    });
}
