//! A request that a listener of an item makes.

use std::collections::VecDeque;
use std::sync::Mutex;

use events_core::{State, listener};
use events_std::{Integrations, ItemStatus, RequestError};

use super::{Answer, answer, answer_with};
use crate::desk::{DeskBench, TicketSynced};
use crate::kit::on_both;

/// What the provider answers next.
#[derive(Default)]
struct Answers(Mutex<VecDeque<Answer>>);

#[listener(TicketSynced, priority = 10, handle = READ)]
async fn read_comments(
    event: &TicketSynced,
    integrations: Integrations,
    answers: &State<Answers>,
) -> Result<(), RequestError> {
    integrations
        .request(&event.integration, "/comments", "GET")
        .send(async |_| answers.0.lock().unwrap().pop_front().expect("an answer"))
        .await?;
    Ok(())
}

/// Section 7.3: a request that is throttled for longer than it waits defers the item by `?` alone, and its attempt does
/// not count; any other failure is an attempt's.
async fn a_throttled_request_defers_its_item(url: String) {
    let desk = DeskBench::with(url, |events| {
        events.register(READ).state(Answers::default())
    })
    .await;
    let events = &desk.bench.events;
    let plan = [
        answer_with(429, ("retry-after", "40")),
        answer(404, "{}"),
        answer(200, "{}"),
    ];
    events
        .state::<Answers>()
        .unwrap()
        .0
        .lock()
        .unwrap()
        .extend(plan);
    let run = desk.sync([1]).await;
    let item = desk.item(&run, 1).await;
    assert_eq!((item.status, item.attempts), (ItemStatus::Success, 2));
    let mut heard = desk.bench.heard.names();
    heard.retain(|name| name.starts_with("request."));
    assert_eq!(
        heard,
        ["request.failed", "request.failed", "request.completed"]
    );
}

on_both!(a_throttled_request_defers_its_item);
