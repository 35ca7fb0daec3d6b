use events_core::{Event, listener};
use events_std::{Integration, SyncItemEvent};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "zendesk.ticket.synced", extends(SyncItemEvent))]
struct ZendeskTicketSynced {
    #[event(model)]
    integration: Integration,
    ticket: u64,
}

#[listener(ZendeskTicketSynced, queue = "later")]
fn store(event: &ZendeskTicketSynced) {
    let _ = (event.ticket, &event.integration);
}

fn main() {}
