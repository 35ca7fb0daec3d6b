//! The subcommands about jobs, which need no integrations.

use std::io::{self, Write};

use clap::Subcommand;
use events_core::Events;

use super::failed::FailedCommand;
use super::mount::mounts;
use super::queue::QueueCommand;
use super::work::WorkArgs;
use super::{CommandError, unless_unread, write_json};
use crate::store::Store;

/// What an operator of a program without integrations does with the store: `work`, `failed list|show|retry|forget|flush`,
/// `queue stats` and `migrate`. It is mounted as [`Command`](super::Command) is, which has these too.
#[derive(Clone, Debug)]
pub struct JobsCommand(JobsAction);

mounts!(JobsCommand, JobsAction);

impl JobsCommand {
    /// Carries the command out, and prints to the standard output. A reader that closes it early, as `head` does, is
    /// no failure.
    ///
    /// # Errors
    ///
    /// If the store or the output fails, what was named is not there or did not fail, or a worker ends by itself.
    ///
    /// # Panics
    ///
    /// `work`, if the runtime is built without `enable_io` (`enable_all` has it).
    pub async fn run(self, store: &Store, events: &Events) -> Result<(), CommandError> {
        unless_unread(self.0.run(store, events, &mut io::stdout()).await)
    }
}

// Not documented: what stands on a subcommand's type would become the help of the program that mounts it.
#[derive(Clone, Debug, Subcommand)]
pub(super) enum JobsAction {
    /// Run queued listeners, until stopped by Ctrl-C or a termination signal
    Work(WorkArgs),
    /// Look at the jobs that have failed for good, and decide about them
    #[command(subcommand)]
    Failed(FailedCommand),
    /// See how the queues stand
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Bring the tables of the store up to date
    Migrate {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

impl JobsAction {
    pub(super) async fn run(
        self,
        store: &Store,
        events: &Events,
        output: &mut (impl Write + Send),
    ) -> Result<(), CommandError> {
        match self {
            Self::Work(args) => args.run(store, events, output).await,
            Self::Failed(command) => command.run(store, events, output).await,
            Self::Queue(command) => command.run(store, events, output).await,
            Self::Migrate { json } => {
                store.migrate().await?;
                if json {
                    write_json(output, &serde_json::json!({ "up_to_date": true }))
                } else {
                    writeln!(output, "the tables are up to date")?;
                    Ok(())
                }
            }
        }
    }
}
