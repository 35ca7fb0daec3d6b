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
        let krate = krate.map_or_else(
            || quote_spanned!(here()=> ::events_core),
            |given| given.value.to_token_stream(),
        );
        Self(quote_spanned!(here()=> #krate::__private))
    }
}

impl ToTokens for Private {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}
