//! What `#[model(..)]` says.

use proc_macro2::TokenStream;
use syn::{Ident, Path};

use crate::errors::Errors;
use crate::options::{Given, Seen, Vocabulary, each};

const OPTIONS: Vocabulary = &[
    ("handle", "handle = LOADER"),
    ("crate", "crate = path::to::events_core"),
];

/// The options.
#[derive(Default)]
pub(super) struct Options {
    pub(super) handle: Option<Given<Ident>>,
    pub(super) krate: Option<Given<Path>>,
}

impl Options {
    pub(super) fn parse(attr: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self::default();
        let mut seen = Seen::default();
        each(attr, errors, |input| {
            let option = seen.next(input, OPTIONS)?;
            if option.name == "handle" {
                options.handle = Some(option.ident("names a static that is made")?);
            } else {
                options.krate = Some(option.krate()?);
            }
            Ok(())
        });
        options
    }
}
