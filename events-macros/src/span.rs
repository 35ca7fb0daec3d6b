//! Where generated tokens stand, and how their names resolve.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;

/// The attribute's own place. Local names do not mix with the user's.
pub(crate) fn here() -> Span {
    Span::mixed_site()
}

/// The user's place, so that the compiler's errors point there; names resolve as those of [`here`], so that
/// lints know the tokens for generated ones.
pub(crate) fn at(user: Span) -> Span {
    user.resolved_at(Span::mixed_site())
}

/// Module, file and line of the user's token, as three arguments.
///
/// `file!` and `line!` report the outermost expansion, so these alone stand in the user's code in every respect.
pub(crate) fn place(user: Span) -> TokenStream {
    quote_spanned!(user=> ::core::module_path!(), ::core::file!(), ::core::line!())
}
