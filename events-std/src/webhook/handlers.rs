//! A provider's handlers, by what has happened.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;

use events_core::{BoxError, BoxFuture};

use super::Delivery;

type Handler<P> =
    Arc<dyn Fn(Arc<P>, Delivery) -> BoxFuture<'static, Result<(), BoxError>> + Send + Sync>;

/// A provider's handlers, by the event type of a delivery.
///
/// With any handler here, a delivery of a type that has none is ignored: it counts as processed. Without any, every
/// delivery goes to [`Webhooks::handle`](super::Webhooks::handle).
pub struct Handlers<P>(BTreeMap<String, Handler<P>>);

impl<P: Send + Sync + 'static> Handlers<P> {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// Handles deliveries of this type: with an `async fn(self: Arc<Self>, delivery: Delivery)` of the provider, or a
    /// closure of both. A second handler of one type replaces the first.
    #[must_use]
    pub fn on<F, R, E>(mut self, event_type: impl Into<String>, handler: F) -> Self
    where
        F: Fn(Arc<P>, Delivery) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let handler: Handler<P> = Arc::new(move |provider, delivery| {
            let handling = handler(provider, delivery);
            Box::pin(async move { handling.await.map_err(Into::into) })
        });
        self.0.insert(event_type.into(), handler);
        self
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The handler of this type.
    pub(super) fn get(&self, event_type: &str) -> Option<&Handler<P>> {
        self.0.get(event_type)
    }
}

impl<P: Send + Sync + 'static> Default for Handlers<P> {
    fn default() -> Self {
        Self::new()
    }
}

impl<P> fmt::Debug for Handlers<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
