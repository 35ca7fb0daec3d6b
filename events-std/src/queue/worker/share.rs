//! A process dies as a whole: what must run alone runs while no other worker of the store runs anything in this process.
//!
//! Workers of other stores are not asked: a program may have a store for each of its customers, and none waits for
//! another.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use crate::queue::by_store::ByStore;
use crate::store::Store;

/// What the workers of one store run in this process.
#[derive(Default, PartialEq)]
struct Workers {
    /// Those that run something.
    running: Vec<u64>,
    /// The one that runs something alone, or waits for the others to end so that it can.
    alone: Option<u64>,
}

impl Workers {
    fn run(&mut self, number: u64) -> bool {
        if self.alone.is_some_and(|worker| worker != number) {
            return false;
        }
        if !self.running.contains(&number) {
            self.running.push(number);
        }
        true
    }
}

/// Those whose workers run something.
static STORES: ByStore<Workers> = ByStore::new();

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
        STORES.with(&self.store, look)
    }

    /// Whether it may run something beside what else runs; then it counts as running something until it rests.
    pub(super) fn run(&self) -> bool {
        self.with(|workers| workers.run(self.number))
    }

    /// What [`run`](Self::run) is, for others to ask while this lives.
    pub(super) fn runs(&self) -> impl Fn() -> bool + Send + Sync + 'static {
        let (store, number) = (self.store.clone(), self.number);
        move || STORES.with(&store, |workers| workers.run(number))
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
