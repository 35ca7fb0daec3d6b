//! The tokens of a category: its description, how it is heard, and what makes events its members.

use proc_macro2::TokenStream;
use quote::quote_spanned;

use super::ast::Category;
use super::attr::Options;
use crate::attributes;
use crate::krate::Private;
use crate::span::{at, here};

impl Category {
    pub(super) fn expand(&self, options: &Options) -> TokenStream {
        let p = Private::new(options.krate.as_ref());
        let head = &self.head;
        let (ident, supertraits) = (&head.ident, &head.supertraits);
        let user = at(ident.span());
        let name = ident.to_string();
        let name = name.trim_start_matches("r#");
        let doc = attributes::doc(&head.attrs).unwrap_or_default();
        let inherited = attributes::inherited(&head.attrs);
        let object = quote_spanned!(user=> dyn #ident);
        let queueing = if options.inline_only.is_some() {
            object.clone()
        } else {
            quote_spanned!(here()=> #p::Allowed)
        };
        // Where nothing is left to say, an event becomes a member by extending the category alone.
        let members = (!self.demands()).then(|| {
            quote_spanned! {here()=>
                impl<E> #ident for E
                where
                    E: #p::Event + #p::Extends<#object> + #supertraits
                {}
            }
        });
        quote_spanned! {here()=>
            #inherited
            const _: () = {
                static __CATEGORY: #p::CategoryMeta =
                    #p::CategoryMeta::new::<#object>(#name, ::core::module_path!(), #doc);
                impl #p::Category for #object {
                    type Queueing = #queueing;
                    fn category() -> &'static #p::CategoryMeta { &__CATEGORY }
                }
                impl #p::Heard for #object {
                    const HEARS: #p::Hears = #p::Hears::Category(<Self as #p::Category>::category);
                    fn heard<'a>(event: #p::ErasedEvent<'_, 'a, Self>) -> &'a Self { event.category() }
                    fn of_any(event: &dyn #p::AnyEvent) -> ::core::option::Option<&Self> { #p::as_category(event) }
                }
                #members
            };
        }
    }
}
