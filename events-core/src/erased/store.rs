//! Where a listener's future lives while it runs: in the dispatch itself, or in one block beside it that later
//! futures use again. Which, is decided before the first poll, since a pinned future cannot move.

use std::alloc::{self, Layout};
use std::cell::{Cell, UnsafeCell};
use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{self, Poll};

use super::outcome::Outcome;
use crate::context::Context;
use crate::listener::{AsyncListener, IntoOutcome};

/// Futures up to this size (bytes) and up to the alignment of [`Inline`] need no allocation.
const INLINE_BYTES: usize = 256;

#[repr(C, align(16))]
struct Inline(MaybeUninit<[u8; INLINE_BYTES]>);

/// The one future that a dispatch is waiting for, or room for it.
pub(super) struct FutureStore {
    /// The future that has not been dropped yet.
    occupied: Cell<Option<Occupied>>,
    spill: Cell<Option<(NonNull<()>, Layout)>>,
    inline: UnsafeCell<Inline>,
}

#[derive(Clone, Copy)]
struct Occupied {
    place: NonNull<()>,
    vtable: &'static VTable,
}

struct VTable {
    poll: unsafe fn(NonNull<()>, &FutureStore, &mut task::Context<'_>) -> Outcome,
    drop: unsafe fn(NonNull<()>),
}

impl FutureStore {
    #[inline]
    pub(super) const fn new() -> Self {
        Self {
            occupied: Cell::new(None),
            spill: Cell::new(None),
            inline: UnsafeCell::new(Inline(MaybeUninit::uninit())),
        }
    }

    /// Builds an empty store where it is to stay.
    ///
    /// # Safety
    ///
    /// `at` is valid for writes.
    #[inline]
    pub(super) unsafe fn build(at: *mut Self) {
        // SAFETY: by the caller; the room for a future may stay as it is.
        unsafe {
            (&raw mut (*at).occupied).write(Cell::new(None));
            (&raw mut (*at).spill).write(Cell::new(None));
        }
    }

    #[inline]
    pub(super) fn is_occupied(&self) -> bool {
        self.occupied.get().is_some()
    }

    /// Polls the future that is waiting.
    ///
    /// # Safety
    ///
    /// The store is occupied and has not moved since.
    pub(super) unsafe fn resume(&self, task: &mut task::Context<'_>) -> Outcome {
        let Some(Occupied { place, vtable }) = self.occupied.get() else {
            return Outcome::FINE;
        };
        // SAFETY: `occupied` names a live future and its own functions.
        unsafe { (vtable.poll)(place, self, task) }
    }

    /// Drops the future that is in the store, if there is one. Its destructor may panic; it is not run twice.
    pub(super) fn clear(&self) {
        if let Some(Occupied { place, vtable }) = self.occupied.take() {
            // SAFETY: `occupied` named a live future and its own functions, and names it no longer.
            unsafe { (vtable.drop)(place) };
        }
    }

    /// Frees the block beside it. No future is in the store.
    #[inline]
    pub(super) fn free(&self) {
        if let Some((block, layout)) = self.spill.take() {
            debug_assert!(!self.is_occupied());
            // SAFETY: the block was allocated with this layout; the future in it is gone.
            unsafe { alloc::dealloc(block.as_ptr().cast(), layout) };
        }
    }

    /// Room for an `F`.
    #[inline]
    fn place<F>(&self) -> NonNull<F> {
        if size_of::<F>() <= INLINE_BYTES && align_of::<F>() <= align_of::<Inline>() {
            // SAFETY: the pointer of a cell is not null.
            unsafe { NonNull::new_unchecked(self.inline.get().cast()) }
        } else {
            self.spill(Layout::new::<F>()).cast()
        }
    }

    #[cold]
    fn spill(&self, wanted: Layout) -> NonNull<()> {
        if wanted.size() == 0 {
            // What has an alignment but no size needs no block: an aligned address is all.
            return NonNull::new(std::ptr::without_provenance_mut(wanted.align()))
                .unwrap_or(NonNull::dangling());
        }
        if let Some((block, layout)) = self.spill.get() {
            if layout.size() >= wanted.size() && layout.align() >= wanted.align() {
                return block;
            }
            self.spill.set(None);
            // SAFETY: the block was allocated with this layout and is named nowhere else: the store is free.
            unsafe { alloc::dealloc(block.as_ptr().cast(), layout) };
        }
        // SAFETY: the size is not 0.
        let block = NonNull::new(unsafe { alloc::alloc(wanted) }.cast())
            .unwrap_or_else(|| alloc::handle_alloc_error(wanted));
        self.spill.set(Some((block, wanted)));
        block
    }
}

impl Drop for FutureStore {
    fn drop(&mut self) {
        /// Frees the block even when the destructor of the future in it panics.
        struct Free<'s>(&'s FutureStore);
        impl Drop for Free<'_> {
            fn drop(&mut self) {
                self.0.free();
            }
        }
        let free = Free(self);
        free.0.clear();
    }
}

/// The functions of a listener's future.
struct Of<L, F>(std::marker::PhantomData<(L, F)>);

impl<L: AsyncListener, F: Future<Output = L::Return> + Send> Of<L, F> {
    const VTABLE: &'static VTable = &VTable {
        poll: Self::poll,
        drop: Self::drop,
    };

    /// Polls the future for the first time: nothing names it yet.
    ///
    /// # Safety
    ///
    /// A future was just built at `place`, which is in `store`.
    #[inline]
    unsafe fn poll_first(
        place: NonNull<F>,
        store: &FutureStore,
        task: &mut task::Context<'_>,
    ) -> Outcome {
        /// Names the future if its poll panics, so that it is dropped later, outside the unwinding.
        struct Unfinished<'s>(&'s FutureStore, Occupied);
        impl Drop for Unfinished<'_> {
            fn drop(&mut self) {
                self.0.occupied.set(Some(self.1));
            }
        }

        let occupied = Occupied {
            place: place.cast(),
            vtable: Self::VTABLE,
        };
        let unfinished = Unfinished(store, occupied);
        // SAFETY: the future is alive, and its place is pinned with the store or is a block of its own.
        let polled = unsafe { Pin::new_unchecked(&mut *place.as_ptr()) }.poll(task);
        match polled {
            Poll::Ready(output) => {
                let outcome = output.into_outcome();
                std::mem::forget(unfinished);
                // SAFETY: the future is alive and nothing names it.
                unsafe { place.drop_in_place() };
                outcome
            }
            Poll::Pending => {
                drop(unfinished);
                Outcome::PENDING
            }
        }
    }

    /// # Safety
    ///
    /// `place` is the future that `store.occupied` names.
    unsafe fn poll(
        place: NonNull<()>,
        store: &FutureStore,
        task: &mut task::Context<'_>,
    ) -> Outcome {
        let place: NonNull<F> = place.cast();
        // SAFETY: by the caller it is alive; it has not moved since it was built.
        match unsafe { Pin::new_unchecked(&mut *place.as_ptr()) }.poll(task) {
            Poll::Ready(output) => {
                let outcome = output.into_outcome();
                store.clear();
                outcome
            }
            Poll::Pending => Outcome::PENDING,
        }
    }

    /// # Safety
    ///
    /// `place` is a live future that nothing else will drop.
    unsafe fn drop(place: NonNull<()>) {
        // SAFETY: by the caller.
        unsafe { place.cast::<F>().drop_in_place() };
    }
}

/// Builds a listener's future in the store of the context's dispatch and polls it once.
///
/// # Safety
///
/// The context has a store and a task, the store is pinned and free, and what the future borrows outlives the
/// dispatch.
#[inline]
pub(super) unsafe fn start<'a, L: AsyncListener>(
    cx: &Context<'a>,
    event: &'a L::Event,
    args: L::Args<'a>,
) -> Outcome {
    // SAFETY: by the caller.
    let (store, task) = unsafe { cx.place().store_and_task() };
    // SAFETY: the place is free room for the future, which is built and polled there.
    unsafe { build::<L, _>(store, task, || L::call(event, args)) }
}

/// # Safety
///
/// The store is pinned and free, and what the future borrows outlives the dispatch.
#[inline]
unsafe fn build<L: AsyncListener, F: Future<Output = L::Return> + Send>(
    store: &FutureStore,
    task: &mut task::Context<'_>,
    make: impl FnOnce() -> F,
) -> Outcome {
    let place = store.place::<F>();
    // SAFETY: `place` is free room for an `F`.
    unsafe {
        place.write(make());
        Of::<L, F>::poll_first(place, store, task)
    }
}
