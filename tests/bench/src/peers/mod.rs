//! The crates we compare with, each as its documentation uses it. Their listeners do what ours do.

pub(crate) mod bevy;
pub(crate) mod evenio;
pub(crate) mod mod_events;
