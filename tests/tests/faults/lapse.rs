//! Workers of which no lock tells anything, as those of other machines: their heartbeat alone does. And claims of
//! workers that are entered nowhere.

use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use events_core::{Event, State, listener};
use events_std::{Store, Worker};
use events_tests::Effects;
use sea_orm::{ConnectionTrait, Statement};

use crate::kill::{dispatch_all, workers};
use crate::kit::{Base, number, on_every_database, states, until};
use crate::process::events;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.left")]
struct Abandoned(i64);

#[listener(Abandoned, queue)]
async fn picks_up(event: &Abandoned, effects: &State<Effects>) {
    effects.write(&event.0.to_string());
}

/// A worker as another process might have entered it.
struct Row<'r> {
    boot: &'r str,
    /// Path, device, inode.
    lock: Option<(String, i64, i64)>,
    process: i64,
    /// After how long without a heartbeat it wants to be taken for dead.
    lapse: Duration,
}

impl Row<'_> {
    async fn enter(self, store: &Store) -> i64 {
        let lock = self.lock;
        let row = store.writer().query_one_raw(Statement::from_sql_and_values(
            store.backend(),
            "INSERT INTO events_workers (name, host, boot, process, lock_path, lock_device, lock_inode, claims, \
             lapse, started_at, heartbeat_at) VALUES ('other', 'elsewhere', $1, $2, $3, $4, $5, '[]', $6, 0, 0) \
             RETURNING id",
            [
                self.boot.into(),
                self.process.into(),
                lock.as_ref().map(|(path, ..)| path.clone()).into(),
                lock.as_ref().map(|(_, device, _)| *device).into(),
                lock.as_ref().map(|(.., inode)| *inode).into(),
                i64::try_from(self.lapse.as_millis()).unwrap().into(),
            ],
        ));
        row.await.unwrap().unwrap().try_get_by_index(0).unwrap()
    }
}

/// Hands all pending jobs to a worker, as its claim would.
async fn hand_to(store: &Store, worker: i64) {
    let take = "UPDATE events_jobs SET state = 1, attempts = attempts + 1, fence = fence + 1, worker = $1 \
                WHERE state = 0";
    store
        .writer()
        .execute_raw(Statement::from_sql_and_values(
            store.backend(),
            take,
            [worker.into()],
        ))
        .await
        .unwrap();
}

fn boot() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    boot.trim().to_owned()
}

/// Long enough for a busy machine to beat in time.
const LAPSE: Duration = Duration::from_secs(6);

#[test]
fn where_no_lock_can_tell_the_heartbeat_does_whatever_the_clocks_say() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(module_path!(), &store, &base);
        let unlocked = base.folder.join("a lock that nobody holds");
        let file = std::fs::File::create(&unlocked)
            .unwrap()
            .metadata()
            .unwrap();
        let (device, inode) = (file.dev().cast_signed(), file.ino().cast_signed());
        let path = |path: &std::path::Path| path.display().to_string();
        let (missing, boot) = (base.folder.join("missing"), boot());
        let others = [
            // Another machine, or another start of this one: its file may be anything here.
            ("another", Some((path(&unlocked), device, inode))),
            // This machine, but its file is not to be seen from here, as in a container.
            (&boot, Some((path(&missing), device, inode))),
            // Another file of the same name.
            (&boot, Some((path(&unlocked), device, inode + 1))),
            // No lock at all.
            (&boot, None),
        ];
        for (process, (boot, lock)) in (1..).zip(others) {
            dispatch_all(&store, &events, (0..2).map(Abandoned)).await;
            let row = Row {
                boot,
                lock,
                process,
                lapse: LAPSE,
            };
            let other = row.enter(&store).await;
            hand_to(&store, other).await;
        }
        let all_running = [0, 8, 0, 0];
        let test = async {
            let start = Instant::now();
            let mut beaten = start;
            let mut beat = 0_i64;
            until("they beat for longer than the lapse", async || {
                // A clock that is set back, and one from the year 5138.
                beat += 1;
                let at = if beat % 2 == 0 {
                    -beat
                } else {
                    100_000_000_000_000 + beat
                };
                let update =
                    format!("UPDATE events_workers SET heartbeat_at = {at} WHERE name = 'other'");
                beaten = Instant::now();
                store.writer().execute_unprepared(&update).await.unwrap();
                assert_eq!(states(&store).await, all_running);
                start.elapsed() > LAPSE + Duration::from_secs(1)
            })
            .await;
            until("they are taken for dead", async || {
                states(&store).await == [0, 0, 8, 0]
            })
            .await;
            let took = beaten.elapsed();
            assert!(took > LAPSE, "{took:?}");
            assert_eq!(workers(&store).await, 1);
        };
        Worker::new(&events, &store).run_until(test).await.unwrap();
        check_rows(&store, 8).await;
        assert_eq!(Effects::of(&base.folder).lines().len(), 8);
    });
}

/// The attempt that was lost cost nothing, each hold had a fence of its own, and none ran beside others.
async fn check_rows(store: &Store, all: i64) {
    let right = "SELECT COUNT(*) FROM events_jobs WHERE attempts = 1 AND fence = 2 AND alone AND worker IS NULL";
    assert_eq!(number(store, right).await, all);
}

#[test]
fn a_lock_that_nobody_holds_tells_of_a_death_at_once_though_the_heart_seems_to_beat() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(module_path!(), &store, &base);
        let unlocked = base.folder.join("a lock that nobody holds");
        let file = std::fs::File::create(&unlocked)
            .unwrap()
            .metadata()
            .unwrap();
        let lock = (
            unlocked.display().to_string(),
            file.dev().cast_signed(),
            file.ino().cast_signed(),
        );
        dispatch_all(&store, &events, (0..2).map(Abandoned)).await;
        let row = Row {
            boot: &boot(),
            lock: Some(lock),
            process: 1,
            // An hour without a sign of life would be no reason.
            lapse: Duration::from_hours(1),
        };
        let other = row.enter(&store).await;
        hand_to(&store, other).await;
        let taken_over = until("they are done", async || {
            states(&store).await == [0, 0, 2, 0]
        });
        let worker = Worker::new(&events, &store);
        worker.run_until(taken_over).await.unwrap();
        check_rows(&store, 2).await;
        assert!(!unlocked.exists(), "the file is removed with the row");
    });
}

/// A container that is started anew has the name, the boot and the process id of the one that died. What ran alone there
/// has spent its attempt all the same.
#[test]
fn a_process_with_the_same_name_boot_and_number_is_another() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(module_path!(), &store, &base);
        dispatch_all(&store, &events, std::iter::once(Abandoned(0))).await;
        let row = Row {
            boot: &boot(),
            lock: None,
            process: std::process::id().into(),
            // Nobody beats.
            lapse: Duration::from_secs(1),
        };
        let other = row.enter(&store).await;
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        let like_here = format!("UPDATE events_workers SET host = '{}'", host.trim());
        let execute = async |sql: &str| store.writer().execute_unprepared(sql).await.unwrap();
        execute(&like_here).await;
        hand_to(&store, other).await;
        execute("UPDATE events_jobs SET alone = TRUE").await;
        let done = until("it is done", async || states(&store).await == [0, 0, 1, 0]);
        Worker::new(&events, &store).run_until(done).await.unwrap();
        let spent = "SELECT COUNT(*) FROM events_jobs WHERE attempts = 2";
        assert_eq!(number(&store, spent).await, 1);
    });
}

#[test]
fn claims_of_a_worker_that_is_entered_nowhere_are_given_back() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(module_path!(), &store, &base);
        dispatch_all(&store, &events, (0..5).map(Abandoned)).await;
        hand_to(&store, 4_711).await;
        let found = until("they are done", async || {
            states(&store).await == [0, 0, 5, 0]
        });
        Worker::new(&events, &store)
            .heartbeat_lapse(Duration::from_hours(1))
            .run_until(found)
            .await
            .unwrap();
        check_rows(&store, 5).await;
    });
}

/// A worker that dies between making its lock and writing its row leaves a file of which no row tells.
#[test]
fn locks_of_which_no_row_tells_are_removed() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(module_path!(), &store, &base);
        let made = |what: &str, text: &str| {
            let name = format!("events-worker-{}-{what}.lock", uuid::Uuid::now_v7());
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, text).unwrap();
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            (path, file)
        };
        let age = |file: &std::fs::File, by: Duration| {
            let then = std::time::SystemTime::now() - by;
            file.set_modified(then).unwrap();
        };
        let old = Duration::from_hours(1);
        let (young, file) = made("young", "");
        age(&file, Duration::from_secs(1));
        let (entered, file) = made("entered", "entered\n");
        age(&file, old);
        let (held, holder) = made("held", "");
        // Before it is old: the workers of other tests look for such files too.
        holder.lock().unwrap();
        age(&holder, old);
        // Twice: files are found in no order, so that the first round may end before the others were looked at.
        for _ in 0..2 {
            let (left, file) = made("left", "");
            age(&file, old);
            Worker::new(&events, &store).drain().await.unwrap();
            until("it is removed", async || !left.exists()).await;
        }
        for path in [young, entered, held] {
            assert!(path.exists(), "{} is gone", path.display());
            std::fs::remove_file(path).unwrap();
        }
    });
}

/// The file of a living worker says that its row tells of it, and goes with it.
#[test]
fn the_lock_of_a_worker_is_marked_and_goes_with_it() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = events(module_path!(), &store, &base);
        let (told, path) = tokio::sync::oneshot::channel();
        let looks = async {
            let found = "SELECT lock_path FROM events_workers";
            until("it is there", async || workers(&store).await == 1).await;
            let row = store
                .writer()
                .query_one_raw(Statement::from_string(store.backend(), found));
            let row = row.await.unwrap().unwrap();
            let path: String = row.try_get_by_index(0).unwrap();
            until("it is marked", async || {
                std::fs::read(&path).is_ok_and(|text| !text.is_empty())
            })
            .await;
            told.send(path).unwrap();
        };
        Worker::new(&events, &store).run_until(looks).await.unwrap();
        let path = path.await.unwrap();
        assert!(!std::path::Path::new(&path).exists());
    });
}
