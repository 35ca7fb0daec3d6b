//! The worker on real databases.

mod kit;
mod running;
