//! Jobs that wait behind others of their order key. A key with a long backlog would make each claim step over all of it;
//! so, where many stand at the front of a queue, they are marked, and no claim looks at them. Before a claim the first of
//! each marked key is let go on, if nothing of its key comes before it any more. The mark says only where to look: what
//! may be claimed is asked of each job all the same.

use std::time::Duration;

use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use tokio::time::Instant;

use super::claim::{IN_ORDER, Terms};
use crate::store::{self, Store, StoreError};

/// How often the front of the queues is looked at, if that is quick.
const LOOK: Duration = Duration::from_millis(400);
/// A look may take this part of the time, so that it is rarer where it is slow.
const PART: u32 = 20;
/// Marking may keep the worker from its jobs for so long; it goes on at the next turn.
const AT_ONCE: Duration = Duration::from_secs(2);
/// So many jobs are the front of a queue.
const FRONT: usize = 2_000;
/// So many that wait behind others there are marked; fewer are stepped over.
const MANY: usize = 100;
/// So many keys are looked at before a claim, the others before the next ones.
const KEYS: usize = 200;

/// What a worker knows of marked jobs.
#[derive(Default)]
pub(super) struct Behind {
    /// Whether there may be any.
    any: bool,
    /// When to look next.
    next: Option<Instant>,
    /// The listener and key after which the next claim looks.
    after: (String, String),
}

impl Behind {
    /// Whether a claim has to let jobs go on first.
    pub(super) fn any(&self) -> bool {
        self.any
    }

    /// From time to time looks whether jobs are marked, by whomever, and, where this worker has listeners whose jobs run in
    /// order, marks those that stand in its way.
    pub(super) async fn look(
        &mut self,
        store: &Store,
        terms: &Terms<'_>,
        queues: &[String],
        has_ordered: bool,
    ) -> Result<(), StoreError> {
        let began = Instant::now();
        if self.next.is_some_and(|next| began < next) {
            return Ok(());
        }
        let mut more = false;
        if has_ordered {
            // All at once: each claim in between would step over what is left.
            for queue in queues {
                while mark(store, terms, queue).await? {
                    more = began.elapsed() > AT_ONCE;
                    if more {
                        break;
                    }
                }
            }
        }
        let any = "SELECT 1 FROM events_jobs WHERE state = 0 AND behind LIMIT 1";
        self.any = more || store::row(store.reader(), any, []).await?.is_some();
        let rest = if more {
            Duration::ZERO
        } else {
            LOOK.max(began.elapsed() * PART)
        };
        self.next = Some(Instant::now() + rest);
        Ok(())
    }

    /// Looks now, at all keys, whether a marked job may go on, and lets it.
    pub(super) async fn release_any(
        &mut self,
        store: &Store,
        terms: &Terms<'_>,
    ) -> Result<bool, StoreError> {
        self.after = Default::default();
        loop {
            if self.release(store.writer(), terms).await? > 0 {
                self.any = true;
                return Ok(true);
            }
            if self.after == Default::default() {
                return Ok(false);
            }
        }
    }

    /// Lets the first marked job of each key go on, if nothing of its key comes before it. How many.
    pub(super) async fn release(
        &mut self,
        connection: &impl ConnectionTrait,
        terms: &Terms<'_>,
    ) -> Result<usize, StoreError> {
        let rows = store::rows(
            connection,
            heads(terms.in_order),
            [self.after.0.as_str().into(), self.after.1.as_str().into()],
        )
        .await?;
        let mut free = Vec::new();
        let begins_anew = rows.len() < KEYS;
        for (index, row) in rows.iter().enumerate() {
            let is_free: i32 = row.try_get_by_index(3)?;
            if is_free == 1 {
                free.push(row.try_get_by_index::<i64>(0)?);
            }
            if index + 1 == KEYS {
                self.after = (row.try_get_by_index(1)?, row.try_get_by_index(2)?);
            }
        }
        if begins_anew {
            self.after = Default::default();
        }
        set(connection, "FALSE", &free).await?;
        Ok(free.len())
    }
}

/// The first marked job of each key after that of `$1` and `$2`, with whether it may go on. The index is read at one place
/// for each key, however many of its jobs wait.
fn heads(in_order: &str) -> String {
    // Two ranges of the index: for one of pairs, SQLite would read all of a listener.
    let first = |listener: &str, key: &str| {
        let marked = "SELECT b.id FROM events_jobs AS b WHERE b.state = 0 AND b.behind";
        format!(
            "COALESCE(({marked} AND b.listener = {listener} AND b.order_key > {key} \
             ORDER BY b.listener, b.order_key, b.id LIMIT 1), \
             ({marked} AND b.listener > {listener} ORDER BY b.listener, b.order_key, b.id LIMIT 1))"
        )
    };
    format!(
        "WITH RECURSIVE heads (id, number) AS (SELECT {}, 1 UNION ALL SELECT {}, heads.number + 1 \
         FROM heads JOIN events_jobs AS h ON h.id = heads.id WHERE heads.number < {KEYS}) \
         SELECT j.id, j.listener, j.order_key, CASE WHEN {IN_ORDER} {in_order} THEN 1 ELSE 0 END \
         FROM heads JOIN events_jobs AS j ON j.id = heads.id ORDER BY heads.number",
        first("$1", "$2"),
        first("h.listener", "h.order_key"),
    )
}

/// Marks what waits behind others at the front of a queue, if it is much. Whether it was.
async fn mark(store: &Store, terms: &Terms<'_>, queue: &str) -> Result<bool, StoreError> {
    let front = format!(
        "SELECT j.id FROM (SELECT id, listener, order_key FROM events_jobs WHERE state = 0 AND behind = FALSE \
         AND queue = $1 AND run_at <= $2 ORDER BY run_at, id LIMIT {FRONT}) AS j \
         WHERE j.order_key IS NOT NULL AND NOT ({IN_ORDER} {})",
        terms.in_order
    );
    let values = [queue.into(), terms.now.timestamp_millis().into()];
    let rows = store::rows(store.reader(), front, values).await?;
    if rows.len() < MANY {
        return Ok(false);
    }
    let ids = rows.iter().map(|row| row.try_get_by_index(0));
    let ids = ids.collect::<Result<Vec<i64>, _>>()?;
    set(store.writer(), "TRUE", &ids).await?;
    Ok(true)
}

/// Marks jobs, or takes the mark from them, but for those that somebody else has locked.
async fn set(connection: &impl ConnectionTrait, to: &str, ids: &[i64]) -> Result<(), DbErr> {
    if ids.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    let ids = ids.join(", ");
    let which = if connection.get_database_backend() == DbBackend::Postgres {
        format!(
            "SELECT id FROM events_jobs WHERE id IN ({ids}) AND state = 0 ORDER BY id FOR UPDATE SKIP LOCKED"
        )
    } else {
        ids
    };
    let set = format!("UPDATE events_jobs SET behind = {to} WHERE id IN ({which}) AND state = 0");
    connection.execute_unprepared(&set).await.map(drop)
}
