//! Categories: traits that many events extend and that a listener can name instead of each event.

use std::any::{Any, TypeId};
use std::fmt;

use super::{AnyEvent, Event};

/// A category of events: `dyn Trait` for a trait marked `#[category]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a category of events",
    label = "not a category",
    note = "mark the trait with `#[category]` and let events extend it: `#[event(extends(TheTrait))]`"
)]
pub trait Category: AnyEvent {
    /// Whether listeners of events of this category may be queued.
    #[doc(hidden)]
    type Queueing: ?Sized + Queueing;

    /// The static description of the category.
    #[doc(hidden)]
    fn category() -> &'static CategoryMeta;
}

/// The static description of a category.
pub struct CategoryMeta {
    /// The trait's name.
    pub ident: &'static str,
    /// The path of the module that declares it.
    pub module: &'static str,
    /// The trait's doc comment.
    pub doc: &'static str,
    /// `dyn Trait`.
    pub(crate) type_id: TypeId,
}

impl CategoryMeta {
    /// The description of `C`.
    #[must_use]
    pub const fn new<C: ?Sized + Category>(
        ident: &'static str,
        module: &'static str,
        doc: &'static str,
    ) -> Self {
        Self {
            ident,
            module,
            doc,
            type_id: TypeId::of::<C>(),
        }
    }
}

/// An event extends a category: written by `#[event(extends(Category))]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not extend the category `{C}`",
    note = "write `#[event(extends(..))]` on the event"
)]
pub trait Extends<C: ?Sized>: Event {
    /// The event as a member of the category.
    fn upcast(&self) -> &C;
}

/// Gives an event as a member of a category, if it is of the type whose membership this is.
type Cast<C> = fn(&dyn AnyEvent) -> Option<&C>;

/// How to reach a category's trait object from an event of one type.
pub(crate) struct Upcast<C: ?Sized>(Cast<C>);

impl<C: ?Sized> Upcast<C> {
    pub(crate) const fn new(cast: Cast<C>) -> Self {
        Self(cast)
    }

    pub(crate) fn cast(&self) -> Cast<C> {
        self.0
    }
}

/// One event's membership in one category.
pub struct CategoryMembership {
    pub(crate) category: fn() -> &'static CategoryMeta,
    pub(crate) upcast: fn() -> Box<dyn Any + Send + Sync>,
    pub(crate) forbids_queue: bool,
}

impl CategoryMembership {
    /// The membership of `E` in `C`.
    #[must_use]
    pub const fn new<E: Extends<C>, C: ?Sized + 'static>(
        category: fn() -> &'static CategoryMeta,
        forbids_queue: bool,
    ) -> Self {
        Self {
            category,
            upcast: || Box::new(crate::erased::upcast::<E, C>()),
            forbids_queue,
        }
    }
}

impl fmt::Debug for CategoryMembership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str((self.category)().ident)
    }
}

/// Whether listeners may be queued: [`Allowed`], or the category that forbids it.
pub trait Queueing: 'static {
    /// True where a listener must run inline.
    const FORBIDS: bool;
}

/// Listeners may be queued.
pub struct Allowed;

impl Queueing for Allowed {
    const FORBIDS: bool = false;
}
impl<C: ?Sized + Category> Queueing for C {
    const FORBIDS: bool = true;
}

/// Joins the rules of two categories: one that forbids wins.
pub trait Combine<Other: ?Sized> {
    /// The rule of both together.
    type Output: ?Sized + Queueing;
}
impl<Other: ?Sized + Queueing> Combine<Other> for Allowed {
    type Output = Other;
}
impl<C: ?Sized + Category, Other: ?Sized> Combine<Other> for C {
    type Output = C;
}

/// The rule that a queued listener's event must satisfy.
#[diagnostic::on_unimplemented(
    message = "listeners of the category `{Self}` run inline, so this one cannot be queued",
    label = "its listeners cannot be queued",
    note = "they are the work itself, inside its own job: remove `queue`, or listen to another event"
)]
pub trait MayQueue {}
impl MayQueue for Allowed {}
