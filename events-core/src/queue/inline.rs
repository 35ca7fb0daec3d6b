//! The run of an event's inline listeners as the work of a job: announcements, and jobs that others keep.

use std::any::{Any, TypeId};
use std::sync::Arc;

use crate::delivery::{Attempt, Delivery};
use crate::dispatch::{DispatchError, ListenerInfo, Report, run_inline};
use crate::event::AnyEvent;
use crate::events::Events;
use crate::extensions::Extensions;
use crate::listener::Kind;
use crate::table::{Entry, Table};

/// What whoever runs the inline listeners of an event inside a job must know of them.
pub struct InlineListeners(Arc<Table>);

impl InlineListeners {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.inline().is_empty()
    }

    /// Whether one is not async, so that they belong on a thread that may block.
    #[must_use]
    pub fn block(&self) -> bool {
        blocks(&self.0)
    }

    /// Whether one asks for a `&T` that the run brings, as the job's transaction.
    #[must_use]
    pub fn want<T: Any + Send + Sync>(&self) -> bool {
        let id = TypeId::of::<T>();
        self.0.inline().iter().any(|entry| entry.wants(id))
    }

    /// A queued listener of the event, if there is one.
    #[must_use]
    pub fn queued(&self) -> Option<ListenerInfo> {
        let entry = self.0.queued().first()?;
        Some(ListenerInfo(entry.record().clone()))
    }
}

impl std::fmt::Debug for InlineListeners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "InlineListeners({})", self.0.inline().len())
    }
}

impl Events {
    /// What is to be known of the inline listeners of the durable event with this stored name; none if this program has
    /// no such event.
    #[must_use]
    pub fn inline_listeners(&self, event: &str) -> Option<InlineListeners> {
        let meta = self.inner().parts().wiring.event_named(event)?;
        Some(InlineListeners(self.inner().merged(meta)))
    }

    /// Runs all inline listeners of an event, in order, as the work of a job: with its delivery, its attempt, and what
    /// they may ask for, as its transaction. Queued ones have jobs of their own. For whoever keeps jobs; an app
    /// dispatches.
    ///
    /// # Errors
    ///
    /// Lists the listeners that failed, only the first under [`ErrorPolicy::FailFast`](crate::ErrorPolicy::FailFast);
    /// or says what the dispatcher lacks: nothing has run then.
    pub async fn run_inline(
        &self,
        event: &dyn AnyEvent,
        delivery: Delivery,
        attempt: Attempt,
        extensions: &Extensions,
    ) -> Result<(), DispatchError> {
        let report = run_inline(self, event, delivery, attempt, extensions).await;
        Report::into_untyped(report).map(drop)
    }
}

/// Whether an inline listener is not async.
pub(super) fn blocks(table: &Table) -> bool {
    let sync = |entry: &Entry| entry.record().kind == Kind::Sync;
    table.inline().iter().any(sync)
}
