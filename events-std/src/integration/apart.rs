//! What goes on though nobody waits for it any more.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument;
use tracing::instrument::WithSubscriber;

use super::Integrations;

impl Integrations {
    /// Runs a block in a task of its own, with this service's dispatcher, in the span and for the subscriber of the
    /// caller: it comes to its end though whoever waits for it hangs up, and a panic ends it alone.
    pub(crate) fn apart<T: Send + 'static>(
        &self,
        block: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let block = self.events().scope(block).in_current_span();
        tokio::spawn(block.with_current_subscriber())
    }
}
