//! What an upcaster is: the event, the version it takes, the function.

use syn::{Ident, Type};

use super::attr::Attr;
use crate::function::Function;
use crate::krate::Private;
use crate::options::Given;

/// An upcaster whose rules hold.
pub(super) struct Upcaster {
    pub(super) private: Private,
    pub(super) event: Type,
    pub(super) from: u32,
    pub(super) handle: Option<Given<Ident>>,
    pub(super) function: Function,
    /// The type of the payload that it takes.
    pub(super) old: Type,
}

impl Upcaster {
    /// None where something is missing, which is refused before.
    pub(super) fn new(attr: Attr, function: Function) -> Option<Self> {
        let old = function.arguments().next().cloned()?;
        Some(Self {
            private: Private::new(attr.krate.as_ref()),
            event: attr.events.into_iter().next()?,
            from: attr.from?.value,
            handle: attr.handle,
            old,
            function,
        })
    }
}
