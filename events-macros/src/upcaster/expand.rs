//! The tokens of an upcaster: a function from JSON to JSON that calls the user's, and the record that names it.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::spanned::Spanned;

use super::ast::Upcaster;
use crate::attributes;
use crate::span::{at, here, place};

impl Upcaster {
    pub(super) fn expand(&self) -> TokenStream {
        let (p, from, event) = (&self.private, self.from, &self.event);
        let ident = self.function.ident();
        let inherited = attributes::inherited(&self.function.attrs);
        let (step, place) = (self.step(), place(ident.span()));
        let shown = ident.to_string();
        let shown = shown.trim_start_matches("r#");
        let of = self.private.at(event.span());
        let user = at(event.span());
        let new = quote_spanned!(user=> #of::UpcasterRecord::new::<#event>);
        let body = quote_spanned! {here()=>
            #step
            static __RECORD: #p::UpcasterRecord = #new(
                #from,
                ::core::concat!(::core::module_path!(), "::", #shown),
                #p::Source::new(#place),
                __step,
            );
            #p::inventory::submit! { #p::Registration::Upcaster(&__RECORD) }
        };
        let Some(handle) = &self.handle else {
            return quote_spanned!(here()=> #inherited const _: () = { #body };);
        };
        let (vis, name) = (&self.function.vis, &handle.value);
        let doc = format!("The upcaster `{shown}`, to be given to a dispatcher by hand.");
        quote_spanned! {here()=>
            #inherited
            #[doc = #doc]
            #vis static #name: #p::UpcasterHandle = { #body #p::UpcasterHandle::new(&__RECORD) };
        }
    }

    /// From JSON to JSON.
    fn step(&self) -> TokenStream {
        let (p, old) = (&self.private, &self.old);
        let ident = self.function.ident();
        let output = self
            .function
            .output()
            .map_or_else(|| ident.span(), Spanned::span);
        let (read, write) = (self.private.at(old.span()), self.private.at(output));
        let read = quote_spanned!(at(old.span())=> #read::old_payload::<#old>(payload)?);
        let write = quote_spanned!(at(output)=> #write::Returned(next).write());
        quote_spanned! {here()=>
            fn __step(payload: &str) -> ::core::result::Result<::std::string::String, #p::BoxError> {
                #[allow(unused_imports)]
                use #p::Plain as _;
                let next = #ident(#read);
                #write
            }
        }
    }
}
