//! The claim: a worker takes jobs, and each take is counted before the run.

use chrono::{DateTime, Utc};
use events_core::{Claimable, Delivery, Job};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};

/// A job that this worker holds. Its fence tells this hold from any other of the same job.
#[derive(Clone, Debug)]
pub(super) struct Claimed {
    pub(super) id: i64,
    pub(super) fence: i64,
    pub(super) job: Job,
}

/// The key by which a claim tells which listeners a worker knows.
pub(super) fn key_of(claimable: &Claimable) -> String {
    format!(
        "{}\n{}\n{}",
        claimable.event, claimable.version, claimable.listener
    )
}

/// What a claim is made with.
pub(super) struct Terms<'t> {
    pub(super) worker: i64,
    /// The keys of the listeners that the worker knows, as a JSON list.
    pub(super) keys: &'t str,
    pub(super) now: DateTime<Utc>,
}

const TAKEN: &str =
    "state = 1, fence = fence + 1, attempts = attempts + 1, worker = $1, changed_at = $2";

const COLUMNS: &str = "id, fence, uid, queue, event, version, listener, payload, delivery_id, dispatched_at, \
                       correlation_id, causation_id, run_at, expires_at, unique_key, unique_until, order_key, trace, attempts";

/// Nothing of the same key may run, and nothing of it may have come earlier.
const IN_ORDER: &str = "(j.order_key IS NULL OR NOT EXISTS (SELECT 1 FROM events_jobs AS o \
                        WHERE o.listener = j.listener AND o.order_key = j.order_key AND o.order_key IS NOT NULL \
                        AND o.state IN (0, 1) AND (o.state = 1 OR o.id < j.id)))";

/// Takes at most `limit` jobs of a queue, those that have been due longest.
pub(super) async fn claim(
    connection: &impl ConnectionTrait,
    terms: &Terms<'_>,
    queue: &str,
    limit: usize,
) -> Result<Vec<Claimed>, DbErr> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let choose = |known: &str| {
        format!(
            "SELECT j.id FROM events_jobs AS j WHERE j.state = 0 AND NOT j.alone AND j.queue = $3 AND j.run_at <= $2 \
             AND j.event || chr10 || j.version || chr10 || j.listener IN ({known}) AND {IN_ORDER} \
             ORDER BY j.run_at, j.id LIMIT $5"
        )
    };
    take(
        connection,
        choose,
        [
            terms.worker.into(),
            terms.now.timestamp_millis().into(),
            queue.into(),
            terms.keys.into(),
            limit.into(),
        ],
    )
    .await
}

/// Takes one job that must run alone, of any of these queues (a JSON list).
pub(super) async fn claim_alone(
    connection: &impl ConnectionTrait,
    terms: &Terms<'_>,
    queues: &str,
) -> Result<Vec<Claimed>, DbErr> {
    let choose = |known: &str| {
        format!(
            "SELECT j.id FROM events_jobs AS j WHERE j.state = 0 AND j.alone AND j.run_at <= $2 \
             AND j.queue IN (json_texts_3) \
             AND j.event || chr10 || j.version || chr10 || j.listener IN ({known}) AND {IN_ORDER} \
             ORDER BY j.run_at, j.id LIMIT 1"
        )
    };
    take(
        connection,
        choose,
        [
            terms.worker.into(),
            terms.now.timestamp_millis().into(),
            queues.into(),
            terms.keys.into(),
        ],
    )
    .await
}

async fn take(
    connection: &impl ConnectionTrait,
    choose: impl Fn(&str) -> String,
    values: impl IntoIterator<Item = sea_orm::Value>,
) -> Result<Vec<Claimed>, DbErr> {
    let backend = connection.get_database_backend();
    let statement = if backend == DbBackend::Postgres {
        let choose = choose("SELECT json_array_elements_text($4::json)")
            .replace("chr10", "E'\\n'")
            .replace("json_texts_3", "SELECT json_array_elements_text($3::json)");
        format!(
            "UPDATE events_jobs SET {TAKEN} WHERE id = ANY(ARRAY({choose} FOR UPDATE SKIP LOCKED)) AND state = 0 \
             RETURNING {COLUMNS}"
        )
    } else {
        let choose = choose("SELECT value FROM json_each($4)")
            .replace("chr10", "char(10)")
            .replace("json_texts_3", "SELECT value FROM json_each($3)");
        format!("UPDATE events_jobs SET {TAKEN} WHERE id IN ({choose}) RETURNING {COLUMNS}")
    };
    let rows = connection
        .query_all_raw(Statement::from_sql_and_values(backend, statement, values))
        .await?;
    let mut claimed = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    claimed.sort_by_key(|claimed| (claimed.job.run_at, claimed.id));
    Ok(claimed)
}

/// The row of a job.
pub(super) fn read(row: &QueryResult) -> Result<Claimed, DbErr> {
    let version: i32 = row.try_get_by_index(5)?;
    let payload: String = row.try_get_by_index(7)?;
    let attempts: i32 = row.try_get_by_index(18)?;
    Ok(Claimed {
        id: row.try_get_by_index(0)?,
        fence: row.try_get_by_index(1)?,
        job: Job {
            id: row.try_get_by_index(2)?,
            queue: row.try_get_by_index(3)?,
            event: row.try_get_by_index(4)?,
            version: u32::try_from(version).unwrap_or_default(),
            listener: row.try_get_by_index(6)?,
            payload: payload.into(),
            delivery: Delivery {
                id: row.try_get_by_index(8)?,
                at: time(row.try_get_by_index(9)?),
                correlation_id: row.try_get_by_index(10)?,
                causation_id: row.try_get_by_index(11)?,
            },
            run_at: time(row.try_get_by_index(12)?),
            expires_at: row.try_get_by_index::<Option<i64>>(13)?.map(time),
            unique_key: row.try_get_by_index(14)?,
            unique_until: row.try_get_by_index::<Option<i64>>(15)?.map(time),
            order_key: row.try_get_by_index(16)?,
            trace: row.try_get_by_index(17)?,
            attempts: u32::try_from(attempts).unwrap_or_default(),
        },
    })
}

fn time(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}

/// All columns that [`read`] reads.
pub(super) const READ: &str = COLUMNS;
