//! The story of a helpdesk that syncs the tickets of its Zendesk account: a day with bad tickets, two outages, and webhooks.
//!
//! What is played is real: the other company answers over HTTP (`api`, `consent`) and sends webhooks (`hooks`) to the
//! application's own server (`pages`), the adapter is a crate as its author would publish it (`helpdesk-zendesk`), the
//! listeners are another (`helpdesk-listeners`), and everything is kept in a database. Only the time is ours: the clock
//! is set forward where a real program would wait. `acts` is the plot, `stage` what it is played with, `tally` counts.

mod acts;
mod api;
mod consent;
mod hooks;
mod pages;
mod stage;
mod tally;

use std::io::{self, Write};

use events_core::EventsBuilder;
use events_std::Store;
use helpdesk_listeners::{Desk, Pager, Timeline};
use helpdesk_zendesk::Zendesk;

use crate::Error;
use stage::Stage;
use tally::{Table, Tally};

/// Plays it. With `json`, nothing is printed but how often each event fired.
pub(crate) async fn play(store: &Store, json: bool) -> Result<(), Error> {
    let timeline = if json {
        Timeline::silent()
    } else {
        Timeline::aloud()
    };
    let stage = Stage::set(store, timeline).await?;
    acts::play(&stage).await?;
    let table = Table::of(&stage.app.events, stage.app.state()?);
    stage.app.state::<Timeline>()?.print(&format!("\n{table}"));
    if json {
        writeln!(io::stdout(), "{}", table.to_json()?)?;
    }
    Ok(())
}

/// Gives a dispatcher what the listeners of the story ask for.
pub(crate) fn states(builder: EventsBuilder) -> EventsBuilder {
    builder
        .state(Desk::of(["support", "returns"]))
        .state(Pager::default())
        .state(Zendesk::default())
        .state(Tally::default())
}
