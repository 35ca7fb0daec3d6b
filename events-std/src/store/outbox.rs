//! How jobs are written: with the rows of the transaction they belong to.

use events_core::Job;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use serde::Serialize;
use uuid::Uuid;

/// The columns that a push fills, in the order of the statements below.
const COLUMNS: &str = "uid, queue, event, version, listener, payload, run_at, expires_at, delivery_id, dispatched_at, \
                       correlation_id, causation_id, unique_key, unique_until, order_key, trace, changed_at";

/// What an equal job that still waits makes of a push: nothing. The index names no other conflict.
const UNLESS_EQUAL: &str = "ON CONFLICT (listener, unique_key) WHERE unique_key IS NOT NULL AND state IN (0, 1) DO NOTHING";

/// The channel on which Postgres tells other processes of a push.
pub(crate) const CHANNEL: &str = "events_jobs";

/// Writes all jobs, or fails.
pub(crate) async fn write(connection: &impl ConnectionTrait, jobs: &[Job]) -> Result<(), DbErr> {
    let backend = connection.get_database_backend();
    release_expired(connection, jobs).await?;
    lock_orders(connection, jobs).await?;
    match jobs {
        [] => return Ok(()),
        [job] => {
            connection.execute_raw(one(backend, job)).await?;
        }
        _ => {
            connection.execute_raw(many(backend, jobs)?).await?;
        }
    }
    if backend == DbBackend::Postgres {
        // Told at the commit, once for each transaction however often it is said.
        connection
            .execute_unprepared(&format!("NOTIFY {CHANNEL}"))
            .await?;
    }
    Ok(())
}

/// A job whose time of keeping equal ones away is over keeps nobody away.
async fn release_expired(connection: &impl ConnectionTrait, jobs: &[Job]) -> Result<(), DbErr> {
    for job in jobs {
        let Some(key) = &job.unique_key else { continue };
        connection
            .execute_raw(Statement::from_sql_and_values(
                connection.get_database_backend(),
                "UPDATE events_jobs SET unique_key = NULL
                 WHERE listener = $1 AND unique_key = $2 AND state IN (0, 1) AND unique_until <= $3",
                [
                    job.listener.as_str().into(),
                    key.as_str().into(),
                    job.delivery.at.timestamp_millis().into(),
                ],
            ))
            .await?;
    }
    Ok(())
}

/// Jobs of one key get their ids in the order of the commits: on Postgres only a lock makes it so.
async fn lock_orders(connection: &impl ConnectionTrait, jobs: &[Job]) -> Result<(), DbErr> {
    if connection.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let mut keys: Vec<String> = jobs
        .iter()
        .filter_map(|job| Some(format!("{}\n{}", job.listener, job.order_key.as_ref()?)))
        .collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        connection
            .execute_raw(Statement::from_sql_and_values(
                DbBackend::Postgres,
                "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))",
                [key.into()],
            ))
            .await?;
    }
    Ok(())
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
