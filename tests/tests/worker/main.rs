//! The worker on real databases.

mod announced;
mod backlog;
mod current;
mod damaged;
mod due;
mod handed;
mod hooks;
mod kit;
mod limits;
mod no_transaction;
mod ordered;
mod queues;
mod renamed;
mod running;
