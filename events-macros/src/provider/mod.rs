//! `#[provider(..)]`: registers a provider with its capabilities.

mod ast;
mod attr;
mod expand;
mod valid;

use proc_macro2::TokenStream;
use syn::Result;

use crate::errors::{Errors, beside};
use ast::Block;
use attr::Options;

pub(crate) fn provider(attr: TokenStream, item: TokenStream) -> TokenStream {
    let generated = generate(attr, item.clone());
    beside(item, generated)
}

fn generate(attr: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut errors = Errors::default();
    let options = Options::parse(attr, &mut errors);
    let block = errors.take(Block::parse(item));
    if let Some(block) = &block {
        valid::check(block, &mut errors);
    }
    let block = errors.finish(block)?;
    Ok(block
        .map(|block| block.expand(&options))
        .unwrap_or_default())
}
