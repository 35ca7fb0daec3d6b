//! A job whose own transaction Postgres does not answer any more: whether it was committed is for the database to say.

mod item;

use std::time::Duration;

use events_core::{Event, JobFailure, State, listener};
use events_std::{Store, Tx, Worker};
use events_tests::Effects;
use sea_orm::{ConnectionTrait, DbErr, Statement};

use crate::kill::{dispatch_all, workers};
use crate::kit::{Base, Kind, number, runtime, states, until};
use crate::process::events;
use crate::proxy::Proxy;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.unanswered")]
struct Unanswered(i64);

async fn write(tx: &Tx, value: i64) -> Result<(), DbErr> {
    tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO effects (number) VALUES ($1)",
        [value.into()],
    ))
    .await
    .map(drop)
}

/// Those below 0 fail for good.
#[listener(Unanswered, queue, tries = 1, failed = gives_up)]
async fn writes(event: &Unanswered, tx: &Tx, effects: &State<Effects>) -> Result<(), DbErr> {
    if event.0 < 0 {
        return Err(DbErr::Custom("no".to_owned()));
    }
    write(tx, event.0).await?;
    waits(event.0, effects).await;
    Ok(())
}

async fn gives_up(
    event: &Unanswered,
    _: &JobFailure,
    tx: &Tx,
    effects: &State<Effects>,
) -> Result<(), DbErr> {
    write(tx, event.0).await?;
    waits(event.0, effects).await;
    Ok(())
}

async fn waits(value: i64, effects: &State<Effects>) {
    effects.write(&value.to_string());
    while !effects.is_marked("go") {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A worker that stands far from its database, and what stands near it.
struct Far {
    base: Base,
    near: Store,
    proxy: Proxy,
    effects: Effects,
}

impl Far {
    async fn new() -> Option<Self> {
        let base = Base::of(Kind::Postgres).await?;
        let near = base.store().await;
        let table = "CREATE TABLE effects (number BIGINT NOT NULL)";
        near.writer().execute_unprepared(table).await.unwrap();
        Some(Self {
            proxy: Proxy::before(&base.url).await,
            effects: Effects::of(&base.folder),
            near,
            base,
        })
    }

    async fn dispatch(&self, value: i64) {
        let events = events(module_path!(), &self.near, &self.base);
        dispatch_all(&self.near, &events, std::iter::once(Unanswered(value))).await;
    }

    async fn works_until(&self, test: impl Future<Output = ()>) {
        let far = Store::connect(&self.proxy.url).await.unwrap();
        let events = events(module_path!(), &far, &self.base);
        let worker = Worker::new(&events, &far).answer_within(Duration::from_secs(1));
        worker.run_until(test).await.unwrap();
    }

    async fn runs(&self, count: usize) {
        let runs = async || self.effects.lines().len() >= count;
        until("the listener runs", runs).await;
    }

    /// Waits until the worker has noted what nobody knows, in a transaction of its own: it does so when it starts, and then
    /// not for an hour. From then on the next transaction is a job's.
    async fn has_tended(&self) {
        let noted = "SELECT COUNT(*) FROM events_unknown";
        until("the worker has tended", async || {
            number(&self.near, noted).await > 0
        })
        .await;
    }

    /// Waits until the worker has found it silent and tries new connections.
    async fn is_found_silent(&self) {
        until("it falls silent", async || self.proxy.is_silent()).await;
        let before = self.proxy.seen();
        until("new connections are tried", async || {
            self.proxy.seen() >= before + 4
        })
        .await;
    }

    async fn states_become(&self, wanted: [i64; 4]) {
        until("all has its end", async || {
            states(&self.near).await == wanted
        })
        .await;
    }

    /// What was written: once for each job, whose only attempt that counts did it.
    async fn has_written_once(self, values: &[i64]) {
        for value in values {
            let count = format!("SELECT COUNT(*) FROM effects WHERE number = {value}");
            assert_eq!(number(&self.near, &count).await, 1, "{value}");
        }
        let more = "SELECT COUNT(*) FROM events_jobs WHERE attempts > 1";
        assert_eq!(number(&self.near, more).await, 0);
        assert_eq!(workers(&self.near).await, 0);
        self.base.remove().await;
    }
}

#[test]
fn without_its_begin_the_job_is_given_back() {
    runtime().block_on(async {
        let Some(far) = Far::new().await else { return };
        far.effects.mark("go");
        let test = async {
            until("it has started", async || workers(&far.near).await == 1).await;
            far.dispatch(1).await;
            far.states_become([0, 0, 1, 0]).await;
            far.has_tended().await;
            far.proxy.falls_silent_at("BEGIN", false);
            far.dispatch(2).await;
            far.is_found_silent().await;
            assert_eq!(states(&far.near).await, [0, 1, 1, 0]);
            far.proxy.lets_new_ones_through();
            far.states_become([0, 0, 2, 0]).await;
        };
        far.works_until(test).await;
        assert_eq!(far.effects.lines(), ["1", "2"]);
        far.has_written_once(&[1, 2]).await;
    });
}

#[test]
fn without_an_answer_to_its_last_statement_the_job_runs_again() {
    runtime().block_on(async {
        let Some(far) = Far::new().await else { return };
        far.dispatch(1).await;
        far.dispatch(-1).await;
        let test = async {
            // Its listener, and the hook of the other one.
            far.runs(2).await;
            far.proxy.falls_silent();
            far.effects.mark("go");
            far.is_found_silent().await;
            assert_eq!(states(&far.near).await, [0, 2, 0, 0]);
            far.proxy.lets_new_ones_through();
            far.states_become([0, 0, 1, 1]).await;
        };
        far.works_until(test).await;
        assert_eq!(far.effects.lines().len(), 4);
        far.has_written_once(&[1, -1]).await;
    });
}

#[test]
fn a_commit_that_was_not_heard_of_is_not_made_twice() {
    runtime().block_on(async {
        let Some(far) = Far::new().await else { return };
        far.dispatch(1).await;
        let test = async {
            far.runs(1).await;
            far.has_tended().await;
            far.proxy.falls_silent_at("COMMIT", true);
            far.effects.mark("go");
            far.is_found_silent().await;
            far.states_become([0, 0, 1, 0]).await;
            far.proxy.lets_new_ones_through();
            far.dispatch(2).await;
            far.states_become([0, 0, 2, 0]).await;
        };
        far.works_until(test).await;
        assert_eq!(far.effects.lines(), ["1", "2"]);
        far.has_written_once(&[1, 2]).await;
    });
}

/// As long as the server has the transaction, the job is locked in it. Nobody else waits for that.
#[test]
fn a_commit_that_did_not_arrive_keeps_nobody_waiting() {
    runtime().block_on(async {
        let Some(far) = Far::new().await else { return };
        far.dispatch(1).await;
        let test = async {
            far.runs(1).await;
            far.has_tended().await;
            far.proxy.falls_silent_at("COMMIT", false);
            far.effects.mark("go");
            far.is_found_silent().await;
            far.proxy.lets_new_ones_through();
            far.dispatch(2).await;
            far.states_become([0, 1, 1, 0]).await;
        };
        far.works_until(test).await;
        assert_eq!(workers(&far.near).await, 0);
        // Another one finds the job that nobody has any more.
        let events = events(module_path!(), &far.near, &far.base);
        let test = async {
            far.dispatch(3).await;
            far.states_become([0, 1, 2, 0]).await;
            far.proxy.closes_silent_ones();
            far.states_become([0, 0, 3, 0]).await;
        };
        let worker = Worker::new(&events, &far.near).answer_within(Duration::from_secs(1));
        worker.run_until(test).await.unwrap();
        assert_eq!(far.effects.lines(), ["1", "2", "3", "1"]);
        far.has_written_once(&[1, 2, 3]).await;
    });
}
