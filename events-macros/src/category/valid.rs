//! The rules of categories: each mistake is reported once, where it was made, with what to write instead.

use syn::spanned::Spanned as _;
use syn::{Ident, Type, TypeParamBound, WherePredicate};

use super::ast::Category;
use crate::errors::Errors;
use crate::function::{Function, peel};

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
    for function in category.functions() {
        callable(&function, &head.ident, errors);
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

/// What is called on `dyn Trait` needs a value, one address and a type of its result. The compiler knows further rules.
fn callable(function: &Function, category: &Ident, errors: &mut Errors) {
    let sig = &function.sig;
    let mut left_out = sig
        .generics
        .where_clause
        .iter()
        .flat_map(|clause| &clause.predicates);
    if left_out.any(is_self_sized) {
        return;
    }
    let heard = format!("listeners hear the category as `dyn {category}`");
    let cure = "or keep the function out of it with `where Self: Sized`";
    let name = &sig.ident;
    if sig.receiver().is_none() {
        errors.at(
            name.span(),
            format!("{heard}, and `{name}` has no value to be called on: take `&self`, {cure}"),
        );
    } else if let Some(token) = &sig.asyncness {
        errors.at(
            token.span,
            format!("{heard}, whose futures have no one type: return `BoxFuture<'_, T>`, {cure}"),
        );
    } else if let Some(param) = sig.generics.type_params().next() {
        errors.at(param.span(), format!("{heard}, and a generic function has no one address: take a concrete type or `&dyn Trait`, {cure}"));
    } else if let Some(Type::Path(path)) = function.output().map(peel).filter(|ty| is_self(ty)) {
        errors.at(
            path.span(),
            format!("{heard}, whose own type is not known: return `Box<dyn {category}>`, {cure}"),
        );
    }
}

fn is_self_sized(predicate: &WherePredicate) -> bool {
    matches!(predicate, WherePredicate::Type(predicate) if is_self(&predicate.bounded_ty))
}

fn is_self(ty: &Type) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident("Self"))
}
