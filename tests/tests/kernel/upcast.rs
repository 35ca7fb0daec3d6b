//! Jobs of older versions: upcasters turn them, one step after the other, before they are read.

use std::convert::Infallible;
use std::fmt;

use chrono::Utc;
use events_core::{
    DecodeError, Delivery, Event, Events, Extensions, Job, JobFailure, MemoryQueue, Model,
    ParkReason, Queue, State, Verdict, listener, model, upcaster,
};
use pollster::block_on;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{Log, builder, log};

#[derive(Clone, Debug)]
struct Buyer(u64);

impl Model for Buyer {
    const NAME: &'static str = "buyer";
    type Key = u64;

    fn key(&self) -> u64 {
        self.0
    }
}

#[model]
fn load(id: u64) -> Result<Option<Buyer>, Infallible> {
    Ok(Some(Buyer(id)))
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "upcast.paid", version = 4)]
struct Paid {
    #[event(model)]
    buyer: Buyer,
    cents: u128,
    currency: String,
}

/// Buyers were plain numbers before they were models.
#[upcaster(Paid, from = 2)]
fn buyer_by_key(mut payload: Value) -> Value {
    let buyer = payload["buyer"].take();
    assert!(buyer != 13, "nobody is buyer 13");
    payload["buyer"] = json!({ "model": "buyer", "key": buyer });
    payload
}

#[derive(Deserialize)]
struct Third {
    buyer: Value,
    euros: u128,
}

#[derive(Serialize)]
struct Fourth {
    buyer: Value,
    cents: u128,
    currency: &'static str,
}

#[derive(Debug)]
struct TooMuch(u128);

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} euros are too much", self.0)
    }
}

impl std::error::Error for TooMuch {}

/// Does not look like a `Result`, and is one.
type Turned = Result<Fourth, TooMuch>;

#[upcaster(Paid, from = 3)]
fn in_cents(old: Third) -> Turned {
    Ok(Fourth {
        buyer: old.buyer,
        cents: old.euros.checked_mul(100).ok_or(TooMuch(old.euros))?,
        currency: "EUR",
    })
}

#[listener(Paid, queue, name = "upcast.hears", formerly = "upcast.heard", failed = gives_up)]
fn hears(event: &Paid, log: &State<Log>) {
    let Paid {
        buyer,
        cents,
        currency,
    } = event;
    log.write(format!("{} paid {cents} {currency}", buyer.0));
}

fn gives_up(event: &Paid, failure: &JobFailure, log: &State<Log>) {
    log.write(format!("{failure} for {}", event.currency));
}

fn bench() -> (Events, MemoryQueue) {
    let queue = MemoryQueue::new();
    let builder = builder(module_path!()).queue(queue.clone());
    (builder.build().unwrap(), queue)
}

/// A job as another program has pushed it.
fn job(version: u32, payload: &str) -> Job {
    let (id, at) = (Uuid::now_v7(), Utc::now());
    Job {
        id,
        queue: "default".to_owned(),
        event: "upcast.paid".to_owned(),
        version,
        payload: payload.into(),
        listener: "upcast.hears".to_owned(),
        delivery: Delivery {
            id,
            at,
            correlation_id: id,
            causation_id: None,
        },
        run_at: at,
        expires_at: None,
        unique_key: None,
        unique_until: None,
        order_key: None,
        formerly: &[],
        trace: None,
        attempts: 1,
    }
}

fn run(version: u32, payload: &str) -> (Verdict, Vec<String>) {
    let (events, _) = bench();
    let verdict = block_on(events.process(&job(version, payload)));
    (verdict, log(&events))
}

fn failure(version: u32, payload: &str) -> JobFailure {
    match run(version, payload) {
        (Verdict::Park(failure), heard) if heard.is_empty() => failure,
        other => panic!("{other:?}"),
    }
}

const STORED: [(u32, &str); 3] = [
    (2, r#"{"buyer":7,"euros":5}"#),
    (3, r#"{"buyer":{"model":"buyer","key":7},"euros":5}"#),
    (
        4,
        r#"{"buyer":{"model":"buyer","key":7},"cents":500,"currency":"EUR"}"#,
    ),
];

#[test]
fn every_version_is_heard_as_todays() {
    for (version, payload) in STORED {
        let (verdict, heard) = run(version, payload);
        assert!(matches!(verdict, Verdict::Done), "{verdict:?}");
        assert_eq!(heard, ["7 paid 500 EUR"], "version {version}");
    }
}

#[test]
fn no_digit_is_lost_between_typed_forms() {
    let long =
        r#"{"buyer":{"model":"buyer","key":7},"euros":340282366920938463463374607431768211}"#;
    let (verdict, heard) = run(3, long);
    assert!(matches!(verdict, Verdict::Done), "{verdict:?}");
    assert_eq!(heard, ["7 paid 34028236692093846346337460743176821100 EUR"]);
}

#[test]
fn an_upcaster_that_fails_or_panics_parks_the_job_and_says_which() {
    let much = u128::MAX / 99;
    let failed = failure(3, &format!(r#"{{"buyer":7,"euros":{much}}}"#));
    assert_eq!(failed.reason(), ParkReason::Undecodable);
    let begins = "the upcaster `kernel::upcast::in_cents` (tests/tests/kernel/upcast.rs:";
    assert!(failed.message().starts_with(begins), "{failed}");
    let ends = format!("), from version 3 of `upcast.paid`, failed: {much} euros are too much");
    assert!(failed.message().ends_with(&ends), "{failed}");
    assert!(failed.error().unwrap().is::<TooMuch>());

    let panicked = failure(2, r#"{"buyer":13,"euros":5}"#);
    assert_eq!(panicked.reason(), ParkReason::Undecodable);
    let ends = "failed: panicked: nobody is buyer 13";
    assert!(panicked.message().ends_with(ends), "{panicked}");

    let unlike = failure(2, r#"{"buyer":7}"#);
    assert_eq!(unlike.reason(), ParkReason::Undecodable);
    assert!(
        unlike.message().contains("missing field `euros`"),
        "{unlike}"
    );
    let broken = failure(2, "{");
    assert!(broken.message().contains("::buyer_by_key`"), "{broken}");
}

#[test]
fn a_version_to_which_no_upcaster_leads_is_unknown() {
    for version in [0, 1, 5, u32::MAX] {
        let unknown = failure(version, STORED[0].1);
        assert_eq!(unknown.reason(), ParkReason::UnknownVersion);
        assert_eq!(
            unknown.message(),
            format!(
                "the payload has version {version} of `upcast.paid`, this program has version 4"
            )
        );
    }
}

#[test]
fn a_worker_may_claim_every_version_that_can_be_read() {
    let (events, _) = bench();
    let mut claims: Vec<_> = events
        .claimable()
        .into_iter()
        .map(|known| (known.version, known.listener))
        .collect();
    claims.sort();
    let expected = [2, 3, 4].iter().flat_map(|version| {
        ["upcast.heard", "upcast.hears"].map(|name| (*version, name.to_owned()))
    });
    assert_eq!(claims, expected.collect::<Vec<_>>());
}

#[test]
fn the_hook_of_an_old_job_is_given_todays_event() {
    let (events, _) = bench();
    let spent = Job {
        attempts: u32::MAX,
        expires_at: Some(events.now() - std::time::Duration::from_secs(1)),
        ..job(2, STORED[0].1)
    };
    let Verdict::Park(failure) = block_on(events.process(&spent)) else {
        panic!("its time is over");
    };
    assert!(block_on(events.run_failed(
        &spent,
        &failure,
        &Extensions::new()
    )));
    let heard = log(&events);
    assert!(heard[0].ends_with(" for EUR"), "{heard:?}");
}

#[test]
fn the_memory_queue_runs_old_jobs() {
    let (events, queue) = bench();
    let jobs = [2, 9].map(|version| job(version, STORED[0].1));
    queue.push_sync(jobs.into()).unwrap();
    let drained = block_on(queue.drain(&events));
    assert_eq!((drained.done, drained.parked), (1, 1));
    assert_eq!(log(&events), ["7 paid 500 EUR"]);
    assert_eq!(
        queue.parked()[0].failure.reason(),
        ParkReason::UnknownVersion
    );
}

#[test]
fn a_payload_is_read_by_itself() {
    let (events, _) = bench();
    let read = |name, version, payload| block_on(events.read_payload(name, version, payload));
    for (version, payload) in STORED {
        let event = read("upcast.paid", version, payload).unwrap();
        assert_eq!(event.downcast_ref::<Paid>().unwrap().cents, 500);
    }
    let unknown = read("upcast.gone", 1, "null").unwrap_err();
    assert!(matches!(unknown, DecodeError::UnknownEvent(_)), "{unknown}");
    let version = read("upcast.paid", 1, "null").unwrap_err();
    assert!(
        matches!(version, DecodeError::UnknownVersion { .. }),
        "{version}"
    );
    let upcast = read("upcast.paid", 2, "null").unwrap_err();
    assert!(
        matches!(upcast, DecodeError::Upcast { from: 3, .. }),
        "{upcast}"
    );
}
