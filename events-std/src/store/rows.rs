//! Rows: statements with bound values, and columns read in their order.

use std::fmt::Write as _;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, TryGetable, Value};

use super::{Store, StoreError};

/// The rows of a statement.
pub(crate) async fn rows(
    connection: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<QueryResult>, StoreError> {
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    Ok(connection.query_all_raw(statement).await?)
}

/// The row of a statement that has one at most.
pub(crate) async fn row(
    connection: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Result<Option<QueryResult>, StoreError> {
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    Ok(connection.query_one_raw(statement).await?)
}

/// Runs a statement, and counts the rows that it touched.
pub(crate) async fn execute(
    connection: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Result<u64, StoreError> {
    let statement = Statement::from_sql_and_values(connection.get_database_backend(), sql, values);
    Ok(connection.execute_raw(statement).await?.rows_affected())
}

/// What locks the rows that a statement selects until the transaction ends. On SQLite the transaction is the lock.
pub(crate) fn for_update(connection: &impl ConnectionTrait) -> &'static str {
    match connection.get_database_backend() {
        DbBackend::Postgres => " FOR UPDATE",
        _ => "",
    }
}

/// What makes a choice of rows leave out those that others work at, on Postgres. SQLite has one writer.
pub(crate) fn skip_locked(connection: &impl ConnectionTrait) -> &'static str {
    match connection.get_database_backend() {
        DbBackend::Postgres => " FOR UPDATE SKIP LOCKED",
        _ => "",
    }
}

/// The numbers of the JSON list that is bound as `$1`, as what `IN (..)` takes.
pub(crate) fn listed(connection: &impl ConnectionTrait) -> &'static str {
    match connection.get_database_backend() {
        DbBackend::Postgres => "SELECT value::bigint FROM json_array_elements_text($1::json)",
        _ => "SELECT value FROM json_each($1)",
    }
}

impl Store {
    /// The rows of a statement that only reads: in the transaction that this task has open, where there is one, so
    /// that it sees what was written there, and never waits for it.
    pub(crate) async fn read_rows(
        &self,
        sql: impl Into<String>,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Vec<QueryResult>, StoreError> {
        match self.open_here() {
            Some(tx) => rows(&tx, sql, values).await,
            None => rows(self.reader(), sql, values).await,
        }
    }

    /// As [`read_rows`](Self::read_rows), for one row at most.
    pub(crate) async fn read_row(
        &self,
        sql: impl Into<String>,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<Option<QueryResult>, StoreError> {
        match self.open_here() {
            Some(tx) => row(&tx, sql, values).await,
            None => row(self.reader(), sql, values).await,
        }
    }
}

/// A text as both databases store it: Postgres has no U+0000.
pub(crate) fn text(text: String) -> Value {
    if text.contains('\0') {
        return text.replace('\0', "\u{FFFD}").into();
    }
    text.into()
}

/// The same of a text that may be missing.
pub(crate) fn text_or_null(value: Option<String>) -> Value {
    value.map_or_else(|| Option::<String>::None.into(), text)
}

/// Adds to a statement the conditions that have a value: each a column and its comparison, as `id >`. The values, in
/// their order.
pub(crate) fn wanted(
    sql: &mut String,
    conditions: impl IntoIterator<Item = (&'static str, Option<Value>)>,
) -> Vec<Value> {
    let mut values = Vec::new();
    for (condition, value) in conditions {
        let Some(value) = value else { continue };
        sql.push_str(if values.is_empty() {
            " WHERE "
        } else {
            " AND "
        });
        values.push(value);
        // A text takes all that is written.
        let _ = write!(sql, "{condition} ${}", values.len());
    }
    values
}

/// The columns of a row, read one after the other: in the order in which the statement names them.
pub(crate) struct Columns<'r> {
    row: &'r QueryResult,
    next: usize,
}

impl<'r> Columns<'r> {
    pub(crate) fn of(row: &'r QueryResult) -> Self {
        Self::from(row, 0)
    }

    /// From this column on.
    pub(crate) fn from(row: &'r QueryResult, first: usize) -> Self {
        Self { row, next: first }
    }

    /// The next column.
    pub(crate) fn next<T: TryGetable>(&mut self) -> Result<T, DbErr> {
        let index = self.next;
        self.next += 1;
        self.row.try_get_by_index(index)
    }

    /// The next column, a time in milliseconds.
    pub(crate) fn time(&mut self) -> Result<DateTime<Utc>, DbErr> {
        let value = self.next()?;
        self.as_time(value)
    }

    /// The next column, a time or NULL.
    pub(crate) fn time_or_none(&mut self) -> Result<Option<DateTime<Utc>>, DbErr> {
        let value: Option<i64> = self.next()?;
        value.map(|value| self.as_time(value)).transpose()
    }

    fn as_time(&self, milliseconds: i64) -> Result<DateTime<Utc>, DbErr> {
        DateTime::from_timestamp_millis(milliseconds).ok_or_else(|| self.unfit("a time"))
    }

    /// The next column, a number that is stored as BIGINT.
    pub(crate) fn number<T: TryFrom<i64>>(&mut self) -> Result<T, DbErr> {
        let value: i64 = self.next()?;
        T::try_from(value).map_err(|_| self.unfit("a number of its size"))
    }

    /// The next column, a number that is stored as BIGINT, or NULL.
    pub(crate) fn number_or_none<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, DbErr> {
        let value: Option<i64> = self.next()?;
        let number = value.map(T::try_from).transpose();
        number.map_err(|_| self.unfit("a number of its size"))
    }

    /// The next column, JSON or NULL.
    pub(crate) fn json_or_none(&mut self) -> Result<Option<serde_json::Value>, DbErr> {
        let text: Option<String> = self.next()?;
        let json = text.as_deref().map(serde_json::from_str).transpose();
        json.map_err(|_| self.unfit("JSON"))
    }

    /// The next column, one of the words of a type.
    pub(crate) fn word<T: FromStr>(&mut self) -> Result<T, DbErr> {
        let text: String = self.next()?;
        text.parse().map_err(|_| self.unfit("a known word"))
    }

    /// The next column, one of the words of a type or NULL.
    pub(crate) fn word_or_none<T: FromStr>(&mut self) -> Result<Option<T>, DbErr> {
        let text: Option<String> = self.next()?;
        let word = text.map(|text| text.parse()).transpose();
        word.map_err(|_| self.unfit("a known word"))
    }

    /// The column that was just read holds something else. What it holds may be secret.
    fn unfit(&self, wanted: &str) -> DbErr {
        let columns = self.row.column_names();
        let name = columns.get(self.next - 1).map_or("?", String::as_str);
        DbErr::Type(format!("the column `{name}` does not hold {wanted}"))
    }
}

/// A time as it is stored.
pub(crate) fn time(at: DateTime<Utc>) -> Value {
    at.timestamp_millis().into()
}

/// A time that may be unset, as it is stored.
pub(crate) fn time_or_null(at: Option<DateTime<Utc>>) -> Value {
    at.map(|at| at.timestamp_millis()).into()
}

/// JSON that may be unset, as it is stored.
pub(crate) fn json_or_null(json: Option<&serde_json::Value>) -> Value {
    json.map(ToString::to_string).into()
}
