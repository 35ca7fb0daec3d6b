//! The tokens of an event: its description, its registration, and what follows from its options.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Ident, Path, Type};

use super::ast::Event;
use crate::span::{at, here, place};
use crate::text;

impl Event<'_> {
    pub(super) fn expand(&self) -> TokenStream {
        let (p, ident) = (&self.private, self.ident);
        let meta = self.meta();
        let (implementation, categories, answers) =
            (self.implementation(), self.categories(), self.answers());
        let wire = self.is_durable().then(|| self.wire());
        let assertion = self.options.after_commit.as_ref().map(|given| {
            let mut ident = ident.clone();
            ident.set_span(ident.span().located_at(given.span()));
            quote_spanned!(at(given.span())=> const _: () = #p::assert_clone::<#ident>();)
        });
        quote_spanned! {here()=>
            const _: () = {
                #meta
                #implementation
                #p::inventory::submit! { #p::Registration::Event(__META.any()) }
                #categories
                #answers
                #wire
                #assertion
            };
        }
    }

    /// The static description.
    fn meta(&self) -> TokenStream {
        let (p, ident) = (&self.private, self.ident);
        let text = ident.to_string();
        let text = text.trim_start_matches("r#");
        let place = place(ident.span());
        let mut set = TokenStream::new();
        let mut assign = |field: &str, value: TokenStream| {
            let field = Ident::new(field, here());
            set.extend(quote_spanned!(here()=> meta.#field = #value;));
        };
        let some =
            |value: TokenStream| quote_spanned!(here()=> ::core::option::Option::Some(#value));
        if let Some(name) = &self.options.name {
            assign("name", some(name.value.to_token_stream()));
        }
        if let Some(doc) = &self.doc {
            assign("doc", quote!(#doc));
        }
        if self.options.after_commit.is_some() {
            assign("after_commit", quote!(true));
        }
        if self.options.announced.is_some() {
            assign("announced", quote!(true));
        }
        if let Some(response) = &self.options.response {
            let response = text::of(&response.value);
            assign("response", some(quote!(#response)));
        }
        if !self.options.extends.is_empty() {
            assign("categories", quote_spanned!(here()=> &__CATEGORIES));
        }
        if self.is_durable() {
            assign("durable", some(quote_spanned!(here()=> &__FORM)));
        }
        quote_spanned! {here()=>
            use #p::{Unclonable as __Unclonable, Undebuggable as __Undebuggable};
            static __META: #p::Meta<#ident> = {
                let mut meta = #p::EventMeta::new(#text, #place);
                #set
                meta.clone = #p::Probe::<#ident>::CLONE;
                meta.debug = #p::Probe::<#ident>::DEBUG;
                #p::Meta::new(meta)
            };
        }
    }

    fn implementation(&self) -> TokenStream {
        let (p, ident) = (&self.private, self.ident);
        let response = self.response();
        let queueing = self.queueing();
        // Where a category is none, what the compiler says of the whole line stands at its name too, and counts once.
        let place = self.options.extends.first();
        let place = place.map_or_else(here, |category| at(last(category)));
        let queueing = quote_spanned!(place=> type Queueing = #queueing;);
        quote_spanned! {here()=>
            #[automatically_derived]
            impl #p::Event for #ident {
                type Response = #response;
                #queueing
                fn meta() -> &'static #p::Meta<Self> { &__META }
            }
        }
    }

    fn response(&self) -> TokenStream {
        let given = self.options.response.as_ref();
        given.map_or_else(
            || quote_spanned!(here()=> ()),
            |response| response.value.to_token_stream(),
        )
    }

    /// The rule of all its categories together.
    fn queueing(&self) -> TokenStream {
        let p = &self.private;
        let rule = |category: &Path| {
            let (user, p) = (at(last(category)), p.at(last(category)));
            quote_spanned!(user=> <dyn #category as #p::Category>::Queueing)
        };
        let mut rules = self.options.extends.iter().map(rule);
        let Some(first) = rules.next() else {
            return quote_spanned!(here()=> #p::Allowed);
        };
        rules.fold(
            first,
            |joined, next| quote_spanned!(here()=> <#joined as #p::Combine<#next>>::Output),
        )
    }

    /// The memberships.
    fn categories(&self) -> TokenStream {
        let (p, ident, extends) = (&self.private, self.ident, &self.options.extends);
        if extends.is_empty() {
            return TokenStream::new();
        }
        let number = extends.len();
        let upcasts = self.upcasts();
        let memberships = extends.iter().map(|category| {
            let (user, p) = (at(last(category)), p.at(last(category)));
            quote_spanned! {user=>
                #p::CategoryMembership::new::<#ident, dyn #category>(
                    <dyn #category as #p::Category>::category,
                    <<dyn #category as #p::Category>::Queueing as #p::Queueing>::FORBIDS,
                )
            }
        });
        quote_spanned! {here()=>
            static __CATEGORIES: [#p::CategoryMembership; #number] = [#(#memberships),*];
            #upcasts
        }
    }

    fn upcasts(&self) -> TokenStream {
        let (p, ident) = (&self.private, self.ident);
        let upcast = |category: &Path| {
            let user = at(last(category));
            let this = Ident::new("self", user);
            quote_spanned! {user=>
                #[automatically_derived]
                impl #p::Extends<dyn #category> for #ident {
                    fn upcast(&#this) -> &(dyn #category + 'static) { #this }
                }
            }
        };
        self.options.extends.iter().map(upcast).collect()
    }

    /// What a listener may return to answer.
    fn answers(&self) -> Option<TokenStream> {
        let (p, ident) = (&self.private, self.ident);
        let response: &Type = &self.options.response.as_ref()?.value;
        let user = at(response.span());
        Some(quote_spanned! {user=>
            #[automatically_derived]
            impl #p::IntoOutcome<#ident> for #response {
                fn into_outcome(self) -> #p::Outcome { #p::answer(self) }
            }
            #[automatically_derived]
            impl #p::IntoOutcome<#ident> for ::core::option::Option<#response> {
                fn into_outcome(self) -> #p::Outcome {
                    match self {
                        ::core::option::Option::Some(answer) => #p::answer(answer),
                        ::core::option::Option::None => #p::Outcome::FINE,
                    }
                }
            }
        })
    }

    /// The traits of an event with a mistake in it: enough for its uses to compile.
    pub(super) fn stand_in(&self) -> TokenStream {
        let (p, ident) = (&self.private, self.ident);
        let (parameters, arguments, _) = self.generics.split_for_impl();
        let conditions = self
            .generics
            .where_clause
            .as_ref()
            .map(|clause| &clause.predicates);
        let durable = self.is_durable().then(|| {
            quote_spanned!(here()=> impl #parameters #p::Durable for #ident #arguments where Self: #p::Event, #conditions {})
        });
        quote_spanned! {here()=>
            const _: () = {
                #[automatically_derived]
                impl #parameters #p::Event for #ident #arguments
                where Self: ::core::any::Any + ::core::marker::Send + ::core::marker::Sync, #conditions
                {
                    type Response = ();
                    type Queueing = #p::Allowed;
                    fn meta() -> &'static #p::Meta<Self> { ::core::unreachable!() }
                }
                #durable
            };
        }
    }
}

/// The last word of a path, where errors about it stand.
pub(super) fn last(path: &Path) -> Span {
    path.segments
        .last()
        .map_or_else(Span::call_site, |segment| segment.ident.span())
}
