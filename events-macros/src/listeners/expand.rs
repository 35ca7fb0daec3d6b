//! The tokens of a block: the records of its methods.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::Path;
use syn::spanned::Spanned as _;

use super::ast::Head;
use crate::attributes;
use crate::krate::Private;
use crate::listener::{Listener, Registered};
use crate::options::Given;
use crate::span::{at, here};

/// The subscriber: one record for each method, which exists under the method's own conditions.
pub(super) fn records(
    head: &Head,
    listeners: &[Listener],
    krate: Option<&Given<Path>>,
) -> TokenStream {
    let p = Private::new(krate);
    let records = listeners.iter().map(|listener| {
        let Registered { items, record } = listener.register();
        let inherited = attributes::inherited(&listener.function.attrs);
        quote_spanned!(here()=> #inherited { #items #record })
    });
    let records = quote_spanned! {here()=>
        static __RECORDS: &[#p::ListenerRecord] = &[#(#records),*];
    };
    subscriber(head, &p, records, quote_spanned!(here()=> __RECORDS))
}

/// A subscriber without listeners.
pub(super) fn stand_in(head: &Head, krate: Option<&Given<Path>>) -> TokenStream {
    if !head.generics.params.is_empty() {
        return TokenStream::new();
    }
    subscriber(
        head,
        &Private::new(krate),
        TokenStream::new(),
        quote_spanned!(here()=> &[]),
    )
}

fn subscriber(head: &Head, p: &Private, items: TokenStream, records: TokenStream) -> TokenStream {
    let inherited = attributes::inherited(&head.attrs);
    let ty = &head.ty;
    let user: Span = at(ty.span());
    let subscriber = quote_spanned!(user=> #p::Subscriber);
    quote_spanned! {here()=>
        #inherited
        const _: () = {
            #items
            #[automatically_derived]
            impl #subscriber for #ty {
                fn listeners() -> &'static [#p::ListenerRecord] { #records }
            }
        };
    }
}
