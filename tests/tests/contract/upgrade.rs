//! Jobs of programs that have other versions of an event.

use events_core::{Event, Job, Queue, State, listener, upcaster};
use serde_json::{Value, json};

use crate::cases::job;
use crate::engine::{Bench, Engine, Log, Unknown};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "contract.changed", version = 3)]
struct Changed {
    cents: u64,
    currency: String,
}

#[upcaster(Changed, from = 1)]
fn in_cents(euros: u64) -> Result<Value, String> {
    let cents = euros.checked_mul(100).ok_or("too much")?;
    Ok(json!({ "cents": cents }))
}

#[upcaster(Changed, from = 2)]
fn with_currency(mut payload: Value) -> Value {
    payload["currency"] = json!("EUR");
    payload
}

#[listener(Changed, queue = "one", name = "contract.hears_changed")]
async fn hears(event: &Changed, log: &State<Log>) {
    log.write(format!("{} {}", event.cents, event.currency));
}

/// Jobs of older programs run as today's event; those of newer ones are left to them; one that an upcaster refuses is
/// kept with its reason.
pub(crate) async fn upgrade<E: Engine>(engine: &E) {
    let bench = Bench::new(engine, module_path!());
    let stored = |version, payload| Job {
        version,
        listener: "contract.hears_changed".to_owned(),
        ..job(&bench, "contract.changed", "", payload)
    };
    let jobs = vec![
        stored(1, "5"),
        stored(2, r#"{"cents":7}"#),
        stored(4, "null"),
        stored(1, "18446744073709551615"),
    ];
    engine.queue().push(jobs).await.unwrap();
    let changed = Changed {
        cents: 9,
        currency: "SEK".to_owned(),
    };
    bench.events.dispatch(&changed).await.unwrap();
    bench.run().await;
    assert_eq!(bench.log_sorted(), ["500 EUR", "7 EUR", "9 SEK"]);
    let mut parked = engine.parked().await;
    let newer = parked
        .iter()
        .position(|parked| parked.reason == "unknown_version");
    match E::UNKNOWN {
        Unknown::Parked => drop(parked.remove(newer.unwrap())),
        Unknown::Waits => assert_eq!((newer, engine.open_jobs().await), (None, 1)),
    }
    let [refused] = &parked[..] else {
        panic!("{parked:?}");
    };
    assert_eq!(refused.reason, "undecodable");
    let which = "the upcaster `contract::upgrade::in_cents` (tests/tests/contract/upgrade.rs:";
    assert!(refused.message.starts_with(which), "{refused:?}");
    assert!(refused.message.ends_with("failed: too much"), "{refused:?}");
}
