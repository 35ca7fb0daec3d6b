//! Errors that several rooms share.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Lets an error be shown by `Debug` as its text: so `unwrap`, and a `main` that returns it, say what to do.
macro_rules! debug_as_text {
    ($error:ty) => {
        impl ::std::fmt::Debug for $error {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                ::std::fmt::Display::fmt(self, f)
            }
        }
    };
}

pub(crate) use debug_as_text;

/// A text that is none of the words that were expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is none of {known}")]
pub struct UnknownWord {
    found: String,
    known: String,
}

impl UnknownWord {
    /// The one of these that is written so.
    pub(crate) fn or_one_of<T: fmt::Display>(
        all: impl IntoIterator<Item = T>,
        found: &str,
    ) -> Result<T, Self> {
        let mut known = Vec::new();
        for one in all {
            let word = one.to_string();
            if word == found {
                return Ok(one);
            }
            known.push(format!("`{word}`"));
        }
        Err(Self {
            found: found.to_owned(),
            known: known.join(", "),
        })
    }
}

/// The provider asks for fewer requests. Where it stands anywhere in the chain of
/// [sources](std::error::Error::source) of the error that a listener of a per-item event returns, the item waits and
/// the attempt does not count, until 6 hours after the item was found.
///
/// ```
/// use std::time::Duration;
/// use events_std::RateLimited;
///
/// #[derive(Debug, thiserror::Error)]
/// #[error("the ticket's comments could not be read")]
/// struct CommentsError(#[source] RateLimited);
///
/// let error = CommentsError(RateLimited::retry_after(Duration::from_secs(40)));
/// assert_eq!(RateLimited::find(&error).unwrap().wait(), Duration::from_secs(40));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the provider asks for fewer requests: again in {retry_after:?}")]
pub struct RateLimited {
    retry_after: Duration,
}

impl RateLimited {
    /// With the wait that the provider asks for, as in its `Retry-After`.
    #[must_use]
    pub const fn retry_after(wait: Duration) -> Self {
        Self { retry_after: wait }
    }

    /// The wait that the provider asks for.
    #[must_use]
    pub const fn wait(&self) -> Duration {
        self.retry_after
    }

    /// The one in the chain of an error's sources, itself included.
    #[must_use]
    pub fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e Self> {
        sources(error).find_map(|error| error.downcast_ref())
    }
}

/// An error and what it comes from. An I/O error names what stands behind its own as its source, so that what it was
/// made of is looked for here.
pub(crate) fn sources<'e>(
    error: &'e (dyn Error + 'static),
) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let inner = error.downcast_ref().and_then(std::io::Error::get_ref);
        match inner {
            Some(inner) => Some(inner),
            None => (*error).source(),
        }
    })
}
