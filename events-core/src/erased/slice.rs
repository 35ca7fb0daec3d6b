//! The hot half of a table: calls, with what their arguments were resolved to, closed by a mark.

use std::any::Any;
use std::ptr::NonNull;
use std::sync::Arc;

use super::calls::{self, Call};

/// One call of a table.
#[repr(C)]
pub(crate) struct Hot {
    pub(super) call: Call,
    /// The first element of the listener's resolved arguments; dangling where it has none.
    pub(super) resolved: NonNull<Resolved>,
}

/// What one argument was resolved to: a `State<T>` or an `Instance<T>`, or nothing.
#[derive(Clone, Copy)]
pub(crate) struct Resolved(pub(super) Option<NonNull<()>>);

impl Resolved {
    /// For an argument that is not looked up beforehand.
    pub(crate) const NONE: Self = Self(None);

    /// To this value, which the table's owner keeps.
    pub(crate) fn to(value: &(dyn Any + Send + Sync)) -> Self {
        Self(Some(NonNull::from(value).cast()))
    }
}

/// The calls of one table in their order. Closed by a call that gives `END`, so that the loop needs no count.
pub(crate) struct HotSlice {
    calls: Box<[Hot]>,
    /// Keeps what the calls point to.
    _resolved: Box<[Arc<[Resolved]>]>,
}

// SAFETY: the pointers lead to `State<T>` and `Instance<T>` with `T: Send + Sync` (the bounds of
// `EventsBuilder::state` and `subscribe`), which are only ever read through them.
unsafe impl Send for HotSlice {}
// SAFETY: as above.
unsafe impl Sync for HotSlice {}
// SAFETY: as above: a `Resolved` is only ever read.
unsafe impl Send for Resolved {}
// SAFETY: as above.
unsafe impl Sync for Resolved {}

impl HotSlice {
    /// A slice of these calls, in this order.
    pub(crate) fn new(calls: impl IntoIterator<Item = (Call, Option<Arc<[Resolved]>>)>) -> Self {
        let calls = calls.into_iter();
        let mut hot = Vec::with_capacity(calls.size_hint().0 + 1);
        let mut kept = Vec::new();
        for (call, resolved) in calls {
            hot.push(Hot {
                call,
                resolved: match &resolved {
                    Some(resolved) => NonNull::from(&**resolved).cast(),
                    None => NonNull::dangling(),
                },
            });
            kept.extend(resolved);
        }
        hot.push(Hot {
            call: calls::end,
            resolved: NonNull::dangling(),
        });
        Self {
            calls: hot.into_boxed_slice(),
            _resolved: kept.into_boxed_slice(),
        }
    }

    #[inline]
    pub(crate) fn first(&self) -> *const Hot {
        self.calls.as_ptr()
    }

    /// The index of a call of this slice.
    pub(super) fn index_of(&self, call: *const Hot) -> usize {
        (call.addr() - self.first().addr()) / size_of::<Hot>()
    }

    /// The call at an index, the closing one included.
    pub(super) fn at(&self, index: usize) -> *const Hot {
        &raw const self.calls[index]
    }
}
