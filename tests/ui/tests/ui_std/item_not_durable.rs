use events_core::Event;
use events_std::{SyncItemEvent, SyncSession};

#[derive(Clone, Debug, Event)]
#[event(extends(SyncItemEvent))]
struct ZendeskTicketSynced {
    ticket: u64,
}

async fn hand_over(mut session: SyncSession) {
    let event = ZendeskTicketSynced { ticket: 7 };
    let _ = session.item().external_id(event.ticket).dispatch(event).await;
}

fn main() {}
