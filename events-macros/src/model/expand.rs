//! The tokens of a loader: a local type that calls the function, and the record that names it.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Ident, Lifetime};

use super::attr::Options;
use crate::function::Function;
use crate::krate::Private;
use crate::span::{at, here, place};
use crate::{attributes, lifetimes};

/// None where the function returns nothing, which is refused before.
pub(super) fn loader(function: &Function, options: &Options) -> Option<TokenStream> {
    let p = Private::new(options.krate.as_ref());
    let ident = function.ident();
    let inherited = attributes::inherited(&function.attrs);
    let items = call(function, &p)?;
    let place = place(ident.span());
    let body = quote_spanned! {here()=>
        #items
        static __RECORD: #p::ModelRecord = #p::ModelRecord::new::<__Loader>(#p::Source::new(#place));
        #p::inventory::submit! { #p::Registration::Model(&__RECORD) }
    };
    let Some(handle) = &options.handle else {
        return Some(quote_spanned!(here()=> #inherited const _: () = { #body };));
    };
    let (vis, name) = (&function.vis, &handle.value);
    let doc = format!("The loader `{ident}`, to be given to a dispatcher by hand.");
    Some(quote_spanned! {here()=>
        #inherited
        #[doc = #doc]
        #vis static #name: #p::ModelHandle = { #body #p::ModelHandle::new(&__RECORD) };
    })
}

/// The local type, and its way to the function.
fn call(function: &Function, p: &Private) -> Option<TokenStream> {
    let ident = function.ident();
    let user = at(ident.span());
    let output = function.output()?;
    let lifetime = Lifetime::new("'a", here());
    let key_type = function.arguments().next()?;
    let key = Ident::new("key", at(key_type.span()));
    let (mut types, mut names) = (Vec::new(), Vec::new());
    for (index, ty) in function.arguments().skip(1).enumerate() {
        let mut ty = ty.clone();
        lifetimes::name(&mut ty, &lifetime);
        names.push(format_ident!("argument{index}", span = at(ty.span())));
        types.push(ty.into_token_stream());
    }
    let parentheses = match &types[..] {
        [] => here(),
        [_] => at(function.arguments().nth(1)?.span()),
        _ => at(function.sig.paren_token.span.join()),
    };
    let arguments = quote_spanned!(parentheses=> (#(#types,)*));
    let call = quote_spanned!(user=> #ident(#key #(, #names)*));
    let call = if function.is_async() {
        call
    } else {
        quote_spanned!(here()=> ::core::future::ready(#call))
    };
    let lent = Lifetime::new("'a", user);
    let future = quote_spanned! {user=>
        impl ::core::future::Future<Output = Self::Return> + ::core::marker::Send + #lent
    };
    Some(quote_spanned! {here()=>
        struct __Loader;
        impl #p::ModelLoader for __Loader {
            type Key = #key_type;
            type Return = #output;
            type Args<#lifetime> = #arguments;
            fn load<#lifetime>(
                #key: Self::Key,
                (#(#names,)*): Self::Args<#lifetime>,
            ) -> #future {
                #call
            }
        }
    })
}
