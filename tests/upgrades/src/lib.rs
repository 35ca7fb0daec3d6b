//! What the two programs of this package have in common: what they are told, and what they tell of their listeners.
//!
//! They are one shop's program, of last year and of today. `cargo test -p upgrades` lets both work at one store.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use events_core::{Clock, Events};
use events_std::{FailedFilter, Store, Worker};

/// A clock that is some days ahead.
struct Ahead(TimeDelta);

impl Clock for Ahead {
    fn now(&self) -> DateTime<Utc> {
        Utc::now() + self.0
    }
}

/// What the listeners of both programs have done, one line each.
#[derive(Debug)]
pub struct Effects {
    program: &'static str,
    folder: PathBuf,
    file: File,
}

impl Effects {
    fn in_folder(program: &'static str, folder: PathBuf) -> Self {
        let path = folder.join("effects");
        let file = OpenOptions::new().create(true).append(true).open(path);
        Self {
            program,
            folder,
            file: file.expect("the file of effects"),
        }
    }

    /// Writes down what a listener of this program did.
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    pub fn write(&self, what: &str) {
        // One system call, so that lines are whole.
        (&self.file)
            .write_all(format!("{what} by {}\n", self.program).as_bytes())
            .expect("a line");
    }

    /// Waits until a listener of each program has been here: then both are at work at once.
    ///
    /// # Panics
    ///
    /// If no file can be made.
    pub async fn meet(&self) {
        let mark = |program: &str| self.folder.join(format!("{program} is here"));
        File::create(mark(self.program)).expect("a mark");
        while !(mark("old").exists() && mark("new").exists()) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Runs the program of this name as it was told: `PROGRAM STORE FOLDER DAYS ROLE`, with the clock some days ahead.
///
/// - `push` dispatches what the program dispatches.
/// - `work` runs a worker until the standard input ends.
/// - `stats` prints how the queues stand, as JSON.
/// - `retry` lets all parked jobs run again, and prints how many they were.
///
/// # Panics
///
/// If it was told something else, or anything fails.
pub async fn run(program: &'static str, push: impl AsyncFnOnce(&Events)) {
    let told: Vec<String> = std::env::args().skip(1).collect();
    let [url, folder, days, role] = &told[..] else {
        panic!("STORE FOLDER DAYS ROLE are wanted, not {told:?}");
    };
    let days = days.parse().expect("a number of days");
    let store = Store::connect(url).await.expect("a store");
    let events = Events::builder()
        .state(Effects::in_folder(program, PathBuf::from(folder)))
        .clock(Ahead(TimeDelta::days(days)))
        .queue(store.queue())
        .build()
        .expect("the wiring");
    match role.as_str() {
        "push" => push(&events).await,
        "work" => {
            let worker = Worker::new(&events, &store)
                .concurrency(2)
                .poll_every(Duration::from_millis(10))
                // As the clock jumps, nothing would be left to be looked at.
                .keep_done_for(None);
            worker.run_until(told_to_end()).await.expect("it works");
        }
        "stats" => {
            let stats = store.queue_stats(&events).await.expect("the queues");
            println!("{}", serde_json::to_string(&stats).expect("JSON"));
        }
        "retry" => {
            let retried = store.failed(&events).retry_all(&FailedFilter::new()).await;
            println!("{}", retried.expect("the parked jobs"));
        }
        other => panic!("`{other}` is no role"),
    }
}

/// Ends when the standard input does: when whoever started this process says so, or has died.
async fn told_to_end() {
    let (gone, told) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = gone.send(());
    });
    let _ = told.await;
}
