//! The statements that write jobs: many rows each, with what all of them share bound once.
//!
//! Most jobs are plain: due a fixed time after their dispatch, which nothing caused, and without keys. A plain row
//! binds four values. Each text is made once for a number of rows, of which there are few, so that a connection
//! prepares few statements.

use std::fmt::Write as _;
use std::sync::OnceLock;

use events_core::Job;
use sea_orm::{DbBackend, Statement, Value};

use super::outbox::CHANNEL;

/// What an equal job that still waits makes of a push: nothing. The index names no other conflict.
const UNLESS_EQUAL: &str = "ON CONFLICT (listener, unique_key) WHERE unique_key IS NOT NULL AND state IN (0, 1) DO NOTHING";

/// So many rows a statement of SQLite takes; those that there are not are bound as NULL and left out.
const SIZES: [usize; 6] = [1, 2, 4, 16, 64, 128];

/// Up to so many jobs of several listeners are one statement, as where an event has several: each row binds all.
const MIXED_AT_MOST: usize = 16;

/// The statements that write the jobs, in this order but for many of several listeners, of which each has its own.
pub(super) fn inserts(backend: DbBackend, jobs: &[Job]) -> Vec<Statement> {
    let mut groups: Vec<(Shared<'_>, Vec<&Job>)> = Vec::new();
    for job in jobs {
        let shared = Shared::of(job);
        match groups.iter_mut().find(|(other, _)| *other == shared) {
            Some((_, group)) => group.push(job),
            None => groups.push((shared, vec![job])),
        }
    }
    if groups.len() > 1 && jobs.len() <= MIXED_AT_MOST {
        let rows: Vec<&Job> = jobs.iter().collect();
        return vec![insert(backend, Form::Mixed, None, &rows)];
    }
    let mut statements = Vec::with_capacity(groups.len());
    for (shared, group) in &groups {
        let form = if shared.plain {
            Form::Plain
        } else {
            Form::Full
        };
        let most = match backend {
            DbBackend::Postgres => group.len(),
            _ => SIZES[SIZES.len() - 1],
        };
        let parts = group.chunks(most);
        statements.extend(parts.map(|part| insert(backend, form, Some(shared), part)));
    }
    statements
}

fn insert(backend: DbBackend, form: Form, shared: Option<&Shared<'_>>, jobs: &[&Job]) -> Statement {
    match backend {
        DbBackend::Postgres => by_arrays(form, shared, jobs),
        _ => by_rows(form, shared, jobs),
    }
}

/// What a statement's rows bind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// What plain jobs have.
    Plain,
    /// The keys and times of others too.
    Full,
    /// And what other statements bind once.
    Mixed,
}

impl Form {
    /// How many values a row binds.
    fn width(self) -> usize {
        match self {
            Self::Plain => 4,
            Self::Full => 11,
            Self::Mixed => 16,
        }
    }

    /// The values of a row.
    fn row(self, job: &Job) -> impl Iterator<Item = Value> {
        let full = (self != Self::Plain).then(|| full_row(job));
        let shared = (self == Self::Mixed).then(|| Shared::of(job).values());
        let rest = full.into_iter().flatten();
        let rest = rest.chain(shared.into_iter().flatten());
        plain_row(job).into_iter().chain(rest)
    }

    /// The names of the columns behind those that are [`SHARED`], what they are selected from, and what becomes of
    /// those that equal another: only what has a key may.
    fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Plain => (PLAIN, "column3", ""),
            Self::Full | Self::Mixed => (FULL, REST, UNLESS_EQUAL),
        }
    }
}

/// What the jobs of one statement have in common.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Shared<'j> {
    queue: &'j str,
    event: &'j str,
    version: u32,
    listener: &'j str,
    /// How long after their dispatch they are due, in milliseconds.
    delay: i64,
    plain: bool,
}

impl<'j> Shared<'j> {
    fn of(job: &'j Job) -> Self {
        let at = job.delivery.at.timestamp_millis();
        Self {
            queue: &job.queue,
            event: &job.event,
            version: job.version,
            listener: &job.listener,
            delay: job.run_at.timestamp_millis().saturating_sub(at),
            plain: job.delivery.correlation_id == job.delivery.id
                && job.delivery.causation_id.is_none()
                && job.expires_at.is_none()
                && job.unique_key.is_none()
                && job.unique_until.is_none()
                && job.order_key.is_none()
                && job.trace.is_none(),
        }
    }

    fn values(&self) -> [Value; 5] {
        [
            self.queue.into(),
            self.event.into(),
            i32::try_from(self.version).unwrap_or(i32::MAX).into(),
            self.listener.into(),
            self.delay.into(),
        ]
    }
}

/// The statement that writes one job, without keys, as taken by a worker, if that worker still lives; then it answers the
/// row's id and 1. Otherwise the job is pending, and 0. It is a transaction by itself.
pub(super) fn taken(backend: DbBackend, job: &Job, worker: i64) -> Statement {
    static TEXTS: [OnceLock<String>; 2] = [const { OnceLock::new() }; 2];
    let tells = backend == DbBackend::Postgres;
    let text = TEXTS[usize::from(tells)].get_or_init(|| {
        let insert = format!(
            "INSERT INTO events_jobs ({SHARED}, {FULL}, state, attempts, fence, worker) \
             SELECT $1, $2, $3, $4, $5 + $9, $6, $7, $8, $9, $9, $10, $11, $12, $13, $14, $15, $16, taken, taken, taken, \
             CASE WHEN taken = 1 THEN $17 END FROM (SELECT CASE WHEN EXISTS (SELECT 1 FROM events_workers \
             WHERE id = $17) THEN 1 ELSE 0 END AS taken) AS worker RETURNING id, state"
        );
        if !tells {
            return insert;
        }
        format!(
            "WITH pushed AS ({insert}) SELECT id, state, CASE WHEN state = 0 THEN pg_notify('{CHANNEL}', '') END \
             FROM pushed"
        )
    });
    let shared = Shared::of(job).values().into_iter();
    let values = shared.chain(Form::Full.row(job)).chain([worker.into()]);
    Statement::from_sql_and_values(backend, text, values)
}

/// A statement of SQLite, which binds each value of each row: that is faster than one text to be taken apart.
fn by_rows(form: Form, shared: Option<&Shared<'_>>, jobs: &[&Job]) -> Statement {
    static TEXTS: [[OnceLock<String>; SIZES.len()]; 3] =
        [const { [const { OnceLock::new() }; SIZES.len()] }; 3];
    let size = SIZES.iter().position(|size| *size >= jobs.len());
    let size = size.unwrap_or(SIZES.len() - 1);
    let width = form.width();
    let text = TEXTS[form as usize][size].get_or_init(|| {
        // A parameter with a name is looked up in the list of all names: thousands of them take longer than the
        // insert.
        let row = format!("({})", vec!["?"; width].join(", "));
        let rows = vec![row; SIZES[size]].join(", ");
        // The delay comes first among the parameters, as it does among the columns.
        let first = match form {
            Form::Plain | Form::Full => "?, ?, ?, ?, ? + column4",
            Form::Mixed => EACH,
        };
        let (columns, rest, unless) = form.parts();
        format!(
            "INSERT INTO events_jobs ({SHARED}, {columns}) SELECT {first}, column1, column2, column3, column4, column4, \
             {rest} FROM (VALUES {rows}) WHERE column1 IS NOT NULL {unless}"
        )
    });
    let once = shared.map(Shared::values);
    let all = once.iter().flatten().count() + width * SIZES[size];
    let mut values = Vec::with_capacity(all);
    values.extend(once.into_iter().flatten());
    for job in jobs {
        values.extend(form.row(job));
    }
    values.resize(all, Value::BigInt(None));
    Statement::from_sql_and_values(DbBackend::Sqlite, text, values)
}

/// A statement of Postgres, which takes each column as one array, and tells the workers. They hear it at the commit,
/// once for each transaction however often it is said; a statement of its own would cost a round trip more.
fn by_arrays(form: Form, shared: Option<&Shared<'_>>, jobs: &[&Job]) -> Statement {
    static TEXTS: [OnceLock<String>; 3] = [const { OnceLock::new() }; 3];
    let text = TEXTS[form as usize].get_or_init(|| {
        let (first, bound) = match form {
            Form::Plain | Form::Full => ("$1, $2, $3, $4, $5 + column4", 5),
            Form::Mixed => (EACH, 0),
        };
        let (columns, rest, unless) = form.parts();
        let types = TYPES.iter().take(form.width()).enumerate();
        let (arrays, names): (Vec<String>, Vec<String>) = types
            .map(|(place, of)| {
                let column = place + 1;
                let array = format!("${}::text::{of}[]", bound + column);
                (array, format!("column{column}"))
            })
            .unzip();
        // The ids follow the place: jobs of one order key run by it.
        format!(
            "WITH pushed AS (INSERT INTO events_jobs ({SHARED}, {columns}) SELECT {first}, column1, column2, column3, \
             column4, column4, {rest} FROM unnest({}) WITH ORDINALITY AS job ({}, place) ORDER BY place {unless} \
             RETURNING 1) SELECT pg_notify('{CHANNEL}', '') WHERE EXISTS (SELECT 1 FROM pushed)",
            arrays.join(", "),
            names.join(", ")
        )
    });
    let once = shared.map(Shared::values).into_iter().flatten();
    let values = once.chain(arrays(jobs.iter().map(|job| form.row(job))));
    Statement::from_sql_and_values(DbBackend::Postgres, text, values)
}

const SHARED: &str = "queue, event, version, listener, run_at";
const PLAIN: &str = "uid, payload, delivery_id, dispatched_at, changed_at, correlation_id";
const FULL: &str = "uid, payload, delivery_id, dispatched_at, changed_at, correlation_id, causation_id, expires_at, \
                    unique_key, unique_until, order_key, trace";
/// Where the columns of [`FULL`] come from that are not plain.
const REST: &str = "column5, column6, column7, column8, column9, column10, column11";
/// Where those of [`SHARED`] come from in rows that bind all.
const EACH: &str = "column12, column13, column14, column15, column16 + column4";
/// The types of what a row binds, on Postgres.
const TYPES: [&str; 16] = [
    "uuid", "text", "uuid", "bigint", "uuid", "uuid", "bigint", "text", "bigint", "text", "text",
    "text", "text", "int", "text", "bigint",
];

fn plain_row(job: &Job) -> [Value; 4] {
    [
        job.id.into(),
        (&*job.payload).into(),
        job.delivery.id.into(),
        job.delivery.at.timestamp_millis().into(),
    ]
}

fn full_row(job: &Job) -> [Value; 7] {
    [
        job.delivery.correlation_id.into(),
        job.delivery.causation_id.into(),
        job.expires_at.map(|at| at.timestamp_millis()).into(),
        job.unique_key.clone().into(),
        job.unique_until.map(|at| at.timestamp_millis()).into(),
        job.order_key.clone().into(),
        job.trace.clone().into(),
    ]
}

/// The columns of rows, each as the text of one array, as Postgres reads it. There is a row at least.
fn arrays<R: IntoIterator<Item = Value>>(rows: impl Iterator<Item = R>) -> Vec<Value> {
    let mut arrays: Vec<String> = Vec::new();
    for (place, row) in rows.enumerate() {
        for (column, value) in row.into_iter().enumerate() {
            if place == 0 {
                arrays.push("{".to_owned());
            } else {
                arrays[column].push(',');
            }
            push_element(&mut arrays[column], &value);
        }
    }
    let ended = arrays.into_iter().map(|array| Value::from(array + "}"));
    ended.collect()
}

/// Writes a value as an element of an array's text, as Postgres reads it ("Array Input and Output Syntax").
fn push_element(array: &mut String, value: &Value) {
    match value {
        Value::BigInt(Some(number)) => {
            let _ = write!(array, "{number}");
        }
        Value::Int(Some(number)) => {
            let _ = write!(array, "{number}");
        }
        Value::Uuid(Some(id)) => {
            let mut text = [0; 36];
            array.push_str(id.hyphenated().encode_lower(&mut text));
        }
        Value::String(Some(text)) => {
            array.push('"');
            let mut rest = text.as_str();
            while let Some(at) = rest.find(['"', '\\']) {
                array.push_str(&rest[..at]);
                array.push('\\');
                array.push_str(&rest[at..=at]);
                rest = &rest[at + 1..];
            }
            array.push_str(rest);
            array.push('"');
        }
        _ => array.push_str("NULL"),
    }
}
