//! What a listener asks for after the event.

use std::any::{Any, TypeId, type_name};
use std::marker::PhantomData;
use std::ops::Deref;

use crate::BoxError;
use crate::context::Context;
use crate::delivery::{Attempt, Delivery};
use crate::erased::OnEntry;
use crate::events::Events;
use crate::state::State;

/// What a listener may ask for after its event. Implement it for your own types.
///
/// ```standalone_crate
/// use events_core::{BoxError, Context, FromContext, Needs, State};
///
/// struct Tenants(Vec<String>);
/// struct Tenant(String);
///
/// impl<'a> FromContext<'a> for Tenant {
///     fn needs(needs: &mut Needs) {
///         needs.state::<Tenants>(); // `build()` then refuses a dispatcher without it
///     }
///
///     fn from_context(cx: &Context<'a>) -> Result<Self, BoxError> {
///         let tenants: &State<Tenants> = cx.state().ok_or("no tenants")?;
///         Ok(Self(tenants.0.first().ok_or("no tenant")?.clone()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "a listener cannot ask for `{Self}`",
    label = "not an argument that a listener can have",
    note = "after the event a listener may ask for `&State<T>`, `Delivery`, `Attempt`, `Events`, or a type that implements `FromContext`"
)]
pub trait FromContext<'a>: Sized {
    /// Names what the argument needs, so that `build()` can refuse a dispatcher that lacks it.
    fn needs(needs: &mut Needs) {
        let _ = needs;
    }

    /// Makes the argument for one call.
    ///
    /// # Errors
    ///
    /// An error is the listener's failure; the listener itself does not run.
    fn from_context(cx: &Context<'a>) -> Result<Self, BoxError>;

    /// Makes the argument where the dispatcher has looked up what it needs beforehand.
    #[doc(hidden)]
    #[inline]
    fn from_resolved(cx: &Context<'a>, position: Arg<Self>) -> Result<Self, BoxError> {
        let _ = position;
        Self::from_context(cx)
    }
}

/// The position of one argument of type `A`. Only the kernel makes one, so that it always belongs to the
/// listener whose needs were looked up.
pub struct Arg<A> {
    pub(crate) position: usize,
    kind: PhantomData<fn() -> A>,
}

impl<A> Arg<A> {
    pub(crate) const fn new(position: usize) -> Self {
        Self {
            position,
            kind: PhantomData,
        }
    }
}

/// What one argument needs from the dispatcher.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    State {
        id: TypeId,
        name: &'static str,
    },
    Instance {
        id: TypeId,
        name: &'static str,
    },
    Extension {
        id: TypeId,
    },
    /// The state, without which a dispatcher does without the listener.
    Presence {
        id: TypeId,
    },
}

/// Collects what a listener's arguments need. Only the kernel makes one: an argument that could put another in its place
/// would take back what the arguments before it need.
pub struct Needs {
    position: usize,
    found: Vec<(usize, Need)>,
}

impl Needs {
    /// The argument needs the state `T`.
    pub fn state<T: Any + Send + Sync>(&mut self) {
        self.push(Need::State {
            id: TypeId::of::<T>(),
            name: type_name::<T>(),
        });
    }

    /// The argument needs the state `T`, and a dispatcher that lacks it does without the listener, where it is linked:
    /// for the listeners of a library that also serves programs which do not use the part that they belong to.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// use events_core::{BoxError, Context, Event, Events, FromContext, Needs, State, listener};
    ///
    /// #[derive(Clone, Debug, Event)]
    /// struct OrderPaid;
    ///
    /// #[derive(Default)]
    /// struct Ledger(AtomicU32);
    ///
    /// /// The ledger, in programs that keep one.
    /// struct Kept<'a>(&'a State<Ledger>);
    ///
    /// impl<'a> FromContext<'a> for Kept<'a> {
    ///     fn needs(needs: &mut Needs) {
    ///         needs.state_or_absent::<Ledger>();
    ///     }
    ///
    ///     fn from_context(cx: &Context<'a>) -> Result<Self, BoxError> {
    ///         Ok(Self(cx.state().ok_or("there is no ledger")?))
    ///     }
    /// }
    ///
    /// #[listener(OrderPaid)]
    /// fn book(_: &OrderPaid, ledger: Kept<'_>) {
    ///     ledger.0.0.fetch_add(1, Ordering::Relaxed);
    /// }
    ///
    /// let without = Events::builder().build()?;
    /// without.dispatch_sync(&OrderPaid)?;
    /// let with = Events::builder().state(Ledger::default()).build()?;
    /// with.dispatch_sync(&OrderPaid)?;
    /// assert_eq!(with.state::<Ledger>().unwrap().0.load(Ordering::Relaxed), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn state_or_absent<T: Any + Send + Sync>(&mut self) {
        let id = TypeId::of::<T>();
        self.push(Need::Presence { id });
    }

    /// The argument needs a value of type `T` that only a transaction or the run of a job brings, as the transaction
    /// itself.
    pub fn extension<T: Any + Send + Sync>(&mut self) {
        let id = TypeId::of::<T>();
        self.push(Need::Extension { id });
    }

    fn instance<T: Any + Send + Sync>(&mut self) {
        self.push(Need::Instance {
            id: TypeId::of::<T>(),
            name: type_name::<T>(),
        });
    }

    fn push(&mut self, need: Need) {
        self.found.push((self.position, need));
    }

    fn argument<'a, A: FromContext<'a>>(&mut self, position: usize) {
        self.position = position;
        A::needs(self);
    }

    pub(crate) fn of(collect: fn(&mut Self)) -> Vec<(usize, Need)> {
        Self::collect(collect)
    }

    pub(super) fn collect(collect: impl FnOnce(&mut Self)) -> Vec<(usize, Need)> {
        let mut needs = Self {
            position: 0,
            found: Vec::new(),
        };
        collect(&mut needs);
        needs.found
    }
}

/// The arguments of a listener, as a tuple. Implemented for tuples of up to eight; it cannot be implemented by hand.
#[diagnostic::on_unimplemented(
    message = "a listener cannot ask for `{Self}`",
    note = "after the event a listener may ask for up to eight arguments, each `&State<T>`, `Delivery`, `Attempt`, `Events`, or a type that implements `FromContext`"
)]
pub trait Arguments<'a>: Sized + sealed::Sealed {
    /// Names what they need; none where there is nothing to name.
    const NEEDS: Option<fn(&mut Needs)>;

    /// Makes them for one call of the listener whose they are.
    ///
    /// # Errors
    ///
    /// The first argument's that could not be made.
    #[doc(hidden)]
    fn extract(cx: &Context<'a>, on: OnEntry) -> Result<Self, BoxError>;

    /// Makes them where nothing was looked up beforehand.
    ///
    /// # Errors
    ///
    /// As [`extract`](Self::extract).
    fn make(cx: &Context<'a>) -> Result<Self, BoxError>;
}

mod sealed {
    pub trait Sealed {}
}

impl sealed::Sealed for () {}
impl<'a> Arguments<'a> for () {
    const NEEDS: Option<fn(&mut Needs)> = None;

    #[inline]
    fn extract(_: &Context<'a>, _: OnEntry) -> Result<Self, BoxError> {
        Ok(())
    }

    fn make(_: &Context<'a>) -> Result<Self, BoxError> {
        Ok(())
    }
}

macro_rules! tuple {
    ($($name:ident $position:literal),+) => {
        impl<$($name),+> sealed::Sealed for ($($name,)+) {}
        impl<'a, $($name: FromContext<'a>),+> Arguments<'a> for ($($name,)+) {
            const NEEDS: Option<fn(&mut Needs)> = Some(|needs| {
                $(needs.argument::<$name>($position);)+
            });

            #[inline]
            fn extract(cx: &Context<'a>, _: OnEntry) -> Result<Self, BoxError> {
                Ok(($($name::from_resolved(cx, Arg::new($position))?,)+))
            }

            fn make(cx: &Context<'a>) -> Result<Self, BoxError> {
                Ok(($($name::from_context(cx)?,)+))
            }
        }
    };
}
tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, F 4);
tuple!(A 0, B 1, C 2, D 3, F 4, G 5);
tuple!(A 0, B 1, C 2, D 3, F 4, G 5, H 6);
tuple!(A 0, B 1, C 2, D 3, F 4, G 5, H 6, I 7);

impl<'a, T: Any + Send + Sync> FromContext<'a> for &'a State<T> {
    fn needs(needs: &mut Needs) {
        needs.state::<T>();
    }

    fn from_context(cx: &Context<'a>) -> Result<Self, BoxError> {
        cx.state()
            .ok_or_else(|| format!("the dispatcher has no state `{}`", type_name::<T>()).into())
    }

    #[inline]
    fn from_resolved(cx: &Context<'a>, position: Arg<Self>) -> Result<Self, BoxError> {
        Ok(crate::erased::resolved_state(cx, &position))
    }
}

/// The value to which a subscriber's methods, or a closure's captures, belong.
#[repr(transparent)]
pub struct Instance<T>(pub(crate) T);

impl<T> Deref for Instance<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'a, T: Any + Send + Sync> FromContext<'a> for &'a Instance<T> {
    fn needs(needs: &mut Needs) {
        needs.instance::<T>();
    }

    fn from_context(_: &Context<'a>) -> Result<Self, BoxError> {
        Err("an instance belongs to the methods of its own subscriber".into())
    }

    #[inline]
    fn from_resolved(cx: &Context<'a>, position: Arg<Self>) -> Result<Self, BoxError> {
        Ok(crate::erased::resolved_instance(cx, &position))
    }
}

impl<'a> FromContext<'a> for Delivery {
    fn from_context(cx: &Context<'a>) -> Result<Self, BoxError> {
        Ok(cx.delivery())
    }
}

impl<'a> FromContext<'a> for Attempt {
    #[inline]
    fn from_context(cx: &Context<'a>) -> Result<Self, BoxError> {
        Ok(cx.attempt())
    }
}

impl<'a> FromContext<'a> for Events {
    fn from_context(cx: &Context<'a>) -> Result<Self, BoxError> {
        Ok(cx.events())
    }
}
