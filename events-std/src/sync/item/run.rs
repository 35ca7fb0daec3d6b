//! The run of one item: its listeners, inline and in order, and what follows from how they end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use events_core::{
    AnyEvent, Attempt, DispatchError, ErrorPolicy, Events, Extensions, FailureCause,
    InlineListeners, JobFailure, ParkReason,
};

use super::claim::{self, ClaimedItem};
use super::end::{EndedItem, ItemEnd, write};
use super::later::Later;
use super::timeout;
use crate::error::RateLimited;
use crate::integration::{IntegrationError, Integrations, Remembered};
use crate::queue::longest_transaction;
use crate::store::{Store, StoreError, Tx};
use crate::sync::decide::{LAST_WAIT, MAX_ATTEMPTS, deferred, next_attempt};
use crate::sync::{ItemAttempt, SyncItemError, SyncItemErrorKind, SyncRunError};

/// How long an item that is retried late waits for the one of a later run, from look to look.
const LATER_WAIT: Duration = Duration::from_secs(10);

/// What must be known before an item is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ItemNeeds {
    /// Whether a listener is not async, so that the item belongs on a thread that may block.
    pub(crate) blocks: bool,
    /// Whether a listener asks for the transaction in which the item ends.
    pub(crate) wants_transaction: bool,
}

/// What the runs of items share.
#[derive(Debug)]
pub(crate) struct Work {
    integrations: Integrations,
    /// With the policy that the first failure ends the attempt.
    events: Events,
    /// The integrations that the items name.
    remembered: Remembered,
    /// How long an attempt may take.
    pub(super) timeout: Duration,
    /// Whether a run may have no item any more that has not ended.
    pub(super) complete: AtomicBool,
}

impl Work {
    pub(crate) fn new(integrations: &Integrations) -> Self {
        let events = integrations.events();
        Self {
            integrations: integrations.with_events(&events),
            events: events.with_policy(ErrorPolicy::FailFast),
            remembered: Remembered::default(),
            timeout: timeout::of(integrations),
            complete: AtomicBool::new(false),
        }
    }

    /// The events that this program knows, each as others read it.
    pub(super) fn known_events(&self) -> Vec<String> {
        let known = self.events.readable();
        let keys = known
            .iter()
            .map(|(name, version)| claim::key_of(name, *version));
        keys.collect()
    }

    /// The events that this program knows, as claims read them: see [`ClaimTerms`](super::ClaimTerms).
    pub(crate) fn known_list(&self) -> String {
        let backend = self.integrations.store().backend();
        claim::known_list(backend, &self.events.readable())
    }

    /// What the listeners of an event need.
    pub(crate) fn needs(&self, event_name: &str) -> ItemNeeds {
        let found = self.events.inline_listeners(event_name);
        let listeners = found.filter(|listeners| listeners.queued().is_none());
        ItemNeeds {
            blocks: listeners.as_ref().is_some_and(InlineListeners::block),
            wants_transaction: listeners.is_some_and(|listeners| listeners.want::<Tx>()),
        }
    }

    /// Notes what was written: whether a run may have no item any more that has not ended.
    pub(super) fn note_complete(&self, complete: bool) {
        if complete {
            self.complete.store(true, Ordering::Release);
        }
    }

    /// Ends an item as failed, and tells of it, in a transaction of its own: listeners run behind it, which nothing else
    /// shall wait for. What is left to be written of its end, if anything.
    pub(super) async fn fail(
        &self,
        item: &ClaimedItem,
        error: SyncItemError,
        store: &Store,
    ) -> Option<ItemEnd> {
        let message = error.message.clone();
        let ended = [EndedItem::of(item, ItemEnd::Failed(error))];
        let store = store.with_events(&self.integrations.events());
        let writing =
            store.transaction(async |tx| write(&self.integrations.within(tx), &ended).await);
        match tokio::time::timeout(self.timeout, writing).await {
            Ok(Ok(written)) => {
                self.note_complete(written.complete);
                None
            }
            Ok(Err(SyncRunError::Integration(IntegrationError::Store(
                error @ StoreError::NoAnswer(_),
            )))) => {
                tracing::error!(item = item.hold.id, %error, "whether a failed item was ended is not known");
                Some(ItemEnd::Unknown)
            }
            // As where its integration cannot be read: the item waits for whoever puts that right.
            Ok(Err(error)) => {
                tracing::error!(item = item.hold.id, %error, "a failed item could not be ended: it will be tried again");
                Some(ItemEnd::Retry {
                    at: self.now() + LAST_WAIT,
                    error: message,
                    counts: false,
                    alone: false,
                })
            }
            // A listener takes its time, but the end is written; if not, the claim is given back.
            Err(_) => Some(ItemEnd::Unknown),
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.events.now()
    }

    /// Looks whether the item may run at all: one that a later run has superseded, or has still before it, or whose event
    /// a queued listener hears, may not.
    async fn hindered(&self, item: &ClaimedItem) -> Result<Option<ItemEnd>, StoreError> {
        if let Some(listeners) = self.events.inline_listeners(&item.event_name)
            && let Some(queued) = listeners.queued()
        {
            let message = format!(
                "the listener {queued} is queued: those of a per-item event run inside the item's own job"
            );
            return Ok(Some(failed(SyncItemErrorKind::Refused, message)));
        }
        // First whether one waits: what ends between the two looks is found by the second.
        if let Some(later) = later_than(item)
            && later.waits(self.integrations.store()).await?
        {
            let message = "a later run has this item too: it is waited for, so that no old data is put over new";
            return Ok(Some(self.defer(item, LATER_WAIT, message.to_owned())));
        }
        self.superseded(item).await
    }

    /// Looks whether a later run has done the item's work.
    async fn superseded(&self, item: &ClaimedItem) -> Result<Option<ItemEnd>, StoreError> {
        let Some(later) = later_than(item) else {
            return Ok(None);
        };
        let done = later.done(self.integrations.store()).await?;
        Ok(done.map(ItemEnd::Superseded))
    }

    /// How an item ends that has come to this end, unless a later run has done its work meanwhile.
    async fn unless_superseded(&self, item: &ClaimedItem, end: ItemEnd, store: &Store) -> ItemEnd {
        if !matches!(end, ItemEnd::Success | ItemEnd::Failed(_)) {
            return end;
        }
        match store.in_time(self.superseded(item)).await {
            Ok(superseded) => superseded.unwrap_or(end),
            Err(error) => {
                tracing::warn!(item = item.hold.id, %error, "whether a later run has done an item's work is not known");
                end
            }
        }
    }

    /// The same end, in whose text none of the integration's credentials stand.
    async fn without_secrets(
        &self,
        item: &ClaimedItem,
        mut end: ItemEnd,
        store: &Store,
    ) -> ItemEnd {
        let (ItemEnd::Retry { error: text, .. }
        | ItemEnd::Failed(SyncItemError { message: text, .. })) = &mut end
        else {
            return end;
        };
        let finding = async {
            match self.integrations.find(item.integration_id).await {
                // No listener had them either.
                Err(IntegrationError::Encryption(_)) => Ok(None),
                found => found.map_err(|error| SyncRunError::from(error).into_store()),
            }
        };
        match store.in_time(finding).await {
            Ok(Some(found)) => *text = self.integrations.without_credentials(&found, text),
            // Deleted meanwhile: its items are gone too.
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(item = item.hold.id, %error, "the text of an item's error is left out");
                "it failed: what it said is left out, as the credentials that may stand there could not be read"
                    .clone_into(text);
            }
        }
        end
    }

    async fn attempt(&self, item: &ClaimedItem, extensions: Extensions) -> ItemEnd {
        let decoded = self
            .events
            .decode(&item.event_name, item.version, &item.payload);
        let event: Box<dyn AnyEvent> = match self.remembered.during(decoded).await {
            Ok(event) => event,
            Err(failure) => return self.unreadable(item, &failure),
        };
        let attempt = Attempt {
            number: item.attempts,
            max: Some(MAX_ATTEMPTS),
            likely_final: item.attempts >= MAX_ATTEMPTS,
        };
        let extensions = extensions.with(ItemAttempt {
            item_id: item.hold.id,
            run_id: item.run_id,
            integration_id: item.integration_id,
            external_id: item.external_id.clone(),
        });
        let running = self
            .events
            .run_inline(&*event, item.delivery, attempt, &extensions);
        // Not with the policy of the item: what a listener dispatches has listeners of its own.
        match self.integrations.events().scope(running).await {
            Ok(()) => ItemEnd::Success,
            Err(error) => self.after(item, &error),
        }
    }

    fn unreadable(&self, item: &ClaimedItem, failure: &JobFailure) -> ItemEnd {
        let message = failure.message().to_owned();
        match failure.reason() {
            ParkReason::MissingModel => failed(SyncItemErrorKind::MissingModel, message),
            // A model's loader failed, or there is none: as good as a listener.
            ParkReason::Exhausted | ParkReason::Unwired => {
                self.retry(item, SyncItemErrorKind::Exhausted, message)
            }
            ParkReason::Permanent => failed(SyncItemErrorKind::Permanent, message),
            _ => failed(SyncItemErrorKind::Undecodable, message),
        }
    }

    /// What follows an attempt in which a listener failed.
    fn after(&self, item: &ClaimedItem, error: &DispatchError) -> ItemEnd {
        let Some(failure) = error.failures().first() else {
            return self.retry(item, SyncItemErrorKind::Exhausted, error.to_string());
        };
        let limited = failure.error().and_then(|error| RateLimited::find(error));
        if let Some(limited) = limited {
            return self.defer(item, limited.wait(), failure.to_string());
        }
        let message = match failure.cause() {
            FailureCause::Error(_) | FailureCause::Panic(_) => failure.cause().to_string(),
            _ => failure.to_string(),
        };
        if error.is_permanent() {
            return failed(SyncItemErrorKind::Permanent, message);
        }
        self.retry(item, SyncItemErrorKind::Exhausted, message)
    }

    fn defer(&self, item: &ClaimedItem, wait: Duration, error: String) -> ItemEnd {
        match deferred(wait, item.expires_at, self.now()) {
            Some(at) => ItemEnd::Retry {
                at,
                error,
                counts: false,
                alone: false,
            },
            None => failed(SyncItemErrorKind::Expired, error),
        }
    }

    /// What follows an attempt that takes too long.
    pub(super) fn timed_out(&self, item: &ClaimedItem, timeout: Duration) -> ItemEnd {
        let message = format!("the attempt took longer than {timeout:?}");
        self.retry(item, SyncItemErrorKind::TimedOut, message)
    }

    /// What follows an attempt in which the process died. The claim that says so is none.
    fn crashed(&self, item: &ClaimedItem) -> ItemEnd {
        let error = "the process died while the listeners ran".to_owned();
        match next_attempt(item.attempts.saturating_sub(1), self.now()) {
            Some(at) => ItemEnd::Retry {
                at,
                error,
                counts: false,
                alone: true,
            },
            None => failed(SyncItemErrorKind::Crashed, error),
        }
    }

    fn retry(&self, item: &ClaimedItem, kind: SyncItemErrorKind, error: String) -> ItemEnd {
        match next_attempt(item.attempts, self.now()) {
            Some(at) => ItemEnd::Retry {
                at,
                error,
                counts: true,
                alone: false,
            },
            None => failed(kind, error),
        }
    }
}

/// The same work in later runs, which only an item that is retried late looks at.
fn later_than(item: &ClaimedItem) -> Option<Later> {
    if !item.late {
        return None;
    }
    let external_id = item.external_id.as_deref();
    Later::than(
        item.integration_id,
        item.run_id,
        &item.event_name,
        external_id,
    )
}

fn failed(kind: SyncItemErrorKind, message: String) -> ItemEnd {
    ItemEnd::Failed(SyncItemError { kind, message })
}

/// Why the transaction of a run was rolled back.
enum Undone {
    End(ItemEnd),
    /// The claim was lost meanwhile.
    Lost,
    Store(StoreError),
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<SyncRunError> for Undone {
    fn from(error: SyncRunError) -> Self {
        Self::Store(error.into_store())
    }
}

/// Runs one attempt of an item. None: its end is written already, with what a listener wrote, or the claim was lost.
///
/// `store` is the work's own, as its transactions are to be answered.
pub(crate) async fn run(
    work: &Work,
    item: &ClaimedItem,
    needs: ItemNeeds,
    store: &Store,
) -> Option<ItemEnd> {
    let end = attempt(work, item, needs, store).await?;
    let end = work.without_secrets(item, end, store).await;
    Some(work.unless_superseded(item, end, store).await)
}

async fn attempt(
    work: &Work,
    item: &ClaimedItem,
    needs: ItemNeeds,
    store: &Store,
) -> Option<ItemEnd> {
    if let Some(error) = &item.unreadable {
        let message = format!("its row cannot be read: {error}");
        return Some(failed(SyncItemErrorKind::Undecodable, message));
    }
    if item.crashed {
        return Some(work.crashed(item));
    }
    if item.attempts > MAX_ATTEMPTS {
        let message = "the last attempt that it may have did not come to its end".to_owned();
        return Some(failed(SyncItemErrorKind::Exhausted, message));
    }
    match store.in_time(work.hindered(item)).await {
        Ok(None) => {}
        Ok(Some(end)) => return Some(end),
        Err(error) => {
            tracing::error!(%error, "an item could not be looked at: it is given back");
            return Some(ItemEnd::GivenBack);
        }
    }
    if needs.wants_transaction {
        return in_transaction(work, item, store).await;
    }
    let attempt = work.attempt(item, Extensions::new());
    match tokio::time::timeout(work.timeout, attempt).await {
        Ok(end) => Some(end),
        Err(_) => Some(work.timed_out(item, work.timeout)),
    }
}

/// Runs the listeners in a transaction, which also ends the item: what they write there happens exactly once.
async fn in_transaction(work: &Work, item: &ClaimedItem, store: &Store) -> Option<ItemEnd> {
    let timeout = longest_transaction(store, work.timeout);
    let mut begun = false;
    let store = store.with_events(&work.integrations.events());
    let transaction = store.transaction(async |tx: &Tx| {
        begun = true;
        let end = {
            let attempt = work.attempt(item, Extensions::new().with(tx.handle()));
            match tokio::time::timeout(timeout, attempt).await {
                Ok(end) => end,
                Err(_) => work.timed_out(item, timeout),
            }
        };
        // What is written over what a later run wrote is undone.
        let end = match end {
            ItemEnd::Success => work.unless_superseded(item, end, &store).await,
            other => other,
        };
        if end != ItemEnd::Success {
            return Err(Undone::End(end));
        }
        let ended = [EndedItem::of(item, end)];
        let within = work.integrations.within(tx);
        let writing = async {
            write(&within, &ended)
                .await
                .map_err(SyncRunError::into_store)
        };
        let written = store.in_time(writing).await?;
        if written.ended == 0 {
            return Err(Undone::Lost);
        }
        Ok(written.complete)
    });
    match transaction.await {
        Ok(complete) => {
            work.note_complete(complete);
            None
        }
        Err(Undone::Lost) => None,
        Err(Undone::End(end)) => Some(end),
        // The listeners have come to their end.
        Err(Undone::Store(error @ StoreError::NoAnswer(_))) if begun => {
            tracing::error!(%error, "whether an item's transaction was committed is not known: if it was not, the item runs again");
            Some(ItemEnd::Unknown)
        }
        Err(Undone::Store(error)) if begun => {
            let message = format!("the transaction failed: {error}");
            Some(work.retry(item, SyncItemErrorKind::Exhausted, message))
        }
        // No listener has run.
        Err(Undone::Store(error)) => {
            tracing::error!(%error, "no transaction for an item: it is given back");
            Some(ItemEnd::GivenBack)
        }
    }
}
