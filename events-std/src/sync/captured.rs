//! What a session of an adapter's own tests has taken.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use events_core::{AnyEvent, Event};
use serde_json::Value;

use super::session::NewItem;

/// The items that a [`SyncSession`](crate::SyncSession) of a test has taken.
#[derive(Clone)]
pub struct CapturedItems(Arc<Mutex<Captured>>);

/// One item that a test's session has taken.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CapturedItem {
    /// The stored name of its event.
    pub event_name: String,
    /// The event's wire form.
    pub payload: Value,
    /// The provider's id of it.
    pub external_id: Option<String>,
    /// How far the cursor may move with it.
    pub checkpoint: Option<Value>,
}

#[derive(Default)]
pub(super) struct Captured {
    items: Vec<(CapturedItem, Box<dyn AnyEvent>)>,
    seen: HashSet<(&'static str, String)>,
    duplicates: u64,
}

impl Captured {
    pub(super) fn take(this: &Mutex<Self>, item: NewItem, event: Box<dyn AnyEvent>) {
        let mut captured = lock(this);
        if let Some(id) = &item.external_id
            && !captured.seen.insert((item.event_name, id.clone()))
        {
            captured.duplicates += 1;
            return;
        }
        let json = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
        let item = CapturedItem {
            event_name: item.event_name.to_owned(),
            payload: json(item.payload),
            external_id: item.external_id,
            checkpoint: item.checkpoint.map(json),
        };
        captured.items.push((item, event));
    }
}

impl CapturedItems {
    pub(super) fn new() -> (Arc<Mutex<Captured>>, Self) {
        let captured: Arc<Mutex<Captured>> = Arc::default();
        (captured.clone(), Self(captured))
    }

    /// All items, in their order.
    #[must_use]
    pub fn all(&self) -> Vec<CapturedItem> {
        lock(&self.0)
            .items
            .iter()
            .map(|(item, _)| item.clone())
            .collect()
    }

    /// The events of one type, in their order.
    #[must_use]
    pub fn of<E: Event + Clone>(&self) -> Vec<E> {
        let captured = lock(&self.0);
        let events = captured
            .items
            .iter()
            .filter_map(|(_, event)| event.downcast_ref::<E>());
        events.cloned().collect()
    }

    /// How many items were dropped because the run had their event type and external id already.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        lock(&self.0).duplicates
    }

    /// Checks how many items there are.
    ///
    /// # Panics
    ///
    /// If there are more or fewer. The message names them.
    #[track_caller]
    pub fn assert_count(&self, count: usize) {
        let items = self.all();
        let names: Vec<String> = items
            .iter()
            .map(|item| match &item.external_id {
                Some(id) => format!("{} {id}", item.event_name),
                None => item.event_name.clone(),
            })
            .collect();
        assert!(
            items.len() == count,
            "expected {count} items, but the session took {}: {}",
            items.len(),
            names.join(", ")
        );
    }
}

impl std::fmt::Debug for CapturedItems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

fn lock(captured: &Mutex<Captured>) -> MutexGuard<'_, Captured> {
    captured.lock().unwrap_or_else(PoisonError::into_inner)
}
