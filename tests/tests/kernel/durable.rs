//! Events that travel: wire form, models by key, and jobs that cannot be run.

use std::collections::HashMap;
use std::sync::Mutex;

use events_core::{
    AnyEvent, Event, Events, Job, MemoryQueue, Model, ParkReason, State, Verdict, listener, model,
};
use pollster::block_on;

use crate::{Log, builder, log};

#[derive(Clone, Debug, PartialEq)]
struct Customer {
    id: u64,
    name: String,
}

impl Model for Customer {
    const NAME: &'static str = "customer";
    type Key = u64;

    fn key(&self) -> u64 {
        self.id
    }
}

#[derive(Default)]
struct Customers(Mutex<HashMap<u64, Customer>>);

#[model]
async fn load(id: u64, customers: &State<Customers>) -> Result<Option<Customer>, String> {
    if id == 13 {
        return Err("the database is away".to_owned());
    }
    Ok(customers.0.lock().unwrap().get(&id).cloned())
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "customer.merged", version = 2)]
struct Merged {
    #[event(model)]
    kept: Customer,
    #[event(model)]
    removed: Option<Customer>,
    #[event(model)]
    witnesses: Vec<Customer>,
    #[serde(default, rename = "why")]
    reason: String,
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "customer.choice")]
enum Choice {
    Kept(#[event(model)] Customer),
    Named { name: String, times: u8 },
    Pair(u8, u8),
    None,
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "customer.unit")]
struct Unit;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "customer.tuple")]
struct Tuple(u8, #[event(model)] Customer);

#[listener(Merged, queue, on_missing = "discard")]
async fn discards(event: &Merged, log: &State<Log>) {
    log.write(format!("discards {event:?}"));
}

#[listener(Merged, queue, formerly = "durable::an_older_name")]
fn keeps(event: &Merged, log: &State<Log>) {
    log.write(format!("keeps {}", event.kept.name));
}

#[listener(Choice, queue)]
fn choice(event: &Choice, log: &State<Log>) {
    log.write(format!("{event:?}"));
}

#[listener(Unit, Tuple, queue)]
fn any(event: &dyn AnyEvent, log: &State<Log>) {
    log.write(format!("{event:?}"));
}

fn customer(id: u64, name: &str) -> Customer {
    Customer {
        id,
        name: name.to_owned(),
    }
}

fn bench(known: &[Customer]) -> (Events, MemoryQueue) {
    let queue = MemoryQueue::new();
    let customers = Customers::default();
    for customer in known {
        let mut map = customers.0.lock().unwrap();
        map.insert(customer.id, customer.clone());
    }
    let events = builder(module_path!())
        .state(customers)
        .queue(queue.clone())
        .build()
        .unwrap();
    (events, queue)
}

fn payload<E: Event>(event: &E) -> String {
    event.payload().unwrap()
}

#[test]
fn models_travel_by_key_and_are_loaded_as_they_are_now() {
    let (events, queue) = bench(&[
        customer(1, "Ada"),
        customer(2, "Grace"),
        customer(3, "Edith"),
    ]);
    let event = Merged {
        kept: customer(1, "Ada before"),
        removed: Some(customer(2, "Grace before")),
        witnesses: vec![customer(3, "Edith before")],
        reason: "typo".to_owned(),
    };
    assert_eq!(
        payload(&event),
        r#"{"kept":{"model":"customer","key":1},"removed":{"model":"customer","key":2},"witnesses":[{"model":"customer","key":3}],"why":"typo"}"#
    );
    block_on(events.dispatch(&event)).unwrap();
    assert_eq!(block_on(queue.drain(&events)).done, 2);
    let expected = Merged {
        kept: customer(1, "Ada"),
        removed: Some(customer(2, "Grace")),
        witnesses: vec![customer(3, "Edith")],
        reason: "typo".to_owned(),
    };
    assert_eq!(
        log(&events),
        [format!("discards {expected:?}"), "keeps Ada".to_owned()]
    );
}

#[test]
fn a_missing_model_follows_the_listeners_policy() {
    let (events, queue) = bench(&[customer(1, "Ada")]);
    let event = Merged {
        kept: customer(1, ""),
        removed: None,
        witnesses: vec![customer(9, "gone")],
        reason: String::new(),
    };
    block_on(events.dispatch(&event)).unwrap();
    let drained = block_on(queue.drain(&events));
    assert_eq!((drained.discarded, drained.parked), (1, 1));
    let parked = &queue.parked()[0];
    assert_eq!(parked.failure.reason(), ParkReason::MissingModel);
    assert_eq!(
        parked.failure.message(),
        "the model `customer` with the key 9 is gone"
    );
    assert!(parked.job.listener.ends_with("durable::keeps"));
}

#[test]
fn a_loader_that_fails_is_tried_again() {
    let (events, queue) = bench(&[]);
    block_on(events.dispatch(&Choice::Kept(customer(13, "")))).unwrap();
    assert_eq!(block_on(queue.drain(&events)).retried, 1);
}

#[test]
fn every_kind_of_struct_and_enum_travels() {
    let (events, queue) = bench(&[customer(1, "Ada")]);
    let choices = [
        Choice::Kept(customer(1, "Ada")),
        Choice::Named {
            name: "x".to_owned(),
            times: 2,
        },
        Choice::Pair(1, 2),
        Choice::None,
    ];
    let mut expected = Vec::new();
    for choice in &choices {
        block_on(events.dispatch(choice)).unwrap();
        expected.push(format!("{choice:?}"));
    }
    block_on(events.dispatch(&Unit)).unwrap();
    block_on(events.dispatch(&Tuple(5, customer(1, "Ada")))).unwrap();
    expected.push("Unit".to_owned());
    expected.push(format!("{:?}", Tuple(5, customer(1, "Ada"))));
    assert_eq!(block_on(queue.drain(&events)).done, 6);
    assert_eq!(log(&events), expected);
    assert_eq!(payload(&choices[1]), r#"{"Named":{"name":"x","times":2}}"#);
    assert_eq!(payload(&choices[3]), r#""None""#);
    assert_eq!(payload(&Unit), "null");
    assert_eq!(
        payload(&Tuple(5, customer(1, ""))),
        r#"[5,{"model":"customer","key":1}]"#
    );
}

/// A job of `keeps`, as it lies in the queue.
fn job() -> Job {
    let (events, queue) = bench(&[]);
    let event = Merged {
        kept: customer(1, ""),
        removed: None,
        witnesses: Vec::new(),
        reason: String::new(),
    };
    block_on(events.dispatch(&event)).unwrap();
    block_on(queue.drain(&events));
    queue.parked()[0].job.clone()
}

fn parked(job: &Job) -> (ParkReason, String) {
    let (events, _) = bench(&[customer(1, "Ada")]);
    match block_on(events.process(job)) {
        Verdict::Park(failure) => (failure.reason(), failure.message().to_owned()),
        verdict => panic!("not parked: {verdict:?}"),
    }
}

#[test]
fn a_job_that_cannot_be_run_is_parked_with_its_reason() {
    let event = Job {
        event: "gone.event".to_owned(),
        ..job()
    };
    assert_eq!(parked(&event).0, ParkReason::UnknownEvent);
    let listener = Job {
        listener: "gone::listener".to_owned(),
        ..job()
    };
    assert_eq!(parked(&listener).0, ParkReason::UnknownListener);
    let version = Job {
        version: 1,
        ..job()
    };
    assert_eq!(
        parked(&version),
        (
            ParkReason::UnknownVersion,
            "the payload has version 1 of `customer.merged`, this program has version 2".to_owned()
        )
    );
    for payload in [
        "",
        "{",
        "null",
        r#"{"kept":1}"#,
        r#"{"kept":{"model":"order","key":1},"removed":null,"witnesses":[]}"#,
        r#"{"kept":{"model":"customer","key":"x"},"removed":null,"witnesses":[]}"#,
    ] {
        let undecodable = Job {
            payload: payload.into(),
            ..job()
        };
        assert_eq!(parked(&undecodable).0, ParkReason::Undecodable, "{payload}");
    }
}

#[test]
fn a_renamed_listener_finds_its_old_jobs() {
    let (events, _) = bench(&[customer(1, "Ada")]);
    let renamed = Job {
        listener: "durable::an_older_name".to_owned(),
        ..job()
    };
    assert!(matches!(block_on(events.process(&renamed)), Verdict::Done));
    assert_eq!(log(&events), ["keeps Ada"]);
}

#[test]
fn an_event_without_a_wire_form_says_so() {
    #[derive(Debug, Event)]
    struct Plain;
    let error = Plain.payload().unwrap_err();
    assert!(
        error.to_string().contains("`Plain` has no wire form"),
        "{error}"
    );
}
