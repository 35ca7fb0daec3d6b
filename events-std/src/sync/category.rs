//! The category of per-item events.

use events_core::{AnyEvent, category};

/// What an adapter fires for one item of a sync run.
///
/// The listeners of such an event *are* the item's work: they run inline, inside the item's job, which tries again
/// when one fails. So none of them may be queued, and the compiler says so.
///
/// ```standalone_crate
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// use events_core::{Event, Events, State, listener};
/// use events_std::{Integration, SyncItemEvent};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, Serialize, Deserialize)]
/// pub struct Ticket {
///     pub id: u64,
///     pub subject: String,
/// }
///
/// #[derive(Clone, Debug, Event)]
/// #[event(durable, name = "zendesk.ticket.synced", extends(SyncItemEvent))]
/// pub struct ZendeskTicketSynced {
///     #[event(model)]
///     pub integration: Integration,
///     pub ticket: Ticket,
/// }
///
/// // The adapter's, or the application's.
/// #[listener(ZendeskTicketSynced)]
/// fn store_ticket(event: &ZendeskTicketSynced) {
///     println!("{}: {}", event.ticket.id, event.ticket.subject);
/// }
///
/// // Every per-item event of every adapter.
/// #[listener(dyn SyncItemEvent)]
/// fn count(_: &dyn SyncItemEvent, items: &State<AtomicU64>) {
///     items.fetch_add(1, Ordering::Relaxed);
/// }
///
/// let events = Events::builder().state(AtomicU64::new(0)).build().unwrap();
/// events
///     .dispatch_sync(&ZendeskTicketSynced {
///         integration: Integration::new("zendesk", "Support"),
///         ticket: Ticket { id: 35, subject: "The printer is on fire".into() },
///     })
///     .unwrap();
/// assert_eq!(events.state::<AtomicU64>().unwrap().load(Ordering::Relaxed), 1);
/// ```
#[category(inline_only)]
pub trait SyncItemEvent: AnyEvent {}
