//! A SQLite database that is locked or full.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use events_core::{Event, State, listener};
use events_std::{Store, StoreOptions, Worker};
use events_tests::{Effects, Size};
use sea_orm::ConnectionTrait;

use crate::kit::{Base, runtime, states, until};
use crate::process::events;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.kept")]
struct Kept {
    number: usize,
    ballast: String,
}

#[listener(Kept, queue)]
async fn keeps(event: &Kept, effects: &State<Effects>) {
    assert_eq!(event.ballast.len() % 100, 0);
    effects.write(&event.number.to_string());
}

fn kept(number: usize, ballast: usize) -> Kept {
    Kept {
        number,
        ballast: "x".repeat(ballast),
    }
}

async fn impatient(url: &str) -> Store {
    StoreOptions::new(url)
        .busy_timeout(Duration::from_millis(100))
        .connect()
        .await
        .unwrap()
}

#[test]
fn a_lock_that_another_program_holds_ends_no_worker() {
    let held = match Size::of_run() {
        Size::Small => Duration::from_secs(2),
        Size::Ci | Size::Long => Duration::from_secs(15),
    };
    runtime().block_on(async {
        let base = Base::sqlite();
        let store = impatient(&base.url).await;
        let events = events(module_path!(), &store, &base);
        for number in 0..100 {
            events.dispatch(&kept(number, 0)).await.unwrap();
        }
        let other = Store::connect(&base.url).await.unwrap();
        let test = async {
            until("it works", async || states(&store).await[2] > 10).await;
            let lock = other.writer();
            lock.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
            let since = Instant::now();
            until("the lock was held long enough", async || {
                since.elapsed() > held
            })
            .await;
            lock.execute_unprepared("ROLLBACK").await.unwrap();
            until("all is done", async || {
                states(&other).await == [0, 0, 100, 0]
            })
            .await;
        };
        Worker::new(&events, &store)
            .concurrency(2)
            .run_until(test)
            .await
            .unwrap();
        let mut lines = Effects::of(&base.folder).lines();
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), 100);
    });
}

/// A small file system in memory, where the system lets us mount one.
struct Small<'p>(&'p Path);

impl<'p> Small<'p> {
    fn mount(folder: &'p Path) -> Option<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"])
            .arg(folder)
            .output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(folder)),
            _ => {
                events_tests::skip("with a full disk: no file system can be mounted here");
                None
            }
        }
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_ends_no_worker_and_loses_nothing_that_was_committed() {
    let base = Base::sqlite();
    let disk = base.folder.join("disk");
    std::fs::create_dir_all(&disk).unwrap();
    let Some(_mounted) = Small::mount(&disk) else {
        return;
    };
    let small = Base::sqlite_in(&disk);
    runtime().block_on(async {
        let store = impatient(&small.url).await;
        // The effects lie elsewhere.
        let events = events(module_path!(), &store, &base);
        let effects = Effects::of(&base.folder);
        let mut committed = Vec::new();
        let test = async {
            let mut number = 0;
            let mut refused = 0;
            // The disk fills while the worker works.
            while refused < 20 {
                match events.dispatch(&kept(number, 20_000)).await {
                    Ok(_) => committed.push(number),
                    Err(_) => refused += 1,
                }
                number += 1;
            }
            // The end of a job is written too late or not at all, but the worker lives.
            let filler = disk.join("filler");
            while std::fs::OpenOptions::new()
                .create(true)
                .append(true)
                .open(&filler)
                .and_then(|mut file| std::io::Write::write_all(&mut file, &[0; 512]))
                .is_ok()
            {}
            for _ in 0..20 {
                let _ = events
                    .dispatch(&kept(number, 0))
                    .await
                    .map(|_| committed.push(number));
                number += 1;
            }
            grow(&disk);
            for _ in 0..20 {
                events.dispatch(&kept(number, 0)).await.unwrap();
                committed.push(number);
                number += 1;
            }
            until("all is done", async || {
                let states = states(&store).await;
                states[0] + states[1] == 0
            })
            .await;
        };
        Worker::new(&events, &store)
            .concurrency(4)
            .run_until(test)
            .await
            .unwrap();
        let all = states(&store).await;
        assert_eq!((all[2], all[3]), (crate::kill::number(committed.len()), 0));
        let lines = effects.lines();
        for number in committed {
            assert!(lines.contains(&number.to_string()), "{number} is lost");
        }
        store.close().await.unwrap();
    });
}

fn grow(disk: &Path) {
    let grown = Command::new("mount")
        .args(["-o", "remount,size=200m"])
        .arg(disk)
        .status();
    assert!(grown.unwrap().success());
}
