//! The `failed` hook: at least once, and exactly once in its transaction.

use std::sync::{Arc, Mutex};

use events_core::{Event, Events, Incident, JobFailure, State, listener};
use events_std::{Store, Tx, Worker};
use sea_orm::{ConnectionTrait, DbErr, Statement};

use crate::kit::{Base, Kind, number, on_every_database, runtime, states, until};

/// What the hooks are to do.
#[derive(Default)]
struct Plan {
    refuses: bool,
    /// The store from which, while the first hook runs, somebody else takes the job.
    thief: Option<Store>,
    runs: Mutex<Vec<String>>,
}

impl Plan {
    fn note(&self, line: &str) -> usize {
        let mut runs = self.runs.lock().unwrap();
        runs.push(line.to_owned());
        runs.len()
    }

    fn taken(&self) -> Vec<String> {
        std::mem::take(&mut self.runs.lock().unwrap())
    }
}

async fn write(tx: &Tx, what: &str) -> Result<(), DbErr> {
    tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO effects (what) VALUES ($1)",
        [what.into()],
    ))
    .await
    .map(drop)
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "hooks.fails")]
struct Fails;

#[listener(Fails, queue, tries = 2, backoff = "5ms", failed = compensate)]
async fn plain(_: &Fails) -> Result<(), &'static str> {
    Err("no")
}

#[listener(Fails, queue, tries = 1, failed = compensate)]
fn blocks(_: &Fails) {
    panic!("no");
}

#[listener(Fails, queue, tries = 1, failed = compensate)]
async fn writes(_: &Fails, tx: &Tx) -> Result<(), DbErr> {
    write(tx, "the listener's own").await?;
    Err(DbErr::Custom("no".to_owned()))
}

/// The hook has the same time, in which it must be able to write on a busy machine.
#[listener(Fails, queue, tries = 1, timeout = "1s", failed = compensate)]
async fn hangs(_: &Fails) {
    std::future::pending::<()>().await;
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "hooks.compensated")]
struct Compensated;

#[listener(Compensated, queue = "elsewhere")]
fn hears(_: &Compensated) {}

async fn compensate(
    _: &Fails,
    failure: &JobFailure,
    tx: &Tx,
    plan: &State<Plan>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    write(tx, &failure.to_string()).await?;
    tx.dispatch(&Compensated).await?;
    let first = plan.note("compensate") == 1;
    if let (Some(thief), true) = (&plan.thief, first) {
        let take =
            "UPDATE events_jobs SET state = 0, attempts = 0, fence = fence + 1 WHERE state = 1";
        thief.writer().execute_unprepared(take).await?;
    }
    if plan.refuses {
        return Err("the hook fails".into());
    }
    Ok(())
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "hooks.rolled_back")]
struct RolledBack;

#[listener(RolledBack, queue, tries = 1, failed = elsewhere)]
async fn writes_and_fails(_: &RolledBack, tx: &Tx) -> Result<(), DbErr> {
    write(tx, "the listener's own").await?;
    Err(DbErr::Custom("no".to_owned()))
}

/// It asks for no transaction, and has none open.
async fn elsewhere(_: &RolledBack, _: &JobFailure, events: Events, plan: &State<Plan>) {
    plan.note("elsewhere");
    events.dispatch(&Compensated).await.unwrap();
}

struct Bench {
    store: Store,
    events: Events,
    told: Arc<Mutex<Vec<String>>>,
}

impl Bench {
    async fn new(base: &Base, plan: Plan) -> Self {
        let store = base.store().await;
        let table = "CREATE TABLE effects (what TEXT NOT NULL)";
        store.writer().execute_unprepared(table).await.unwrap();
        let told = Arc::new(Mutex::new(Vec::new()));
        let hook = told.clone();
        let events = Events::builder()
            .only_linked_in(module_path!())
            .state(plan)
            .queue(store.queue())
            .error_hook(move |incident| {
                if let Incident::Failed(failure) = incident {
                    hook.lock().unwrap().push(failure.to_string());
                }
            })
            .build()
            .unwrap();
        Self {
            store,
            events,
            told,
        }
    }

    async fn drain(&self) {
        let worker = Worker::new(&self.events, &self.store).queues(["default"]);
        worker.drain().await.unwrap();
    }

    async fn effects(&self) -> Vec<String> {
        let query = "SELECT what FROM effects ORDER BY what";
        let query = Statement::from_string(self.store.backend(), query);
        let rows = self.store.writer().query_all_raw(query).await.unwrap();
        let what = rows.iter().map(|row| row.try_get_by_index(0).unwrap());
        what.collect()
    }

    async fn compensations(&self) -> i64 {
        let query = "SELECT COUNT(*) FROM events_jobs WHERE event = 'hooks.compensated'";
        number(&self.store, query).await
    }
}

#[test]
fn what_it_writes_stands_with_the_parking() {
    on_every_database(async |base: Base| {
        let bench = Bench::new(&base, Plan::default()).await;
        bench.events.dispatch(&Fails).await.unwrap();
        bench.drain().await;
        assert_eq!(states(&bench.store).await, [4, 0, 0, 4]);
        assert_eq!(
            bench.effects().await,
            [
                "exhausted: Custom Error: no",
                "exhausted: no",
                "exhausted: panicked: no",
                "timed out: the attempt took longer than 1s",
            ]
        );
        assert_eq!(bench.compensations().await, 4);
        assert!(bench.told.lock().unwrap().is_empty());
    });
}

#[test]
fn a_hook_that_fails_leaves_nothing_and_the_job_is_parked() {
    on_every_database(async |base: Base| {
        let refuses = Plan {
            refuses: true,
            ..Plan::default()
        };
        let bench = Bench::new(&base, refuses).await;
        bench.events.dispatch(&Fails).await.unwrap();
        bench.drain().await;
        assert_eq!(states(&bench.store).await, [0, 0, 0, 4]);
        assert_eq!(bench.effects().await, [""; 0]);
        let told = bench.told.lock().unwrap();
        assert_eq!(told.len(), 4, "{told:?}");
        assert!(told.iter().all(|told| told.contains("the hook fails")));
    });
}

#[test]
fn one_without_a_transaction_runs_after_the_listeners_is_undone() {
    on_every_database(async |base: Base| {
        let bench = Bench::new(&base, Plan::default()).await;
        bench.events.dispatch(&RolledBack).await.unwrap();
        bench.drain().await;
        assert_eq!(bench.effects().await, [""; 0]);
        assert_eq!(states(&bench.store).await, [1, 0, 0, 1]);
        let plan = bench.events.state::<Plan>().unwrap();
        assert_eq!(plan.taken(), ["elsewhere"]);
    });
}

/// On SQLite nobody can take a job while a transaction writes.
#[test]
fn who_lost_the_claim_undoes_what_its_hook_wrote() {
    runtime().block_on(async {
        let Some(base) = Base::of(Kind::Postgres).await else {
            return;
        };
        let thief = Plan {
            thief: Some(base.store().await),
            ..Plan::default()
        };
        let bench = Bench::new(&base, thief).await;
        bench.events.dispatch(&Fails).await.unwrap();
        let others = "DELETE FROM events_jobs WHERE listener NOT LIKE '%::plain'";
        let writer = bench.store.writer();
        writer.execute_unprepared(others).await.unwrap();
        bench.drain().await;
        until("the job is parked", async || {
            states(&bench.store).await[3] == 1
        })
        .await;
        let plan = bench.events.state::<Plan>().unwrap();
        assert_eq!(plan.taken(), ["compensate", "compensate"]);
        assert_eq!(bench.effects().await, ["exhausted: no"]);
        assert_eq!(bench.compensations().await, 1);
        bench.store.close().await.unwrap();
        base.remove().await;
    });
}

/// The disk is full when the job is parked: the hook's writes are not given up, however long it lasts.
#[test]
fn what_it_writes_waits_for_a_database_that_is_short_of_something() {
    runtime().block_on(async {
        let Some(base) = Base::of(Kind::Postgres).await else {
            return;
        };
        let bench = Bench::new(&base, Plan::default()).await;
        let writer = bench.store.writer();
        // What a sequence gives is not taken back by a rollback. 53100 is disk_full.
        let trouble = "CREATE SEQUENCE parkings; \
             CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF nextval('parkings') <= 5 THEN RAISE 'no space left' USING ERRCODE = '53100'; END IF; \
             RETURN NEW; END $$; \
             CREATE TRIGGER full_disk BEFORE UPDATE ON events_jobs FOR EACH ROW WHEN (NEW.state = 3) \
             EXECUTE FUNCTION full_disk()";
        writer.execute_unprepared(trouble).await.unwrap();
        bench.events.dispatch(&Fails).await.unwrap();
        let others = "DELETE FROM events_jobs WHERE listener NOT LIKE '%::plain'";
        writer.execute_unprepared(others).await.unwrap();
        bench.drain().await;
        assert_eq!(states(&bench.store).await, [1, 0, 0, 1]);
        assert_eq!(bench.effects().await, ["exhausted: no"]);
        let parkings = "SELECT last_value FROM parkings";
        assert_eq!(number(&bench.store, parkings).await, 6);
        bench.store.close().await.unwrap();
        base.remove().await;
    });
}
