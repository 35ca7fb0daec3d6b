//! The tokens of a queued listener's options.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{ExprPath, Ident};

use super::ast::Listener;
use crate::span::{at, here};
use crate::{duration, text};

impl Listener {
    /// The static with the queue's options.
    pub(super) fn queue(&self) -> Option<TokenStream> {
        let p = &self.private;
        let options = &self.options;
        let given = options.queue.as_ref()?;
        let queue = given.value.as_ref().map_or_else(
            || quote_spanned!(here()=> #p::QueueOptions::DEFAULT_QUEUE),
            ToTokens::to_token_stream,
        );
        let mut set = TokenStream::new();
        let mut assign = |field: &str, value: TokenStream| {
            let field = Ident::new(field, here());
            set.extend(quote_spanned!(here()=> options.#field = #value;));
        };
        let some =
            |value: TokenStream| quote_spanned!(here()=> ::core::option::Option::Some(#value));
        if let Some(given) = &options.tries {
            let tries = given.value;
            assign("tries", some(quote!(#tries)));
        }
        if let Some(given) = &options.backoff {
            let waits = given.value.iter().copied().map(duration::expand);
            assign("backoff", quote_spanned!(here()=> &[#(#waits),*]));
        }
        for (field, given) in [
            ("timeout", &options.timeout),
            ("delay", &options.delay),
            ("retry_for", &options.retry_for),
        ] {
            if let Some(given) = given {
                assign(field, some(duration::expand(given.value)));
            }
        }
        if options.jitter.is_some() {
            assign("jitter", quote!(true));
        }
        if let Some(given) = &options.unique {
            let key = given.value.as_ref().map_or_else(
                || quote_spanned!(here()=> ::core::option::Option::None),
                |path| self.key(path),
            );
            let until_start = options.unique_until_start.is_some();
            let at_most = options.unique_for.as_ref().map_or_else(
                || quote_spanned!(here()=> ::core::option::Option::None),
                |given| some(duration::expand(given.value)),
            );
            assign(
                "unique",
                some(quote_spanned! {here()=>
                    #p::Unique { key: #key, for_at_most: #at_most, until_start: #until_start }
                }),
            );
        }
        if let Some(given) = &options.order_by {
            assign("order_by", self.key(&given.value));
        }
        if let Some(given) = &options.failed {
            assign("failed", some(self.failed(&given.value)));
        }
        if options.on_missing.as_ref().is_some_and(|given| given.value) {
            assign(
                "on_missing",
                quote_spanned!(here()=> #p::OnMissing::Discard),
            );
        }
        let made = if set.is_empty() {
            quote_spanned!(here()=> #p::QueueOptions::new(#queue))
        } else {
            quote_spanned!(here()=> { let mut options = #p::QueueOptions::new(#queue); #set options })
        };
        Some(quote_spanned!(here()=> static __QUEUE: #p::QueueOptions = #made;))
    }

    /// The function that gives a job's key.
    fn key(&self, path: &ExprPath) -> TokenStream {
        let (p, heard) = (&self.private, self.heard());
        let user = at(path.span());
        let event = Ident::new("event", user);
        let key = quote_spanned!(user=> ::std::string::ToString::to_string(&#path(#event)));
        quote_spanned! {here()=>
            ::core::option::Option::Some(|event| match <#heard as #p::Heard>::of_any(event) {
                ::core::option::Option::Some(#event) => #key,
                ::core::option::Option::None => ::std::string::String::new(),
            })
        }
    }

    fn failed(&self, path: &ExprPath) -> TokenStream {
        let p = &self.private;
        let heard = self.heard();
        let user = at(path.span());
        let name = text::of(path);
        let asked = quote_spanned!(user=> #p::ask_hook::<#heard, _, _>(#path, ask));
        quote_spanned!(user=> #p::FailedHook { name: #name, call: |ask| #asked })
    }
}
