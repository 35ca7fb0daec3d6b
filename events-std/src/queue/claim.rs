//! The claim: a worker takes jobs, and each take is counted before the run.

use chrono::{DateTime, Utc};
use events_core::{Claimable, Delivery, Job, ParkReason};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};
use serde::Serialize;

use super::held::Held;
use super::{end, packed};

/// What a claim holds: a row, and the fence that tells this hold of it from any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Hold {
    pub(crate) id: i64,
    pub(crate) fence: i64,
}

/// A job that this worker holds.
#[derive(Clone, Debug)]
pub(super) struct Claimed {
    pub(super) hold: Hold,
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
    /// The listeners that the worker knows, as [`known_list`] writes them for its database.
    pub(super) known: &'t str,
    /// What else is asked of a job, as [`in_order_with_former`] writes it.
    pub(super) in_order: &'t str,
    pub(super) now: DateTime<Utc>,
}

/// The listeners that a worker knows, in JSON, as the claims of a database read them.
pub(super) fn known_list<'c>(
    backend: DbBackend,
    known: impl Iterator<Item = &'c Claimable>,
) -> String {
    let list = if backend == DbBackend::Postgres {
        serde_json::to_string(&known.map(key_of).collect::<Vec<_>>())
    } else {
        let names = known.map(|known| (known.event, known.version, &known.listener));
        serde_json::to_string(&names.collect::<Vec<_>>())
    };
    list.unwrap_or_else(|_| "[]".to_owned())
}

/// Jobs of listeners that are known: each database by what is quickest there, for a claim asks it of every job.
pub(super) fn is_known(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Postgres {
        "j.event || E'\n' || j.version || E'\n' || j.listener = ANY(ARRAY(SELECT json_array_elements_text($4::json)))"
    } else {
        "(j.event, j.version, j.listener) IN (SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each($4))"
    }
}

/// What a claim writes, into jobs and whatever else a worker claims.
pub(crate) const TAKEN: &str =
    "state = 1, fence = fence + 1, attempts = attempts + 1, worker = $1, changed_at = $2";

const COLUMNS: &str = "id, fence, uid, queue, event, version, listener, payload, delivery_id, dispatched_at, \
                       correlation_id, causation_id, run_at, expires_at, unique_key, unique_until, order_key, trace, attempts";

/// Nothing of the same key may run, and nothing of it may have come earlier: each is told by an index at one place,
/// however many wait. That the one which runs is another keeps Postgres from reading all that run into a hash.
pub(super) const IN_ORDER: &str = "(j.order_key IS NULL OR (NOT EXISTS (SELECT 1 FROM events_jobs AS o \
                        WHERE o.listener = j.listener AND o.order_key = j.order_key AND o.order_key IS NOT NULL \
                        AND o.state IN (0, 1) AND o.id < j.id) \
                        AND NOT EXISTS (SELECT 1 FROM events_jobs AS o \
                        WHERE o.listener = j.listener AND o.order_key = j.order_key AND o.order_key IS NOT NULL \
                        AND o.state = 1 AND o.worker IS NOT NULL AND o.id <> j.id)))";

/// The same for jobs that are stored under another name of their listener, where listeners were renamed whose jobs run in
/// order: a condition that follows [`IN_ORDER`].
pub(super) fn in_order_with_former<'c>(known: impl Iterator<Item = &'c Claimable>) -> String {
    let literal = |name: &str| format!("'{}'", name.replace('\'', "''"));
    let mut pairs: Vec<String> = known
        .flat_map(|known| {
            let others = known.in_order_with.iter();
            others.map(|other| {
                let (name, other) = (literal(&known.listener), literal(other));
                format!("SELECT {name} AS name, {other} AS other")
            })
        })
        .collect();
    pairs.sort();
    pairs.dedup();
    if pairs.is_empty() {
        return String::new();
    }
    let pairs = pairs.join(" UNION ALL ");
    let none = |such: &str| {
        format!(
            "NOT EXISTS (SELECT 1 FROM ({pairs}) AS names JOIN events_jobs AS o ON o.listener = names.other \
             WHERE names.name = j.listener AND o.order_key = j.order_key AND o.order_key IS NOT NULL AND {such})"
        )
    };
    let (earlier, running) = (
        none("o.state IN (0, 1) AND o.id < j.id"),
        none("o.state = 1 AND o.worker IS NOT NULL AND o.id <> j.id"),
    );
    format!("AND (j.order_key IS NULL OR ({earlier} AND {running}))")
}

/// Whoever was taken for dead, and has no row any more, claims nothing.
pub(super) const LIVES: &str = "EXISTS (SELECT 1 FROM events_workers WHERE id = $1)";

/// What is claimed of a queue: those jobs that have been due longest.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Wanted<'q> {
    pub(super) queue: &'q str,
    /// So many at most.
    pub(super) limit: usize,
    /// On Postgres only those that were due at this time or later, in milliseconds.
    pub(super) floor: i64,
}

/// Takes at most `limit` jobs of these queues, those of the first before the others.
pub(super) async fn claim(
    connection: &impl ConnectionTrait,
    terms: &Terms<'_>,
    wanted: &[Wanted<'_>],
    limit: usize,
) -> Result<Vec<Claimed>, DbErr> {
    let backend = connection.get_database_backend();
    if backend == DbBackend::Postgres {
        let values = of_all(terms, wanted, limit)?;
        let choose = choose_of_all(terms);
        return read_taken(connection, taking(&choose), values, terms).await;
    }
    let mut claimed = Vec::new();
    for wanted in wanted {
        let limit = wanted.limit.min(limit - claimed.len());
        if limit > 0 {
            let (waiting, values) = waiting(backend, terms, wanted.queue, limit);
            claimed.extend(take(connection, waiting, values, terms).await?);
        }
    }
    Ok(claimed)
}

/// Whether a job of a queue was due at the time of the terms that need not run alone.
pub(super) async fn waits(
    connection: &impl ConnectionTrait,
    terms: &Terms<'_>,
    queue: &str,
) -> Result<bool, DbErr> {
    let backend = connection.get_database_backend();
    let (waiting, values) = waiting(backend, terms, queue, 1);
    let statement = Statement::from_sql_and_values(backend, waiting("j.id"), values);
    Ok(connection.query_one_raw(statement).await?.is_some())
}

/// The query for jobs of a queue that may be claimed, made for what is asked of them, and its values.
fn waiting(
    backend: DbBackend,
    terms: &Terms<'_>,
    queue: &str,
    limit: usize,
) -> (impl Fn(&str) -> String + use<>, Vec<Value>) {
    let values = vec![
        terms.worker.into(),
        terms.now.timestamp_millis().into(),
        queue.into(),
        terms.known.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ];
    let (known, in_order) = (is_known(backend), terms.in_order.to_owned());
    // For a limit that is a parameter by itself, SQLite plans anew each time.
    let choose = move |what: &str| {
        format!(
            "SELECT {what} FROM events_jobs AS j WHERE j.state = 0 AND NOT j.alone AND j.queue = $3 AND j.behind = FALSE AND j.run_at <= $2 \
             AND {known} AND {IN_ORDER} {in_order} AND {LIVES} ORDER BY j.run_at, j.id LIMIT $5 + 0"
        )
    };
    (choose, values)
}

/// Ends claims as done and takes jobs, as [`claim`] does, by one statement of Postgres, which is a transaction by itself.
/// The claim does not see these ends.
pub(super) async fn finish_and_claim(
    connection: &impl ConnectionTrait,
    terms: &Terms<'_>,
    done: &Held,
    wanted: &[Wanted<'_>],
    limit: usize,
) -> Result<Vec<Claimed>, DbErr> {
    let backend = DbBackend::Postgres;
    let mut values = of_all(terms, wanted, limit)?;
    values.extend(done.values(backend));
    let (finish, take) = (end::finish(backend, 2, 6), taking(&choose_of_all(terms)));
    let statement = format!("WITH done AS ({finish}) {take}");
    read_taken(connection, statement, values, terms).await
}

/// The jobs of several queues, on Postgres: one text for any number of them, whose plan is kept. The queues are looked at
/// one after the other, until there are enough jobs.
fn choose_of_all(terms: &Terms<'_>) -> String {
    let (known, in_order) = (is_known(DbBackend::Postgres), terms.in_order);
    format!(
        "SELECT found.id FROM json_to_recordset($3::json) AS q (queue text, \"limit\" bigint, floor bigint), \
         LATERAL (SELECT j.id FROM events_jobs AS j WHERE j.state = 0 AND NOT j.alone AND j.queue = q.queue \
         AND j.behind = FALSE AND j.run_at <= $2 AND j.run_at >= q.floor AND {known} AND {IN_ORDER} {in_order} \
         AND {LIVES} ORDER BY j.run_at, j.id LIMIT q.\"limit\" FOR UPDATE OF j SKIP LOCKED) AS found LIMIT $5"
    )
}

fn of_all(terms: &Terms<'_>, wanted: &[Wanted<'_>], limit: usize) -> Result<Vec<Value>, DbErr> {
    let wanted = serde_json::to_string(wanted).map_err(|error| DbErr::Json(error.to_string()))?;
    Ok(vec![
        terms.worker.into(),
        terms.now.timestamp_millis().into(),
        wanted.into(),
        terms.known.into(),
        i64::try_from(limit).unwrap_or(i64::MAX).into(),
    ])
}

/// Takes the jobs that a query chooses, which is made for what is asked of them.
pub(super) async fn take(
    connection: &impl ConnectionTrait,
    choose: impl Fn(&str) -> String,
    values: Vec<Value>,
    terms: &Terms<'_>,
) -> Result<Vec<Claimed>, DbErr> {
    let statement = if connection.get_database_backend() == DbBackend::Postgres {
        taking(&format!("{} FOR UPDATE OF j SKIP LOCKED", choose("j.id")))
    } else {
        let packed = choose(packed::ROW);
        if let Some(claimed) = packed::take(connection, &packed, &values, terms).await? {
            return Ok(claimed);
        }
        let chosen = choose("j.id");
        format!("UPDATE events_jobs SET {TAKEN} WHERE id IN ({chosen}) RETURNING {COLUMNS}")
    };
    read_taken(connection, statement, values, terms).await
}

/// What takes the jobs whose ids a query chooses and locks, on Postgres.
fn taking(choose: &str) -> String {
    format!("UPDATE events_jobs SET {TAKEN} WHERE id = ANY(ARRAY({choose})) RETURNING {COLUMNS}")
}

async fn read_taken(
    connection: &impl ConnectionTrait,
    statement: String,
    values: Vec<Value>,
    terms: &Terms<'_>,
) -> Result<Vec<Claimed>, DbErr> {
    let statement =
        Statement::from_sql_and_values(connection.get_database_backend(), statement, values);
    let rows = connection.query_all_raw(statement).await?;
    let mut claimed = read_all(connection, &rows, terms.now).await?;
    claimed.sort_by_key(|claimed| (claimed.job.run_at, claimed.hold.id));
    Ok(claimed)
}

/// The jobs of rows that were just taken. One that cannot be read is parked: it must not keep the others waiting.
pub(super) async fn read_all(
    connection: &impl ConnectionTrait,
    rows: &[QueryResult],
    now: DateTime<Utc>,
) -> Result<Vec<Claimed>, DbErr> {
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let hold = Hold {
            id: row.try_get_by_index(0)?,
            fence: row.try_get_by_index(1)?,
        };
        match read(row) {
            Ok(job) => claimed.push(Claimed { hold, job }),
            Err(error) => {
                tracing::warn!(id = hold.id, %error, "the row of a job cannot be read: it is parked");
                let message = format!("its row cannot be read: {error}");
                let reason = ParkReason::Undecodable;
                end::park(connection, hold, reason, &message, now).await?;
            }
        }
    }
    Ok(claimed)
}

fn read(row: &QueryResult) -> Result<Job, DbErr> {
    let version: i32 = row.try_get_by_index(5)?;
    let payload: String = row.try_get_by_index(7)?;
    let attempts: i32 = row.try_get_by_index(18)?;
    Ok(Job {
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
        formerly: &[],
        trace: row.try_get_by_index(17)?,
        attempts: u32::try_from(attempts).unwrap_or_default(),
    })
}

pub(super) fn time(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap_or_default()
}

/// All columns that [`read`] reads.
pub(super) const READ: &str = COLUMNS;
