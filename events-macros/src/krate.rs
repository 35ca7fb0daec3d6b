//! The path to what generated code calls.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote_spanned};
use syn::Path;

use crate::options::Given;
use crate::span::here;

/// `events_core::__private`, or that of the crate that `crate = path` names.
pub(crate) struct Private(TokenStream);

impl Private {
    pub(crate) fn new(krate: Option<&Given<Path>>) -> Self {
        let here = here();
        Self(match krate {
            Some(Given { value, .. }) => quote_spanned!(here=> #value::__private),
            None => quote_spanned!(here=> ::events_core::__private),
        })
    }
}

impl ToTokens for Private {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}
