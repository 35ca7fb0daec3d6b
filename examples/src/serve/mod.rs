//! GitHub's webhooks, received until the program is told to stop: a server with a worker inside, as small as one is that
//! may stand in the open.
//!
//! `hub` is the provider, `server` the connections, `feed` what is printed. What a delivery means, and what is done about
//! it, is the same as for deliveries that are read from a file.

mod feed;
mod hub;
mod server;

use std::net::SocketAddr;

use axum::Router;
use events_core::EventsBuilder;
use events_std::{Worker, cli, webhook};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::deliveries::Report;
use crate::{App, Error};
use feed::Feed;

/// Where the secret is that GitHub signs with.
const SECRET: &str = "EVENTS_GITHUB_SECRET";

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

/// Serves until a signal. Then no connection is taken any more, those that are open may end, and after them the worker
/// ends the jobs that it runs. Jobs that wait are rows of the store: the next start has them.
pub(crate) async fn run(app: &App, args: Args) -> Result<(), Error> {
    let secret = std::env::var(SECRET).unwrap_or_default();
    if secret.is_empty() {
        return Err(format!("say which secret GitHub signs with: set {SECRET}").into());
    }
    let stopped = cli::stopped()?;
    let hub = hub::connect(&app.integrations, secret).await?;
    state::<Report>(app)?.be_silent();
    state::<Feed>(app)?.open();

    let webhooks = webhook::routes(app.integrations.clone())?;
    let router = Router::new().nest("/integrations", webhooks);
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| format!("cannot listen on {}: {error}", args.listen))?;
    let address = listener.local_addr()?;
    eprintln!(
        "listening on http://{address}/integrations/{}/webhook",
        hub.provider
    );

    let (served, all_served) = oneshot::channel();
    let serving = async {
        server::serve(listener, router, stopped).await;
        // The worker may have ended already, with an error.
        let _ = served.send(());
        Ok::<_, Error>(())
    };
    let working = async {
        let worker = Worker::new(&app.events, &app.store).sync_items(&app.integrations);
        let until = async {
            let _ = all_served.await;
        };
        Ok(worker.run_until(until).await?)
    };
    tokio::try_join!(serving, working)?;
    Ok(())
}

fn state<T: Send + Sync + 'static>(app: &App) -> Result<&T, Error> {
    let state = app.events.state::<T>();
    Ok(state.ok_or("the dispatcher has it from its builder")?)
}
