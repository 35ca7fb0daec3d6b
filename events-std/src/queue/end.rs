//! The end of a claim. Every write here matches id, fence and the running state: who lost the claim changes nothing.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use events_core::{ParkReason, Verdict};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

use super::claim::{Claimed, Hold};
use super::held::Held;

/// What is kept of an error's text, in characters.
const ERROR_LENGTH: usize = 1_000;

const DONE: &str = "state = 2";

/// A claim that has ended, and how.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) hold: Hold,
    /// Whether other jobs of its order key may wait for it.
    pub(super) ordered: bool,
    pub(super) end: End,
}

impl Ended {
    pub(super) fn of(claimed: &Claimed, end: End) -> Self {
        Self {
            hold: claimed.hold,
            ordered: claimed.job.order_key.is_some(),
            end,
        }
    }

    /// Whether the store has to tell how it ended.
    pub(super) fn is_unknown(&self) -> bool {
        matches!(self.end, End::Unknown)
    }
}

/// How a claim ends.
#[derive(Debug)]
pub(super) enum End {
    /// It is written already, or the claim was lost: there is nothing to write.
    Written,
    /// Whether it is written is not known, as the database fell silent: if it is not, the claim is still held. Its row may
    /// be locked for long by the transaction that the database still has, so that no other write shall wait for it.
    Unknown,
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
    for Ended { hold, end, .. } in ended {
        match end {
            End::Retry { at, error, alone } => {
                retry(connection, *hold, *at, error, *alone, now).await?;
            }
            End::Park { reason, error } => {
                park(connection, *hold, *reason, error, now).await?;
            }
            End::Written | End::Unknown => {}
            End::Done => done.push(*hold),
            End::GivenBack => given_back.push(*hold),
            End::LeftAlone => left_alone.push(*hold),
        }
    }
    set_all(connection, DONE, done, now).await?;
    let given = "state = 0, attempts = attempts - 1";
    set_all(connection, given, given_back, now).await?;
    set_all(connection, "state = 0, alone = TRUE", left_alone, now).await
}

async fn set_all(
    connection: &impl ConnectionTrait,
    set: &str,
    holds: Vec<Hold>,
    now: DateTime<Utc>,
) -> Result<(), DbErr> {
    let backend = connection.get_database_backend();
    for held in Held::of(holds) {
        let statement = format!("{} WHERE {}", all_to(set, "$3"), Held::rows(backend, 1));
        let now = now.timestamp_millis().into();
        let values = held.values(backend).into_iter().chain([now]);
        connection
            .execute_raw(Statement::from_sql_and_values(backend, statement, values))
            .await?;
    }
    Ok(())
}

fn all_to(set: &str, now: &str) -> String {
    format!("UPDATE events_jobs SET {set}, worker = NULL, changed_at = {now}")
}

/// What ends claims as done: those that [`Held::rows`] names with this parameter and the next one. The parameter `now`
/// has the time, in milliseconds.
pub(super) fn finish(backend: DbBackend, now: u8, held: u8) -> String {
    let finish = all_to(DONE, &format!("${now}"));
    format!("{finish} WHERE {}", Held::rows(backend, held))
}

/// The claims, if all that is to be written can be written beside the next claim, by one statement: that they are done,
/// which nothing claimed next waits for, as a statement does not see what another part of it writes.
pub(super) fn all_done(ended: &[Ended]) -> Option<Vec<Held>> {
    let mut done = Vec::with_capacity(ended.len());
    for Ended { hold, ordered, end } in ended {
        match end {
            End::Done if !ordered => done.push(*hold),
            End::Written if !ordered => {}
            _ => return None,
        }
    }
    Some(Held::of(done))
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
    /// It was begun [`HOOK_STARTS`] times, and never came to its end.
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
    set(connection, DONE, hold, now, []).await
}

/// An error's text as it is kept. Postgres cannot hold a NUL.
pub(super) fn text(message: &str) -> String {
    message
        .chars()
        .filter(|character| *character != '\0')
        .take(ERROR_LENGTH)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{End, Ended, Held, Hold, all_done};

    #[test]
    fn ends_that_others_wait_for_are_not_written_beside_the_next_claim() {
        let hold = Hold { id: 7, fence: 1 };
        let ended = |ordered, end| Ended { hold, ordered, end };
        let done = all_done(&[ended(false, End::Done), ended(false, End::Written)]);
        assert_eq!(done, Some(Held::of([hold])));
        for waits in [ended(true, End::Done), ended(false, End::GivenBack)] {
            assert_eq!(all_done(&[ended(false, End::Done), waits]), None);
        }
    }
}
