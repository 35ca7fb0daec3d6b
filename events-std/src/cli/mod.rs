//! Subcommands that a program mounts under its own: it works on the queue, syncs integrations, and shows and decides what
//! failed.
//!
//! Words alone stand here, and what a terminal needs. What is done is done by the rooms below.

mod args;
mod failed;
mod follow;
mod integrations;
mod items;
mod jobs;
mod mount;
#[cfg(feature = "oauth-loopback")]
mod oauth;
mod operations;
mod queue;
mod sync;
mod text;
#[cfg(feature = "webhooks")]
mod webhooks;
mod work;

use std::io::{self, Write};

use clap::Subcommand;
use events_core::Events;
use serde::Serialize;

use crate::integration::{IntegrationError, Integrations};
use crate::queue::WorkerError;
use crate::queue::operate::JobId;
use crate::store::{Store, StoreError};
use crate::sync::SyncRunError;

use integrations::IntegrationsCommand;
use items::ItemsCommand;
use jobs::JobsAction;
pub use jobs::JobsCommand;
use mount::mounts;
#[cfg(feature = "oauth-loopback")]
use oauth::OAuthCommand;
use operations::OperationsCommand;
use sync::SyncCommand;
#[cfg(feature = "webhooks")]
use webhooks::WebhooksCommand;

/// What an operator does with the store: `work`, `failed list|show|retry|forget|flush`, `queue stats` and `migrate`; and
/// with integrations: `integrations list|show|health`, `sync due|run|status`, `items failed|retry|skip|reclaim`,
/// `operations list` and, with the feature `webhooks`, `webhooks list|show|replay|recover`, with `oauth`, `oauth status|refresh|revoke`. Each has `--json`; no secret is ever shown.
///
/// Those of integrations ask for [`Integrations`] as a state of the dispatcher, and `work` runs the
/// items of sync runs too where it has one. A program without integrations mounts [`JobsCommand`].
///
/// A program mounts it beside its own subcommands:
///
/// ```no_run
/// use clap::Parser;
/// use events_core::Events;
/// use events_std::Store;
///
/// #[derive(Parser)]
/// struct Args {
///     #[command(subcommand)]
///     command: Command,
/// }
///
/// #[derive(clap::Subcommand)]
/// enum Command {
///     /// Take orders
///     Serve,
///     #[command(flatten)]
///     Events(events_std::cli::Command),
/// }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let args = Args::parse();
///     let store = Store::connect("sqlite:app.db").await?;
///     let events = Events::builder().queue(store.queue()).build()?;
///     match args.command {
///         Command::Serve => println!("open"),
///         Command::Events(command) => command.run(&store, &events).await?,
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Command(Action);

// Not documented: what stands on a subcommand's type would become the help of the program that mounts it.
#[derive(Clone, Debug, Subcommand)]
enum Action {
    #[command(flatten)]
    Jobs(JobsAction),
    /// See which integrations there are, and how well they work
    #[command(subcommand)]
    Integrations(IntegrationsCommand),
    /// See which syncs are due and how their runs stand, or run one now
    #[command(subcommand)]
    Sync(SyncCommand),
    /// Look at the items of sync runs that have failed, and decide about them
    #[command(subcommand)]
    Items(ItemsCommand),
    /// See what integrations did, and what went wrong
    #[command(subcommand)]
    Operations(OperationsCommand),
    /// Look at the webhooks that were delivered, and have them processed again
    #[cfg(feature = "webhooks")]
    #[command(subcommand)]
    Webhooks(WebhooksCommand),
    /// See how the authorizations of integrations stand, refresh one, or take it back
    #[cfg(feature = "oauth-loopback")]
    #[command(subcommand)]
    #[command(name = "oauth")]
    OAuth(OAuthCommand),
}

mounts!(Command, Action);

/// Why a command failed.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The integration is not there or could not be read, or the dispatcher has no integrations.
    #[error(transparent)]
    Integration(#[from] IntegrationError),
    /// Runs or items could not be read or changed.
    #[error(transparent)]
    Sync(#[from] SyncRunError),
    /// No sync was run, or it did not come to an end.
    #[error("not synced: {0}")]
    NotSynced(String),
    /// The provider was asked whether the integration works, and said that it does not.
    #[error("its provider says: {0}")]
    NotWell(String),
    /// Items that were named are not there, or did not fail. What was asked for is done for all others.
    #[error("{}", .0.join("; "))]
    NotFailed(Vec<String>),
    /// The worker ended by itself.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// A limit is of a queue that this worker does not serve.
    #[error(
        "`--limit {queue}=..`: this worker does not serve the queue `{queue}`, only {}", .served.join(", ")
    )]
    NotServed {
        /// The queue.
        queue: String,
        /// Those that it serves.
        served: Vec<String>,
    },
    /// Jobs that were named are not there, or not parked. What was asked for is done for all others.
    #[error("not parked: {}", listed(.0))]
    NotParked(Vec<JobId>),
    /// The webhooks could not be read or changed.
    #[cfg(feature = "webhooks")]
    #[error(transparent)]
    Webhook(#[from] crate::webhook::WebhookError),
    /// The handler of a webhook that was replayed failed.
    #[cfg(feature = "webhooks")]
    #[error("the handler of the webhook {id} failed: {error}")]
    Replay {
        /// The webhook.
        id: i64,
        /// What the handler said.
        error: String,
    },
    /// Webhooks that were named cannot be queued again. What was asked for is done for all others.
    #[cfg(feature = "webhooks")]
    #[error("{}", sentences(.0))]
    NotRecovered(Vec<crate::webhook::WebhookError>),
    /// The authorization could not be refreshed or taken back.
    #[cfg(feature = "oauth-loopback")]
    #[error(transparent)]
    OAuth(#[from] crate::oauth::OAuthError),
    /// The output could not be written.
    #[error("the output could not be written: {0}")]
    Output(#[from] io::Error),
}

crate::error::debug_as_text!(CommandError);

fn listed(ids: &[JobId]) -> String {
    let ids: Vec<String> = ids.iter().map(JobId::to_string).collect();
    ids.join(", ")
}

#[cfg(feature = "webhooks")]
fn sentences(errors: &[crate::webhook::WebhookError]) -> String {
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    errors.join("; ")
}

impl Command {
    /// Carries the command out, and prints to the standard output. A reader that closes it early, as `head` does, is
    /// no failure.
    ///
    /// # Errors
    ///
    /// If the store or the output fails, what was named is not there or did not fail, or a worker ends by itself.
    ///
    /// # Panics
    ///
    /// `work` and `sync run`, if the runtime is built without `enable_io` (`enable_all` has it).
    pub async fn run(self, store: &Store, events: &Events) -> Result<(), CommandError> {
        unless_unread(self.run_to(store, events, &mut io::stdout()).await)
    }

    /// As [`run`](Self::run), printing elsewhere.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub async fn run_to(
        self,
        store: &Store,
        events: &Events,
        output: &mut (impl Write + Send),
    ) -> Result<(), CommandError> {
        match self.0 {
            Action::Jobs(action) => action.run(store, events, output).await,
            Action::Integrations(command) => command.run(&integrations_of(events)?, output).await,
            Action::Sync(command) => command.run(&integrations_of(events)?, events, output).await,
            Action::Items(command) => command.run(&integrations_of(events)?, output).await,
            Action::Operations(command) => command.run(&integrations_of(events)?, output).await,
            #[cfg(feature = "webhooks")]
            Action::Webhooks(command) => {
                let (integrations, now) = (integrations_of(events)?, events.now());
                command.run(&integrations, now, output).await
            }
            #[cfg(feature = "oauth-loopback")]
            Action::OAuth(command) => {
                let (integrations, now) = (integrations_of(events)?, events.now());
                command.run(&integrations, now, output).await
            }
        }
    }
}

/// A reader that closes the output early is no failure.
fn unless_unread(ended: Result<(), CommandError>) -> Result<(), CommandError> {
    match ended {
        Err(CommandError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        ended => ended,
    }
}

/// The integrations of the program, whose events go through its dispatcher.
fn integrations_of(events: &Events) -> Result<Integrations, CommandError> {
    Ok(events.scope_sync(Integrations::current)?)
}

/// Ends when the process is asked to stop, by Ctrl-C or a termination signal: for whatever a program runs beside the
/// subcommands. From the call on, not from the first await, the signals are ours.
///
/// # Errors
///
/// If the signals cannot be listened to.
pub fn stopped() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

fn write_json(output: &mut impl Write, value: &impl Serialize) -> Result<(), CommandError> {
    serde_json::to_writer_pretty(&mut *output, value).map_err(io::Error::from)?;
    writeln!(output)?;
    Ok(())
}
