//! The check of the wiring: every fault at once, each with its place and cure.

use std::time::Duration;

use events_core::{
    AnyEvent, Event, Events, FaultKind, MemoryQueue, Model, State, category, listener, model,
};

struct Db;
struct Cache;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "wiring.order")]
struct Order;

#[derive(Clone, Debug, Event)]
#[event(name = "wiring.order")]
struct Impostor;

#[category(inline_only)]
trait InlineOnly: AnyEvent {}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "wiring.item", extends(InlineOnly))]
struct Item;

struct Unloadable;

impl Model for Unloadable {
    const NAME: &'static str = "unloadable";
    type Key = u8;

    fn key(&self) -> u8 {
        1
    }
}

struct NeedsDb;

impl Model for NeedsDb {
    const NAME: &'static str = "needs_db";
    type Key = u8;

    fn key(&self) -> u8 {
        1
    }
}

#[model]
async fn load(_: u8, _: &State<Db>) -> Result<Option<NeedsDb>, String> {
    Ok(Some(NeedsDb))
}

#[derive(Event)]
#[event(durable, name = "wiring.models")]
struct Models {
    #[event(model)]
    _unloadable: Unloadable,
    #[event(model)]
    _needs_db: NeedsDb,
}

#[listener(Order)]
fn wants_db(_: &Order, _: &State<Db>, _: &State<Cache>) {}

#[listener(Order, queue = "q", timeout = "30s", unique)]
fn queued(_: &Order) {}

#[listener(Order, name = "one_name")]
fn first(_: &Order) {}

#[listener(Order, name = "another", formerly = "one_name")]
fn second(_: &Order) {}

#[listener("wiring.*", queue)]
fn queued_pattern(_: &dyn AnyEvent) {}

#[listener(Models, queue, failed = hook)]
fn queued_models(_: &Models) {}

fn hook(_: &Models, _: &events_core::JobFailure, _: &State<Duration>) {}

fn faults(queue: bool) -> Vec<(FaultKind, String)> {
    let builder = Events::builder().only_linked_in(module_path!());
    let builder = if queue {
        builder.queue(MemoryQueue::new())
    } else {
        builder
    };
    let error = builder
        .expect_listeners_from("a-crate-that-is-not-there")
        .build()
        .unwrap_err();
    let all = error.to_string();
    let faults: Vec<_> = error
        .faults()
        .iter()
        .map(|fault| (fault.kind(), fault.to_string()))
        .collect();
    assert!(faults.iter().all(|(_, text)| all.contains(text)));
    faults
}

#[test]
fn every_fault_is_reported_at_once_with_its_place_and_cure() {
    let faults = faults(true);
    for (kind, parts) in [
        (
            FaultKind::MissingCrate,
            vec![
                "a_crate_that_is_not_there",
                "use a_crate_that_is_not_there as _;",
            ],
        ),
        (
            FaultKind::DuplicateEvent,
            vec![
                "`wiring.order`",
                "wiring::Order",
                "wiring::Impostor",
                "wiring.rs:",
            ],
        ),
        (
            FaultKind::DuplicateListener,
            vec![
                "`one_name` (tests/tests/wiring.rs:",
                "as the listener at tests/tests/wiring.rs:",
                "name = ",
            ],
        ),
        (
            FaultKind::MissingState,
            vec![
                "wiring::wants_db",
                "wiring.rs:",
                "`wiring.order`",
                "wiring::Db`",
                ".state(..)",
            ],
        ),
        (
            FaultKind::MissingState,
            vec!["wiring::wants_db", "wiring::Cache`"],
        ),
        (FaultKind::MissingState, vec!["queued_models", "Duration"]),
        (
            FaultKind::MissingState,
            vec!["queued_models", "loader of", "NeedsDb", "wiring::Db`"],
        ),
        (
            FaultKind::UnsupportedOption,
            vec!["wiring::queued`", "`timeout`"],
        ),
        (
            FaultKind::UnsupportedOption,
            vec!["wiring::queued`", "`unique`"],
        ),
        (
            FaultKind::NotDurable,
            vec!["queued_pattern", "`wiring.order`", "durable"],
        ),
        (
            FaultKind::QueueForbidden,
            vec!["queued_pattern", "`wiring.item`", "`InlineOnly`"],
        ),
        (
            FaultKind::MissingLoader,
            vec!["queued_models", "`unloadable`", "#[model]"],
        ),
    ] {
        assert!(
            faults.iter().any(|(found, text)| {
                *found == kind && parts.iter().all(|part| text.contains(part))
            }),
            "{kind:?} with {parts:?} is not in {faults:#?}"
        );
    }
}

#[test]
fn queued_listeners_need_a_queue() {
    let missing: Vec<_> = faults(false)
        .into_iter()
        .filter(|(kind, _)| *kind == FaultKind::MissingQueue)
        .collect();
    assert_eq!(missing.len(), 3);
    assert!(missing[0].1.contains(".queue(..)"), "{}", missing[0].1);
}

#[test]
fn what_is_linked_is_expected_and_found() {
    let error = Events::builder()
        .only_linked_in(concat!(module_path!(), "::sound"))
        .expect_listeners_from(env!("CARGO_CRATE_NAME"))
        .build()
        .unwrap_err();
    // The impostor's name is taken twice whatever listens; nothing else is wrong.
    assert_eq!(error.faults().len(), 1, "{error}");
    assert_eq!(error.faults()[0].kind(), FaultKind::DuplicateEvent);
}

mod sound {
    use events_core::{Event, listener};

    #[derive(Debug, Event)]
    struct Sound;

    #[listener(Sound)]
    fn hears(_: &Sound) {}
}
