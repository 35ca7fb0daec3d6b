//! What a dispatcher can read of what is stored.

use crate::events::Events;

impl Events {
    /// The durable events of this dispatcher, by their stored names, with each version of the wire form that it reads:
    /// today's, and those that upcasters turn into it. What whoever keeps events of others may hand to
    /// [`decode`](Self::decode).
    #[must_use]
    pub fn readable(&self) -> Vec<(&'static str, u32)> {
        let wiring = &self.inner().parts().wiring;
        let mut readable = Vec::new();
        for meta in wiring.events() {
            if let (Some(name), Some(form)) = (meta.name, meta.durable) {
                let older = wiring.upcasters().of(meta).iter();
                let versions = std::iter::once(form.version).chain(older.map(|older| older.from()));
                readable.extend(versions.map(|version| (name, version)));
            }
        }
        readable
    }
}
