//! The canonical events as they are stored and heard: names, payloads, models by key, and what must never be seen.
//!
//! The files in `golden/` are what programs have stored under these names. A change of one breaks jobs that wait
//! already: give the event a new version
//! and an upcaster instead, and keep the old file.

mod gone;
mod items;
mod rows;
mod secrets;
mod stored;
mod values;

/// The stored names, by the contract.
const NAMES: [&str; 14] = [
    "integration.created",
    "integration.synced",
    "integration.health_changed",
    "integration.disabled",
    "request.completed",
    "request.failed",
    "operation.started",
    "operation.completed",
    "operation.failed",
    "sync.completed",
    "sync.item_failed",
    "oauth.completed",
    "oauth.revoked",
    "webhook.received",
];
