//! Which item a listener runs for.

use events_core::{BoxError, Context, FromContext, Needs};

/// Which item of which run the listeners of a per-item event run for. They ask for it by value, as for
/// [`Attempt`](events_core::Attempt), which tells the number of the attempt.
///
/// ```standalone_crate
/// # use events_core::{Attempt, Event, listener};
/// # use events_std::{ItemAttempt, SyncItemEvent};
/// # #[derive(Clone, Debug, Event)]
/// # #[event(durable, name = "zendesk.ticket.synced", extends(SyncItemEvent))]
/// # pub struct TicketSynced { pub ticket: u64 }
/// #[listener(TicketSynced)]
/// async fn store_ticket(event: &TicketSynced, item: ItemAttempt, attempt: Attempt) {
///     println!("ticket {}, item {} of run {}: attempt {}", event.ticket, item.item_id, item.run_id, attempt.number);
/// }
/// ```
///
/// An event that the app dispatches itself is no item of a run: such a listener fails there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ItemAttempt {
    /// The item's row.
    pub item_id: i64,
    /// The run that found it.
    pub run_id: i64,
    /// The integration that is synced.
    pub integration_id: i64,
    /// The provider's id of it.
    pub external_id: Option<String>,
}

impl<'a> FromContext<'a> for ItemAttempt {
    fn needs(_: &mut Needs) {}

    fn from_context(cx: &Context<'a>) -> Result<Self, BoxError> {
        cx.extension::<Self>()
            .cloned()
            .ok_or_else(|| "the event is no item of a sync run here".into())
    }
}
