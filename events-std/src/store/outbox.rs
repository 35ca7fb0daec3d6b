//! How jobs are written: with the rows of the transaction they belong to.

use std::borrow::Cow;
use std::collections::HashSet;
use std::future::Future;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use events_core::Job;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use sha2::{Digest, Sha256};

use super::{StoreError, insert};

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

/// Longer keys, in bytes, are stored as a hash: an index of Postgres refuses rows of more than 2,704 bytes, and a unique
/// key may be a whole payload.
const LONGEST_KEY: usize = 1000;

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
pub(crate) async fn write(
    connection: &impl ConnectionTrait,
    jobs: &[Job],
) -> Result<(), StoreError> {
    write_to(&mut Sea(connection), jobs).await
}

/// Writes all jobs, or fails: the transaction must then be rolled back, for it may hold some of them.
pub(super) async fn write_to(outlet: &mut impl Outlet, jobs: &[Job]) -> Result<(), StoreError> {
    check(jobs)?;
    let jobs = with_short_keys(jobs);
    lock_keys(outlet, &jobs).await?;
    for jobs in parts(&jobs) {
        release_expired(outlet, jobs).await?;
        for insert in insert::inserts(outlet.backend(), jobs) {
            outlet.run(insert).await?;
        }
        remove_equal_to_former(outlet, jobs).await?;
    }
    Ok(())
}

/// Takes back the jobs that equal one which still waits under a former name of their listener: the index knows only jobs
/// of one name.
async fn remove_equal_to_former(outlet: &mut impl Outlet, jobs: &[Job]) -> Result<(), DbErr> {
    for job in jobs {
        let Some(key) = &job.unique_key else { continue };
        for former in job.formerly {
            let remove = Statement::from_sql_and_values(
                outlet.backend(),
                "DELETE FROM events_jobs
                 WHERE listener = $1 AND unique_key = $2 AND unique_key IS NOT NULL AND state IN (0, 1) AND uid = $3
                 AND EXISTS (SELECT 1 FROM events_jobs AS o WHERE o.listener = $4 AND o.unique_key = $2
                 AND o.unique_key IS NOT NULL AND o.state IN (0, 1))",
                [
                    job.listener.as_str().into(),
                    key.as_str().into(),
                    job.id.into(),
                    (*former).into(),
                ],
            );
            outlet.run(remove).await?;
        }
    }
    Ok(())
}

/// The jobs with keys that every index takes. Keys are only compared, so that a hash serves.
fn with_short_keys(jobs: &[Job]) -> Cow<'_, [Job]> {
    let is_long = |key: &String| key.len() > LONGEST_KEY;
    let has_long = |job: &Job| {
        job.unique_key.as_ref().is_some_and(is_long) || job.order_key.as_ref().is_some_and(is_long)
    };
    if !jobs.iter().any(has_long) {
        return Cow::Borrowed(jobs);
    }
    let mut jobs = jobs.to_vec();
    for job in &mut jobs {
        for key in [&mut job.unique_key, &mut job.order_key] {
            if let Some(key) = key.as_mut().filter(|key| is_long(key)) {
                *key = format!(
                    "sha256:{}",
                    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(key.as_bytes()))
                );
            }
        }
    }
    Cow::Owned(jobs)
}

/// The statement that writes all jobs, where a single one of Postgres does: it is a transaction by itself, with neither a
/// begin nor a commit to wait for.
pub(crate) fn write_at_once(
    backend: DbBackend,
    jobs: &[Job],
) -> Result<Option<Statement>, StoreError> {
    let keyed = |job: &Job| job.unique_key.is_some() || job.order_key.is_some();
    if backend != DbBackend::Postgres || jobs.iter().any(keyed) {
        return Ok(None);
    }
    check(jobs)?;
    let mut inserts = insert::inserts(backend, jobs);
    let single = inserts.len() == 1;
    Ok(inserts.pop().filter(|_| single))
}

/// The statement that writes one job as taken by a worker: see [`insert::taken`].
pub(crate) fn write_taken(
    backend: DbBackend,
    job: &Job,
    worker: i64,
) -> Result<Statement, StoreError> {
    check(std::slice::from_ref(job))?;
    Ok(insert::taken(backend, job, worker))
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
        let (Some(key), Some(_)) = (&job.unique_key, job.unique_until) else {
            continue;
        };
        for listener in names(job) {
            let release = Statement::from_sql_and_values(
                outlet.backend(),
                "UPDATE events_jobs SET unique_key = NULL
                 WHERE listener = $1 AND unique_key = $2 AND state IN (0, 1) AND unique_until <= $3",
                [
                    listener.into(),
                    key.as_str().into(),
                    job.delivery.at.timestamp_millis().into(),
                ],
            );
            outlet.run(release).await?;
        }
    }
    Ok(())
}

/// The names under which jobs of its listener may be stored.
fn names(job: &Job) -> impl Iterator<Item = &str> {
    let former = job.formerly.iter().copied();
    std::iter::once(job.listener.as_str()).chain(former)
}

/// Locks the keys of the jobs until the commit, on Postgres: jobs of one order key then get their ids in the order of
/// the commits, and two transactions with the same keys wait for each other instead of dying of it.
async fn lock_keys(outlet: &mut impl Outlet, jobs: &[Job]) -> Result<(), DbErr> {
    if outlet.backend() != DbBackend::Postgres {
        return Ok(());
    }
    let mut keys: Vec<String> = Vec::new();
    let mut lock = |job: &Job, kind: char, key: &Option<String>| {
        if let Some(key) = key {
            keys.extend(names(job).map(|name| format!("{kind}\n{name}\n{key}")));
        }
    };
    let has_key = |job: &&Job| job.unique_key.is_some();
    // The index lets the second of two wait; alone, it cannot be waited for.
    if jobs.iter().filter(has_key).count() > 1 {
        for job in jobs {
            lock(job, 'u', &job.unique_key);
        }
    }
    for job in jobs {
        lock(job, 'o', &job.order_key);
    }
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
