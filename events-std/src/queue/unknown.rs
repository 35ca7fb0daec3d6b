//! What no live worker knows, and for how long.
//!
//! Only time in which workers lived counts: when a whole system was away, the first program that comes back must not
//! give up what another one, which starts a moment later, knows. So a worker looks now and then, notes what nobody knows,
//! and adds the time since the last look, of which a part at most counts if that is long ago.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;

use crate::store::{self, Store, StoreError};

/// How long what no live worker knows is kept, after it was due and while some worker lived.
pub(crate) const UNKNOWN_AFTER: Duration = Duration::from_hours(7 * 24);

/// How often one of all workers looks: it reads all that has waited for so long.
pub(crate) const LOOK: Duration = Duration::from_hours(1);

/// What lies between two looks counts as so much at most: nobody may have lived in between.
const LONGEST_STEP: Duration = Duration::from_hours(24);

/// The row that says when the last look was.
const LAST_LOOK: &str = "";

/// What keys are of. Each kind is looked for by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    Jobs,
    Items,
}

/// How the rows of items begin. No name of an event does.
const OF_ITEMS: &str = "items/";

impl Keys {
    /// The key of a row that is of this kind.
    fn key(self, name: &str) -> Option<&str> {
        match (self, name.strip_prefix(OF_ITEMS)) {
            (Self::Jobs, None) => Some(name),
            (Self::Items, key) => key,
            (Self::Jobs, Some(_)) => None,
        }
    }

    /// The name of a key's row.
    fn name(self, key: &str) -> String {
        match self {
            Self::Jobs => key.to_owned(),
            Self::Items => format!("{OF_ITEMS}{key}"),
        }
    }
}

/// What is remembered of keys that no worker knew.
pub(crate) struct Memory {
    of: Keys,
    rows: Vec<Row>,
    now: i64,
}

struct Row {
    key: String,
    /// In milliseconds.
    unknown_for: i64,
    seen_at: i64,
}

impl Memory {
    pub(crate) async fn read(
        store: &Store,
        of: Keys,
        now: DateTime<Utc>,
    ) -> Result<Self, StoreError> {
        let sql = "SELECT name, unknown_for, seen_at FROM events_unknown";
        let mut rows = Vec::new();
        for row in store::rows(store.reader(), sql, []).await? {
            let name: String = row.try_get_by_index(0)?;
            let Some(key) = of.key(&name) else { continue };
            rows.push(Row {
                key: key.to_owned(),
                unknown_for: row.try_get_by_index(1)?,
                seen_at: row.try_get_by_index(2)?,
            });
        }
        let now = now.timestamp_millis();
        Ok(Self { of, rows, now })
    }

    /// Whether the last look was long ago, or by a clock that was far ahead.
    pub(crate) fn wants_look(&self) -> bool {
        let last = self.rows.iter().find(|row| row.key == LAST_LOOK);
        let away = last.map(|row| self.now.abs_diff(row.seen_at));
        away.is_none_or(|away| u128::from(away) >= LOOK.as_millis())
    }

    /// The keys that were unknown for long enough.
    pub(crate) fn ripe(&self) -> Vec<&str> {
        let ripe = self
            .rows
            .iter()
            .filter(|row| row.unknown_for >= milliseconds(UNKNOWN_AFTER));
        ripe.map(|row| row.key.as_str()).collect()
    }

    /// Forgets keys that a worker has, which lives now.
    pub(crate) async fn forget_known(
        &mut self,
        store: &Store,
        is_known: impl Fn(&str) -> bool,
    ) -> Result<(), StoreError> {
        let (known, rest) = std::mem::take(&mut self.rows)
            .into_iter()
            .partition(|row| row.key != LAST_LOOK && is_known(&row.key));
        self.rows = rest;
        self.forget(store.writer(), &known).await
    }

    /// Notes what a look found, unless another worker was faster with it.
    pub(crate) async fn note(
        &mut self,
        store: &Store,
        mut found: BTreeSet<String>,
    ) -> Result<(), StoreError> {
        let tx = store.begin().await?;
        let (last, rest) = std::mem::take(&mut self.rows)
            .into_iter()
            .partition::<Vec<_>, _>(|row| row.key == LAST_LOOK);
        let first = if let Some(last) = last.first() {
            let sql = "UPDATE events_unknown SET seen_at = $1 WHERE name = $2 AND seen_at = $3";
            let name = self.of.name(LAST_LOOK).into();
            let values = [self.now.into(), name, last.seen_at.into()];
            store::execute(&tx, sql, values).await? == 1
        } else {
            let sql = "INSERT INTO events_unknown (name, unknown_for, seen_at) VALUES ($2, 0, $1) \
                       ON CONFLICT (name) DO NOTHING";
            let values = [self.now.into(), self.of.name(LAST_LOOK).into()];
            store::execute(&tx, sql, values).await? == 1
        };
        if !first {
            return Ok(());
        }
        let (mut still, gone) = rest
            .into_iter()
            .partition::<Vec<_>, _>(|row| found.remove(&row.key));
        self.forget(&tx, &gone).await?;
        for row in &mut still {
            row.unknown_for += self
                .now
                .saturating_sub(row.seen_at)
                .clamp(0, milliseconds(LONGEST_STEP));
        }
        still.extend(found.into_iter().map(|key| Row {
            key,
            unknown_for: 0,
            seen_at: self.now,
        }));
        for row in &still {
            let sql = "INSERT INTO events_unknown (name, unknown_for, seen_at) VALUES ($1, $2, $3) \
                       ON CONFLICT (name) DO UPDATE SET unknown_for = $2, seen_at = $3";
            let values = [
                self.of.name(&row.key).into(),
                row.unknown_for.into(),
                self.now.into(),
            ];
            store::execute(&tx, sql, values).await?;
        }
        tx.commit().await?;
        self.rows = still;
        Ok(())
    }

    async fn forget(
        &self,
        connection: &impl ConnectionTrait,
        rows: &[Row],
    ) -> Result<(), StoreError> {
        for row in rows {
            let sql = "DELETE FROM events_unknown WHERE name = $1";
            store::execute(connection, sql, [self.of.name(&row.key).into()]).await?;
        }
        Ok(())
    }
}

fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// The time so long before.
pub(crate) fn before(now: DateTime<Utc>, span: Duration) -> i64 {
    now.timestamp_millis().saturating_sub(milliseconds(span))
}

#[cfg(test)]
mod tests {
    use super::{Keys, LAST_LOOK, LOOK, Memory, Row, milliseconds};

    #[test]
    fn one_of_all_workers_looks_once_an_hour() {
        let last = |ago: i64| Memory {
            of: Keys::Jobs,
            rows: vec![Row {
                key: LAST_LOOK.to_owned(),
                unknown_for: 0,
                seen_at: -ago,
            }],
            now: 0,
        };
        let hour = milliseconds(LOOK);
        assert!(!last(hour - 1).wants_look());
        assert!(last(hour).wants_look());
        assert!(last(-hour).wants_look(), "that clock was ahead");
        let none = Memory {
            rows: Vec::new(),
            ..last(0)
        };
        assert!(none.wants_look(), "nobody has");
    }

    #[test]
    fn jobs_and_items_are_looked_for_by_themselves() {
        for key in [LAST_LOOK, "order.paid\n1"] {
            for of in [Keys::Jobs, Keys::Items] {
                let name = of.name(key);
                assert_eq!(of.key(&name), Some(key));
                let other = if of == Keys::Jobs {
                    Keys::Items
                } else {
                    Keys::Jobs
                };
                assert_eq!(other.key(&name), None);
            }
        }
    }
}
