//! The progress of a run on a terminal, which is a pseudo-terminal of `script` (util-linux), and this program again in it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use events_core::{Event, Events, State, listener};
use events_std::{
    Integration, Integrations, NewIntegration, NoCredentials, NoMetadata, Provider, ScheduledSync,
    Store, SyncError, SyncItemEvent, SyncSession, provider,
};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::command::parse;

/// So many items, each of which ends so much later than the one before: however late that was.
const ITEMS: u32 = 100;
const LATER: Duration = Duration::from_millis(12);

#[derive(Clone, Debug, Event)]
#[event(durable, name = "terminal.screw.synced", extends(SyncItemEvent))]
struct ScrewSynced {
    screw: u32,
}

#[derive(Default)]
struct Screws;

#[provider(ScheduledSync)]
impl Provider for Screws {
    const KEY: &'static str = "screws";
    const NAME: &'static str = "Screws";
    type Credentials = NoCredentials;
    type Metadata = NoMetadata;
}

impl ScheduledSync for Screws {
    async fn sync(&self, _: &Integration, session: &mut SyncSession) -> Result<(), SyncError> {
        for screw in 1..=ITEMS {
            let item = session.item().external_id(screw).checkpoint(screw);
            item.dispatch(ScrewSynced { screw }).await?;
        }
        Ok(())
    }
}

#[listener(ScrewSynced)]
async fn takes_its_time(_: &ScrewSynced, turn: &State<Mutex<()>>) {
    let _mine = turn.lock().await;
    tokio::time::sleep(LATER).await;
}

const ROLE: &str = "EVENTS_OPERATE_TERMINAL";

/// The other role: not a test, unless the variable says so.
#[tokio::test]
async fn child() {
    if std::env::var_os(ROLE).is_none() {
        return;
    }
    let store = Store::connect("sqlite::memory:").await.unwrap();
    let engine = Integrations::builder(&store).build().unwrap();
    let start = Instant::now();
    let events = Events::builder()
        .only_linked_in(module_path!())
        .state(engine.clone())
        .state(Mutex::new(()))
        .queue(store.queue())
        .build()
        .unwrap();
    let new = NewIntegration::of::<Screws>("screws");
    let engine = engine.with_events(&events);
    let id = engine.create(new).await.unwrap().id;
    let command = parse(&format!("sync run {id}")).unwrap();
    let mut output = std::io::stdout();
    command.run_to(&store, &events, &mut output).await.unwrap();
    writeln!(output, "took {} ms", start.elapsed().as_millis()).unwrap();
}

#[test]
fn a_bar_is_drawn_at_most_ten_times_a_second_and_cleared() {
    let program = std::env::current_exe().unwrap();
    let program = program.display();
    let line = format!("exec {program} --exact terminal::child --nocapture");
    let ran = Command::new("script")
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .env(ROLE, "1")
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output();
    let Ok(ran) = ran else {
        return events_tests::skip("a progress bar: there is no `script`");
    };
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{text}");
    let (shown, took) = text.split_once("took ").expect("it says so");
    let took: usize = took.split(' ').next().unwrap().parse().unwrap();
    let (bar, last) = shown.rsplit_once("run 1 is closed").expect("its last word");
    assert!(
        last.starts_with(": 100 found, 100 done, 0 failed"),
        "{last}"
    );
    let drawn = bar.matches("/100 ").count();
    assert!(drawn >= 5, "as it goes on: {text:?}");
    assert!(drawn <= took / 100 + 2, "{drawn} times in {took} ms");
    // Cleared, so that the last word stands where the bar was: behind that only the cursor moves, to where it began.
    let (_, behind) = bar.rsplit_once("\u{1b}[2K").expect("it is cleared");
    assert!(matches!(behind, "" | "\u{1b}[1A"), "{behind:?}");
}
