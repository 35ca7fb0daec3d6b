//! What a dispatch gives back where nothing failed.

use std::fmt;

use super::error::ListenerInfo;

/// A dispatch in which no listener failed.
pub struct Dispatched<T = ()>(Option<Box<Loud<T>>>);

struct Loud<T> {
    answers: Vec<T>,
    stopped_by: Option<ListenerInfo>,
    jobs: usize,
    deferred: bool,
}

impl<T> Dispatched<T> {
    /// All listeners ran and had nothing to say.
    #[inline]
    pub(crate) const fn quiet() -> Self {
        Self(None)
    }

    pub(crate) fn loud(
        answers: Vec<T>,
        stopped_by: Option<ListenerInfo>,
        jobs: usize,
        deferred: bool,
    ) -> Self {
        Self(Some(Box::new(Loud {
            answers,
            stopped_by,
            jobs,
            deferred,
        })))
    }

    /// What the listeners answered, in their order.
    #[must_use]
    pub fn answers(&self) -> &[T] {
        self.0.as_ref().map_or(&[], |loud| &loud.answers)
    }

    /// What the listeners answered, in their order.
    #[must_use]
    pub fn into_answers(self) -> Vec<T> {
        self.0.map(|loud| loud.answers).unwrap_or_default()
    }

    /// The first answer.
    #[must_use]
    pub fn into_answer(self) -> Option<T> {
        self.into_answers().into_iter().next()
    }

    /// The listener after which no other ran.
    #[must_use]
    pub fn stopped_by(&self) -> Option<&ListenerInfo> {
        self.0.as_ref()?.stopped_by.as_ref()
    }

    /// How many jobs were pushed to the queue, one for each queued listener. A queue makes nothing of one that an equal
    /// job keeps away (`unique`): it is counted all the same, since a transaction finds that out at its end only.
    #[must_use]
    pub fn jobs(&self) -> usize {
        self.0.as_ref().map_or(0, |loud| loud.jobs)
    }

    /// Whether listeners wait: for the end of a `defer`, or for a commit.
    #[must_use]
    pub fn is_deferred(&self) -> bool {
        self.0.as_ref().is_some_and(|loud| loud.deferred)
    }
}

impl<T: fmt::Debug> fmt::Debug for Dispatched<T> {
    /// Names only what there is to say.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = f.debug_struct("Dispatched");
        if !self.answers().is_empty() {
            said.field("answers", &self.answers());
        }
        if let Some(listener) = self.stopped_by() {
            said.field("stopped_by", listener);
        }
        if self.jobs() > 0 {
            said.field("jobs", &self.jobs());
        }
        if self.is_deferred() {
            said.field("deferred", &true);
        }
        said.finish()
    }
}
