//! The same work through apalis 1.0, on the same pool as ours: its settings of the database are ours, so that both wait
//! for the disk as often. Batches of the size that is best for it, for both; no mark at the start of a job; results kept,
//! as without them it acknowledges nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use apalis::prelude::{Data, TaskSink, WorkerBuilder, WorkerContext};
use apalis_postgres::PostgresStorage;
use apalis_sqlite::SqliteStorage;
use events_std::Store;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::base::{Base, Setting};
use crate::figures::{keep, line, time_of};
use crate::{BATCH, Error, MANY, SINGLES, ours};

/// Few enough that its finished jobs are not in the way yet.
const FEW: u32 = 1_000;
/// More, on SQLite: there its acknowledgement walks all that the worker ever finished, and 20,000 take minutes.
const MORE: u32 = 5_000;
const RUNS: usize = 2;

/// A number and a text, as our event.
type Job = (u32, String);

/// Measures one database.
pub async fn report(setting: &Setting) -> Result<(), Error> {
    let (many, batch, bound) = match setting {
        Setting::SqliteFull | Setting::SqliteNormal => (MORE, 100, 20.0),
        Setting::Postgres(_) => (MANY, 500, 2.0),
    };
    let mut rates = [[0.0; 2]; 4];
    for _ in 0..RUNS {
        let base = Base::new(setting).await?;
        let peer = Apalis::new(&base).await?;
        let ours = ours::Ours::new(&base)?;
        best(&mut rates[0][0], SINGLES, ours.push_singles(SINGLES)).await?;
        best(&mut rates[0][1], SINGLES, peer.push_singles(SINGLES)).await?;
        for (jobs, push, process) in [(FEW, 1, 2), (many, 1, 3)] {
            ours.clear().await?;
            peer.clear().await?;
            best(&mut rates[push][0], jobs, ours.push_batches(jobs, BATCH)).await?;
            best(&mut rates[push][1], jobs, peer.push_batches(jobs)).await?;
            best(&mut rates[process][0], jobs, ours.process(batch)).await?;
            best(&mut rates[process][1], jobs, peer.process(jobs, batch)).await?;
            ours.expect_done(jobs).await?;
            peer.expect_done(jobs).await?;
        }
        base.remove().await?;
    }
    line(setting, "push, 1 a transaction", rates[0], None);
    line(setting, "push, 100 a transaction", rates[1], None);
    for (jobs, rates) in [(FEW, rates[2]), (many, rates[3])] {
        line(
            setting,
            &format!("process {jobs}, batches of {batch}"),
            rates,
            Some(bound),
        );
    }
    Ok(())
}

/// Runs so many jobs, and keeps the best rate.
async fn best(
    rate: &mut f64,
    jobs: u32,
    run: impl Future<Output = Result<(), Error>>,
) -> Result<(), Error> {
    keep(rate, jobs, time_of(run).await?);
    Ok(())
}

/// The peer.
struct Apalis(Store);

/// Its two storages have no type in common that a worker takes.
macro_rules! with_storage {
    ($apalis:expr, $batch:expr, $storage:ident => $body:expr) => {
        if $apalis.0.backend() == DbBackend::Postgres {
            let config = apalis_postgres::Config::default()
                .queue("bench")
                .batch_size($batch as usize)
                .lock_tasks(false);
            let pool = $apalis.0.writer().get_postgres_connection_pool();
            #[allow(unused_mut)]
            let mut $storage = PostgresStorage::<Job>::new(pool).with_config(config);
            $body
        } else {
            let config = apalis_sqlite::Config::default()
                .queue("bench")
                .batch_size($batch as usize)
                .lock_tasks(false);
            let pool = $apalis.0.writer().get_sqlite_connection_pool();
            #[allow(unused_mut)]
            let mut $storage = SqliteStorage::<Job>::new(pool).with_config(config);
            $body
        }
    };
}

impl Apalis {
    /// Makes its tables.
    async fn new(base: &Base) -> Result<Self, Error> {
        let store = base.store.clone();
        if store.backend() == DbBackend::Postgres {
            let pool = store.writer().get_postgres_connection_pool();
            PostgresStorage::migrations().run(pool).await?;
        } else {
            // Its own `setup` would also turn `synchronous` off.
            let pool = store.writer().get_sqlite_connection_pool();
            SqliteStorage::migrations().run(pool).await?;
        }
        Ok(Self(store))
    }

    fn table(&self) -> &'static str {
        if self.0.backend() == DbBackend::Postgres {
            "apalis.jobs"
        } else {
            "Jobs"
        }
    }

    async fn clear(&self) -> Result<(), Error> {
        let statement = format!("DELETE FROM {}", self.table());
        self.0.writer().execute_unprepared(&statement).await?;
        Ok(())
    }

    async fn push_singles(&self, jobs: u32) -> Result<(), Error> {
        with_storage!(self, BATCH, storage => {
            for number in 0..jobs {
                storage.push(job(number)).await?;
            }
        });
        Ok(())
    }

    async fn push_batches(&self, jobs: u32) -> Result<(), Error> {
        with_storage!(self, BATCH, storage => {
            for start in (0..jobs).step_by(BATCH as usize) {
                storage.push_bulk((start..start + BATCH).map(job).collect()).await?;
            }
        });
        Ok(())
    }

    /// Runs all jobs, so many, and ends when the last is acknowledged.
    async fn process(&self, jobs: u32, batch: u32) -> Result<(), Error> {
        let left = Arc::new(AtomicU32::new(jobs));
        with_storage!(self, batch, storage => {
            // A name that it had is refused for a while.
            WorkerBuilder::new(format!("bench-{jobs}"))
                .backend(storage)
                .data(left)
                .build(nothing)
                .run()
                .await?;
        });
        Ok(())
    }

    async fn expect_done(&self, jobs: u32) -> Result<(), Error> {
        let statement = format!(
            "SELECT COUNT(*), COALESCE(SUM(CASE WHEN status = 'Done' THEN 1 ELSE 0 END), 0) FROM {}",
            self.table()
        );
        let row = self
            .0
            .writer()
            .query_one_raw(Statement::from_string(self.0.backend(), statement))
            .await?
            .ok_or("a row")?;
        let (all, done): (i64, i64) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        if (all, done) == (i64::from(jobs), i64::from(jobs)) {
            Ok(())
        } else {
            Err(format!("apalis: {done} of {all} jobs are done, not {jobs}").into())
        }
    }
}

fn job(number: u32) -> Job {
    let text = "some ninety bytes of payload, as in the study of the engines....";
    (number, text.to_owned())
}

async fn nothing(
    (number, _): Job,
    left: Data<Arc<AtomicU32>>,
    worker: WorkerContext,
) -> Result<(), apalis::prelude::BoxDynError> {
    std::hint::black_box(number);
    if left.fetch_sub(1, Ordering::Relaxed) == 1 {
        worker.stop()?;
    }
    Ok(())
}
