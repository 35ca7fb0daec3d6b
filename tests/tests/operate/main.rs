//! What an operator does: with parked jobs, with the figures of the queues, on the command line.

mod change;
mod command;
mod integrations;
mod kit;
mod parked;
mod stats;
mod terminal;
