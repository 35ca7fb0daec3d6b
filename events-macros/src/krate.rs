//! The path to what generated code calls.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::Path;

use crate::options::Given;
use crate::span::{at, here};

/// `events_core::__private` or `events_std::__private`, or that of the crate that `crate = path` names.
pub(crate) struct Private(TokenStream);

impl Private {
    pub(crate) fn new(krate: Option<&Given<Path>>) -> Self {
        Self::of(krate, || quote_spanned!(here()=> ::events_core))
    }

    pub(crate) fn of_std(krate: Option<&Given<Path>>) -> Self {
        Self::of(krate, || quote_spanned!(here()=> ::events_std))
    }

    fn of(krate: Option<&Given<Path>>, default: impl FnOnce() -> TokenStream) -> Self {
        let krate = krate.map_or_else(default, |given| given.value.to_token_stream());
        Self(quote_spanned!(here()=> #krate::__private))
    }
}

impl Private {
    /// The path, standing at the user's token: errors about a path stand where all of it stands.
    pub(crate) fn at(&self, user: Span) -> TokenStream {
        let stand = |mut tree: TokenTree| {
            tree.set_span(at(user));
            tree
        };
        self.0.clone().into_iter().map(stand).collect()
    }
}

impl ToTokens for Private {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;
    use quote::quote;

    /// Every macro with every construct that names the crate.
    fn generated(krate: &TokenStream) -> Vec<String> {
        let event = quote! {
            #[event(durable, name = "a.b", response = u8, after_commit, extends(A, B) #krate)]
            struct E { a: u8, #[event(model)] b: M, #[event(model)] c: Option<M>, #[event(model)] d: Vec<M> }
        };
        let queued = quote!(E, queue, unique = f, unique_for = "1h", failed = f, on_missing = "discard" #krate);
        let item = quote!(
            async fn f(event: &E, state: &State<u8>) -> Result<(), X> {}
        );
        let several = quote!(E, F, handle = H #krate);
        let any = quote!(
            fn g(event: &dyn AnyEvent) {}
        );
        let category = quote!(dyn A, when = f, queue #krate);
        let block = quote!(impl T { #[listener(E)] fn h(&self, event: &E) {} });
        let alone: TokenStream = krate.clone().into_iter().skip(1).collect();
        let handle = quote!(handle = L #krate);
        let upcaster = quote!(E, from = 1, handle = U #krate);
        let loader = quote!(
            fn load(key: u64) -> Result<Option<M>, X> {
                Ok(None)
            }
        );
        [
            crate::event::event(event),
            crate::listener::listener(queued, item),
            crate::listener::listener(several, any.clone()),
            crate::listener::listener(category, any),
            crate::listeners::listeners(alone.clone(), block),
            crate::category::category(
                alone,
                quote!(
                    trait A: AnyEvent {}
                ),
            ),
            crate::model::model(handle, loader),
            crate::upcaster::upcaster(
                upcaster,
                quote!(
                    fn up(old: Old) -> New {}
                ),
            ),
            crate::provider::provider(
                quote!(ScheduledSync, HealthCheck, Redact, Webhooks, OAuth, instance #krate),
                quote!(impl Provider for Zendesk {}),
            ),
        ]
        .map(|tokens| tokens.to_string())
        .into()
    }

    #[test]
    fn generated_code_finds_a_renamed_crate() {
        for tokens in generated(&quote!(, crate = elsewhere::kernel)) {
            assert!(!tokens.contains("compile_error"), "{tokens}");
            assert!(!tokens.contains("events_core"), "{tokens}");
            assert!(!tokens.contains("events_std"), "{tokens}");
            assert!(
                tokens.contains("elsewhere :: kernel :: __private"),
                "{tokens}"
            );
        }
    }

    #[test]
    fn generated_code_is_safe_and_names_the_crate_from_outside() {
        for tokens in generated(&TokenStream::new()) {
            assert!(!tokens.contains("compile_error"), "{tokens}");
            assert!(!tokens.contains("unsafe"), "{tokens}");
            let named = [":: events_core :: __private", ":: events_std :: __private"];
            assert!(named.iter().any(|name| tokens.contains(name)), "{tokens}");
        }
    }
}
