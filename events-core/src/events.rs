//! The dispatcher.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use chrono::{DateTime, Utc};

use crate::builder::{EventsBuilder, Hook, Incident};
use crate::clock::Clock;
use crate::current::{self, AlreadySet, Scope};
use crate::delivery::{Cause, Delivery};
use crate::dispatch::{
    DispatchError, Dispatched, ErrorPolicy, Failure, NotRun, Report, dispatch_jobs,
    dispatch_ordered, dispatch_ordered_sync,
};
use crate::erased::{Dispatch, run_sync};
use crate::event::{AnyEvent, Event, EventMeta};
use crate::fake::{Fake, Fakes};
use crate::queue::{Job, PushError, Queue};
use crate::registry;
use crate::runtime::Runtime;
use crate::scope::{self, DeferError, FrameKind};
use crate::state::{State, States};
use crate::sync::lock;
use crate::table::{SyncTable, Table, flags};
use crate::telemetry::{self, TraceContext};
use crate::wiring::Wiring;

/// The dispatcher: a cheap handle, which clones share.
///
/// ```standalone_crate
/// use events_core::{listener, Event, Events};
///
/// #[derive(Debug, Event)]
/// struct OrderPaid { order: u64 }
///
/// #[listener(OrderPaid)]
/// fn print(event: &OrderPaid) { println!("order {} paid", event.order); }
///
/// let events = Events::builder().build().unwrap();
/// events.dispatch_sync(&OrderPaid { order: 7 }).unwrap();
/// ```
#[derive(Clone)]
pub struct Events {
    inner: Arc<Inner>,
    cause: Option<Cause>,
    policy: ErrorPolicy,
}

/// What all handles of one dispatcher share. After `build` only the counters and what was added later change.
pub(crate) struct Inner {
    /// By event number. The first stands for events that have no number yet, and sends them the long way.
    tables: Box<[Arc<Table>]>,
    /// What makes every dispatch take the ordered way: how many scopes are open anywhere, in units above the tables'
    /// flags, and whether a subscriber wants spans.
    detours: AtomicU32,
    /// Tables of events that were met for the first time after `build`.
    late: Mutex<HashMap<usize, Arc<Table>>>,
    runtime: RwLock<Runtime>,
    parts: Parts,
}

/// How a dispatch goes about its work.
pub(crate) enum Way<T> {
    /// Nothing hears the event.
    Empty,
    /// There is nothing to do but to call the table's listeners.
    Plain(T),
    /// There is more to do: see `dispatch::ordered`.
    Ordered,
}

/// What the builder gives.
pub(crate) struct Parts {
    pub(crate) wiring: Wiring,
    pub(crate) states: States,
    pub(crate) queue: Option<Arc<dyn Queue>>,
    pub(crate) hook: Hook,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) trace: Option<Box<dyn TraceContext>>,
    pub(crate) fakes: Option<Fakes>,
}

impl Events {
    pub(crate) fn of(parts: Parts, tables: Vec<Table>, policy: ErrorPolicy) -> Self {
        let unknown = Table::of(Vec::new(), Vec::new(), Vec::new(), flags::UNKNOWN);
        let events = Self {
            inner: Arc::new(Inner {
                tables: std::iter::once(unknown)
                    .chain(tables)
                    .map(Arc::new)
                    .collect(),
                detours: AtomicU32::new(0),
                late: Mutex::default(),
                runtime: RwLock::default(),
                parts,
            }),
            cause: None,
            policy,
        };
        telemetry::watch_subscribers(&events.inner);
        events
    }

    /// A builder, which starts from every listener that is linked.
    pub fn builder() -> EventsBuilder {
        EventsBuilder::new()
    }

    /// A dispatcher that records events instead of running their listeners, for tests.
    #[must_use]
    pub fn fake() -> Fake {
        Self::builder().fake()
    }

    /// Runs every listener of the event, sync or async, in order, after pushing the jobs of the queued ones. It
    /// does nothing until it is awaited.
    ///
    /// Dropped half-way, it tells the error hook which listeners did not run.
    ///
    /// # Errors
    ///
    /// Lists every listener that failed or panicked; or says why nothing ran at all: a queue that takes no jobs, a
    /// dispatcher that lacks what the listeners need.
    #[inline]
    pub fn dispatch<'a, E: Event>(&'a self, event: &'a E) -> Dispatch<'a, E> {
        Dispatch::new(self, event, false)
    }

    /// Runs the listeners of the event, in order, until the first that answers.
    ///
    /// # Errors
    ///
    /// As [`dispatch`](Self::dispatch): listeners that failed before the answer. The error carries the answer.
    pub fn dispatch_until<'a, E: Event>(&'a self, event: &'a E) -> Dispatch<'a, E> {
        Dispatch::new(self, event, true)
    }

    /// Runs every listener of the event without a runtime. If one is async, nothing runs.
    ///
    /// # Errors
    ///
    /// As [`dispatch`](Self::dispatch), and if a listener is async or the queue cannot push without a runtime.
    #[inline]
    pub fn dispatch_sync<E: Event>(
        &self,
        event: &E,
    ) -> Result<Dispatched<E::Response>, DispatchError<E::Response>> {
        let report = match self.inner.way_sync(&E::meta().any) {
            Way::Empty => None,
            Way::Plain(table) => run_sync(self, event, table),
            Way::Ordered => dispatch_ordered_sync(self, event, false),
        };
        Report::into_result::<E>(report)
    }

    /// Runs the listeners of the event without a runtime, until the first that answers.
    ///
    /// # Errors
    ///
    /// As [`dispatch_until`](Self::dispatch_until) and [`dispatch_sync`](Self::dispatch_sync).
    pub fn dispatch_until_sync<E: Event>(
        &self,
        event: &E,
    ) -> Result<Dispatched<E::Response>, DispatchError<E::Response>> {
        Report::into_result::<E>(dispatch_ordered_sync(self, event, true))
    }

    /// Dispatches what `event` makes if `condition` holds; makes nothing otherwise.
    ///
    /// # Errors
    ///
    /// As [`dispatch`](Self::dispatch).
    pub async fn dispatch_if<E: Event>(
        &self,
        condition: bool,
        event: impl FnOnce() -> E,
    ) -> Result<Dispatched<E::Response>, DispatchError<E::Response>> {
        if condition {
            self.dispatch(&event()).await
        } else {
            Ok(Dispatched::quiet())
        }
    }

    /// Dispatches what `event` makes unless `condition` holds; makes nothing otherwise.
    ///
    /// # Errors
    ///
    /// As [`dispatch`](Self::dispatch).
    pub async fn dispatch_unless<E: Event>(
        &self,
        condition: bool,
        event: impl FnOnce() -> E,
    ) -> Result<Dispatched<E::Response>, DispatchError<E::Response>> {
        self.dispatch_if(!condition, event).await
    }

    /// Dispatches an event whose type is not known here. Answers are not kept.
    ///
    /// # Errors
    ///
    /// As [`dispatch`](Self::dispatch).
    pub async fn dispatch_any(&self, event: &dyn AnyEvent) -> Result<Dispatched, DispatchError> {
        Report::into_untyped(dispatch_ordered(self, event, false).await)
    }

    /// Dispatches an event whose type is not known here, without a runtime. Answers are not kept.
    ///
    /// # Errors
    ///
    /// As [`dispatch_sync`](Self::dispatch_sync).
    pub fn dispatch_any_sync(&self, event: &dyn AnyEvent) -> Result<Dispatched, DispatchError> {
        Report::into_untyped(dispatch_ordered_sync(self, event, false))
    }

    /// Hands the jobs of the event's queued listeners to `push`, which writes them into a transaction whose commit the
    /// dispatcher does not see. For stores; an app uses what its store offers.
    ///
    /// # Errors
    ///
    /// If a listener runs inline, for it would have to wait for that commit; or as [`dispatch`](Self::dispatch), and
    /// for `push`.
    pub async fn dispatch_jobs<E: Event, P>(
        &self,
        event: &E,
        push: impl FnOnce(Vec<Job>) -> P,
    ) -> Result<Dispatched<E::Response>, DispatchError<E::Response>>
    where
        P: Future<Output = Result<(), PushError>>,
    {
        Report::into_result::<E>(dispatch_jobs(self, event, push).await)
    }

    /// A handle whose dispatches follow another policy.
    #[must_use]
    pub fn with_policy(&self, policy: ErrorPolicy) -> Self {
        Self {
            policy,
            ..self.clone()
        }
    }

    /// Runs a block whose dispatches by this dispatcher wait until it ends, and are dropped if it fails, panics or
    /// is itself dropped. Inside another such block they go on to wait for that one; inside a transaction that is opened
    /// in the block they go by its rules instead. Events must be `Clone`.
    ///
    /// # Errors
    ///
    /// The block's own error, or the dispatches that failed after it.
    pub async fn defer<T, E>(
        &self,
        block: impl Future<Output = Result<T, E>>,
    ) -> Result<T, DeferError<T, E>> {
        scope::defer(self, block).await
    }

    /// As [`defer`](Self::defer), without a runtime.
    ///
    /// # Errors
    ///
    /// As [`defer`](Self::defer).
    pub fn defer_sync<T, E>(
        &self,
        block: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, DeferError<T, E>> {
        scope::defer_sync(self, block)
    }

    /// Runs a block in which this dispatcher dispatches nothing: neither listeners nor jobs.
    pub fn without_events<F: Future>(&self, block: F) -> impl Future<Output = F::Output> + use<F> {
        scope::within(self, FrameKind::Muted, block)
    }

    /// As [`without_events`](Self::without_events), without a runtime.
    pub fn without_events_sync<T>(&self, block: impl FnOnce() -> T) -> T {
        scope::within_sync(self, FrameKind::Muted, block)
    }

    /// Makes this the program's dispatcher, for `event.dispatch()`. Libraries leave it alone.
    ///
    /// # Errors
    ///
    /// If one is set already.
    pub fn set_default(self) -> Result<(), AlreadySet> {
        current::set_default(self)
    }

    /// The current dispatcher: that of the innermost [`scope`](Self::scope), as inside a job its worker's; else the
    /// program's, else one of all linked listeners and no state.
    #[must_use]
    pub fn current() -> Self {
        current::with(Self::clone)
    }

    /// Runs a future with this as the current dispatcher. It follows the task across awaits, not into tasks that
    /// it spawns.
    pub fn scope<F: Future>(&self, block: F) -> Scope<F> {
        Scope::new(self.clone(), block)
    }

    /// Runs a function with this as the current dispatcher.
    pub fn scope_sync<T>(&self, block: impl FnOnce() -> T) -> T {
        current::scope_sync(self, block)
    }

    /// The state `T`, if the dispatcher has it.
    #[must_use]
    pub fn state<T: Any + Send + Sync>(&self) -> Option<&State<T>> {
        self.inner.parts.states.get()
    }

    /// The time by the dispatcher's clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.inner.parts.clock.now()
    }

    /// Tells the error hook of failures that nobody else hears of.
    pub fn tell_failures(&self, failures: &[Failure]) {
        for failure in failures {
            (self.inner.parts.hook)(&Incident::Failed(failure));
        }
    }

    pub(crate) fn tell_not_run(&self, not_run: &NotRun) {
        (self.inner.parts.hook)(&Incident::NotRun(not_run));
    }

    pub(crate) fn policy(&self) -> ErrorPolicy {
        self.policy
    }

    pub(crate) fn new_delivery(&self) -> Delivery {
        Delivery::new(self.now(), self.cause)
    }

    /// A handle whose dispatches have this delivery as their cause.
    pub(crate) fn caused_by(&self, delivery: &Delivery) -> Self {
        Self {
            cause: Some(delivery.as_cause()),
            ..self.clone()
        }
    }

    pub(crate) fn trace(&self) -> Option<&dyn TraceContext> {
        self.inner.parts.trace.as_deref()
    }

    pub(crate) fn queue(&self) -> Option<&dyn Queue> {
        self.inner.parts.queue.as_deref()
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("listeners", &self.inner.parts.wiring.all().len())
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

impl Inner {
    /// The way of a dispatch of the event.
    #[inline]
    pub(crate) fn way(&self, meta: &'static EventMeta) -> Way<&Table> {
        match self.tables.get(meta.index()) {
            None => Way::Ordered,
            Some(table) => match (table.flags() & !flags::ASYNC) | self.detours() {
                0 => Way::Plain(table),
                flags::EMPTY => Way::Empty,
                _ => Way::Ordered,
            },
        }
    }

    /// The way of a dispatch of the event without a runtime.
    #[inline]
    fn way_sync(&self, meta: &'static EventMeta) -> Way<SyncTable<'_>> {
        match self.tables.get(meta.index()) {
            None => Way::Ordered,
            Some(table) => match table.plainly_sync(self.detours()) {
                Ok(table) => Way::Plain(table),
                Err(flags::EMPTY) => Way::Empty,
                Err(_) => Way::Ordered,
            },
        }
    }

    /// A number that is not 0 while there is a reason for the ordered way, and has no bit in common with a table's flags.
    #[inline]
    fn detours(&self) -> u32 {
        self.detours.load(Ordering::Relaxed)
    }

    /// The event's table without what was added while the program runs.
    pub(crate) fn frozen(&self, meta: &'static EventMeta) -> Arc<Table> {
        let number = registry::number_of(meta);
        if let Some(table) = self.tables.get(number) {
            return table.clone();
        }
        if let Some(table) = lock(&self.late).get(&number) {
            return table.clone();
        }
        // What the arguments need is the user's code, which may dispatch: no lock is held meanwhile.
        let table = Arc::new(self.parts.freeze(meta));
        lock(&self.late).entry(number).or_insert(table).clone()
    }

    /// The event's table, with what was added while the program runs.
    pub(crate) fn merged(&self, meta: &'static EventMeta) -> Arc<Table> {
        self.runtime_merged(meta, self.frozen(meta))
    }

    pub(crate) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().map(|table| &**table)
    }

    pub(crate) fn runtime(&self) -> &RwLock<Runtime> {
        &self.runtime
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }

    pub(crate) fn fakes(&self) -> Option<&Fakes> {
        self.parts.fakes.as_ref()
    }

    pub(crate) fn has_scopes(&self) -> bool {
        self.detours() >= flags::END
    }

    pub(crate) fn scope_opened(&self) {
        self.detours.fetch_add(flags::END, Ordering::Relaxed);
    }

    pub(crate) fn scope_closed(&self) {
        self.detours.fetch_sub(flags::END, Ordering::Relaxed);
    }

    /// Notes whether a subscriber wants spans.
    pub(crate) fn set_spans(&self, wanted: bool) {
        if wanted {
            self.detours.fetch_or(flags::SPANS, Ordering::Relaxed);
        } else {
            self.detours.fetch_and(!flags::SPANS, Ordering::Relaxed);
        }
    }
}

impl Parts {
    pub(crate) fn freeze(&self, meta: &'static EventMeta) -> Table {
        let fake = if self.fakes.is_some() { flags::FAKE } else { 0 };
        Table::freeze(meta, self.wiring.hearing(meta), &self.states, fake)
    }
}
