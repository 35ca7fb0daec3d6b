//! Functions and closures as listeners, for those that are given to a dispatcher rather than linked.

use std::any::TypeId;
use std::borrow::Cow;
use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use super::{
    AsyncListener, Heard, Hears, Instance, IntoOutcome, ListenerRecord, Source, SyncListener,
};
use crate::event::{AnyEvent, Category, Event};
use crate::table::{Owner, Record, Wired};

/// A function or closure that can listen to `E`: `Fn(&E)`, returning what a listener may return, or a future of it.
/// `Form` tells the two apart and is inferred.
///
/// The future of an async closure may borrow the event, but not the closure's captures: clone them into it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot listen to `{E}`",
    label = "not a listener",
    note = "write `|event: &TheEvent| ..` or a function `fn(&TheEvent)`, sync or async: it takes the event and nothing else, `&State<T>` and the like are for functions marked `#[listener]`",
    note = "what it captures must be `Send + Sync + 'static` and its future `Send`; an async closure cannot lend its captures: `move |event: &TheEvent| {{ let captured = captured.clone(); async move {{ .. }} }}`"
)]
pub trait IntoListener<E: ?Sized, Form> {
    /// The record and the owner of its calls.
    #[doc(hidden)]
    fn into_closure(self, hears: Hears) -> Closure;
}

/// The form of a function that returns at once.
pub struct Returns<R>(PhantomData<R>);
/// The form of a function that returns a future.
pub struct Awaits<R>(PhantomData<R>);

/// A function that returns a future of `R`, which may borrow the event.
pub trait AsyncFnOf<'a, E: ?Sized + 'a, R>: Fn(&'a E) -> Self::Future {
    /// The future.
    type Future: Future<Output = R> + Send + 'a;
}

impl<'a, E: ?Sized + 'a, R, F, Fut> AsyncFnOf<'a, E, R> for F
where
    F: Fn(&'a E) -> Fut,
    Fut: Future<Output = R> + Send + 'a,
{
    type Future = Fut;
}

impl<E, F, R> IntoListener<E, Returns<R>> for F
where
    E: ?Sized + Heard,
    F: Fn(&E) -> R + Send + Sync + 'static,
    R: IntoOutcome<E> + 'static,
{
    fn into_closure(self, hears: Hears) -> Closure {
        let record = ListenerRecord::sync::<SyncClosure<E, F, R>>("", hears, NOWHERE);
        Closure::new(record, self)
    }
}

impl<E, F, R> IntoListener<E, Awaits<R>> for F
where
    E: ?Sized + Heard,
    F: for<'a> AsyncFnOf<'a, E, R> + Send + Sync + 'static,
    R: IntoOutcome<E> + 'static,
{
    fn into_closure(self, hears: Hears) -> Closure {
        let record = ListenerRecord::future::<AsyncClosure<E, F, R>>("", hears, NOWHERE);
        Closure::new(record, self)
    }
}

const NOWHERE: Source = Source::new("", "", 0);

struct SyncClosure<E: ?Sized, F, R>(PhantomData<fn(F, &E) -> R>);

impl<E, F, R> SyncListener for SyncClosure<E, F, R>
where
    E: ?Sized + Heard,
    F: Fn(&E) -> R + Send + Sync + 'static,
    R: IntoOutcome<E> + 'static,
{
    type Event = E;
    type Args<'a> = (&'a Instance<F>,);
    type Return = R;

    fn call<'a>(event: &'a E, (listener,): (&'a Instance<F>,)) -> R {
        (**listener)(event)
    }
}

struct AsyncClosure<E: ?Sized, F, R>(PhantomData<fn(F, &E) -> R>);

impl<E, F, R> AsyncListener for AsyncClosure<E, F, R>
where
    E: ?Sized + Heard,
    F: for<'a> AsyncFnOf<'a, E, R> + Send + Sync + 'static,
    R: IntoOutcome<E> + 'static,
{
    type Event = E;
    type Args<'a> = (&'a Instance<F>,);
    type Return = R;

    fn call<'a>(
        event: &'a E,
        (listener,): (&'a Instance<F>,),
    ) -> impl Future<Output = R> + Send + 'a {
        (**listener)(event)
    }
}

/// A function or closure with its record.
pub struct Closure {
    record: ListenerRecord,
    owner: Owner,
}

impl Closure {
    fn new<F: Send + Sync + 'static>(record: ListenerRecord, function: F) -> Self {
        Self {
            record,
            owner: Owner {
                of: TypeId::of::<F>(),
                instance: Arc::new(Instance(function)),
            },
        }
    }

    /// That listens to one event type.
    pub(crate) fn typed<E: Event, Form>(listener: impl IntoListener<E, Form>) -> Self {
        listener.into_closure(Hears::one::<E>())
    }

    /// That listens to a category.
    pub(crate) fn category<C: ?Sized + Category + Heard, Form>(
        listener: impl IntoListener<C, Form>,
    ) -> Self {
        listener.into_closure(Hears::Category(C::category))
    }

    /// That listens to a name pattern.
    pub(crate) fn pattern<Form>(
        pattern: &str,
        listener: impl IntoListener<dyn AnyEvent, Form>,
    ) -> Self {
        listener.into_closure(Hears::Pattern(Cow::Owned(pattern.to_owned())))
    }

    /// As a listener of a dispatcher, placed where this is called.
    #[track_caller]
    pub(crate) fn into_wired(mut self, name: &str) -> Wired {
        let caller = Location::caller();
        self.record.name = Cow::Owned(name.to_owned());
        self.record.source = Source {
            module: Cow::Borrowed(""),
            file: caller.file(),
            line: caller.line(),
        };
        Wired {
            record: Record::Own(Arc::new(self.record)),
            owner: Some(self.owner),
        }
    }
}
