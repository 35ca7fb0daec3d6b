//! What happens to an application that syncs tickets.

use events_core::Event;
use events_std::{Integration, SyncItemEvent};
use serde::{Deserialize, Serialize};

/// A ticket is new, or was changed. Its listeners do the work: they run inside the item's own job, which is tried again
/// when one of them fails.
#[derive(Clone, Debug, Event)]
#[event(durable, name = "zendesk.ticket.synced", extends(SyncItemEvent))]
pub struct ZendeskTicketSynced {
    /// The integration that is synced.
    #[event(model)]
    pub integration: Integration,
    /// The ticket as the API had it.
    pub ticket: Ticket,
}

/// A ticket has another status: a webhook said so.
#[derive(Clone, Debug, Event)]
#[event(durable, name = "zendesk.ticket.status_changed")]
pub struct ZendeskTicketStatusChanged {
    /// The integration to which the webhook came.
    #[event(model)]
    pub integration: Integration,
    /// The ticket's number.
    pub ticket: u64,
    /// The new status, as `SOLVED`.
    pub status: String,
}

/// A ticket, as far as we read it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its number.
    pub id: u64,
    /// What it is about.
    pub subject: String,
    /// The team that answers it.
    pub group: String,
    /// When it was last changed, in seconds since 1970: what the export is sorted by.
    pub generated_timestamp: i64,
}
