//! What `#[category(..)]` says.

use proc_macro2::TokenStream;
use syn::Path;

use crate::errors::Errors;
use crate::options::{Given, Seen, Vocabulary, each};

const OPTIONS: Vocabulary = &[
    ("inline_only", "inline_only"),
    ("crate", "crate = path::to::events_core"),
];

/// The options.
#[derive(Default)]
pub(super) struct Options {
    pub(super) inline_only: Option<Given<()>>,
    pub(super) krate: Option<Given<Path>>,
}

impl Options {
    pub(super) fn parse(attr: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self::default();
        let mut seen = Seen::default();
        each(attr, errors, |input| {
            let option = seen.next(input, OPTIONS)?;
            if option.name == "inline_only" {
                options.inline_only = Some(option.flag()?);
            } else {
                options.krate = Some(option.krate()?);
            }
            Ok(())
        });
        options
    }
}
