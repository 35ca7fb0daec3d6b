use events_core::{AnyEvent, Event, category, listener};
use events_std::{Integration, SyncItemEvent};

#[category]
trait Audited: AnyEvent {}

// One category that forbids queueing is enough.
#[derive(Clone, Debug, Event)]
#[event(durable, name = "zendesk.ticket.synced", extends(Audited, SyncItemEvent))]
struct ZendeskTicketSynced {
    #[event(model)]
    integration: Integration,
}

#[listener(ZendeskTicketSynced, queue)]
fn store(event: &ZendeskTicketSynced) {
    let _ = &event.integration;
}

fn main() {}
