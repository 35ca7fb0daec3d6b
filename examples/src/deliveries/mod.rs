//! Deliveries of GitHub from a file, sent through the route that `serve` opens: to a server of this run's own.
//!
//! `line` is what stands in the file, `sender` plays GitHub. What a delivery means, and what is done about it, is in
//! `github`.

mod line;
mod sender;

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor};
use std::path::Path;

use events_std::Worker;
use helpdesk_listeners::Timeline;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::github::Report;
use crate::{App, Error, github, server};
use sender::{Counts, Sender};

/// A few deliveries of our own, for a run without a file.
const OWN: &str = include_str!("own.jsonl");

/// Sends them all, while the server works at what has come; then works until nothing is left.
pub(crate) async fn run(app: &App, file: Option<&Path>) -> Result<(), Error> {
    let input = input(file)?;
    let hub = github::connect(&app.integrations, github::secret_in_environment()).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let sender = Sender::to(app, &hub, listener.local_addr()?)?;
    let (end, ended) = oneshot::channel();
    let sending = async {
        let counts = sender.send_all(input).await?;
        // The server may have ended already, with an error.
        let _ = end.send(());
        Ok::<_, Error>(counts)
    };
    let receiving = server::receive(app, listener, async {
        let _ = ended.await;
    });
    let (counts, ()) = tokio::try_join!(sending, receiving)?;
    Worker::new(&app.events, &app.store).drain().await?;
    finish(app, &counts)
}

fn input(file: Option<&Path>) -> Result<Box<dyn BufRead>, Error> {
    let Some(path) = file else {
        return Ok(Box::new(Cursor::new(OWN)));
    };
    let opened =
        File::open(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(Box::new(BufReader::new(opened)))
}

fn finish(app: &App, counts: &Counts) -> Result<(), Error> {
    let Counts {
        read,
        dispatched,
        duplicates,
    } = counts;
    let timeline = app.state::<Timeline>()?;
    timeline.print(&format!("\n{}", app.state::<Report>()?));
    if *duplicates > 0 {
        timeline.print(&format!(
            "delivered before, and so without events: {duplicates}"
        ));
    }
    timeline.print(&format!(
        "deliveries: {read} read, {dispatched} dispatched, {} refused",
        read - dispatched
    ));
    Ok(())
}
