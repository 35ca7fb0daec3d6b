//! `#[listener]`: registers a function at link time.

mod ast;
mod attr;
mod expand;
mod queue;
mod valid;

use proc_macro2::TokenStream;
use syn::Result;

pub(crate) use ast::Listener;
pub(crate) use attr::Attr;
pub(crate) use expand::Registered;

use crate::errors::{Errors, beside};
use crate::function::Function;

pub(crate) fn listener(attr: TokenStream, item: TokenStream) -> TokenStream {
    let generated = generate(attr, item.clone());
    beside(item, generated)
}

fn generate(attr: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut errors = Errors::default();
    let attr = Attr::parse(attr, &mut errors);
    let function = Function::read(
        item,
        "`#[listener]` marks a function; for the methods of a type put `#[listeners]` on its `impl` block",
    );
    let Some(function) = errors.take(function) else {
        return errors.finish(TokenStream::new());
    };
    valid::free(&function, &mut errors);
    let listener = Listener::new(attr, function, None, &mut errors);
    let listener = errors.finish(listener)?;
    Ok(listener
        .map(|listener| listener.expand())
        .unwrap_or_default())
}
