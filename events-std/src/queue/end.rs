//! The end of a claim. Every write here matches id, fence and the running state: who lost the claim changes nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use events_core::{ParkReason, Verdict};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

use super::claim::Hold;

/// What is kept of an error's text, in characters.
const ERROR_LENGTH: usize = 1_000;

/// A claim that has ended, and how.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) hold: Hold,
    pub(super) end: End,
}

/// How a claim ends.
#[derive(Debug)]
pub(super) enum End {
    /// It is written already, or the claim was lost: there is nothing to write.
    Written,
    Done,
    /// The next attempt may start at this time.
    Retry {
        at: DateTime<Utc>,
        error: String,
        /// Whether it must run alone then: it killed its process.
        alone: bool,
    },
    Park {
        reason: ParkReason,
        error: String,
    },
    /// It was not run to its end: the attempt does not count.
    GivenBack,
    /// Its process died, and this worker does not know its listener: the attempt counts, and whoever knows it runs it
    /// alone.
    LeftAlone,
}

impl From<Verdict> for End {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Retry { at, failure } => Self::Retry {
                at,
                error: failure.message().to_owned(),
                alone: false,
            },
            Verdict::Park(failure) => Self::Park {
                reason: failure.reason(),
                error: failure.message().to_owned(),
            },
            _ => Self::Done,
        }
    }
}

/// Writes the ends of claims; those that need no words of their own in one statement for each kind.
pub(super) async fn write(
    connection: &impl ConnectionTrait,
    ended: &[Ended],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let (mut done, mut given_back, mut left_alone) = (Vec::new(), Vec::new(), Vec::new());
    for Ended { hold, end } in ended {
        match end {
            End::Retry { at, error, alone } => {
                retry(connection, *hold, *at, error, *alone, now).await?;
            }
            End::Park { reason, error } => {
                park(connection, *hold, *reason, error, now).await?;
            }
            End::Written => {}
            End::Done => done.push(*hold),
            End::GivenBack => given_back.push(*hold),
            End::LeftAlone => left_alone.push(*hold),
        }
    }
    set_all(connection, "state = 2", &done, now).await?;
    let given = "state = 0, attempts = attempts - 1";
    set_all(connection, given, &given_back, now).await?;
    set_all(connection, "state = 0, alone = TRUE", &left_alone, now).await
}

async fn set_all(
    connection: &impl ConnectionTrait,
    set: &str,
    holds: &[Hold],
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    if holds.is_empty() {
        return Ok(());
    }
    let backend = connection.get_database_backend();
    let (held, values) = if backend == DbBackend::Postgres {
        // Without the ids by themselves the planner may read the whole index of running jobs, which is long where a
        // vacuum has not come by.
        let held = "FROM unnest($2::text::bigint[], $3::text::bigint[]) AS held (i, f) \
                    WHERE id = ANY($2::text::bigint[]) AND id = i AND fence = f";
        let ids = array(holds.iter().map(|hold| hold.id));
        let fences = array(holds.iter().map(|hold| hold.fence));
        (held, vec![ids, fences])
    } else {
        // Keys and values need no function of JSON for each.
        let held = "WHERE (id, fence) IN (SELECT CAST(key AS INTEGER), value FROM json_each($2))";
        // Of two holds of one job only the later can count: fences only grow.
        let mut list = BTreeMap::new();
        for hold in holds {
            let fence = list.entry(hold.id).or_insert(hold.fence);
            *fence = hold.fence.max(*fence);
        }
        let list = serde_json::to_string(&list).map_err(|error| DbErr::Json(error.to_string()))?;
        (held, vec![list])
    };
    let statement = format!(
        "UPDATE events_jobs SET {set}, worker = NULL, changed_at = $1 {held} AND state = 1"
    );
    let now = now.timestamp_millis().into();
    let values = std::iter::once(now).chain(values.into_iter().map(Value::from));
    connection
        .execute_raw(Statement::from_sql_and_values(backend, statement, values))
        .await?;
    Ok(())
}

/// The numbers as the text of an array, as Postgres reads it.
fn array(numbers: impl Iterator<Item = i64>) -> String {
    let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
    format!("{{{}}}", numbers.join(","))
}

/// Sets what `set` says from `$4` on, if the claim is still held; whether it was.
async fn set(
    connection: &impl ConnectionTrait,
    set: &str,
    hold: Hold,
    now: DateTime<Utc>,
    values: impl IntoIterator<Item = Value>,
) -> Result<bool, DbErr> {
    let mut all: Vec<Value> = vec![
        hold.id.into(),
        hold.fence.into(),
        now.timestamp_millis().into(),
    ];
    all.extend(values);
    let result = connection
        .execute_raw(Statement::from_sql_and_values(
            connection.get_database_backend(),
            format!(
                "UPDATE events_jobs SET {set}, worker = NULL, changed_at = $3 \
                 WHERE id = $1 AND fence = $2 AND state = 1"
            ),
            all,
        ))
        .await?;
    Ok(result.rows_affected() == 1)
}

async fn retry(
    connection: &impl ConnectionTrait,
    hold: Hold,
    at: DateTime<Utc>,
    error: &str,
    alone: bool,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let alone = if alone { "TRUE" } else { "FALSE" };
    let to = format!("state = 0, alone = {alone}, run_at = $4, error = $5");
    let values = [at.timestamp_millis().into(), text(error).into()];
    set(connection, &to, hold, now, values).await.map(drop)
}

/// Parks a job; whether it was still held.
pub(super) async fn park(
    connection: &impl ConnectionTrait,
    hold: Hold,
    reason: ParkReason,
    error: &str,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let to = "state = 3, alone = FALSE, reason = $4, error = $5";
    let values = [reason.as_str().into(), text(error).into()];
    set(connection, to, hold, now, values).await
}

/// So often the `failed` hook of a job is begun, if its process dies before the job is parked.
pub(super) const HOOK_STARTS: usize = 5;

/// How far a job's hook is, as its row says while the hook runs.
fn hook_started(times: usize) -> String {
    format!("hook started {times}")
}

/// What the start of a job's hook found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HookStart {
    May,
    /// It was begun [`HOOK_STARTS`] times, and its process died each time.
    TooOften,
    /// The claim was lost.
    Lost,
}

/// Counts the start of a job's hook, before it runs: one that ends its process must not end all processes.
pub(super) async fn start_hook(
    connection: &impl ConnectionTrait,
    hold: Hold,
    now: DateTime<Utc>,
) -> Result<HookStart, DbErr> {
    let spent = hook_started(HOOK_STARTS + 1);
    let mut next = String::from("CASE reason");
    for times in 1..=HOOK_STARTS {
        let (from, to) = (hook_started(times), hook_started(times + 1));
        let _ = write!(next, " WHEN '{from}' THEN '{to}'");
    }
    let _ = write!(
        next,
        " WHEN '{spent}' THEN '{spent}' ELSE '{}' END",
        hook_started(1)
    );
    let row = connection
        .query_one_raw(Statement::from_sql_and_values(
            connection.get_database_backend(),
            format!(
                "UPDATE events_jobs SET reason = {next}, changed_at = $3 \
                 WHERE id = $1 AND fence = $2 AND state = 1 RETURNING reason"
            ),
            [
                hold.id.into(),
                hold.fence.into(),
                now.timestamp_millis().into(),
            ],
        ))
        .await?;
    let Some(row) = row else {
        return Ok(HookStart::Lost);
    };
    let reason: String = row.try_get_by_index(0)?;
    Ok(if reason == spent {
        HookStart::TooOften
    } else {
        HookStart::May
    })
}

/// Ends one claim as done, in the transaction in which its listener wrote; whether the claim was still held.
pub(super) async fn finish_in(
    connection: &impl ConnectionTrait,
    hold: Hold,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    set(connection, "state = 2", hold, now, []).await
}

/// An error's text as it is kept. Postgres cannot hold a NUL.
pub(super) fn text(message: &str) -> String {
    message
        .chars()
        .filter(|character| *character != '\0')
        .take(ERROR_LENGTH)
        .collect()
}
