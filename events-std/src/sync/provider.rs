//! The capability of a provider whose items are synced on a schedule.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use events_core::{BoxError, BoxFuture};
use serde_json::Value;

use super::{SyncError, SyncSession, latest_checkpoint};
use crate::integration::{Capability, Integration, Provider};

/// A provider whose items are synced: `#[provider(ScheduledSync)]` registers it.
///
/// ```
/// use std::time::Duration;
/// use events_core::Event;
/// use events_std::{Integration, NoCredentials, NoMetadata, Provider, ScheduledSync, SyncError, SyncItemEvent, SyncSession, provider};
///
/// #[derive(Clone, Debug, Event)]
/// #[event(durable, name = "zendesk.ticket.synced", extends(SyncItemEvent))]
/// pub struct TicketSynced {
///     pub ticket: u64,
/// }
///
/// #[derive(Default)]
/// struct Zendesk;
///
/// #[provider(ScheduledSync)]
/// impl Provider for Zendesk {
///     const KEY: &'static str = "zendesk";
///     const NAME: &'static str = "Zendesk";
///     type Credentials = NoCredentials;
///     type Metadata = NoMetadata;
/// }
///
/// impl ScheduledSync for Zendesk {
///     fn interval(&self) -> Option<Duration> {
///         Some(Duration::from_mins(15))
///     }
///
///     async fn sync(&self, _: &Integration, session: &mut SyncSession) -> Result<(), SyncError> {
///         let after = session.cursor_as::<u64>()?.unwrap_or_default();
///         for ticket in after + 1..=after + 3 {
///             session.item().external_id(ticket).checkpoint(ticket).dispatch(TicketSynced { ticket }).await?;
///         }
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be synced",
    label = "not a `ScheduledSync`",
    note = "implement `events_std::ScheduledSync` for it, or remove `ScheduledSync` from `#[provider(..)]`"
)]
pub trait ScheduledSync: Provider {
    /// The time from one run to the next of an integration that has none of its own, a second at least. Without either, runs start by
    /// hand only.
    fn interval(&self) -> Option<Duration> {
        None
    }

    /// Enumerates what there is to sync, from the session's [cursor](SyncSession::cursor) on where the provider can,
    /// and hands each item over. It does no other work: that is the listeners', who run later.
    ///
    /// A run that fails here leaves nothing: its items are deleted, the cursor stays, and the next one comes later.
    fn sync(
        &self,
        integration: &Integration,
        session: &mut SyncSession,
    ) -> impl Future<Output = Result<(), SyncError>> + Send;

    /// What two items' checkpoints come to together: the later one, unless the provider knows better. It is
    /// associative: the checkpoints of a run, and the cursor before it, are folded with it in any grouping, so that the
    /// cursor never goes back.
    ///
    /// # Errors
    ///
    /// If they do not fit together. The run then counts as one with failures, and the cursor stays.
    fn merge_checkpoints(&self, a: Value, b: Value) -> Result<Value, BoxError> {
        Ok(latest_checkpoint(a, b)?)
    }
}

/// [`ScheduledSync`] where the provider's type is not known.
pub(crate) trait ErasedScheduledSync: Send + Sync {
    /// As [`ScheduledSync::sync`].
    fn sync<'a>(
        &'a self,
        integration: &'a Integration,
        session: &'a mut SyncSession,
    ) -> BoxFuture<'a, Result<(), SyncError>>;

    /// As [`ScheduledSync::merge_checkpoints`]; a panic there is an error.
    ///
    /// # Errors
    ///
    /// If they do not fit together.
    fn merge_checkpoints(&self, a: Value, b: Value) -> Result<Value, BoxError>;
}

/// The capability of a provider that can be synced. Called by what `#[provider(ScheduledSync)]` writes.
pub fn scheduled_sync<P: ScheduledSync>(provider: &Arc<P>) -> Capability {
    let interval = provider.interval();
    Capability::new::<dyn ErasedScheduledSync>(provider.clone()).scheduled(interval)
}

impl<P: ScheduledSync> ErasedScheduledSync for P {
    fn sync<'a>(
        &'a self,
        integration: &'a Integration,
        session: &'a mut SyncSession,
    ) -> BoxFuture<'a, Result<(), SyncError>> {
        Box::pin(ScheduledSync::sync(self, integration, session))
    }

    fn merge_checkpoints(&self, a: Value, b: Value) -> Result<Value, BoxError> {
        catch_unwind(AssertUnwindSafe(|| {
            ScheduledSync::merge_checkpoints(self, a, b)
        }))
        .unwrap_or_else(|panic| Err(format!("panicked: {}", text_of(&*panic)).into()))
    }
}

/// The message of a panic.
pub(super) fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is no text")
}
