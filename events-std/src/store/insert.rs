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
const SIZES: [usize; 5] = [1, 4, 16, 64, 128];

/// The statements that write the jobs, in this order but for those of several listeners, of which each has its own.
pub(super) fn inserts(backend: DbBackend, jobs: &[Job]) -> Vec<Statement> {
    let mut groups: Vec<(Shared<'_>, Vec<&Job>)> = Vec::new();
    for job in jobs {
        let shared = Shared::of(job);
        match groups.iter_mut().find(|(other, _)| *other == shared) {
            Some((_, group)) => group.push(job),
            None => groups.push((shared, vec![job])),
        }
    }
    let mut statements = Vec::with_capacity(groups.len());
    for (shared, group) in &groups {
        if backend == DbBackend::Postgres {
            statements.push(shared.by_arrays(group));
        } else {
            let most = SIZES[SIZES.len() - 1];
            statements.extend(group.chunks(most).map(|chunk| shared.by_rows(chunk)));
        }
    }
    statements
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

    /// A statement of SQLite, which binds each value of each row: that is faster than one text to be taken apart.
    fn by_rows(&self, jobs: &[&Job]) -> Statement {
        static TEXTS: [[OnceLock<String>; SIZES.len()]; 2] =
            [const { [const { OnceLock::new() }; SIZES.len()] }; 2];
        let size = SIZES.iter().position(|size| *size >= jobs.len());
        let size = size.unwrap_or(SIZES.len() - 1);
        let width = if self.plain { 4 } else { 11 };
        let text = TEXTS[usize::from(self.plain)][size].get_or_init(|| {
            // A parameter with a name is looked up in the list of all names: thousands of them take longer than the
            // insert.
            let row = format!("({})", vec!["?"; width].join(", "));
            let rows = vec![row; SIZES[size]].join(", ");
            let (columns, rest, unless) = if self.plain {
                (PLAIN, "", "")
            } else {
                (FULL, REST, UNLESS_EQUAL)
            };
            // The delay comes first among the parameters, as it does among the columns.
            format!(
                "INSERT INTO events_jobs ({SHARED}, {columns}) SELECT ?, ?, ?, ?, ? + column4, column1, column2, column3, \
                 column4, column4, {} FROM (VALUES {rows}) WHERE column1 IS NOT NULL {unless}",
                if self.plain { "column3" } else { rest }
            )
        });
        let mut values = Vec::with_capacity(5 + width * SIZES[size]);
        values.extend(self.values());
        for job in jobs {
            values.extend(plain_row(job));
            if !self.plain {
                values.extend(full_row(job));
            }
        }
        values.resize(5 + width * SIZES[size], Value::BigInt(None));
        Statement::from_sql_and_values(DbBackend::Sqlite, text, values)
    }

    /// A statement of Postgres, which takes each column as one array, and tells the workers. They hear it at the commit,
    /// once for each transaction however often it is said; a statement of its own would cost a round trip more.
    fn by_arrays(&self, jobs: &[&Job]) -> Statement {
        static TEXTS: [OnceLock<String>; 2] = [const { OnceLock::new() }; 2];
        let text = TEXTS[usize::from(self.plain)].get_or_init(|| {
            let (columns, rest, arrays, unless) = if self.plain {
                (PLAIN, "column3", "", "")
            } else {
                let arrays = ", $10::text::uuid[], $11::text::uuid[], $12::text::bigint[], $13::text::text[], \
                              $14::text::bigint[], $15::text::text[], $16::text::text[]";
                (FULL, REST, arrays, UNLESS_EQUAL)
            };
            let names: Vec<String> = (1..=if self.plain { 4 } else { 11 })
                .map(|column| format!("column{column}"))
                .collect();
            // The ids follow the place: jobs of one order key run by it.
            format!(
                "WITH pushed AS (INSERT INTO events_jobs ({SHARED}, {columns}) SELECT $1, $2, $3, $4, $5 + column4, \
                 column1, column2, column3, column4, column4, {rest} FROM unnest($6::text::uuid[], $7::text::text[], \
                 $8::text::uuid[], $9::text::bigint[]{arrays}) WITH ORDINALITY AS job ({}, place) ORDER BY place \
                 {unless} RETURNING 1) \
                 SELECT pg_notify('{CHANNEL}', '') WHERE EXISTS (SELECT 1 FROM pushed)",
                names.join(", ")
            )
        });
        let rows = jobs.iter().map(|job| {
            let rest = (!self.plain).then(|| full_row(job));
            let rest = rest.into_iter().flatten();
            plain_row(job).into_iter().chain(rest)
        });
        let arrays = arrays(rows);
        let values = self.values().into_iter().chain(arrays);
        Statement::from_sql_and_values(DbBackend::Postgres, text, values)
    }
}

const SHARED: &str = "queue, event, version, listener, run_at";
const PLAIN: &str = "uid, payload, delivery_id, dispatched_at, changed_at, correlation_id";
const FULL: &str = "uid, payload, delivery_id, dispatched_at, changed_at, correlation_id, causation_id, expires_at, \
                    unique_key, unique_until, order_key, trace";
/// Where the columns of [`FULL`] come from that are not plain.
const REST: &str = "column5, column6, column7, column8, column9, column10, column11";

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
pub(crate) fn arrays<R: IntoIterator<Item = Value>>(rows: impl Iterator<Item = R>) -> Vec<Value> {
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
