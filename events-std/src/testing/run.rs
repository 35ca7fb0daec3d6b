//! What became of a run, for a test to look at.

use crate::integration::Integration;
use crate::sync::{IntegrationSyncItem, ItemStatus, SyncRun, SyncStart};

/// A sync run that a test ran to its end: see [`TestEngine::sync_to_end`](crate::TestEngine::sync_to_end).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TestRun {
    /// The run.
    pub run: SyncRun,
    /// The integration afterwards: its cursor, its health, the time of its next run.
    pub integration: Integration,
    /// Its items, in the order in which they were found; none of a run whose provider failed.
    pub items: Vec<IntegrationSyncItem>,
    /// Why the provider failed while it enumerated them.
    pub error: Option<String>,
}

impl TestRun {
    pub(super) fn of(started: SyncStart, integration: Integration) -> Self {
        let (run, error) = match started {
            SyncStart::Enumerated(run) => (run, None),
            SyncStart::Failed { run, error } => (run, Some(error)),
            other => panic!("no sync was begun: {other:?}"),
        };
        Self {
            run,
            integration,
            items: Vec::new(),
            error,
        }
    }

    /// The items that stand so.
    pub fn items_that(&self, status: ItemStatus) -> impl Iterator<Item = &IntegrationSyncItem> {
        self.items.iter().filter(move |item| item.status == status)
    }

    /// Asserts that the run was clean: the provider found so many items, and all of them ended well.
    ///
    /// # Panics
    ///
    /// If there were more or fewer, or one failed, or the provider did; the message shows what became of the items.
    #[track_caller]
    pub fn assert_synced(&self, items: usize) {
        let well = self.items_that(ItemStatus::Success).count();
        assert!(
            self.error.is_none() && well == items && self.items.len() == items,
            "the run did not sync {items} items; {}",
            self.seen()
        );
    }

    /// Asserts that the item with this external id failed for good, with an error that contains this text.
    ///
    /// # Panics
    ///
    /// If it did not; the message shows what became of the items.
    #[track_caller]
    pub fn assert_item_failed(&self, external_id: impl ToString, error: &str) {
        let id = external_id.to_string();
        let failed = self.items_that(ItemStatus::Failed).any(|item| {
            item.external_id.as_ref() == Some(&id)
                && item
                    .error
                    .as_deref()
                    .is_some_and(|text| text.contains(error))
        });
        assert!(
            failed,
            "no item `{id}` failed with an error that contains `{error}`; {}",
            self.seen()
        );
    }

    /// Asserts that the provider failed while it enumerated, with an error that contains this text.
    ///
    /// # Panics
    ///
    /// If it did not; the message shows what became of the run.
    #[track_caller]
    pub fn assert_failed(&self, error: &str) {
        let failed = self.error.as_ref().is_some_and(|text| text.contains(error));
        assert!(
            failed,
            "the provider did not fail with an error that contains `{error}`; {}",
            self.seen()
        );
    }

    /// What became of it, a line for each item.
    fn seen(&self) -> String {
        if let Some(error) = &self.error {
            return format!("the provider failed: {error}");
        }
        let mut text = format!(
            "it is {}, and found {} items:",
            self.run.state,
            self.items.len()
        );
        for item in &self.items {
            text.push_str("\n  ");
            text.push_str(&item.event_name);
            if let Some(id) = &item.external_id {
                text.push(' ');
                text.push_str(id);
            }
            text.push_str(": ");
            text.push_str(&item.status.to_string());
            if let Some(error) = &item.error {
                text.push_str(", ");
                text.push_str(error);
            }
        }
        text
    }
}
