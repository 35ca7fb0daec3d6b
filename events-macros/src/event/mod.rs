//! `#[derive(Event)]`: the static description of an event type, and its wire form if it is durable.

mod ast;
mod attr;
mod expand;
mod fields;
mod valid;
mod wire;

use proc_macro2::TokenStream;
use syn::DeriveInput;

use crate::errors::Errors;
use ast::Event;

/// What stands behind the type. On a mistake that is a bare implementation beside the errors, so that the uses of
/// the event raise no further ones.
pub(crate) fn event(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::default();
    let event = Event::new(&input, &mut errors);
    valid::check(&event, &mut errors);
    match errors.finish(()) {
        Ok(()) => event.expand(),
        Err(error) => {
            let mut tokens = event.stand_in();
            tokens.extend(error.into_compile_error());
            tokens
        }
    }
}
