//! Errors that several rooms share.

use std::fmt;

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
