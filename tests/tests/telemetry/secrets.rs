//! Nothing that an event holds is ever seen by a subscriber, not even one that wants everything.

use events_core::{Event, Events, JobFailure, MemoryQueue, Model, State, listener, model};
use events_std::Worker;
use sea_orm::ConnectionTrait;

use crate::capture::{self, everything, of_event};
use crate::kit::{Base, on_every_database, states};

const CANARY: &str = "canary-4f1d";

/// State, an event's field and a model's key that hold a secret.
#[derive(Clone, Debug)]
struct Secret(String);

impl Model for Secret {
    const NAME: &'static str = "secret";
    type Key = String;

    fn key(&self) -> String {
        self.0.clone()
    }
}

#[model]
async fn load(key: String) -> Result<Option<Secret>, std::io::Error> {
    Ok((key != "canary-4f1d-gone").then_some(Secret(key)))
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "secrets.told")]
struct Told {
    secret: String,
    #[event(model)]
    model: Secret,
}

#[listener(Told)]
fn inline(event: &Told, state: &State<Secret>) -> Result<(), std::io::Error> {
    assert_eq!(event.secret, CANARY);
    assert_eq!(state.0, CANARY);
    Err(std::io::Error::other("inline"))
}

fn key(event: &Told) -> &str {
    &event.secret
}

#[listener(Told, queue, tries = 2, backoff = "1ms", unique = key, order_by = key, failed = gave_up)]
async fn fails_always(event: &Told) -> Result<(), std::io::Error> {
    assert_eq!(event.model.0, CANARY);
    Err(std::io::Error::other("queued"))
}

async fn gave_up(_: &Told, _: &JobFailure) -> Result<(), std::io::Error> {
    Err(std::io::Error::other("hook"))
}

#[listener(Told, queue = "plain")]
fn blocks(event: &Told) {
    assert_eq!(event.secret, CANARY);
}

fn told(model: &str) -> Told {
    Told {
        secret: CANARY.to_owned(),
        model: Secret(model.to_owned()),
    }
}

#[test]
fn no_secret_is_seen_of_jobs_in_a_store() {
    capture::all();
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = Events::builder()
            .only_linked_in(module_path!())
            .state(Secret(CANARY.to_owned()))
            .queue(store.queue())
            .build()
            .unwrap();
        events.dispatch(&told(CANARY)).await.unwrap_err();
        drain(&events, &store).await;
        assert_eq!(states(&store).await, [0, 0, 1, 1], "done and parked");

        // Payloads that are not what the event's fields ask for, quoting the secret where the error would show it.
        let now = chrono::Utc::now().timestamp_millis();
        for payload in [
            format!(r#"{{"secret":1,"model":"{CANARY}"}}"#),
            format!(r#""{CANARY}""#),
            format!(r#"{{"secret":"a","model":{{"model":"{CANARY}","key":"k"}}}}"#),
            format!(r#"{{"secret":"a","model":{{"model":"secret","key":"{CANARY}-gone"}}}}"#),
        ] {
            events.dispatch(&told("other")).await.unwrap_err();
            let rewrite = format!(
                "UPDATE events_jobs SET payload = '{payload}', unique_key = NULL, changed_at = {now} WHERE state = 0"
            );
            store.writer().execute_unprepared(&rewrite).await.unwrap();
            drain(&events, &store).await;
        }
        assert_eq!(states(&store).await, [0, 0, 1, 9], "all of them are parked");
    });
    assert!(of_event("dispatch", "secrets.told").len() >= 5);
    assert!(of_event("job", "secrets.told").len() >= 10);
    nothing_is_seen();
}

async fn drain(events: &Events, store: &events_std::Store) {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        Worker::new(events, store).drain().await.unwrap();
        let [pending, running, ..] = states(store).await;
        if pending + running == 0 {
            return;
        }
        assert!(tokio::time::Instant::now() < deadline, "jobs are left");
    }
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "secrets.full")]
struct Full {
    secret: String,
}

mod full {
    use super::{CANARY, Full, listener};

    #[listener(Full, queue, handle = QUEUED)]
    pub(super) fn queued(event: &Full) {
        assert_eq!(event.secret, CANARY);
    }
}

#[test]
fn no_secret_is_seen_of_a_push_that_is_refused() {
    capture::all();
    let queue = MemoryQueue::with_capacity(0);
    let events = Events::builder()
        .without_linked()
        .register(full::QUEUED)
        .queue(queue)
        .build()
        .unwrap();
    let event = Full {
        secret: CANARY.to_owned(),
    };

    events.dispatch_sync(&event).unwrap_err();
    assert_eq!(of_event("dispatch", "secrets.full").len(), 1);
    nothing_is_seen();
}

fn nothing_is_seen() {
    let everything = everything();
    if let Some(at) = everything.find(CANARY) {
        let from = everything.floor_char_boundary(at.saturating_sub(2_000));
        panic!("{}", &everything[from..at + CANARY.len()]);
    }
}
