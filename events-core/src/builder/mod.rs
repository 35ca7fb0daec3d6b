//! The builder of dispatchers: state, queue, policy, and what is listened to besides what is linked.

mod check;
mod upcasters;

pub(crate) use check::{check_job_names, check_listener};

use std::any::{Any, TypeId};
use std::collections::HashSet;
use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::dispatch::{ErrorPolicy, Failure, NotRun};
use crate::durable::{ModelHandle, ModelRecord, UpcasterHandle, UpcasterRecord, Upcasters};
use crate::event::{Category, Event, EventMeta};
use crate::events::{Events, Parts};
use crate::fake::{Fake, Fakes};
use crate::fault::{BuildError, Fault};
use crate::future::text_of;
use crate::listener::{
    Closure, Heard, Instance, IntoListener, ListenerRecord, Need, Needs, Subscriber,
};
use crate::queue::Queue;
use crate::registry::{self, Handle};
use crate::state::States;
use crate::table::{Owner, Record, Table, Wired};
use crate::telemetry::TraceContext;
use crate::wiring::Wiring;

/// What the error hook is told: failures of which no caller hears.
#[derive(Debug)]
#[non_exhaustive]
pub enum Incident<'a> {
    /// A listener failed after the dispatch that it belongs to had ended, as after a commit.
    Failed(&'a Failure),
    /// A dispatch was dropped half-way.
    NotRun(&'a NotRun),
}

pub(crate) type Hook = Box<dyn Fn(&Incident<'_>) + Send + Sync>;

/// Which of the linked listeners a dispatcher starts from.
enum Linked {
    All,
    None,
    In(String),
}

impl Linked {
    fn includes(&self, module: &str) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::In(wanted) => module
                .strip_prefix(&**wanted)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::")),
        }
    }
}

/// Builds a dispatcher. It starts from every listener that is linked.
#[must_use = "a builder does nothing until `build`"]
pub struct EventsBuilder {
    linked: Linked,
    wired: Vec<Wired>,
    events: Vec<&'static EventMeta>,
    models: Vec<&'static ModelRecord>,
    upcasters: Vec<&'static UpcasterRecord>,
    states: States,
    queue: Option<Arc<dyn Queue>>,
    policy: ErrorPolicy,
    hook: Option<Hook>,
    clock: Arc<dyn Clock>,
    trace: Option<Box<dyn TraceContext>>,
    expected: Vec<String>,
}

impl EventsBuilder {
    pub(crate) fn new() -> Self {
        Self {
            linked: Linked::All,
            wired: Vec::new(),
            events: Vec::new(),
            models: Vec::new(),
            upcasters: Vec::new(),
            states: States::default(),
            queue: None,
            policy: ErrorPolicy::default(),
            hook: None,
            clock: Arc::new(SystemClock),
            trace: None,
            expected: Vec::new(),
        }
    }

    /// Gives listeners the state `T`, which they ask for as `&State<T>`. A second `T` replaces the first.
    pub fn state<T: Any + Send + Sync>(mut self, state: T) -> Self {
        self.states.insert(state);
        self
    }

    /// Gives the dispatcher the queue that queued listeners need.
    pub fn queue(mut self, queue: impl Queue) -> Self {
        self.queue = Some(Arc::new(queue));
        self
    }

    /// What happens after a listener has failed; [`ErrorPolicy::RunAll`] unless given.
    pub fn error_policy(mut self, policy: ErrorPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// What is told failures of which no caller hears. It must not panic. Without one they are logged by `tracing`.
    pub fn error_hook(mut self, hook: impl Fn(&Incident<'_>) + Send + Sync + 'static) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }

    /// The time source; the system's unless given.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// What carries traces from a dispatch to the runs of its jobs; nothing unless given. `events-std` has one for
    /// OpenTelemetry, with the feature `opentelemetry`.
    pub fn trace_context(mut self, context: impl TraceContext) -> Self {
        self.trace = Some(Box::new(context));
        self
    }

    /// Adds a listener under a name of its own. A closure listens to the type of its argument:
    /// `.listen("audit", |event: &OrderPaid| ..)`. It takes the event and nothing else. An async one clones what it captures
    /// into its future: `move |event: &OrderPaid| { let db = db.clone(); async move { .. } }`.
    #[track_caller]
    pub fn listen<E: Event, Form>(
        mut self,
        name: &str,
        listener: impl IntoListener<E, Form>,
    ) -> Self {
        self.wired.push(Closure::typed(listener).into_wired(name));
        self.events.push(E::meta().any());
        self
    }

    /// Adds a listener of a category under a name of its own.
    #[track_caller]
    pub fn listen_category<C: ?Sized + Category + Heard, Form>(
        mut self,
        name: &str,
        listener: impl IntoListener<C, Form>,
    ) -> Self {
        self.wired
            .push(Closure::category(listener).into_wired(name));
        self
    }

    /// Adds a listener of a name pattern under a name of its own: `*` stands for any characters.
    #[track_caller]
    pub fn listen_pattern<Form>(
        mut self,
        name: &str,
        pattern: &str,
        listener: impl IntoListener<dyn crate::AnyEvent, Form>,
    ) -> Self {
        self.wired
            .push(Closure::pattern(pattern, listener).into_wired(name));
        self
    }

    /// Adds the listening methods of a value: those marked in its `#[listeners]` block.
    pub fn subscribe<S: Subscriber>(mut self, subscriber: S) -> Self {
        self.wired.extend(wire_subscriber(subscriber));
        self
    }

    /// Starts from nothing instead of from what is linked: for tests, and where link-time constructors do not run.
    pub fn without_linked(mut self) -> Self {
        self.linked = Linked::None;
        self
    }

    /// Starts from the linked listeners of one module and the modules in it, for tests of that part alone:
    /// `.only_linked_in(module_path!())`.
    pub fn only_linked_in(mut self, module: &str) -> Self {
        self.linked = Linked::In(module.to_owned());
        self
    }

    /// Adds a listener by its handle: see `handle` in [`listener`](macro@crate::listener).
    pub fn register(mut self, listener: Handle) -> Self {
        self.wired.push(Wired {
            record: Record::Linked(listener.record()),
            owner: None,
        });
        self
    }

    /// Makes an event known by hand, so that its jobs are recognised and patterns find it from the start.
    pub fn register_event<E: Event>(mut self) -> Self {
        self.events.push(E::meta().any());
        self
    }

    /// Adds a model's loader by its handle, in place of a linked one: see `handle` in [`model`](macro@crate::model).
    pub fn register_model(mut self, model: ModelHandle) -> Self {
        self.models.push(model.record());
        self
    }

    /// Adds an upcaster by its handle: see `handle` in [`upcaster`](macro@crate::upcaster). Its event is known then.
    pub fn register_upcaster(mut self, upcaster: UpcasterHandle) -> Self {
        self.events.push(upcaster.record().event());
        self.upcasters.push(upcaster.record());
        self
    }

    /// Lets `build` fail unless a listener of this crate is linked: a crate that no code names is not, and its
    /// listeners are lost. Dashes and underscores are the same.
    pub fn expect_listeners_from(mut self, krate: &str) -> Self {
        self.expected.push(krate.replace('-', "_"));
        self
    }

    /// Checks the wiring and builds the dispatcher.
    ///
    /// # Errors
    ///
    /// Lists every fault, each with its listener, event, place and cure.
    pub fn build(self) -> Result<Events, BuildError> {
        let (events, faults) = self.assemble(None);
        BuildError::unless_empty(faults)?;
        Ok(events)
    }

    /// A dispatcher that records events instead of running their listeners. Its wiring is not checked.
    #[must_use]
    pub fn fake(self) -> Fake {
        let fakes = Fakes::default();
        Fake::new(self.assemble(Some(fakes.clone())).0, fakes)
    }

    /// Builds without a check: dispatches of events whose listeners lack something refuse.
    pub(crate) fn build_unchecked(self) -> Events {
        self.assemble(None).0
    }

    fn assemble(self, fakes: Option<Fakes>) -> (Events, Vec<Fault>) {
        let linked = registry::linked();
        let mut wired = self.wired;
        let mut events = self.events;
        events.extend(&linked.events);
        let models = models(self.models, &linked.models);
        let mut upcasters = self.upcasters;
        upcasters.extend(&linked.upcasters);
        let wanted = linked
            .listeners
            .iter()
            .filter(|record| self.linked.includes(&record.source.module))
            .filter(|record| is_wanted(record, &self.states));
        wired.extend(wanted.map(|record| Wired {
            record: Record::Linked(record),
            owner: None,
        }));
        // One that is registered by hand may be linked too.
        let mut seen = HashSet::new();
        wired.retain(|wired| match &wired.record {
            Record::Linked(record) if wired.owner.is_none() => {
                seen.insert(std::ptr::from_ref(*record))
            }
            Record::Linked(_) | Record::Own(_) => true,
        });
        events.sort_by_key(|meta| (meta.module, meta.ident, meta.line));
        events.dedup_by_key(|meta| meta.type_id);
        for meta in &events {
            registry::number_of(meta);
        }
        let parts = Parts {
            wiring: Wiring::new(wired, events, models, Upcasters::new(upcasters)),
            states: self.states,
            queue: self.queue,
            hook: self.hook.unwrap_or_else(|| Box::new(log)),
            clock: self.clock,
            trace: self.trace,
            fakes,
        };
        let faults = check::all(&parts, &self.expected);
        let tables = tables(&parts);
        (Events::of(parts, tables, self.policy), faults)
    }
}

/// Whether the dispatcher has what a listener, to be there at all, asks for.
fn is_wanted(record: &ListenerRecord, states: &States) -> bool {
    let needs = record.needs.into_iter().flat_map(Needs::of);
    needs.into_iter().all(|(_, need)| match need {
        Need::Presence { id } => states.erased(id).is_some(),
        _ => true,
    })
}

/// The loaders that were given by hand, each once, and the linked ones of other models.
fn models(
    mut by_hand: Vec<&'static ModelRecord>,
    linked: &[&'static ModelRecord],
) -> Vec<&'static ModelRecord> {
    let mut seen = HashSet::new();
    by_hand.retain(|model| seen.insert(std::ptr::from_ref(*model)));
    let replaced: HashSet<TypeId> = by_hand.iter().copied().map(ModelRecord::type_id).collect();
    let others = linked
        .iter()
        .copied()
        .filter(|model| !replaced.contains(&ModelRecord::type_id(model)));
    by_hand.extend(others);
    by_hand
}

/// One table for each event number, from 1.
fn tables(parts: &Parts) -> Vec<Table> {
    registry::numbered()
        .into_iter()
        .map(|meta| parts.freeze(meta))
        .collect()
}

pub(crate) fn wire_subscriber<S: Subscriber>(subscriber: S) -> Vec<Wired> {
    let owner = Owner {
        of: TypeId::of::<S>(),
        instance: Arc::new(Instance(subscriber)),
    };
    S::listeners()
        .iter()
        .map(|record| Wired {
            record: Record::Linked(record),
            owner: Some(owner.clone()),
        })
        .collect()
}

/// The hook of a dispatcher that was given none.
fn log(incident: &Incident<'_>) {
    match incident {
        Incident::Failed(failure) => tracing::error!(
            event = failure.event(),
            listener = failure.listener().name(),
            error = text_of(failure.cause()),
            "a listener failed"
        ),
        Incident::NotRun(not_run) => tracing::error!(
            event = not_run.event(),
            listeners = ?not_run.listeners(),
            "a dispatch was dropped before these listeners had run"
        ),
    }
}
