//! What a worker that runs items does beside them: it reconciles the runs whose last item has ended, and fails items
//! that nobody knows. Listeners run in both, so that both are runs of the worker, which it does not wait for.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use events_core::BoxFuture;
use sea_orm::{DatabaseConnection, DbBackend};

use super::end::{EndedItem, ItemEnd, write};
use crate::integration::{Integrations, Within};
use crate::queue::{
    Hanging, Hold, Keys, LOOK as LOOK_FOR_UNKNOWN, Memory, Taken, UNKNOWN_AFTER, before,
};
use crate::store::{self, StoreError};
use crate::sync::{SyncItemError, SyncItemErrorKind, SyncRunError};

/// How often a worker looks for runs that nobody reconciled: whoever ended their last item may have died.
const LOOK: Duration = Duration::from_secs(5);
/// How soon it is tried again where the database failed.
const AGAIN: Duration = Duration::from_secs(1);
/// Reconciling is given up for the moment if it takes so long, as where a listener hangs.
const LONGEST: Duration = Duration::from_mins(5);
/// So many unknown items are failed at once.
const BATCH: usize = 100;

/// Something that is done by one run at a time.
#[derive(Default)]
struct Chore {
    due: AtomicBool,
    runs: AtomicBool,
}

impl Chore {
    fn waits(&self) -> bool {
        self.due.load(Ordering::Acquire) && !self.runs.load(Ordering::Acquire)
    }

    fn begins(&self) -> bool {
        self.due.load(Ordering::Acquire) && !self.runs.swap(true, Ordering::AcqRel)
    }
}

/// Ends the run of a chore, however it ends.
struct Running(Arc<Chore>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.runs.store(false, Ordering::Release);
    }
}

pub(super) struct Chores {
    integrations: Integrations,
    reconciling: Arc<Chore>,
    failing_unknown: Arc<Chore>,
    looked: Option<Instant>,
}

impl Chores {
    pub(super) fn new(integrations: &Integrations) -> Self {
        Self {
            integrations: integrations.clone(),
            reconciling: Arc::default(),
            failing_unknown: Arc::default(),
            looked: None,
        }
    }

    /// A run may be complete.
    pub(super) fn reconcile(&self) {
        self.reconciling.due.store(true, Ordering::Release);
    }

    /// Whether something is due and does not run yet.
    pub(super) fn wait(&self) -> bool {
        self.reconciling.waits() || self.failing_unknown.waits()
    }

    /// What is due and does not run yet.
    pub(super) fn start(&mut self) -> Vec<Taken> {
        if self.looked.is_none_or(|at| at.elapsed() >= LOOK) {
            self.looked = Some(Instant::now());
            self.reconcile();
        }
        let mut taken = Vec::new();
        if self.reconciling.begins() {
            let running = Running(self.reconciling.clone());
            taken.push(chore(reconcile(self.integrations.clone(), running)));
        }
        if self.failing_unknown.begins() {
            let running = Running(self.failing_unknown.clone());
            taken.push(chore(fail_all_unknown(self.integrations.clone(), running)));
        }
        taken
    }

    /// Looks for items that no live worker knows, as is done for jobs: they and their event have waited for
    /// [`UNKNOWN_AFTER`]. `known` are the events that this worker has.
    pub(super) fn tend<'t>(
        &'t self,
        known: &'t [String],
        now: DateTime<Utc>,
    ) -> BoxFuture<'t, Result<bool, StoreError>> {
        Box::pin(async move {
            let store = self.integrations.store();
            let mut memory = Memory::read(store, Keys::Items, now).await?;
            let is_known = |key: &str| known.iter().any(|known| known == key);
            memory.forget_known(store, is_known).await?;
            if memory.wants_look() {
                let found = unknown_events(store.reader(), now).await?;
                memory.note(store, found).await?;
            }
            if !unknown(store.reader(), &memory.ripe(), now, 1)
                .await?
                .is_empty()
            {
                self.failing_unknown.due.store(true, Ordering::Release);
            }
            Ok(false)
        })
    }
}

fn chore(run: impl Future<Output = ()> + Send + 'static) -> Taken {
    Taken {
        hold: None,
        run: Box::pin(async move {
            run.await;
            Vec::<Hanging>::new()
        }),
    }
}

async fn reconcile(integrations: Integrations, running: Running) {
    while running.0.due.swap(false, Ordering::AcqRel) {
        let reconciling = tokio::time::timeout(LONGEST, integrations.reconcile());
        let Some(ended) = integrations.store().unless_silent(reconciling).await else {
            tracing::warn!(
                "the database fell silent while runs were reconciled: it will be tried again"
            );
            running.0.due.store(true, Ordering::Release);
            continue;
        };
        match ended {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                tracing::error!(%error, "runs could not be reconciled: it will be tried again");
                running.0.due.store(true, Ordering::Release);
                tokio::time::sleep(AGAIN).await;
            }
            Err(_) => tracing::error!("reconciling took longer than {LONGEST:?}"),
        }
    }
}

async fn fail_all_unknown(integrations: Integrations, running: Running) {
    running.0.due.store(false, Ordering::Release);
    loop {
        let failing = fail_some_unknown(&integrations);
        let Some(failed) = integrations.store().unless_silent(failing).await else {
            tracing::warn!(
                "the database fell silent while items that no worker knows were failed: it will be tried again"
            );
            return;
        };
        match failed {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) => {
                tracing::error!(%error, "items that no worker knows could not be failed: it will be tried again");
                return;
            }
        }
    }
}

/// Fails items that no worker knows; how many there were.
async fn fail_some_unknown(integrations: &Integrations) -> Result<usize, SyncRunError> {
    let now = integrations.events().now();
    let store = integrations.store();
    let memory = Memory::read(store, Keys::Items, now).await?;
    let found = unknown(store.reader(), &memory.ripe(), now, BATCH).await?;
    for id in &found {
        integrations
            .transaction(async |tx| fail_unknown(&integrations.within(tx), *id).await)
            .await?;
    }
    if !found.is_empty() {
        integrations.reconcile().await?;
    }
    Ok(found.len())
}

async fn fail_unknown(within: &Within<'_>, id: i64) -> Result<(), SyncRunError> {
    let sql = "UPDATE events_sync_items SET state = 1, fence = fence + 1 WHERE id = $1 AND state = 0 AND run_at < $2 \
               RETURNING fence, run_id, integration_id";
    let values = [id.into(), before(within.now(), UNKNOWN_AFTER).into()];
    let Some(row) = store::row(within.tx(), sql, values).await? else {
        return Ok(());
    };
    let fence = row.try_get_by_index(0)?;
    let ended = EndedItem {
        hold: Hold { id, fence },
        run_id: row.try_get_by_index(1)?,
        integration_id: row.try_get_by_index(2)?,
        end: ItemEnd::Failed(SyncItemError {
            kind: SyncItemErrorKind::Undecodable,
            message: "no worker has known this event and version for 7 days".to_owned(),
        }),
    };
    write(within, &[ended]).await?;
    Ok(())
}

/// The events, each as workers name it, of items that have been due for a while and that no live worker knows.
async fn unknown_events(
    connection: &DatabaseConnection,
    now: DateTime<Utc>,
) -> Result<BTreeSet<String>, StoreError> {
    let backend = connection.get_database_backend();
    let sql = of_unknown(backend, &format!("DISTINCT {}", event_of(backend)), "");
    let values = [before(now, LOOK_FOR_UNKNOWN).into()];
    let rows = store::rows(connection, sql, values).await?;
    let found = rows.iter().map(|row| row.try_get_by_index(0));
    Ok(found.collect::<Result<_, _>>()?)
}

/// Items of these events that have been due for too long, and that no live worker knows.
async fn unknown(
    connection: &DatabaseConnection,
    events: &[&str],
    now: DateTime<Utc>,
    limit: usize,
) -> Result<Vec<i64>, StoreError> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let backend = connection.get_database_backend();
    let texts = if backend == DbBackend::Postgres {
        "SELECT json_array_elements_text($2::json)"
    } else {
        "SELECT value FROM json_each($2)"
    };
    let only = format!("AND {} IN ({texts})", event_of(backend));
    let sql = format!("{} LIMIT {limit}", of_unknown(backend, "i.id", &only));
    let events = serde_json::Value::from(events).to_string();
    let values = [before(now, UNKNOWN_AFTER).into(), events.into()];
    let rows = store::rows(connection, sql, values).await?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        found.push(row.try_get_by_index(0)?);
    }
    Ok(found)
}

/// The event and version of an item, as workers name them.
fn event_of(backend: DbBackend) -> &'static str {
    if backend == DbBackend::Postgres {
        "i.event_name || E'\n' || i.version"
    } else {
        "i.event_name || char(10) || i.version"
    }
}

/// What is selected of the items that were due before `$1` and that no live worker knows.
fn of_unknown(backend: DbBackend, what: &str, only: &str) -> String {
    let texts = if backend == DbBackend::Postgres {
        "SELECT json_array_elements_text(w.claims::json)"
    } else {
        "SELECT value FROM json_each(w.claims)"
    };
    let unknown = format!(
        "i.state = 0 AND i.run_at < $1 {only} AND NOT EXISTS (SELECT 1 FROM events_workers AS w \
         WHERE {} IN ({texts}))",
        event_of(backend)
    );
    // Along the runs, by the two indexes: an item of a run that is enumerated waits for nobody.
    let of = |runs: &str| {
        format!(
            "SELECT {what} FROM events_sync_runs AS r JOIN events_sync_items AS i ON i.run_id = r.id \
             WHERE {runs} AND {unknown}"
        )
    };
    let (open, late) = (
        of("r.state <> 2 AND r.state = 1"),
        of("r.reconcile_due AND r.state = 2"),
    );
    format!("{open} UNION ALL {late}")
}
