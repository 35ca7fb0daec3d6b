//! Failures after which there is no further attempt.

use std::error::Error;
use std::fmt;

use crate::BoxError;
use crate::future::caught;

/// A failure that no further attempt can mend, as a card that was stolen or a record that is not fit. Where it stands
/// anywhere in the chain of [sources](Error::source) of the error that a queued listener returns, the job is parked at
/// once, whatever tries are left: as [`ParkReason::Permanent`](crate::ParkReason::Permanent), after the listener's
/// `failed` hook. So ends an item of a sync run too, and an announcement all of whose failures say so. Other listeners that
/// are not queued have one attempt in any case.
///
/// It shows the text of the error that it holds, and has that error's source.
///
/// ```standalone_crate
/// use events_core::{BoxError, Event, Permanent, listener};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Clone, Debug, Serialize, Deserialize, Event)]
/// #[event(durable, name = "order.placed")]
/// struct OrderPlaced {
///     card: String,
/// }
///
/// #[listener(OrderPlaced, queue = "cards", tries = 5)]
/// async fn charge(event: &OrderPlaced) -> Result<(), BoxError> {
///     let number: u64 = event.card.parse().map_err(Permanent::new)?; // is no number at the next attempt either
///     if number == 0 {
///         return Err(Permanent::new("nobody has the card 0").into());
///     }
///     Ok(())
/// }
/// ```
pub struct Permanent(BoxError);

impl Permanent {
    /// Holds an error, or a text.
    #[must_use]
    pub fn new(error: impl Into<BoxError>) -> Self {
        Self(error.into())
    }

    /// The error that it holds.
    #[must_use]
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }

    /// The error that it holds.
    #[must_use]
    pub fn into_error(self) -> BoxError {
        self.0
    }

    /// The one in the chain of an error's sources, itself included.
    #[must_use]
    pub fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        std::iter::successors(Some(error), |error| source(*error))
            .find_map(|error| error.downcast_ref())
    }

    /// Whether there is one. The chain is made by the user's code, which may panic.
    pub(crate) fn is_in(error: &BoxError) -> bool {
        caught(|| Self::find(&**error).is_some()).unwrap_or(false)
    }
}

/// An I/O error names what stands behind its own as its source, so that what it was made of is looked at here.
fn source<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    let inner = error.downcast_ref().and_then(std::io::Error::get_ref);
    match inner {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

impl fmt::Display for Permanent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Permanent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permanent").field(&self.0).finish()
    }
}

impl Error for Permanent {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::fmt;
    use std::io;

    use super::Permanent;
    use crate::BoxError;

    #[derive(Debug)]
    struct Outer(BoxError);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.0)
        }
    }

    #[derive(Debug)]
    struct Panics;

    impl fmt::Display for Panics {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("panics")
        }
    }

    impl Error for Panics {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            panic!("no source")
        }
    }

    #[test]
    fn it_is_found_wherever_it_stands_in_a_chain() {
        let permanent = || Permanent::new("stolen");
        let in_io = io::Error::other(Outer(permanent().into()));
        let chains: [BoxError; 4] = [
            permanent().into(),
            Outer(permanent().into()).into(),
            Outer(in_io.into()).into(),
            Permanent::new(Outer("stolen".into())).into(),
        ];
        for chain in chains {
            assert!(Permanent::find(&*chain).is_some(), "{chain:?}");
            assert!(Permanent::is_in(&chain));
        }
        let others: [BoxError; 3] = [
            "stolen".into(),
            Outer("stolen".into()).into(),
            io::Error::other("stolen").into(),
        ];
        for other in others {
            assert!(!Permanent::is_in(&other), "{other:?}");
        }
        assert!(!Permanent::is_in(&Panics.into()));
    }

    #[test]
    fn it_shows_what_it_holds() {
        let held = Permanent::new(Outer("inner".into()));
        assert_eq!(held.to_string(), "outer");
        assert_eq!(held.source().unwrap().to_string(), "inner");
        assert_eq!(held.error().to_string(), "outer");
    }
}
