//! How jobs are written: with the rows of the transaction they belong to.

use std::collections::HashSet;
use std::future::Future;

use events_core::Job;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use serde::Serialize;
use uuid::Uuid;

use super::StoreError;

/// The columns that a push fills, in the order of the statements below.
const COLUMNS: &str = "uid, queue, event, version, listener, payload, run_at, expires_at, delivery_id, dispatched_at, \
                       correlation_id, causation_id, unique_key, unique_until, order_key, trace, changed_at";

/// What an equal job that still waits makes of a push: nothing. The index names no other conflict.
const UNLESS_EQUAL: &str = "ON CONFLICT (listener, unique_key) WHERE unique_key IS NOT NULL AND state IN (0, 1) DO NOTHING";

/// The channel on which Postgres tells other processes of a push.
pub(crate) const CHANNEL: &str = "events_jobs";

/// A connection on which jobs are written: SeaORM's, or a `sqlx` transaction of the app.
pub trait Outlet: Send {
    /// Which database it leads to.
    fn backend(&self) -> DbBackend;

    /// Runs a statement whose rows nobody reads.
    fn run(&mut self, statement: Statement) -> impl Future<Output = Result<(), DbErr>> + Send;
}

/// A connection of SeaORM.
struct Sea<'c, C>(&'c C);

impl<C: ConnectionTrait> Outlet for Sea<'_, C> {
    fn backend(&self) -> DbBackend {
        self.0.get_database_backend()
    }

    async fn run(&mut self, statement: Statement) -> Result<(), DbErr> {
        self.0.execute_raw(statement).await.map(drop)
    }
}

/// Refuses what one of the databases cannot store, on both alike and before anything runs.
pub(super) fn check(jobs: &[Job]) -> Result<(), StoreError> {
    for job in jobs {
        let texts = [
            ("unique key", job.unique_key.as_deref()),
            ("order key", job.order_key.as_deref()),
            ("payload", Some(&*job.payload)),
            ("trace", job.trace.as_deref()),
            ("queue", Some(job.queue.as_str())),
        ];
        for (what, text) in texts {
            if text.is_some_and(|text| text.contains('\0')) {
                return Err(StoreError::Nul {
                    what,
                    listener: job.listener.clone(),
                });
            }
        }
    }
    Ok(())
}

/// Writes all jobs, or fails.
pub(crate) async fn write(connection: &impl ConnectionTrait, jobs: &[Job]) -> Result<(), DbErr> {
    write_to(&mut Sea(connection), jobs).await
}

/// Writes all jobs, or fails. Jobs of one dispatch are written in one statement.
pub(super) async fn write_to(outlet: &mut impl Outlet, jobs: &[Job]) -> Result<(), DbErr> {
    lock_keys(outlet, jobs).await?;
    for jobs in parts(jobs) {
        release_expired(outlet, jobs).await?;
        let statement = match jobs {
            [job] => one(outlet.backend(), job),
            _ => many(outlet.backend(), jobs)?,
        };
        outlet.run(statement).await?;
    }
    if outlet.backend() == DbBackend::Postgres && !jobs.is_empty() {
        // Told at the commit, once for each transaction however often it is said.
        let notify = Statement::from_string(DbBackend::Postgres, format!("NOTIFY {CHANNEL}"));
        outlet.run(notify).await?;
    }
    Ok(())
}

/// Parts without equal jobs: of two equal ones, the second is judged by what has become of the first.
fn parts(jobs: &[Job]) -> Vec<&[Job]> {
    let mut parts = Vec::new();
    let (mut start, mut seen) = (0, HashSet::new());
    for (index, job) in jobs.iter().enumerate() {
        let Some(key) = &job.unique_key else { continue };
        if !seen.insert((job.listener.as_str(), key.as_str())) {
            parts.push(&jobs[start..index]);
            start = index;
            seen.clear();
            seen.insert((job.listener.as_str(), key.as_str()));
        }
    }
    parts.push(&jobs[start..]);
    parts.retain(|part| !part.is_empty());
    parts
}

/// A job whose time of keeping equal ones away is over keeps nobody away.
async fn release_expired(outlet: &mut impl Outlet, jobs: &[Job]) -> Result<(), DbErr> {
    for job in jobs {
        let Some(key) = &job.unique_key else { continue };
        let release = Statement::from_sql_and_values(
            outlet.backend(),
            "UPDATE events_jobs SET unique_key = NULL
             WHERE listener = $1 AND unique_key = $2 AND state IN (0, 1) AND unique_until <= $3",
            [
                job.listener.as_str().into(),
                key.as_str().into(),
                job.delivery.at.timestamp_millis().into(),
            ],
        );
        outlet.run(release).await?;
    }
    Ok(())
}

/// Locks the keys of the jobs until the commit, on Postgres: jobs of one order key then get their ids in the order of
/// the commits, and two transactions with the same keys wait for each other instead of dying of it.
async fn lock_keys(outlet: &mut impl Outlet, jobs: &[Job]) -> Result<(), DbErr> {
    if outlet.backend() != DbBackend::Postgres {
        return Ok(());
    }
    let key = |job: &Job, kind: char, key: &str| format!("{kind}\n{}\n{key}", job.listener);
    let mut keys: Vec<String> = jobs
        .iter()
        .filter_map(|job| Some(key(job, 'u', job.unique_key.as_ref()?)))
        .collect();
    if let [_] = &keys[..] {
        // The index lets the second of two wait; alone, it cannot be waited for.
        keys.clear();
    }
    keys.extend(
        jobs.iter()
            .filter_map(|job| Some(key(job, 'o', job.order_key.as_ref()?))),
    );
    if keys.is_empty() {
        return Ok(());
    }
    let keys = serde_json::to_string(&keys).map_err(|error| DbErr::Json(error.to_string()))?;
    let lock = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT pg_advisory_xact_lock(key) FROM (SELECT DISTINCT hashtextextended(text, 0) AS key
         FROM json_array_elements_text($1::json) AS keys (text) ORDER BY key) AS sorted",
        [keys.into()],
    );
    outlet.run(lock).await
}

fn one(backend: DbBackend, job: &Job) -> Statement {
    let delivery = &job.delivery;
    let values: [Value; 17] = [
        job.id.into(),
        job.queue.as_str().into(),
        job.event.as_str().into(),
        version(job).into(),
        job.listener.as_str().into(),
        (&*job.payload).into(),
        job.run_at.timestamp_millis().into(),
        job.expires_at.map(|at| at.timestamp_millis()).into(),
        delivery.id.into(),
        delivery.at.timestamp_millis().into(),
        delivery.correlation_id.into(),
        delivery.causation_id.into(),
        job.unique_key.clone().into(),
        job.unique_until.map(|at| at.timestamp_millis()).into(),
        job.order_key.clone().into(),
        job.trace.clone().into(),
        delivery.at.timestamp_millis().into(),
    ];
    let statement = format!(
        "INSERT INTO events_jobs ({COLUMNS}) VALUES \
         ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) {UNLESS_EQUAL}"
    );
    Statement::from_sql_and_values(backend, statement, values)
}

/// A job as a row of the one parameter that a statement for many takes: JSON, which both databases can unpack.
#[derive(Serialize)]
struct Row<'j> {
    u: Uuid,
    q: &'j str,
    e: &'j str,
    v: i32,
    l: &'j str,
    p: &'j str,
    r: i64,
    x: Option<i64>,
    d: Uuid,
    t: i64,
    c: Uuid,
    a: Option<Uuid>,
    k: Option<&'j str>,
    n: Option<i64>,
    o: Option<&'j str>,
    w: Option<&'j str>,
}

fn many(backend: DbBackend, jobs: &[Job]) -> Result<Statement, DbErr> {
    let rows: Vec<Row<'_>> = jobs
        .iter()
        .map(|job| Row {
            u: job.id,
            q: &job.queue,
            e: &job.event,
            v: version(job),
            l: &job.listener,
            p: &job.payload,
            r: job.run_at.timestamp_millis(),
            x: job.expires_at.map(|at| at.timestamp_millis()),
            d: job.delivery.id,
            t: job.delivery.at.timestamp_millis(),
            c: job.delivery.correlation_id,
            a: job.delivery.causation_id,
            k: job.unique_key.as_deref(),
            n: job.unique_until.map(|at| at.timestamp_millis()),
            o: job.order_key.as_deref(),
            w: job.trace.as_deref(),
        })
        .collect();
    let rows = serde_json::to_string(&rows).map_err(|error| DbErr::Json(error.to_string()))?;
    let statement = if backend == DbBackend::Postgres {
        format!(
            "INSERT INTO events_jobs ({COLUMNS}) \
             SELECT u, q, e, v, l, p, r, x, d, t, c, a, k, n, o, w, t FROM json_to_recordset($1::json) \
             AS jobs (u uuid, q text, e text, v int, l text, p text, r bigint, x bigint, d uuid, t bigint, c uuid, \
             a uuid, k text, n bigint, o text, w text) {UNLESS_EQUAL}"
        )
    } else {
        // SQLite would read `ON CONFLICT` as a join without the `WHERE`.
        format!(
            "INSERT INTO events_jobs ({COLUMNS}) SELECT unhex(value ->> 'u', '-'), value ->> 'q', value ->> 'e', \
             value ->> 'v', value ->> 'l', value ->> 'p', value ->> 'r', value ->> 'x', unhex(value ->> 'd', '-'), \
             value ->> 't', unhex(value ->> 'c', '-'), unhex(value ->> 'a', '-'), value ->> 'k', value ->> 'n', \
             value ->> 'o', value ->> 'w', value ->> 't' FROM json_each($1) WHERE TRUE {UNLESS_EQUAL}"
        )
    };
    Ok(Statement::from_sql_and_values(
        backend,
        statement,
        [rows.into()],
    ))
}

fn version(job: &Job) -> i32 {
    i32::try_from(job.version).unwrap_or(i32::MAX)
}
