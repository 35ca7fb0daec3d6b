//! The rules of categories: each mistake is reported once, where it was made, with what to write instead.

use syn::TypeParamBound;
use syn::spanned::Spanned as _;

use super::ast::Category;
use crate::errors::Errors;

pub(super) fn check(category: &Category, errors: &mut Errors) {
    let head = &category.head;
    if let Some(token) = &head.unsafety {
        errors.at(
            token.span,
            "events extend a category by their derive, which promises nothing: remove `unsafe`",
        );
    }
    if let Some(token) = &head.auto {
        errors.at(
            token.span,
            "events extend a category by saying so, `#[event(extends(..))]`: remove `auto`",
        );
    }
    if let Some(first) = head.generics.params.first() {
        errors.at(first.span(), "a category is one type, `dyn Trait`, so it cannot be generic: write a trait for each case, or a method that tells them apart");
    }
    let is_any = |bound: &TypeParamBound| match bound {
        TypeParamBound::Trait(bound) => bound
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "AnyEvent"),
        _ => false,
    };
    if !head.supertraits.iter().any(is_any) {
        let name = &head.ident;
        let given = if head.supertraits.is_empty() {
            ""
        } else {
            " + .."
        };
        errors.at(
            name.span(),
            format!("a category's members are events: write `trait {name}: AnyEvent{given}`"),
        );
    }
}
