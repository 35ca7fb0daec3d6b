//! A Postgres that goes away and comes back: a cluster of the test's own, on a socket in its folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use events_core::{Event, State, listener};
use events_std::{StoreError, Tx, Worker};
use events_tests::{Dice, Effects, Size};
use sea_orm::{ConnectionTrait, Statement};

use crate::kill::{dispatch_all, number};
use crate::kit::{Base, runtime, states, until};
use crate::process::{Process, events};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.outage")]
struct Outage(usize);

#[listener(Outage, queue, tries = 10, backoff = "10ms")]
async fn plain(event: &Outage, effects: &State<Effects>) {
    effects.write(&event.0.to_string());
}

#[listener(Outage, queue, tries = 10, backoff = "10ms")]
async fn exactly_once(event: &Outage, tx: &Tx) -> Result<(), sea_orm::DbErr> {
    tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO effects (number) VALUES ($1)",
        [number(event.0).into()],
    ))
    .await?;
    Ok(())
}

/// A cluster. It ends with this value.
struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
}

impl Cluster {
    /// None, and a word about it, where Postgres's programs are not installed.
    fn start() -> Option<Self> {
        let skipped = || {
            events_tests::skip("with a Postgres that restarts: its programs are not here");
            None
        };
        let Some(programs) = programs() else {
            return skipped();
        };
        // A socket's path must be short.
        let folder = std::env::temp_dir().join(format!("events-pg-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        let cluster = Self { programs, folder };
        // Postgres refuses to run as root.
        let ours = cluster.own();
        let made =
            ours && cluster.run(
                "initdb",
                &[
                    "--no-sync",
                    "--auth=trust",
                    "--username=postgres",
                    "-E",
                    "UTF8",
                ],
            ) && cluster.up();
        if made { Some(cluster) } else { skipped() }
    }

    fn own(&self) -> bool {
        if !is_root() {
            return true;
        }
        let owned = Command::new("chown")
            .arg("postgres")
            .arg(&self.folder)
            .status();
        owned.is_ok_and(|status| status.success())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> bool {
        let program = self.programs.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        let status = command
            .arg("-D")
            .arg(self.folder.join("data"))
            .args(arguments)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }

    fn up(&self) -> bool {
        let options = format!(
            "-c listen_addresses= -c unix_socket_directories={}",
            self.folder.display()
        );
        let log = self.folder.join("log").display().to_string();
        self.run("pg_ctl", &["-w", "-o", &options, "-l", &log, "start"])
    }

    /// Without waiting for anybody, as when the machine dies.
    fn down(&self) -> bool {
        self.run("pg_ctl", &["-w", "-m", "immediate", "stop"])
    }

    fn url(&self) -> String {
        format!(
            "postgres://postgres@localhost/postgres?host={}",
            self.folder.display()
        )
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.down();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|output| output.stdout.starts_with(b"0\n"))
}

/// Where `initdb` is: on the path, or where Debian keeps it.
fn programs() -> Option<PathBuf> {
    let on_path = std::env::var_os("PATH")
        .map(|path| std::env::split_paths(&path).collect::<Vec<_>>())
        .unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")));
    let has = |folder: &Path| folder.join("initdb").exists() && folder.join("pg_ctl").exists();
    debian.chain(on_path).find(|folder| has(folder))
}

#[test]
fn it_may_restart_while_jobs_run() {
    let (jobs, restarts) = match Size::of_run() {
        Size::Small => (300, 2),
        Size::Ci => (3_000, 5),
        Size::Long => (10_000, 20),
    };
    let Some(cluster) = Cluster::start() else {
        return;
    };
    runtime().block_on(async {
        let folder = Base::sqlite().folder;
        let base = Base::existing(&cluster.url(), &folder);
        let store = base.store().await;
        store
            .writer()
            .execute_unprepared("CREATE TABLE effects (number BIGINT NOT NULL)")
            .await
            .unwrap();
        let events = events(module_path!(), &store, &base);
        dispatch_all(&store, &events, (0..jobs).map(Outage)).await;
        let mut dice = Dice::new();
        let mut process = Process::start(&base, module_path!(), 4);
        let test = async {
            for _ in 0..restarts {
                let point = number(dice.below(jobs)).max(states(&store).await[2]);
                until("the next point is reached", async || {
                    states(&store).await[2] >= point.min(number(jobs))
                })
                .await;
                assert!(cluster.down());
                assert!(cluster.up());
                until("it answers", async || store.writer().ping().await.is_ok()).await;
            }
            // Workers still hear of new ones.
            let more = (jobs..jobs + 20).map(Outage);
            dispatch_all(&store, &events, more).await;
            let all = number(jobs + 20) * 2;
            until("all is done", async || {
                states(&store).await == [0, 0, all, 0]
            })
            .await;
        };
        let left = Worker::new(&events, &store)
            .concurrency(4)
            .run_until(test)
            .await
            .unwrap();
        assert!(left.ended > 0);
        assert!(!process.has_ended(), "the other worker lives too");
        drop(process);
        let mut lines = Effects::of(&base.folder).lines();
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), jobs + 20);
        let distinct = "SELECT COUNT(DISTINCT number) FROM effects";
        assert_eq!(
            crate::kit::number(&store, distinct).await,
            number(jobs + 20)
        );
        let written = "SELECT COUNT(*) FROM effects";
        assert_eq!(crate::kit::number(&store, written).await, number(jobs + 20));
        let closed: Result<(), StoreError> = store.close().await;
        closed.unwrap();
    });
}
