//! The worker on real databases.

mod hooks;
mod kit;
mod ordered;
mod running;
