//! Processes that are killed while `failed` hooks write.

use events_core::{Event, JobFailure, State, listener};
use events_std::{Tx, Worker};
use events_tests::{Dice, Effects, Size};
use sea_orm::{ConnectionTrait, DbErr, Statement};

use crate::kill::{dispatch_all, number};
use crate::kit::{self, Base, on_every_database, states, until};
use crate::process::{Process, events};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.hopeless")]
struct Hopeless(usize);

#[listener(Hopeless, queue, tries = 1, failed = compensate)]
async fn fails(event: &Hopeless, effects: &State<Effects>) -> Result<(), &'static str> {
    effects.write(&event.0.to_string());
    Err("no")
}

async fn compensate(
    event: &Hopeless,
    _: &JobFailure,
    tx: &Tx,
    effects: &State<Effects>,
) -> Result<(), DbErr> {
    tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO compensations (number) VALUES ($1)",
        [number(event.0).into()],
    ))
    .await?;
    if event.0 == 0 && !effects.is_marked("written") {
        effects.mark("written");
        std::future::pending::<()>().await;
    }
    Ok(())
}

/// One is killed with its hook's write before the commit, others at any moment.
#[test]
fn each_job_that_failed_is_compensated_exactly_once() {
    let (jobs, kills) = match Size::of_run() {
        Size::Small => (150, 4),
        Size::Ci => (600, 10),
        Size::Long => (3_000, 60),
    };
    on_every_database(async |base: Base| {
        let mut dice = Dice::new();
        let store = base.store().await;
        let table = "CREATE TABLE compensations (number BIGINT NOT NULL)";
        store.writer().execute_unprepared(table).await.unwrap();
        let events = events(module_path!(), &store, &base);
        let effects = Effects::of(&base.folder);
        dispatch_all(&store, &events, std::iter::once(Hopeless(0))).await;
        let process = Process::start(&base, module_path!(), 4);
        until("its hook has written", async || {
            effects.is_marked("written")
        })
        .await;
        process.kill();

        dispatch_all(&store, &events, (1..jobs).map(Hopeless)).await;
        let start = || Process::start(&base, module_path!(), 4);
        let mut processes: Vec<_> = (0..2).map(|_| start()).collect();
        let mut points: Vec<_> = (0..kills).map(|_| dice.below(jobs)).collect();
        points.sort_unstable();
        for point in points {
            until("the next point is reached", async || {
                states(&store).await[3] >= number(point)
            })
            .await;
            processes.swap_remove(dice.below(2)).kill();
            processes.push(start());
        }
        drop(processes);
        Worker::new(&events, &store).drain().await.unwrap();
        assert_eq!(states(&store).await, [0, 0, 0, number(jobs)]);
        let count = |what: &str| format!("SELECT COUNT({what}) FROM compensations");
        let all = kit::number(&store, &count("*")).await;
        let different = kit::number(&store, &count("DISTINCT number")).await;
        assert_eq!((all, different), (number(jobs), number(jobs)));
        let runs = effects.lines().len();
        eprintln!("{kills} kills, {jobs} jobs, {runs} runs");
        assert!(runs > jobs, "the first has run twice");
    });
}

mod deadly {
    use events_core::{Event, JobFailure, State, listener};
    use events_tests::Effects;

    #[derive(Clone, Debug, Event)]
    #[event(durable, name = "faults.deadly")]
    pub(super) struct Deadly(pub(super) bool);

    #[listener(Deadly, queue, tries = 1, failed = ends_the_process)]
    async fn fails(event: &Deadly) -> Result<(), &'static str> {
        if event.0 { Err("no") } else { Ok(()) }
    }

    async fn ends_the_process(_: &Deadly, _: &JobFailure, effects: &State<Effects>) {
        effects.write("hook");
        std::process::abort();
    }
}

/// It is begun a few times, alone but for the first, and then left out.
#[test]
fn a_hook_that_ends_its_process_does_not_end_all() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let module = concat!(module_path!(), "::deadly");
        let events = events(module, &store, &base);
        let jobs = (0..20).map(|number| deadly::Deadly(number == 7));
        dispatch_all(&store, &events, jobs).await;
        let mut process = Process::start(&base, module, 4);
        until("all has ended", async || {
            if process.has_ended() {
                process = Process::start(&base, module, 4);
            }
            states(&store).await == [0, 0, 19, 1]
        })
        .await;
        let effects = Effects::of(&base.folder);
        assert_eq!(effects.lines(), ["hook"; 5]);
        let spent = "SELECT COUNT(*) FROM events_jobs WHERE state = 2 AND attempts <> 1";
        assert_eq!(kit::number(&store, spent).await, 0);
        let told = "SELECT COUNT(*) FROM events_jobs WHERE state = 3 AND attempts = 1 \
                    AND error LIKE '%; the `failed` hook is left out: it was begun 5 times%'";
        assert_eq!(kit::number(&store, told).await, 1);
    });
}
