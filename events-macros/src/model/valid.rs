//! The rules of loaders: each mistake is reported once, where it was made, with what to write instead.

use syn::Type;
use syn::spanned::Spanned as _;

use crate::errors::Errors;
use crate::function::{Function, peel};
use crate::lifetimes;

/// The arguments that the dispatcher can make for one call.
const MOST_ARGUMENTS: usize = 8;

pub(super) fn check(function: &Function, errors: &mut Errors) {
    function.check("a loader", errors);
    let sig = &function.sig;
    if let Some(receiver) = sig.receiver() {
        errors.at(receiver.self_token.span, "a method needs a value to be called on: make the loader a free function and ask for what it needs, `db: &State<Db>`");
        return;
    }
    match function.arguments().next().map(peel) {
        None => errors.at(
            sig.paren_token.span.join(),
            "a loader takes the model's key: write `key: Key` as its first argument",
        ),
        Some(Type::Reference(reference)) => {
            errors.at(
                reference.and_token.span,
                "the key is made for this one call: take it by value, without `&`",
            );
        }
        Some(_) => {}
    }
    if let Some(extra) = function.arguments().skip(1).nth(MOST_ARGUMENTS) {
        errors.at(extra.span(), format!("a loader asks for at most {MOST_ARGUMENTS} values besides the key: put several into one state"));
    }
    match function.output().map(peel) {
        None => errors.at(sig.ident.span(), "a loader gives back the model: return `Result<Option<Model>, Error>`, where `None` says that there is none with this key"),
        Some(Type::ImplTrait(_)) => {}
        Some(output) if lifetimes::borrows(output) => {
            errors.at(output.span(), "a model outlives the call that loads it: return an owned value");
        }
        Some(_) => {}
    }
}
