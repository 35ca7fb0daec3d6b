//! Credentials leave an integration only by its own door.

use std::marker::PhantomData;

use events_std::{Credentials, Integration, SyncResult};
use serde::Serialize;
use serde_json::json;

use crate::NAMES;
use crate::rows::{CANARY, Rows};
use crate::stored::jobs;

#[test]
fn they_are_never_seen() {
    let rows = Rows::at_first();
    let credentials = rows.integration.credentials.as_ref().unwrap();
    assert_eq!(credentials.get("access_token"), Some(&json!(CANARY)));
    let mut seen = vec![format!("{credentials:?} {credentials:#?}")];
    for event in rows.events() {
        seen.push(format!("{event:?} {event:#?}"));
        seen.push(event.payload().unwrap());
    }
    seen.extend(jobs().iter().map(|job| format!("{job:?}")));
    assert_eq!(seen.len(), 1 + 3 * NAMES.len());
    for text in seen {
        assert!(!text.contains(CANARY), "{text}");
        assert!(!text.contains("access_token"), "{text}");
    }
}

/// Finds out whether a type implements `Serialize`: the inherent constant wins where its bound holds.
struct Probe<T>(PhantomData<T>);

trait Fallback {
    const SERIALIZES: bool = false;
}

impl<T> Fallback for Probe<T> {}

impl<T: Serialize> Probe<T> {
    const SERIALIZES: bool = true;
}

#[test]
fn what_holds_them_cannot_be_serialised() {
    const {
        assert!(!Probe::<Integration>::SERIALIZES);
        assert!(!Probe::<Credentials>::SERIALIZES);
        assert!(Probe::<SyncResult>::SERIALIZES);
    }
}
