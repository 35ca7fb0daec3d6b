//! Collects mistakes, so that one run of the compiler shows all of them.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use syn::{Error, Result};

/// The mistakes found so far.
#[derive(Default)]
pub(crate) struct Errors(Option<Error>);

impl Errors {
    pub(crate) fn push(&mut self, error: Error) {
        match &mut self.0 {
            Some(first) => first.combine(error),
            None => self.0 = Some(error),
        }
    }

    /// A mistake at the user's own token.
    pub(crate) fn at(&mut self, span: Span, message: impl Display) {
        self.push(Error::new(span, message));
    }

    /// The value, or its mistake kept.
    pub(crate) fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// The value, if no mistake was made.
    pub(crate) fn finish<T>(self, value: T) -> Result<T> {
        self.0.map_or(Ok(value), Err)
    }
}

/// The user's item as it came, and behind it what was generated or the mistakes.
pub(crate) fn beside(item: TokenStream, generated: Result<TokenStream>) -> TokenStream {
    let mut tokens = item;
    tokens.extend(generated.unwrap_or_else(Error::into_compile_error));
    tokens
}
