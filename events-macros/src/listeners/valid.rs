//! The rules of blocks: each mistake is reported once, where it was made, with what to write instead.

use syn::spanned::Spanned as _;
use syn::{ReceiverKind, Signature};

use super::ast::Block;
use crate::errors::Errors;

pub(super) fn check(block: &Block, errors: &mut Errors) {
    if let Some(token) = &block.head.of_trait {
        errors.at(token.span, "a trait's methods are called through the trait: put the listeners in an `impl` block of the type itself, from which they may call the trait's methods");
    }
    if let Some(first) = block.head.generics.params.first() {
        errors.at(first.span(), "each listener is one function of one type, so the block cannot be generic: write `impl Type<Concrete>`");
    }
    if block.methods.is_empty() && block.head.of_trait.is_none() {
        errors.at(block.head.impl_token.span, "no method of this block listens: write `#[listener(OrderPaid)]` on one, or remove `#[listeners]`");
    }
    for method in &block.methods {
        receiver(&method.function.sig, errors);
    }
}

/// A method is called on a shared value.
fn receiver(sig: &Signature, errors: &mut Errors) {
    let Some(receiver) = sig.receiver() else {
        let name = &sig.ident;
        errors.at(name.span(), format!("this method has no value to be called on: write `fn {name}(&self, event: &OrderPaid)`, or make it a free function with `#[listener]`"));
        return;
    };
    let fault = match &receiver.kind {
        ReceiverKind::Reference(_, None, None) => return,
        ReceiverKind::Reference(_, Some(lifetime), _) => {
            errors.at(
                lifetime.span(),
                "the dispatcher lends the value for one call: write `&self`",
            );
            return;
        }
        ReceiverKind::Reference(..) => {
            "the value is shared by all dispatches, so a listener cannot change it: take `&self`, and keep what changes in a `Mutex` or an atomic"
        }
        ReceiverKind::Typed(..) => "the dispatcher keeps the value and lends it: write `&self`",
        _ => "the value is needed for the next event: take `&self`",
    };
    errors.at(receiver.self_token.span, fault);
}
