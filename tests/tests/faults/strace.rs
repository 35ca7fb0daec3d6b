//! A process that is killed at each of its system calls that write: `strace` injects the signal before the call.

use std::collections::HashMap;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use events_core::{Event, State, listener};
use events_std::{Store, StoreError, Tx, Worker};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::kill::workers;
use crate::kit::{self, Base, Kind, number, states, until};
use crate::process::{Dice, Effects, Size, events};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.placed")]
struct Placed(i64);

#[listener(Placed, queue)]
async fn tells(event: &Placed, effects: &State<Effects>) {
    effects.write(&format!("told {}", event.0));
}

#[listener(Placed, queue)]
async fn books(event: &Placed, tx: &Tx) -> Result<(), sea_orm::DbErr> {
    insert(tx, "booked", event.0).await
}

async fn insert(tx: &Tx, table: &str, number: i64) -> Result<(), sea_orm::DbErr> {
    let statement = format!("INSERT INTO {table} (number) VALUES ($1)");
    let backend = tx.get_database_backend();
    tx.execute_raw(Statement::from_sql_and_values(
        backend,
        statement,
        [number.into()],
    ))
    .await
    .map(drop)
}

const BEFORE: i64 = 3;
const ALL: i64 = 6;

async fn opened(base: &Base) -> Store {
    let store = base.store().await;
    for table in ["placed", "booked"] {
        let create = format!("CREATE TABLE IF NOT EXISTS {table} (number BIGINT NOT NULL)");
        store.writer().execute_unprepared(&create).await.unwrap();
    }
    store
}

/// The program that dies: it writes its own rows with its events, and works at once.
async fn play(base: &Base) {
    let store = opened(base).await;
    let events = events(module_path!(), &store, base);
    let effects = Effects::of(base);
    let place = async |number: i64| {
        let store = store.with_events(&events);
        let placed = store.transaction(async |tx: &Tx| {
            insert(tx, "placed", number)
                .await
                .map_err(StoreError::from)?;
            tx.dispatch(&Placed(number)).await.unwrap();
            Ok::<_, StoreError>(())
        });
        placed.await.unwrap();
        effects.write(&format!("committed {number}"));
    };
    for number in 0..BEFORE {
        place(number).await;
    }
    let stop = async {
        for number in BEFORE..ALL {
            place(number).await;
        }
        until("all is done", async || {
            states(&store).await == [0, 0, 2 * ALL, 0]
        })
        .await;
    };
    Worker::new(&events, &store)
        .concurrency(3)
        .poll_every(Duration::from_millis(20))
        .run_until(stop)
        .await
        .unwrap();
    store.close().await.unwrap();
}

const URL: &str = "EVENTS_FAULTS_SCENARIO";
const FOLDER: &str = "EVENTS_FAULTS_SCENARIO_FOLDER";

/// The other role: not a test, unless the variables say so. On one thread, so that calls have one count.
#[test]
fn scenario() {
    let Ok(url) = std::env::var(URL) else {
        return;
    };
    let base = Base::existing(&url, Path::new(&std::env::var(FOLDER).unwrap()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(play(&base));
}

/// System calls that are counted together.
struct Calls {
    name: &'static str,
    set: &'static str,
    /// Of these files only. None: of all.
    files: &'static [&'static str],
}

const OF_FILES: &str = "write,pwrite64,fsync,fdatasync,ftruncate,fallocate,unlink,rename";

/// `strace` counts the calls of each thread on its own, and the process dies when any of them comes to the count: what
/// few threads do seldom is counted apart.
const SQLITE: &[Calls] = &[
    Calls {
        name: "database",
        set: OF_FILES,
        files: &["test.db", "test.db-wal", "test.db-shm"],
    },
    Calls {
        name: "checkpoint",
        set: OF_FILES,
        files: &["test.db"],
    },
    Calls {
        name: "removal",
        set: "unlink,ftruncate",
        files: &["test.db-wal", "test.db-shm"],
    },
    Calls {
        name: "effects",
        set: "write",
        files: &["effects"],
    },
];

const POSTGRES: &[Calls] = &[
    Calls {
        name: "sends",
        set: "sendto,sendmsg,writev",
        files: &[],
    },
    Calls {
        name: "effects",
        set: "write",
        files: &["effects"],
    },
];

impl Calls {
    /// Runs the scenario and, if it comes so far, kills it at this call.
    fn run(&self, base: &Base, kill_at: Option<usize>) -> Output {
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o"]).arg(log(base));
        strace.arg(format!("--trace={}", self.set));
        if let Some(call) = kill_at {
            strace.arg(format!("--inject={}:signal=KILL:when={call}", self.set));
        }
        for file in self.files {
            strace.arg("-P").arg(base.folder.join(file));
        }
        let program = std::env::current_exe().expect("this program");
        strace
            .arg(program)
            .args([
                "--exact",
                "strace::scenario",
                "--nocapture",
                "--test-threads=1",
            ])
            .env(URL, &base.url)
            .env(FOLDER, &base.folder)
            .stdin(Stdio::null())
            .output()
            .expect("strace")
    }

    /// How many of these calls the busiest thread makes.
    fn count(&self, base: &Base) -> usize {
        let output = self.run(base, None);
        assert!(output.status.success(), "{output:?}");
        let log = std::fs::read_to_string(log(base)).expect("what strace saw");
        let mut threads: HashMap<&str, usize> = HashMap::new();
        for line in log.lines().filter(|line| !line.contains("resumed>")) {
            if let Some((thread, _)) = line.split_once(' ').filter(|(_, call)| call.contains('(')) {
                *threads.entry(thread).or_default() += 1;
            }
        }
        threads.into_values().max().unwrap_or_default()
    }
}

fn log(base: &Base) -> PathBuf {
    base.folder.join("strace")
}

/// An empty database, and an empty folder for its files.
async fn emptied(base: &Base, store: Option<&Store>, name: &str) -> Base {
    let folder = base.folder.join(name);
    std::fs::create_dir_all(&folder).unwrap();
    match store {
        Some(store) => {
            store
                .writer()
                .execute_unprepared("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
                .await
                .unwrap();
            Base::existing(&base.url, &folder)
        }
        None => Base::sqlite_in(&folder),
    }
}

/// What must hold after another process has come to the end, wherever the first one died.
async fn check(base: &Base, point: &str) {
    let store = opened(base).await;
    let events = events(module_path!(), &store, base);
    let placed = number(&store, "SELECT COUNT(*) FROM placed").await;
    let what = format!("{point}: all {placed} are done");
    let all_done = until(&what, async || {
        let alone = workers(&store).await == 1;
        alone && states(&store).await == [0, 0, 2 * placed, 0]
    });
    Worker::new(&events, &store)
        .run_until(all_done)
        .await
        .unwrap();
    for query in [
        "SELECT COUNT(*) FROM (SELECT number FROM placed EXCEPT SELECT number FROM booked) AS lost",
        "SELECT COUNT(*) FROM (SELECT number FROM booked EXCEPT SELECT number FROM placed) AS never_placed",
        "SELECT COUNT(*) - COUNT(DISTINCT number) FROM booked",
        "SELECT COUNT(*) - COUNT(DISTINCT number) FROM placed",
    ] {
        assert_eq!(number(&store, query).await, 0, "{point}: {query}");
    }
    let lines = Effects::of(base).lines();
    for event in 0..ALL {
        let query = format!("SELECT COUNT(*) FROM placed WHERE number = {event}");
        let is_placed = number(&store, &query).await == 1;
        let told = lines.contains(&format!("told {event}"));
        assert_eq!(told, is_placed, "{point}: {event}");
        let committed = lines.contains(&format!("committed {event}"));
        assert!(
            is_placed || !committed,
            "{point}: {event} was committed and is gone"
        );
    }
    if store.backend() == DbBackend::Sqlite {
        let query = "SELECT COUNT(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'";
        assert_eq!(
            number(&store, query).await,
            1,
            "{point}: the file is damaged"
        );
    }
    store.close().await.unwrap();
}

/// At how many of the calls of a kind.
fn sample(all: usize) -> usize {
    match Size::of_run() {
        Size::Small => all.min(6),
        Size::Ci => all.min(30),
        Size::Long => all,
    }
}

async fn kill_at_every_call(base: &Base, store: Option<&Store>, kinds: &[Calls]) {
    let mut dice = Dice::new();
    for kind in kinds {
        let whole = emptied(base, store, kind.name).await;
        let all = kind.count(&whole);
        assert!(all > 0, "no call of {} was seen", kind.name);
        check(&whole, "the whole").await;
        let sample = sample(all);
        let mut killed = 0;
        for part in 0..sample {
            // One of each part.
            let (from, to) = (part * all / sample, (part + 1) * all / sample);
            let call = 1 + from + dice.below(to - from);
            let point = format!("{} {call} of {all}", kind.name);
            let base = emptied(base, store, &format!("{}-{call}", kind.name)).await;
            let output = kind.run(&base, Some(call));
            if output.status.signal() == Some(9) {
                killed += 1;
            } else {
                // Not every run makes as many calls.
                assert!(output.status.success(), "{point}: {output:?}");
            }
            check(&base, &point).await;
        }
        eprintln!(
            "killed at {killed} of {sample} points in {all} calls: {}",
            kind.name
        );
        // Runs differ by a few calls, of which a kind may have but three.
        assert!(killed * 2 >= sample, "{}: {killed} of {sample}", kind.name);
    }
}

fn is_here() -> bool {
    let traced = Command::new("strace")
        .args(["-o", "/dev/null", "true"])
        .output();
    let works = traced.is_ok_and(|output| output.status.success());
    if !works {
        events_tests::skip("with a death at each call that writes: strace is not here");
    }
    works
}

#[test]
fn a_death_at_any_call_that_writes_loses_nothing() {
    if !is_here() {
        return;
    }
    kit::runtime().block_on(async {
        let base = Base::sqlite();
        kill_at_every_call(&base, None, SQLITE).await;
        if let Some(base) = Base::of(Kind::Postgres).await {
            let store = base.store().await;
            kill_at_every_call(&base, Some(&store), POSTGRES).await;
            base.remove().await;
        }
    });
}
