//! `#[category]`: a trait that many events extend and that one listener can name.

mod ast;
mod attr;
mod expand;
mod valid;

use proc_macro2::TokenStream;
use syn::Result;

use crate::errors::{Errors, beside};
use ast::Category;
use attr::Options;

pub(crate) fn category(attr: TokenStream, item: TokenStream) -> TokenStream {
    let generated = generate(attr, item.clone());
    beside(item, generated)
}

fn generate(attr: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let mut errors = Errors::default();
    let options = Options::parse(attr, &mut errors);
    let category = errors.take(Category::parse(item));
    if let Some(category) = &category {
        valid::check(category, &mut errors);
    }
    let category = errors.finish(category)?;
    Ok(category
        .map(|category| category.expand(&options))
        .unwrap_or_default())
}
