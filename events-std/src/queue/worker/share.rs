//! A process dies as a whole: what must run alone runs while no other worker of the store runs anything in this process.
//!
//! Workers of other stores are not asked: a program may have a store for each of its customers, and none waits for
//! another.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::store::Store;

/// What the workers of one store run in this process.
#[derive(Default)]
struct Workers {
    /// Those that run something.
    running: Vec<u64>,
    /// The one that runs something alone, or waits for the others to end so that it can.
    alone: Option<u64>,
}

impl Workers {
    fn is_idle(&self) -> bool {
        self.running.is_empty() && self.alone.is_none()
    }
}

/// By store: those whose workers run something.
static STORES: Mutex<BTreeMap<usize, Workers>> = Mutex::new(BTreeMap::new());

fn with<T>(store: &Arc<Notify>, look: impl FnOnce(&mut Workers) -> T) -> T {
    let store = Arc::as_ptr(store).addr();
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    let workers = stores.entry(store).or_default();
    let seen = look(workers);
    if workers.is_idle() {
        stores.remove(&store);
    }
    seen
}

fn run(workers: &mut Workers, number: u64) -> bool {
    if workers.alone.is_some_and(|worker| worker != number) {
        return false;
    }
    if !workers.running.contains(&number) {
        workers.running.push(number);
    }
    true
}

/// One worker's part. It ends with the worker.
pub(super) struct Share {
    /// What all clones of the store have in common; its address is no other's while this is held.
    store: Arc<Notify>,
    number: u64,
    /// Whether it begins nothing for now, as another worker runs something alone, or must end first.
    pub(super) yields: bool,
}

impl Share {
    pub(super) fn of(store: &Store) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            store: store.pushed().clone(),
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            yields: false,
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Workers) -> T) -> T {
        with(&self.store, look)
    }

    /// Whether it may run something beside what else runs; then it counts as running something until it rests.
    pub(super) fn run(&self) -> bool {
        self.with(|workers| run(workers, self.number))
    }

    /// What [`run`](Self::run) is, for others to ask while this lives.
    pub(super) fn runs(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let (store, number) = (self.store.clone(), self.number);
        move || with(&store, |workers| run(workers, number))
    }

    /// Whether it may run something alone, until it rests. Otherwise no other worker begins anything new before.
    pub(super) fn run_alone(&self) -> bool {
        self.with(|workers| {
            if workers.alone.is_some_and(|worker| worker != self.number) {
                return false;
            }
            workers.alone = Some(self.number);
            workers.running.iter().all(|worker| *worker == self.number)
        })
    }

    /// It has nothing more that must run alone.
    pub(super) fn not_alone(&self) {
        self.with(|workers| {
            workers.alone.take_if(|worker| *worker == self.number);
        });
    }

    /// It runs nothing.
    pub(super) fn rest(&self) {
        self.with(|workers| workers.running.retain(|worker| *worker != self.number));
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.not_alone();
        self.rest();
    }
}
