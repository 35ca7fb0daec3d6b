//! How a stored payload becomes an event again.

use std::future::ready;

use super::{DecodeError, Loader};
use crate::event::{AnyEvent, Decoding, EventMeta};
use crate::events::Events;

impl Events {
    /// Reads a stored payload as today's event: upcasters turn it into the event's version, then its models are
    /// loaded. `event` is the stored name.
    ///
    /// # Errors
    ///
    /// If this dispatcher has no such event, cannot read this version of it, or the payload is not of its form; if an
    /// upcaster fails or panics; if a model is gone or its loader fails.
    pub async fn read_payload(
        &self,
        event: &str,
        version: u32,
        payload: &str,
    ) -> Result<Box<dyn AnyEvent>, DecodeError> {
        let meta = self.inner().parts().wiring.event_named(event);
        let meta = meta.ok_or_else(|| DecodeError::UnknownEvent(event.to_owned()))?;
        self.reading(meta, version, payload).await
    }

    /// As [`read_payload`](Self::read_payload), of an event that is known.
    pub(crate) fn reading<'a>(
        &'a self,
        meta: &'static EventMeta,
        version: u32,
        payload: &'a str,
    ) -> Decoding<'a> {
        match meta.durable {
            Some(form) if form.version == version => (form.decode)(payload, Loader(self)),
            Some(form) => Box::pin(async move {
                let upcasters = self.inner().parts().wiring.upcasters();
                let payload = upcasters.upcast(meta, version, payload)?;
                (form.decode)(&payload, Loader(self)).await
            }),
            None => Box::pin(ready(Err(DecodeError::unknown_version(meta, version)))),
        }
    }
}
