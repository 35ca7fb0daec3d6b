//! The tokens of a provider: the list of its capabilities, and its registration.

use proc_macro2::{Ident, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned as _;

use super::ast::Block;
use super::attr::Options;
use crate::attributes;
use crate::krate::Private;
use crate::span::{at, here, place};

impl Block {
    pub(super) fn expand(&self, options: &Options) -> TokenStream {
        let p = Private::of_std(options.krate.as_ref());
        let ty = &self.ty;
        let inherited = attributes::inherited(&self.attrs);
        let capabilities = options.capabilities.iter().map(|(name, function)| {
            let user = at(name.span());
            let (p, function) = (p.at(user), Ident::new(function, user));
            quote_spanned!(user=> #p::#function::<Self>(__provider))
        });
        let user = at(ty.span());
        let path = p.at(user);
        let how = Ident::new(
            if options.instance.is_some() {
                "by_hand"
            } else {
                "by_default"
            },
            user,
        );
        let place = place(ty.span());
        let linked = quote_spanned!(user=> #path::LinkedProvider::#how::<#ty>);
        quote_spanned! {here()=>
            #inherited
            const _: () = {
                impl #p::RegisteredProvider for #ty {
                    fn capabilities(
                        __provider: &#p::Arc<Self>,
                    ) -> #p::Vec<#p::Capability> {
                        let _ = __provider;
                        #p::Vec::from([#(#capabilities),*])
                    }
                }
                #p::inventory::submit! { #linked(#place) }
            };
        }
    }
}
