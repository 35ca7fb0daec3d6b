//! What a call gives back, in one register.

use std::any::Any;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};

use crate::BoxError;

/// What a listener had to say, where it was more than "fine".
pub enum Note {
    /// It failed.
    Failed(BoxError),
    /// The listeners after it shall not run.
    Stop,
    /// It answers: a value of the event's response type.
    Answer(Box<dyn Any + Send>),
}

/// The outcome of one call: fine, pending, the end of the slice, or a boxed note.
#[must_use]
#[repr(transparent)]
pub struct Outcome(*mut Note);

impl Outcome {
    /// Nothing to report.
    pub const FINE: Self = Self(ptr::null_mut());
    /// The listener's future waits in the store.
    pub(super) const PENDING: Self = Self(ptr::without_provenance_mut(1));
    /// The slice has ended.
    pub(super) const END: Self = Self(ptr::without_provenance_mut(2));

    /// Something to report.
    #[cold]
    pub fn note(note: Note) -> Self {
        Self(Box::into_raw(Box::new(note)))
    }

    #[inline]
    pub(super) fn is_fine(&self) -> bool {
        self.0.is_null()
    }

    pub(super) fn is_pending(&self) -> bool {
        self.0.addr() == 1
    }

    pub(super) fn is_end(&self) -> bool {
        self.0.addr() == 2
    }

    /// The error that it reports.
    pub(super) fn error(&self) -> Option<&BoxError> {
        // SAFETY: the pointer came from `Box::into_raw`, and the box is freed with the outcome alone.
        match unsafe { self.boxed()?.as_ref() } {
            Note::Failed(error) => Some(error),
            Note::Stop | Note::Answer(_) => None,
        }
    }

    /// The note, where there is one.
    pub(crate) fn into_note(self) -> Option<Note> {
        let outcome = ManuallyDrop::new(self);
        outcome.boxed().map(|note| {
            // SAFETY: the pointer came from `Box::into_raw` and `self` is forgotten, so it is taken back once.
            *unsafe { Box::from_raw(note.as_ptr()) }
        })
    }

    fn boxed(&self) -> Option<NonNull<Note>> {
        // Addresses 1 and 2 are the marks above: a `Note` is aligned to more than 2.
        const { assert!(align_of::<Note>() > 2) };
        NonNull::new(self.0).filter(|note| note.addr().get() > 2)
    }
}

impl Drop for Outcome {
    #[inline]
    fn drop(&mut self) {
        if let Some(note) = self.boxed() {
            // SAFETY: as in `into_note`, which forgets the outcome that it takes from.
            drop(unsafe { Box::from_raw(note.as_ptr()) });
        }
    }
}
