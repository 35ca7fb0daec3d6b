//! What the program knows about its own events and listeners.

/// What a dispatcher knows about its events and listeners.
pub struct Catalog;
