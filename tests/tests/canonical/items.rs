//! An adapter's own per-item event: who hears it, and that nobody may queue it.

use events_core::Event;
use events_std::{Integration, SyncItemEvent};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "zendesk.ticket.synced", extends(SyncItemEvent))]
struct ZendeskTicketSynced {
    #[event(model)]
    integration: Integration,
    ticket: u64,
}

mod heard {
    use std::sync::Mutex;

    use events_core::{State, listener};
    use events_std::{IntegrationCreated, SyncItemEvent};

    use super::ZendeskTicketSynced;
    use crate::rows::{Rows, builder};

    type Heard = Mutex<Vec<String>>;

    #[listener(ZendeskTicketSynced)]
    fn one(event: &ZendeskTicketSynced, heard: &State<Heard>) {
        let text = format!("ticket {} of {}", event.ticket, event.integration.name);
        heard.lock().unwrap().push(text);
    }

    #[listener(dyn SyncItemEvent)]
    fn all(_: &dyn SyncItemEvent, heard: &State<Heard>) {
        heard.lock().unwrap().push("an item".to_owned());
    }

    #[test]
    fn it_is_heard_by_type_and_by_category() {
        let events = builder(module_path!())
            .state(Heard::default())
            .build()
            .unwrap();
        let Rows { integration, .. } = Rows::at_first();
        let created = IntegrationCreated {
            integration: integration.clone(),
        };
        let synced = ZendeskTicketSynced {
            integration,
            ticket: 35,
        };
        events.dispatch_sync(&created).unwrap();
        events.dispatch_sync(&synced).unwrap();
        let heard = events.state::<Heard>().unwrap().lock().unwrap();
        assert_eq!(*heard, ["ticket 35 of Support", "an item"]);
    }
}

mod refused {
    use events_core::{AnyEvent, FaultKind, MemoryQueue, listener};

    use crate::rows::{Database, builder};

    #[listener("zendesk.*", queue = "later")]
    fn later(_: &dyn AnyEvent) {}

    #[test]
    fn a_queued_pattern_that_finds_it_is_refused_by_build() {
        let built = builder(module_path!())
            .state::<Database>(None)
            .queue(MemoryQueue::new())
            .build();
        let error = built.unwrap_err();
        let [fault] = error.faults() else {
            panic!("one fault: {error}");
        };
        assert_eq!(fault.kind(), FaultKind::QueueForbidden);
        assert!(error.to_string().contains("SyncItemEvent"), "{error}");
    }
}
