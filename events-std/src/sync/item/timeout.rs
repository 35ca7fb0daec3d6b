//! How long one attempt at an item may take.

use std::time::Duration;

use crate::integration::{Integrations, IntegrationsBuilder};
use crate::queue::{DEFAULT_TIMEOUT, LONGEST_TIME};

/// How long all listeners of an item may take together.
#[derive(Clone, Copy, Debug)]
struct ItemTimeout(Duration);

impl Default for ItemTimeout {
    fn default() -> Self {
        Self(DEFAULT_TIMEOUT)
    }
}

impl IntegrationsBuilder {
    /// How long one attempt at an item may take, all its listeners together: a minute unless given. One that takes
    /// longer has failed.
    ///
    /// On SQLite, where others who write wait for it, an attempt whose listeners ask for the transaction may take 5 s
    /// at most.
    pub fn item_timeout(self, time: Duration) -> Self {
        self.part(ItemTimeout(time.min(LONGEST_TIME)))
    }
}

pub(super) fn of(integrations: &Integrations) -> Duration {
    integrations.part::<ItemTimeout>().0
}
