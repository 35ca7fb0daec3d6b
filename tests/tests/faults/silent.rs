//! A worker whose Postgres accepts what it is sent, and never answers.

use std::time::{Duration, Instant};

use events_core::{Event, State, listener};
use events_std::{Store, Worker, WorkerError};
use events_tests::Effects;
use tokio::sync::watch;

use crate::kill::{dispatch_all, number, workers};
use crate::kit::{Base, Kind, runtime, states, until};
use crate::process::events;
use crate::proxy::Proxy;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.unheard")]
struct Unheard(usize);

#[listener(Unheard, queue)]
async fn takes_its_time(event: &Unheard, effects: &State<Effects>) {
    effects.write(&event.0.to_string());
    while !effects.is_marked("go") {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Beyond the grace time. The worker's documentation says 10 s, of which it needs 9 by its own waits: a busy machine may
/// add some. Whoever waits for an answer as at work takes 30 s, and a worker that forgets to limit a wait takes for ever.
const BOUND: Duration = Duration::from_secs(20);

#[test]
fn it_does_not_keep_a_worker_that_is_to_stop() {
    runtime().block_on(async {
        let Some(base) = Base::of(Kind::Postgres).await else {
            return;
        };
        let store = base.store().await;
        let events_here = events(module_path!(), &store, &base);
        let proxy = Proxy::before(&base.url).await;
        let far = Store::connect(&proxy.url).await.unwrap();
        let events_far = events(module_path!(), &far, &base);
        let late = Store::connect(&proxy.url).await.unwrap();
        dispatch_all(&store, &events_here, (0..3).map(Unheard)).await;
        let effects = Effects::of(&base.folder);
        let stopped = watch::Sender::new(None);
        let silence = async {
            until("all run", async || effects.lines().len() == 3).await;
            proxy.falls_silent();
            stopped.send_replace(Some(Instant::now()));
        };
        let works = Worker::new(&events_far, &far)
            .grace(Duration::from_millis(100))
            .run_until(silence);
        // These find it silent when they start: one is told to stop, one is to give up by itself.
        let starts = async |worker: Worker, told: bool| {
            let _ = stopped.subscribe().wait_for(Option::is_some).await;
            let stop = async {
                if !told {
                    std::future::pending::<()>().await;
                }
            };
            let ended = worker.run_until(stop).await;
            let since = stopped.borrow().unwrap().elapsed();
            assert!(since < BOUND, "{since:?}");
            ended
        };
        let stops = starts(Worker::new(&events_far, &late), true);
        let short = Duration::from_secs(1);
        let gives_up = starts(Worker::new(&events_far, &late).start_within(short), false);
        let (left, idle, failed) = tokio::join!(works, stops, gives_up);
        let since = stopped.borrow().unwrap().elapsed();
        assert!(since < BOUND + Duration::from_millis(100), "{since:?}");
        let left = left.unwrap();
        assert_eq!((left.ended, left.released, left.held), (0, 0, 3));
        assert_eq!(idle.unwrap(), events_std::Left::default());
        let said = failed.unwrap_err();
        assert!(matches!(said, WorkerError::Start(_)));
        assert!(said.to_string().contains("has not answered for"), "{said}");
        // Nothing is lost: whoever finds it dead takes over.
        assert_eq!(states(&store).await, [0, 3, 0, 0]);
        effects.mark("go");
        Worker::new(&events_here, &store).drain().await.unwrap();
        assert_eq!(states(&store).await, [0, 0, number(3), 0]);
        assert_eq!(workers(&store).await, 0);
        base.remove().await;
    });
}

/// As where a machine between falls away and another takes its place.
#[test]
fn a_running_worker_does_not_wait_for_it_for_ever() {
    runtime().block_on(async {
        let Some(base) = Base::of(Kind::Postgres).await else {
            return;
        };
        let store = base.store().await;
        let events_here = events(module_path!(), &store, &base);
        let proxy = Proxy::before(&base.url).await;
        let far = Store::connect(&proxy.url).await.unwrap();
        let events_far = events(module_path!(), &far, &base);
        let effects = Effects::of(&base.folder);
        let test = async {
            dispatch_all(&store, &events_here, (0..2).map(Unheard)).await;
            until("both run", async || effects.lines().len() == 2).await;
            proxy.falls_silent();
            let before = proxy.seen();
            // It wants to write how these ended, and to claim others.
            effects.mark("go");
            dispatch_all(&store, &events_here, (2..5).map(Unheard)).await;
            // Whatever it waits for: a claim, the ends of jobs, being told of pushes.
            until("it tries new connections again and again", async || {
                proxy.seen() >= before + 6
            })
            .await;
            assert_eq!(states(&store).await, [3, 2, 0, 0]);
            proxy.lets_new_ones_through();
            until("all is done", async || states(&store).await[2] == 5).await;
        };
        let worker = Worker::new(&events_far, &far).answer_within(Duration::from_secs(1));
        let left = worker.run_until(test).await.unwrap();
        assert_eq!((left.ended, left.released, left.held), (5, 0, 0));
        // Each has run once.
        assert_eq!(effects.lines().len(), 5);
        assert_eq!(workers(&store).await, 0);
        base.remove().await;
    });
}
