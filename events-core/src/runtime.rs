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
    /// The number of the latest change.
    changes: u64,
    /// In the order in which they came, each with the number of its subscription.
    added: Vec<(u64, Wired)>,
    /// Tables merged with what was added, by the event's type.
    merged: HashMap<TypeId, Arc<Table>>,
}

/// What was added while the program runs, a listener or a subscriber: it is removed when this is dropped.
#[must_use = "what was added is removed when its subscription is dropped"]
pub struct Subscription {
    of: Weak<Inner>,
    id: u64,
}

impl Subscription {
    /// Keeps what was added for as long as the dispatcher lives.
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
    /// A closure listens to the type of its argument: `events.listen(|event: &OrderPaid| ..)`. The dispatcher owns it:
    /// one that holds the dispatcher in turn, as by `let events = events.clone()`, keeps both alive for ever unless its
    /// subscription is dropped. A listener that is to dispatch can ask for `Events` instead, see
    /// [`listener`](macro@crate::listener).
    #[track_caller]
    pub fn listen<E: Event, Form>(&self, listener: impl IntoListener<E, Form>) -> Subscription {
        self.add(vec![
            Closure::typed(listener).into_wired("runtime listener"),
        ])
    }

    /// Adds a listener of a category until its subscription is dropped.
    #[track_caller]
    pub fn listen_category<C: ?Sized + Category + crate::listener::Heard, Form>(
        &self,
        listener: impl IntoListener<C, Form>,
    ) -> Subscription {
        self.add(vec![
            Closure::category(listener).into_wired("runtime listener"),
        ])
    }

    /// Adds a listener of a name pattern until its subscription is dropped: `*` stands for any characters.
    #[track_caller]
    pub fn listen_pattern<Form>(
        &self,
        pattern: &str,
        listener: impl IntoListener<dyn crate::AnyEvent, Form>,
    ) -> Subscription {
        self.add(vec![
            Closure::pattern(pattern, listener).into_wired("runtime listener"),
        ])
    }

    /// Adds the listeners of a subscriber until its subscription is dropped.
    ///
    /// # Errors
    ///
    /// What its methods lack: a state, a queue, or an event with a wire form. Two values of one type have the same names:
    /// a second one is refused if it has a queued listener, since nobody could tell whose a job is.
    pub fn subscribe<S: crate::Subscriber>(
        &self,
        subscriber: S,
    ) -> Result<Subscription, BuildError> {
        let wired = crate::builder::wire_subscriber(subscriber);
        let (parts, added) = (self.inner().parts(), self.inner().added());
        let mut faults = Vec::new();
        for wired in &wired {
            crate::builder::check_listener(parts, wired, &mut faults);
            let others = parts.wiring.all().iter().chain(&added);
            crate::builder::check_job_names(&wired.record, others, &mut faults);
        }
        BuildError::unless_empty(faults)?;
        Ok(self.add(wired))
    }

    fn add(&self, wired: Vec<Wired>) -> Subscription {
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

    fn insert(&self, wired: Vec<Wired>) -> u64 {
        let mut runtime = write(self.runtime());
        let merged = Self::changed(&mut runtime);
        let id = runtime.changes;
        runtime
            .added
            .extend(wired.into_iter().map(|wired| (id, wired)));
        self.look_here(&runtime);
        drop(runtime);
        drop(merged);
        id
    }

    fn remove(&self, id: u64) {
        // What is removed is dropped after the lock: a closure's captures may run code.
        let removed = {
            let mut runtime = write(self.runtime());
            let (removed, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut runtime.added)
                .into_iter()
                .partition(|(added, _)| *added == id);
            runtime.added = kept;
            let merged = Self::changed(&mut runtime);
            self.look_here(&runtime);
            (removed, merged)
        };
        drop(removed);
    }

    /// Counts a change. Gives back the merged tables, to be dropped outside the lock.
    fn changed(runtime: &mut Runtime) -> HashMap<TypeId, Arc<Table>> {
        runtime.changes += 1;
        std::mem::take(&mut runtime.merged)
    }

    /// Tells the tables whether to look here.
    fn look_here(&self, runtime: &Runtime) {
        let some = !runtime.added.is_empty();
        for table in self.tables() {
            table.set_runtime(some);
        }
    }

    /// The table with what was added, where something was that hears the event.
    pub(crate) fn runtime_merged(
        &self,
        meta: &'static EventMeta,
        frozen: Arc<Table>,
    ) -> Arc<Table> {
        let (changes, added) = {
            let runtime = read(self.runtime());
            if runtime.added.is_empty() {
                return frozen;
            }
            if let Some(merged) = runtime.merged.get(&meta.type_id) {
                return merged.clone();
            }
            (runtime.changes, runtime.added.clone())
        };
        // What the arguments need is the user's code, which may dispatch: no lock is held meanwhile.
        let hearing = added
            .iter()
            .filter_map(|(_, wired)| Some((wired, rank_for(&wired.record, meta)?)));
        let parts = self.parts();
        let fake = frozen.flags() & flags::FAKE;
        let merged = Arc::new(Table::freeze(
            meta,
            parts.wiring.hearing(meta).chain(hearing),
            &parts.states,
            fake,
        ));
        let replaced = {
            let mut runtime = write(self.runtime());
            let unchanged = runtime.changes == changes;
            unchanged.then(|| runtime.merged.insert(meta.type_id, merged.clone()))
        };
        drop(replaced);
        merged
    }
}
