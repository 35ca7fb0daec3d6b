//! The main example. `cargo run` plays the story of a helpdesk: see `story`. `cargo run -- --deliveries` turns webhook
//! deliveries into events: see `deliveries`. `cargo run -- serve` receives them: see `serve`. All keep their jobs in one
//! store, and an operator's subcommands serve them all.

mod deliveries;
mod github;
mod sending;
mod serve;
mod server;
mod story;

use std::any::Any;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::TimeDelta;
use clap::Parser;
use events_core::{Events, ManualClock};
use events_std::{
    EncryptionKey, HealthThresholds, Integrations, IntegrationsBuilder, Store, StoreOptions,
};
use helpdesk_listeners::Timeline;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Plays the story of a helpdesk that syncs tickets, or turns webhook deliveries into events.
#[derive(Parser)]
struct Args {
    /// Send deliveries of GitHub through the webhook route instead, and see the events that they become: a file with one
    /// JSON object a line, `headers` and `body`, the body as a string. Each is signed anew. The last line tells how many
    /// were read, how many the route has accepted, and so dispatches, and how many it refused, or were no deliveries. A
    /// few of our own without a file.
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    #[expect(clippy::option_option, reason = "an option whose value may be missing")]
    deliveries: Option<Option<PathBuf>>,

    /// Where everything is kept, `sqlite:FILE` or `postgres://..`. The story and the deliveries have a file of their own
    /// unless one is given, and remove it at their end; subcommands need one.
    #[arg(long, value_name = "ADDRESS", global = true)]
    store: Option<String>,

    /// Print nothing but how often each event fired in the story, as JSON.
    #[arg(long, conflicts_with = "deliveries")]
    json: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Receive GitHub's webhooks until told to stop: `POST /integrations/github/webhook`, signed with the secret in the
    /// environment variable `EVENTS_GITHUB_SECRET`. Each event is printed as a line of JSON.
    Serve(serve::Args),
    /// What an operator does with the store.
    #[command(flatten)]
    Operate(Box<events_std::cli::Command>),
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let ended = runtime
        .map_err(Error::from)
        .and_then(|runtime| runtime.block_on(start(args)));
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn start(args: Args) -> Result<(), Error> {
    if args.command.is_some() && (args.deliveries.is_some() || args.json) {
        return Err(
            "`--deliveries` and `--json` before a subcommand say nothing: leave them out, or write `--json` behind it"
                .into(),
        );
    }
    if let Some(address) = args.store.clone() {
        return run(&address, args).await;
    }
    if args.command.is_some() {
        return Err("say which store: `--store sqlite:FILE`".into());
    }
    let folder = tempfile::tempdir()?;
    let address = format!("sqlite:{}", folder.path().join("events.db").display());
    run(&address, args).await?;
    Ok(folder.close()?)
}

async fn run(address: &str, args: Args) -> Result<(), Error> {
    // An operator who mistypes the file's name should not find a new, empty one.
    let operates = matches!(args.command, Some(Command::Operate(_)));
    let store = StoreOptions::new(address).create_if_missing(!operates);
    let store = store.connect().await?;
    match (args.command, args.deliveries) {
        (Some(Command::Serve(args)), _) => {
            let app = App::open(&store, Time::Real, Timeline::silent())?;
            serve::run(&app, args).await?;
        }
        (Some(Command::Operate(command)), _) => {
            let app = App::open(&store, Time::Real, Timeline::aloud())?;
            command.run(&app.store, &app.events).await?;
        }
        (None, Some(file)) => {
            let app = App::open(&store, Time::Real, Timeline::aloud())?;
            deliveries::run(&app, file.as_deref()).await?;
        }
        (None, None) => story::play(&store, args.json).await?,
    }
    Ok(store.close().await?)
}

/// Whose time it is.
enum Time {
    Real,
    /// Where a program would wait, the clock is set forward.
    SetForward(Arc<ManualClock>),
}

/// What everything here stands on.
struct App {
    store: Store,
    events: Events,
    integrations: Integrations,
}

/// An application has its key from wherever its secrets are, never in its code.
const KEY: [u8; 32] = *b"a key for examples is no secret.";

impl App {
    /// Nothing here names a listener or a provider: they are linked. What is named are the states that they ask for. An
    /// application would keep the thresholds of health as they are: the story has no patience.
    fn open(store: &Store, time: Time, timeline: Timeline) -> Result<Self, Error> {
        Self::of(store, time, timeline, |engine| engine)
    }

    /// The same, of which the engine is told more.
    fn of(
        store: &Store,
        time: Time,
        timeline: Timeline,
        more: impl FnOnce(IntegrationsBuilder) -> IntegrationsBuilder,
    ) -> Result<Self, Error> {
        let mut engine = Integrations::builder(store)
            .encryption_key(EncryptionKey::from_bytes(KEY))
            .health(HealthThresholds {
                degraded_after: 2,
                failing_after: 4,
                disabled_after: Some(6),
                ..HealthThresholds::default()
            });
        let mut builder = Events::builder();
        if let Time::SetForward(clock) = time {
            let waits = clock.clone();
            engine = engine.request_waits(move |wait| {
                waits.advance(TimeDelta::from_std(wait).unwrap_or_default());
                Box::pin(async {})
            });
            builder = builder.clock(clock);
        }
        let engine = more(engine).build()?;
        let builder = builder
            .state(engine.clone())
            .state(timeline)
            .queue(store.queue())
            .expect_listeners_from("helpdesk-listeners");
        let events = serve::states(github::states(story::states(builder))).build()?;
        Ok(Self {
            integrations: engine.with_events(&events),
            store: store.clone(),
            events,
        })
    }
    /// A state that listeners ask for.
    fn state<T: Any + Send + Sync>(&self) -> Result<&T, Error> {
        let state = self.events.state::<T>();
        Ok(state.ok_or("the dispatcher has it from its builder")?)
    }
}
