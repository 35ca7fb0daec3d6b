//! GitHub's webhooks, received until the program is told to stop: a server as small as one is that may stand in the open.
//!
//! What a delivery means, and what is done about it, is in `github`; `feed` is what is printed.

mod feed;

use std::net::SocketAddr;

use events_core::EventsBuilder;
use events_std::cli;
use tokio::net::TcpListener;

use crate::github::SECRET;
use crate::{App, Error, github, server};
use feed::Feed;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where to listen. Port 0 takes any that is free; the address is said on the standard error.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

/// Gives a dispatcher what the listeners here ask for.
pub(crate) fn states(builder: EventsBuilder) -> EventsBuilder {
    builder.state(Feed::default())
}

/// Serves until a signal. Jobs that wait then are there for the next start.
pub(crate) async fn run(app: &App, args: Args) -> Result<(), Error> {
    let secret = github::secret_in_environment();
    let secret =
        secret.ok_or_else(|| format!("say which secret GitHub signs with: set {SECRET}"))?;
    let stopped = cli::stopped()?;
    let hub = github::connect(&app.integrations, Some(secret)).await?;
    app.state::<Feed>()?.open();
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", args.listen))?;
    let address = listener.local_addr()?;
    eprintln!(
        "listening on http://{address}/integrations/{}/webhook",
        hub.provider
    );
    server::receive(app, listener, stopped).await
}
