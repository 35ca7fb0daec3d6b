//! The check of the wiring: every fault at once, each with its place and cure.

use std::time::Duration;

use events_core::{
    AnyEvent, BoxError, Context, Event, Events, FaultKind, FromContext, MemoryQueue, Model, Needs,
    State, category, listener, model, upcaster,
};
use serde_json::Value;

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

#[model]
fn load_again(_: u8) -> Result<Option<NeedsDb>, String> {
    Ok(Some(NeedsDb))
}

struct Namesake;

impl Model for Namesake {
    const NAME: &'static str = "needs_db";
    type Key = u8;

    fn key(&self) -> u8 {
        1
    }
}

#[model]
fn load_namesake(_: u8) -> Result<Option<Namesake>, String> {
    Ok(Some(Namesake))
}

#[derive(Event)]
#[event(durable, name = "wiring.models")]
struct Models {
    #[event(model)]
    _unloadable: Unloadable,
    #[event(model)]
    _another: Unloadable,
    #[event(model)]
    _needs_db: NeedsDb,
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "wiring.turned", version = 6)]
struct Turned;

#[upcaster(Turned, from = 2)]
fn twice(old: Value) -> Value {
    old
}

#[upcaster(Turned, from = 2)]
fn twice_again(old: Value) -> Value {
    old
}

#[upcaster(Turned, from = 4)]
fn alone(old: Value) -> Value {
    old
}

#[upcaster(Turned, from = 6)]
fn too_early(old: Value) -> Value {
    old
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

/// As a transaction: only whoever runs the job can give it.
struct Handed;

impl<'a> FromContext<'a> for &'a Handed {
    fn needs(needs: &mut Needs) {
        needs.extension::<Handed>();
    }

    fn from_context(cx: &Context<'a>) -> Result<Self, BoxError> {
        cx.extension().ok_or_else(|| "nothing was handed in".into())
    }
}

#[listener(Order, queue)]
fn asks(_: &Order, _: &Handed) {}

#[listener(Order, queue, failed = hook_asks)]
fn lets_its_hook_ask(_: &Order) {}

fn hook_asks(_: &Order, _: &events_core::JobFailure, _: &Handed) {}

#[listener("wiring.*", after_commit)]
fn waits(_: &dyn AnyEvent) {}

fn one() {
    #[listener(Order)]
    fn local(_: &Order) {}
    local(&Order);
}

fn another() {
    #[listener(Order)]
    fn local(_: &Order) {}
    local(&Order);
}

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
        (
            FaultKind::DuplicateModel,
            vec!["`needs_db` has two loaders", "wiring.rs:"],
        ),
        (
            FaultKind::DuplicateModel,
            vec!["`needs_db` is the name of two models", "Namesake"],
        ),
        (
            FaultKind::NotClone,
            vec!["wiring::waits", "`wiring.models`", "derive `Clone`"],
        ),
        (
            FaultKind::DuplicateListener,
            vec!["wiring::local", "functions inside functions"],
        ),
    ] {
        assert!(
            faults.iter().any(|(found, text)| {
                *found == kind && parts.iter().all(|part| text.contains(part))
            }),
            "{kind:?} with {parts:?} is not in {faults:#?}"
        );
    }
    let of = |kind| faults.iter().filter(|(found, _)| *found == kind).count();
    // One for each of the two listeners, although two fields hold the model.
    assert_eq!(of(FaultKind::MissingLoader), 2);
    assert_eq!(of(FaultKind::NotClone), 1);
    one();
    another();
}

#[test]
fn what_only_a_store_hands_in_is_refused_by_a_queue_in_memory() {
    let of = |name: &str| {
        let found = faults(true)
            .into_iter()
            .find(|(kind, text)| *kind == FaultKind::UnsupportedOption && text.contains(name));
        found.is_some_and(|(_, text)| text.contains("does not hand in"))
    };
    assert!(of("wiring::asks`"));
    assert!(of("wiring::lets_its_hook_ask`"));
}

#[test]
fn upcasters_lead_to_the_version_one_for_each_step() {
    let kinds = [
        FaultKind::DuplicateUpcaster,
        FaultKind::MissingUpcaster,
        FaultKind::EarlyUpcaster,
    ];
    let mut faults = faults(true);
    faults.retain(|(kind, _)| kinds.contains(kind));
    let expected = [
        (
            FaultKind::DuplicateUpcaster,
            vec![
                "`wiring.turned` has two upcasters from version 2: `wiring::twice` (tests/tests/wiring.rs:",
                " and `wiring::twice_again` (tests/tests/wiring.rs:",
            ],
        ),
        (
            FaultKind::MissingUpcaster,
            vec![
                "`wiring.turned` has version 6 and the upcaster `wiring::twice_again` (tests/tests/wiring.rs:",
                ") from version 2, but none from version 3: write one: `#[upcaster(Turned, from = 3)]`",
            ],
        ),
        (
            FaultKind::MissingUpcaster,
            vec![
                "`wiring::alone`",
                ") from version 4, but none from version 5: ",
            ],
        ),
        (
            FaultKind::EarlyUpcaster,
            vec![
                "`wiring.turned` has version 6, and the upcaster `wiring::too_early` (tests/tests/wiring.rs:",
                ") starts from version 6: raise the event's `version` to 7",
            ],
        ),
    ];
    assert_eq!(faults.len(), expected.len(), "{faults:#?}");
    for ((kind, parts), (found, text)) in expected.iter().zip(&faults) {
        assert_eq!(kind, found, "{text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}

#[test]
fn queued_listeners_need_a_queue() {
    let missing: Vec<_> = faults(false)
        .into_iter()
        .filter(|(kind, _)| *kind == FaultKind::MissingQueue)
        .collect();
    assert_eq!(missing.len(), 5);
    assert!(missing[0].1.contains(".queue(..)"), "{}", missing[0].1);
}

#[test]
fn what_is_linked_is_expected_and_found() {
    let error = Events::builder()
        .only_linked_in(concat!(module_path!(), "::sound"))
        .expect_listeners_from(env!("CARGO_CRATE_NAME"))
        .register(sound::HEARS)
        .build()
        .unwrap_err();
    // The impostor, the models and the upcasters are wrong whatever listens; nothing else is.
    assert!(
        error.faults().iter().all(|fault| matches!(
            fault.kind(),
            FaultKind::DuplicateEvent
                | FaultKind::DuplicateModel
                | FaultKind::DuplicateUpcaster
                | FaultKind::MissingUpcaster
                | FaultKind::EarlyUpcaster
        )),
        "{error}"
    );
}

#[test]
fn what_is_expected_and_left_out_is_told_from_what_is_not_linked() {
    let error = Events::builder()
        .without_linked()
        .expect_listeners_from(env!("CARGO_CRATE_NAME"))
        .build()
        .unwrap_err();
    let missing = |fault: &&events_core::Fault| fault.kind() == FaultKind::MissingCrate;
    let fault = error.faults().iter().find(missing).unwrap();
    assert!(fault.cure().contains("`without_linked`"), "{fault}");
}

mod sound {
    use events_core::{Event, listener};

    #[derive(Debug, Event)]
    pub(super) struct Sound;

    #[listener(Sound, handle = HEARS)]
    pub(super) fn hears(_: &Sound) {}
}
