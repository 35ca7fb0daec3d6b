//! `#[listeners]`: the methods of a value that listen.

mod ast;
mod expand;
mod valid;

use proc_macro2::TokenStream;
use syn::Error;

use crate::errors::{Errors, beside};
use ast::Block;

/// The block without its `#[listener]` attributes, and its records. On a mistake there are none, but the type stays
/// a subscriber, so that its uses raise no further errors.
pub(crate) fn listeners(attr: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let block = match Block::parse(attr, item.clone(), &mut errors) {
        Ok(block) => block,
        Err(mistake) => {
            errors.push(mistake);
            return beside(item, errors.finish(TokenStream::new()));
        }
    };
    valid::check(&block, &mut errors);
    let Block {
        head,
        methods,
        krate,
        item,
    } = block;
    let listeners = ast::listeners(methods, &head.ty, krate.as_ref(), &mut errors);
    let generated = match errors.finish(()) {
        Ok(()) => expand::records(&head, &listeners, krate.as_ref()),
        Err(mistakes) => {
            let mut tokens = expand::stand_in(&head, krate.as_ref());
            tokens.extend(Error::into_compile_error(mistakes));
            tokens
        }
    };
    beside(item, Ok(generated))
}
