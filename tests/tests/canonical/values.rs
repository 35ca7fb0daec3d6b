//! The plain data: words, defaults, counts.

use std::fmt::Display;

use events_std::{
    Direction, FailureClass, HealthStatus, Integration, ItemStatus, SyncItemErrorKind, SyncResult,
};
use serde_json::json;

fn words<T: Display>(values: &[T]) -> String {
    let words: Vec<_> = values.iter().map(ToString::to_string).collect();
    words.join(" ")
}

#[test]
fn words_are_those_of_the_contract() {
    use FailureClass::{Client, Throttle, Unknown, Upstream};
    use HealthStatus::{Degraded, Disabled, Failing, Healthy};
    use ItemStatus::{Failed, Pending, Processing, Skipped, Success};
    use SyncItemErrorKind as Kind;
    let health = [Healthy, Degraded, Failing, Disabled];
    assert_eq!(words(&health), "healthy degraded failing disabled");
    assert!(health.iter().all(|word| json!(word) == word.to_string()));
    let kinds = [
        Kind::Exhausted,
        Kind::Refused,
        Kind::TimedOut,
        Kind::Expired,
        Kind::Undecodable,
        Kind::MissingModel,
        Kind::Crashed,
        Kind::Reclaimed,
    ];
    assert_eq!(
        words(&kinds),
        "exhausted refused timed_out expired undecodable missing_model crashed reclaimed"
    );
    assert!(kinds.iter().all(|word| json!(word) == word.to_string()));
    assert_eq!(
        words(&[Upstream, Throttle, Client, Unknown]),
        "upstream throttle client unknown"
    );
    assert_eq!(
        words(&[Direction::Inbound, Direction::Outbound]),
        "inbound outbound"
    );
    assert_eq!(
        words(&[Pending, Processing, Success, Failed, Skipped]),
        "pending processing success failed skipped"
    );
}

#[test]
fn a_run_has_failures_if_an_item_or_the_enumeration_failed() {
    let clean = SyncResult {
        success_count: 3,
        ..SyncResult::default()
    };
    let failed_item = SyncResult {
        failure_count: 2,
        ..clean.clone()
    };
    let failed_enumeration = SyncResult {
        error: Some("503".to_owned()),
        ..SyncResult::default()
    };
    assert!(!SyncResult::default().has_failures());
    assert!(!clean.has_failures());
    assert!(failed_item.has_failures());
    assert!(failed_enumeration.has_failures());
    assert_eq!(failed_item.total_count(), 5);
    assert_eq!(failed_enumeration.total_count(), 0);
}

#[test]
fn a_new_integration_has_the_defaults_of_the_contract() {
    let new = Integration::new("zendesk", "Support");
    assert_eq!((&*new.provider, &*new.name), ("zendesk", "Support"));
    assert!(new.is_active);
    assert_eq!(new.health_status, HealthStatus::Healthy);
    assert_eq!(new.consecutive_failures, 0);
    assert_eq!(new.consecutive_sync_failures, 0);
    assert!(!new.needs_authorization);
    assert_eq!(new.credentials, None);
    assert_ne!(new.uid, Integration::new("zendesk", "Support").uid);
}
