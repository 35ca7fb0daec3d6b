//! `#[model]`: registers the function that loads the models of one type.

mod attr;
mod expand;
mod valid;

use proc_macro2::TokenStream;
use syn::Result;

use crate::errors::{Errors, beside};
use crate::function::Function;
use attr::Options;

pub(crate) fn model(attr: TokenStream, item: TokenStream) -> TokenStream {
    let generated = generate(attr, item.clone());
    beside(item, generated)
}

fn generate(attr: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut errors = Errors::default();
    let options = Options::parse(attr, &mut errors);
    let function = Function::read(item, "`#[model]` marks the function that loads a model");
    let function = errors.take(function);
    if let Some(function) = &function {
        valid::check(function, &mut errors);
    }
    let function = errors.finish(function)?;
    Ok(function
        .and_then(|function| expand::loader(&function, &options))
        .unwrap_or_default())
}
