//! What GitHub's deliveries mean, and what is done about it: the same for those that `serve` receives and for those that
//! `deliveries` sends from a file.
//!
//! To be read in this order: `events` (what can happen), `listeners` (what is done about it), `input` (how a delivery
//! becomes an event), `provider` (how it is received), `report` (what is told).

mod events;
mod input;
mod listeners;
mod provider;
mod report;

use events_core::EventsBuilder;

use listeners::{Contributors, Pager};
pub(crate) use provider::{connect, secret_in_environment, secret_of};
pub(crate) use report::Report;

/// Where the secret is that GitHub signs with.
pub(crate) const SECRET: &str = "EVENTS_GITHUB_SECRET";

/// Gives a dispatcher what the listeners here ask for.
pub(crate) fn states(builder: EventsBuilder) -> EventsBuilder {
    builder
        .state(Report::default())
        .state(Contributors::default())
        .state(Pager::default())
}
