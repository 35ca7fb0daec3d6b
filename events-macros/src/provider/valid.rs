//! The rules of providers: each mistake is reported once, where it was made, with what to write instead.

use syn::Type;
use syn::spanned::Spanned as _;

use super::ast::Block;
use crate::errors::Errors;
use crate::function::peel;
use crate::text;

pub(super) fn check(block: &Block, errors: &mut Errors) {
    if let Some(first) = block.generics.params.first() {
        errors.at(
            first.span(),
            "a provider is registered under one key, so its type cannot be generic: write a type for each",
        );
    }
    let ty = text::of(&block.ty);
    match &block.of {
        None => errors.at(
            block.ty.span(),
            format!("this block makes `{ty}` no provider: mark `impl Provider for {ty}`"),
        ),
        Some(path)
            if path
                .segments
                .last()
                .is_none_or(|last| last.ident != "Provider") =>
        {
            let name = text::of(path);
            errors.at(
                path.span(),
                format!(
                    "`{name}` is not `Provider`: mark `impl Provider for {ty}`, and name the capabilities there, `#[provider(ScheduledSync)]`"
                ),
            );
        }
        Some(_) => {}
    }
    if !matches!(peel(&block.ty), Type::Path(_)) {
        errors.at(
            block.ty.span(),
            "a provider is a struct or an enum of its own",
        );
    }
}
