//! What `#[upcaster(..)]` says: the event, then the options.

use proc_macro2::TokenStream;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Ident, Path, Token, Type};

use crate::errors::Errors;
use crate::options::{Given, Seen, Vocabulary, each};

const OPTIONS: Vocabulary = &[
    ("from", "from = 1"),
    ("handle", "handle = UPCASTER"),
    ("crate", "crate = path::to::events_core"),
];

/// The attribute's content.
#[derive(Default)]
pub(super) struct Attr {
    pub(super) events: Vec<Type>,
    pub(super) from: Option<Given<u32>>,
    pub(super) handle: Option<Given<Ident>>,
    pub(super) krate: Option<Given<Path>>,
    /// Whether something could not be read, so that what is missing may be that.
    pub(super) damaged: bool,
}

impl Attr {
    pub(super) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut attr = Self::default();
        let mut seen = Seen::default();
        let read = each(tokens, errors, |input| {
            if !is_option(input) {
                attr.events.push(input.parse()?);
                return Ok(());
            }
            let option = seen.next(input, OPTIONS)?;
            match option.name.to_string().as_str() {
                "from" => attr.from = Some(option.count()?),
                "handle" => attr.handle = Some(option.ident("names a static that is made")?),
                _ => attr.krate = Some(option.krate()?),
            }
            Ok(())
        });
        attr.damaged = !read;
        attr
    }
}

/// Whether `name = ..` follows, or a word that is written small, as no type is.
fn is_option(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    let Ok(word) = Ident::parse_any(&ahead) else {
        return false;
    };
    let small = word.to_string().starts_with(|c: char| c.is_lowercase());
    ahead.peek(Token![=]) || (small && word != "dyn" && !ahead.peek(Token![::]))
}
