//! The rules of upcasters: each mistake is reported once, where it was made, with what to write instead.

use proc_macro2::Span;
use syn::Type;
use syn::spanned::Spanned as _;

use super::attr::Attr;
use crate::errors::Errors;
use crate::function::{Function, peel};
use crate::lifetimes;

/// What the attribute must say.
pub(super) fn attr(attr: &Attr, errors: &mut Errors) {
    if attr.damaged {
        return;
    }
    match &attr.events[..] {
        [] => errors.at(
            Span::call_site(),
            "an upcaster belongs to an event: name it first, `#[upcaster(OrderPaid, from = 1)]`",
        ),
        [event] => match peel(event) {
            Type::TraitObject(object) => errors.at(object.span(), "each event has versions of its own: name one event's type"),
            _ if attr.from.is_none() => errors.at(
                event.span(),
                "which version does it take? Write the one that is stored, `from = 1`; it gives back the next",
            ),
            _ => {}
        },
        [_, second, ..] => errors.at(
            second.span(),
            "an upcaster belongs to one event: write one function for each, which may call the same",
        ),
    }
}

/// What the function must be.
pub(super) fn function(function: &Function, errors: &mut Errors) {
    function.check("an upcaster", errors);
    let sig = &function.sig;
    if let Some(receiver) = sig.receiver() {
        errors.at(
            receiver.self_token.span,
            "a method needs a value to be called on: make the upcaster a free function",
        );
        return;
    }
    if let Some(token) = &sig.asyncness {
        errors.at(token.span, "an upcaster makes the next payload of the old one alone, so that it gives the same each time: remove `async`");
    }
    match function.arguments().next().map(peel) {
        None => errors.at(
            sig.paren_token.span.join(),
            "an upcaster takes the old payload: write `old: serde_json::Value` as its argument, or a type of your own that implements `Deserialize`",
        ),
        Some(Type::Reference(reference)) => errors.at(
            reference.and_token.span,
            "the old payload is made for this one call: take it by value, without `&`",
        ),
        Some(_) => {}
    }
    if let Some(second) = function.arguments().nth(1) {
        errors.at(second.span(), "an upcaster makes the next payload of the old one alone, so that it gives the same each time: remove this argument");
    }
    match function.output().map(peel) {
        None => errors.at(sig.ident.span(), "an upcaster gives back the next payload: return a `serde_json::Value`, a type of your own that implements `Serialize`, or a `Result` of one"),
        Some(Type::ImplTrait(_)) => {}
        Some(output) if lifetimes::borrows(output) => errors.at(
            output.span(),
            "the next payload outlives the old one: return an owned value",
        ),
        Some(_) => {}
    }
}
