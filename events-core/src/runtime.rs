//! Listeners that are added while the program runs.

use std::any::TypeId;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use crate::event::{Category, Event, EventMeta};
use crate::events::{Events, Inner};
use crate::fault::BuildError;
use crate::listener::{Closure, IntoListener};
use crate::sync::{read, write};
use crate::table::{Table, Wired, flags, rank_for};

/// What was added to one dispatcher while the program runs.
#[derive(Default)]
pub(crate) struct Runtime {
    next: u64,
    added: Vec<(u64, Wired)>,
    /// Tables merged with what was added, by the event's type.
    merged: HashMap<TypeId, Arc<Table>>,
}

/// A listener that was added while the program runs: it is removed when this is dropped.
#[must_use = "the listener is removed when its subscription is dropped"]
pub struct Subscription {
    of: Weak<Inner>,
    id: u64,
}

impl Subscription {
    /// Keeps the listener for as long as the dispatcher lives.
    pub fn forget(mut self) {
        self.of = Weak::new();
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(inner) = self.of.upgrade() {
            inner.remove(self.id);
        }
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Subscription({})", self.id)
    }
}

impl Events {
    /// Adds a listener until its subscription is dropped. A dispatch that is running does not hear of it.
    ///
    /// A closure listens to the type of its argument: `events.listen(|event: &OrderPaid| ..)`.
    #[track_caller]
    pub fn listen<E: Event, Form>(&self, listener: impl IntoListener<E, Form>) -> Subscription {
        self.add(Closure::typed(listener).into_wired("runtime listener"))
    }

    /// Adds a listener of a category until its subscription is dropped.
    #[track_caller]
    pub fn listen_category<C: ?Sized + Category + crate::listener::Heard, Form>(
        &self,
        listener: impl IntoListener<C, Form>,
    ) -> Subscription {
        self.add(Closure::category(listener).into_wired("runtime listener"))
    }

    /// Adds a listener of a name pattern until its subscription is dropped: `*` stands for any characters.
    #[track_caller]
    pub fn listen_pattern<Form>(
        &self,
        pattern: &str,
        listener: impl IntoListener<dyn crate::AnyEvent, Form>,
    ) -> Subscription {
        self.add(Closure::pattern(pattern, listener).into_wired("runtime listener"))
    }

    /// Adds the listeners of a subscriber until its subscription is dropped.
    ///
    /// # Errors
    ///
    /// What its methods lack: a state, a queue, or an event with a wire form.
    pub fn subscribe<S: crate::Subscriber>(
        &self,
        subscriber: S,
    ) -> Result<Vec<Subscription>, BuildError> {
        let wired = crate::builder::wire_subscriber(subscriber);
        let mut faults = Vec::new();
        for wired in &wired {
            crate::builder::check_listener(self.inner().parts(), wired, &mut faults);
        }
        BuildError::unless_empty(faults)?;
        Ok(wired.into_iter().map(|wired| self.add(wired)).collect())
    }

    fn add(&self, wired: Wired) -> Subscription {
        let inner = self.inner();
        Subscription {
            of: Arc::downgrade(inner),
            id: inner.insert(wired),
        }
    }
}

impl Inner {
    /// What was added while the program runs, and is not removed.
    pub(crate) fn added(&self) -> Vec<Wired> {
        let runtime = read(self.runtime());
        runtime
            .added
            .iter()
            .map(|(_, wired)| wired.clone())
            .collect()
    }

    fn insert(&self, wired: Wired) -> u64 {
        let mut runtime = write(self.runtime());
        runtime.next += 1;
        let id = runtime.next;
        runtime.added.push((id, wired));
        self.changed(&mut runtime);
        id
    }

    fn remove(&self, id: u64) {
        // What is removed is dropped after the lock: a closure's captures may run code.
        let removed = {
            let mut runtime = write(self.runtime());
            let Some(index) = runtime.added.iter().position(|(added, _)| *added == id) else {
                return;
            };
            let removed = runtime.added.swap_remove(index);
            (removed, self.changed(&mut runtime))
        };
        drop(removed);
    }

    /// Tells the tables whether to look here. Gives back the merged tables, to be dropped outside the lock.
    fn changed(&self, runtime: &mut Runtime) -> HashMap<TypeId, Arc<Table>> {
        let some = !runtime.added.is_empty();
        for table in self.tables() {
            table.set_runtime(some);
        }
        std::mem::take(&mut runtime.merged)
    }

    /// The table with what was added, where something was that hears the event.
    pub(crate) fn runtime_merged(
        &self,
        meta: &'static EventMeta,
        frozen: Arc<Table>,
    ) -> Arc<Table> {
        {
            let runtime = read(self.runtime());
            if runtime.added.is_empty() {
                return frozen;
            }
            if let Some(merged) = runtime.merged.get(&meta.type_id) {
                return merged.clone();
            }
        }
        let mut runtime = write(self.runtime());
        let added = runtime
            .added
            .iter()
            .filter_map(|(_, wired)| Some((wired, rank_for(&wired.record, meta)?)));
        let parts = self.parts();
        let fake = frozen.flags() & flags::FAKE;
        let merged = Arc::new(Table::freeze(
            meta,
            parts.wiring.hearing(meta).chain(added),
            &parts.states,
            fake,
        ));
        runtime.merged.insert(meta.type_id, merged.clone());
        merged
    }
}
