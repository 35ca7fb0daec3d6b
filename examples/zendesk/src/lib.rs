//! An adapter for Zendesk, as its author would publish it: a provider with its capabilities, and the events of one ticket.
//!
//! It registers at link time: an application names this crate, and its integrations can be of the provider `zendesk`. To be
//! read in this order: `event`, `provider`, `webhook`, `client`.

mod client;
mod event;
mod provider;
mod webhook;

pub use client::{ZendeskClient, ZendeskError};
pub use event::{Ticket, ZendeskTicketStatusChanged, ZendeskTicketSynced};
pub use provider::{Zendesk, ZendeskCredentials, ZendeskMetadata};
