//! What a provider's sync may fail with.

use std::error::Error;
use std::fmt;

use events_core::{BoxError, EncodeError};

/// Why a provider could not enumerate its items. Any error becomes one by `?`, so that a sync may fail with whatever
/// its client fails with. Its text is stored in the operation log, without the integration's own
/// credentials of 6 bytes and more: no other secrets.
///
/// ```
/// use events_std::SyncError;
///
/// fn tickets() -> Result<(), SyncError> {
///     let page: u32 = "three".parse()?;
///     Err(SyncError::message(format!("page {page} is empty")))
/// }
/// assert_eq!(tickets().unwrap_err().to_string(), "invalid digit found in string");
/// ```
pub struct SyncError(BoxError);

impl SyncError {
    /// With no other reason than this text.
    #[must_use]
    pub fn message(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }

    /// The error behind it.
    #[must_use]
    pub fn error(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.0
    }

    /// The error behind it.
    #[must_use]
    pub fn into_error(self) -> BoxError {
        self.0
    }
}

// It is not an error itself: only so can every error become one, a boxed one and a text too.
impl<E: Into<BoxError>> From<E> for SyncError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Display for SyncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SyncError {
    /// As the text: `unwrap` then shows a sentence to read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why a session did not take an item.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The event is larger than one item may be.
    #[error(
        "the event `{event}` takes {size} bytes, and one item at most {limit}: let it carry ids, and load the rest in its listener",
        limit = super::session::LARGEST_PAYLOAD
    )]
    TooLarge {
        /// The event's stored name.
        event: &'static str,
        /// The size of its wire form, in bytes.
        size: usize,
    },
    /// The provider's id of the item is longer than an external id may be.
    #[error("the external id `{start}..` has more than {limit} characters", limit = super::session::LONGEST_EXTERNAL_ID)]
    LongExternalId {
        /// Its first characters.
        start: String,
    },
    /// A text holds the character U+0000, which a database cannot store.
    #[error("the {0} holds the character U+0000, which a database cannot store as text")]
    Nul(&'static str),
    /// The event, or the checkpoint, could not be written.
    #[error("the event could not be written: {0}")]
    Encode(#[from] EncodeError),
    /// The stored cursor is not what was asked for.
    #[error("the stored cursor is not of the type that was asked for: {0}")]
    Cursor(#[source] serde_json::Error),
    /// The checkpoint could not be written as JSON.
    #[error("the checkpoint cannot be written as JSON: {0}")]
    Checkpoint(#[source] serde_json::Error),
    /// Another process took the run over, because this one gave no sign of life for too long.
    #[error(
        "another process took the run over, because this one gave no sign of life for too long"
    )]
    Lost,
    /// Items of this run are missing, because an earlier chunk of them could not be stored, or the future that stored it
    /// was dropped: no more are taken, and the run fails.
    #[error(
        "earlier items of this run were not stored, or `dispatch` was dropped before they were: the run fails, and the next \
         one starts over from the same cursor"
    )]
    Broken,
    /// The items could not be stored.
    #[error("the items could not be stored: {0}")]
    Store(#[source] BoxError),
}
