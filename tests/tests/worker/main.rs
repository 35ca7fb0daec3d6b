//! The worker on real databases.

mod announced;
mod damaged;
mod hooks;
mod kit;
mod no_transaction;
mod ordered;
mod running;
