//! `#[upcaster(OrderPaid, from = 1)]`: registers the function that turns a payload of one version into the next.

mod ast;
mod attr;
mod expand;
mod valid;

use proc_macro2::TokenStream;
use syn::Result;

use crate::errors::{Errors, beside};
use crate::function::Function;
use ast::Upcaster;
use attr::Attr;

pub(crate) fn upcaster(attr: TokenStream, item: TokenStream) -> TokenStream {
    let generated = generate(attr, item.clone());
    beside(item, generated)
}

fn generate(attr: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut errors = Errors::default();
    let attr = Attr::parse(attr, &mut errors);
    valid::attr(&attr, &mut errors);
    let instead = "`#[upcaster(..)]` marks the function that turns an old payload into the next";
    let function = errors.take(Function::read(item, instead));
    if let Some(function) = &function {
        valid::function(function, &mut errors);
    }
    let upcaster = function.and_then(|function| Upcaster::new(attr, function));
    let upcaster = errors.finish(upcaster)?;
    Ok(upcaster
        .map(|upcaster| upcaster.expand())
        .unwrap_or_default())
}
