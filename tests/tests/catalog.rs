//! The catalog: its forms in full, and, in a room of its own, the contract of `events.lock`.

#[path = "catalog/contract.rs"]
mod contract;
#[path = "catalog/shop.rs"]
#[expect(
    clippy::unused_async,
    clippy::unused_self,
    reason = "listeners to look at, not to run"
)]
mod shop;

use std::path::{Path, PathBuf};

use events_core::{AnyEvent, Catalog, Events, HeardBy};
use serde_json::Value;

use shop::{Audited, OrderPaid, builder};

fn catalog() -> Catalog {
    builder().build().unwrap().catalog()
}

/// A file of this test alone.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("catalog-{name}.lock"))
}

#[test]
fn the_table_reads_in_a_terminal() {
    assert_eq!(catalog().table(), include_str!("catalog/table.txt"));
    assert_eq!(catalog().to_string(), catalog().table());
}

#[test]
fn json_has_every_field() {
    assert_eq!(
        catalog().to_json() + "\n",
        include_str!("catalog/catalog.json")
    );
}

#[test]
fn json_parses_back() {
    let catalog = catalog();
    let json: Value = serde_json::from_str(&catalog.to_json()).unwrap();
    assert_eq!(json, serde_json::to_value(&catalog).unwrap());
    let names = |of: &str, field: &str| -> Vec<String> {
        let entries = json[of].as_array().unwrap().iter();
        entries
            .map(|entry| entry[field].as_str().unwrap().to_owned())
            .collect()
    };
    let paths = catalog.events.iter().map(|event| event.type_path.clone());
    assert_eq!(names("events", "type_path"), paths.collect::<Vec<_>>());
    let listeners = catalog
        .listeners
        .iter()
        .map(|listener| listener.name.clone());
    assert_eq!(names("listeners", "name"), listeners.collect::<Vec<_>>());
}

#[test]
fn mermaid_draws_what_hears_what() {
    assert_eq!(catalog().mermaid(), include_str!("catalog/flowchart.mmd"));
}

#[test]
fn why_gives_the_reason_for_each_position() {
    let catalog = catalog();
    assert_eq!(
        catalog.why("order.paid").unwrap(),
        include_str!("catalog/why.txt")
    );
    assert_eq!(
        catalog.why("Unheard").unwrap(),
        "catalog::shop::Unheard at tests/tests/catalog/shop.rs:51\n\nno listener hears it\n"
    );
}

#[test]
fn why_finds_events_by_name_by_path_and_by_type() {
    let catalog = catalog();
    let by_name = catalog.why("order.paid");
    assert!(by_name.is_some());
    assert_eq!(catalog.why("catalog::shop::OrderPaid"), by_name);
    assert_eq!(catalog.why("OrderPaid"), by_name);
    assert_eq!(catalog.why("order"), None);
}

#[test]
fn the_order_is_that_of_a_dispatch() {
    let catalog = catalog();
    let paid = &catalog.events[2];
    assert_eq!(paid.label(), "order.paid");
    let order: Vec<(&str, HeardBy)> = paid
        .inline
        .iter()
        .map(|hearing| (&*hearing.listener, hearing.by))
        .collect();
    assert_eq!(
        order,
        [
            ("catalog::shop::reserve", HeardBy::Type),
            ("catalog::shop::praise", HeardBy::Type),
            ("say \"paid\" [#1]", HeardBy::Type),
            ("catalog::shop::book", HeardBy::Category),
            ("say.all", HeardBy::Pattern),
            ("catalog::shop::count", HeardBy::Type),
        ]
    );
}

#[test]
fn the_order_does_not_depend_on_that_of_registration() {
    let given = |names: [&str; 4]| {
        let mut builder = builder();
        for name in names {
            builder = builder
                .listen(name, |_: &OrderPaid| {})
                .listen_category(&format!("{name} of all"), |_: &dyn Audited| {})
                .listen_pattern(&format!("{name} by name"), "order.*", |_: &dyn AnyEvent| {});
        }
        builder.build().unwrap().catalog()
    };
    let first = given(["a", "b", "c", "d"]);
    assert_eq!(first.events[2].inline.len(), 6 + 12);
    for names in [
        ["d", "c", "b", "a"],
        ["b", "d", "a", "c"],
        ["c", "a", "d", "b"],
    ] {
        let other = given(names);
        assert_eq!(first, other);
        assert_eq!(first.table(), other.table());
        assert_eq!(first.to_json(), other.to_json());
        assert_eq!(first.mermaid(), other.mermaid());
        assert_eq!(first.why("order.paid"), other.why("order.paid"));
    }
    let mut sorted = first.listeners.clone();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(first.listeners, sorted);
}

#[test]
fn listeners_that_come_and_go_are_told_while_they_are_there() {
    let events = builder().build().unwrap();
    let without = events.catalog();
    let subscriptions = [
        events.listen(|_: &OrderPaid| {}),
        events.listen_pattern("order.*", |_: &dyn AnyEvent| {}),
    ];
    let with = events.catalog();
    let added = with.listeners.iter().filter(|listener| listener.runtime);
    assert_eq!(added.count(), 2);
    assert_eq!(
        with.events[2].inline.len(),
        without.events[2].inline.len() + 2
    );
    assert!(
        with.why("order.paid")
            .unwrap()
            .contains("added at run time")
    );
    let path = file("runtime");
    with.write_lock(&path).unwrap();
    without.check(&path).unwrap();
    drop(subscriptions);
    assert_eq!(events.catalog(), without);
}

#[test]
fn a_dispatcher_without_listeners_has_a_catalog() {
    let catalog = Events::builder()
        .without_linked()
        .build()
        .unwrap()
        .catalog();
    assert!(catalog.listeners.is_empty());
    assert!(catalog.table().ends_with("\n\nno listeners\n"));
}
