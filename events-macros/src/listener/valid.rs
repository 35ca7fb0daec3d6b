//! The rules of listeners: each mistake is reported once, where it was made, with what to write instead.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::{FnArg, Type};

use super::ast::{Hears, is_state, trait_object};
use super::attr::Options;
use crate::errors::Errors;
use crate::function::{Function, peel};
use crate::{lifetimes, names, text};

/// The arguments that the dispatcher can make for one call.
const MOST_ARGUMENTS: usize = 8;

/// A listener outside of `#[listeners]` is no method.
pub(super) fn free(function: &Function, errors: &mut Errors) {
    if let Some(receiver) = function.sig.receiver() {
        errors.at(
            receiver.self_token.span,
            "a method needs a value to be called on: put `#[listeners]` on its `impl` block and give the value to the builder, `Events::builder().subscribe(value)`",
        );
    }
}

/// What can be called and registered.
pub(super) fn signature(function: &Function, method: bool, errors: &mut Errors) {
    function.check("a listener", errors);
    let most = MOST_ARGUMENTS - usize::from(method);
    let arguments = || function.arguments().skip(1);
    if let Some(extra) = arguments().nth(most) {
        let message = format!(
            "a listener asks for at most {most} values besides the event: put several into one type that implements `FromContext`, or into one state"
        );
        errors.at(extra.span(), message);
    }
    for ty in arguments() {
        if is_state(ty) {
            errors.at(
                ty.span(),
                format!(
                    "the dispatcher keeps its states for all listeners: ask for `&{}`",
                    text::of(ty)
                ),
            );
        }
    }
    let output = function
        .output()
        .filter(|ty| !matches!(peel(ty), Type::ImplTrait(_)));
    if let Some(output) = output.filter(|ty| lifetimes::borrows(ty)) {
        errors.at(output.span(), "what a listener returns outlives its arguments: return an owned value, such as `String` for `&str`");
    }
    for argument in function.sig.inputs.iter().filter_map(attribute) {
        errors.at(
            argument,
            "an argument cannot be conditional: put `#[cfg]` on the listener",
        );
    }
}

/// Where an argument has a `#[cfg]`.
fn attribute(argument: &FnArg) -> Option<Span> {
    let FnArg::Typed(typed) = argument else {
        return None;
    };
    typed
        .attrs
        .iter()
        .find(|attr| attr.path().is_ident("cfg"))
        .map(|attr| attr.pound_token.span)
}

/// What the options say, and say together.
pub(super) fn options(options: &Options, errors: &mut Errors) {
    texts(options, errors);
    if options.damaged {
        return;
    }
    if options.queue.is_none() {
        for (name, span) in options.of_the_queue() {
            errors.at(span, format!("`{name}` is for queued listeners, and this one runs inline: add `queue`, or `queue = \"name\"`"));
        }
        return;
    }
    if let Some(given) = &options.after_commit {
        errors.at(given.span(), "a queued listener's job is written in the open transaction, so it waits for the commit anyway: remove `after_commit`");
    }
    if let (Some(given), None) = (&options.unique_for, &options.unique) {
        errors.at(given.span(), "`unique_for` bounds how long a job keeps equal ones away, and nothing says that jobs are unique: add `unique`");
    }
    if let (Some(given), None) = (&options.unique_until_start, &options.unique) {
        errors.at(given.span(), "`unique_until_start` says how long a job keeps equal ones away, and nothing says that jobs are unique: add `unique`");
    }
    if let (Some(tries), Some(jitter)) = (&options.tries, &options.jitter)
        && tries.value == 1
    {
        errors.at(jitter.span(), "`jitter` spreads the waits between attempts, and `tries = 1` is a single one: raise `tries`, or remove `jitter`");
    }
    if let (Some(tries), Some(backoff)) = (&options.tries, &options.backoff) {
        waits(tries.value, backoff.value.len(), backoff.span(), errors);
    }
    if let (Some(delay), Some(retry_for)) = (&options.delay, &options.retry_for)
        && delay.value >= retry_for.value
    {
        errors.at(retry_for.span(), "`retry_for` counts from the dispatch, so it would be over before the first attempt, which waits for `delay`: make it longer than `delay`");
    }
}

fn waits(tries: u32, waits: usize, span: Span, errors: &mut Errors) {
    let between = usize::try_from(tries - 1).unwrap_or(usize::MAX);
    if between == 0 {
        errors.at(span, "`backoff` is the wait between attempts, and `tries = 1` is a single one: raise `tries`, or remove `backoff`");
    } else if waits > between {
        errors.at(span, format!("{tries} attempts have {between} waits between them, and `backoff` lists {waits}: raise `tries`, or shorten the list"));
    }
}

fn texts(options: &Options, errors: &mut Errors) {
    let name = options.name.as_ref().map(|given| &given.value);
    let formerly = options.formerly.iter().flat_map(|given| &given.value);
    for text in name.into_iter().chain(formerly) {
        errors.take(names::word(text, "orders.print"));
    }
    if let Some(queue) = options
        .queue
        .as_ref()
        .and_then(|given| given.value.as_ref())
    {
        errors.take(names::word(queue, "mail"));
    }
    let mut known: Vec<_> = name.into_iter().collect();
    for old in options.formerly.iter().flat_map(|given| &given.value) {
        if known
            .iter()
            .any(|known: &&syn::LitStr| known.value() == old.value())
        {
            let message = format!(
                "`{}` is a name of this listener already: remove it here",
                old.value()
            );
            errors.at(old.span(), message);
        }
        known.push(old);
    }
}

/// Whether the function can take what is heard.
pub(super) fn fits(hears: &Hears, event: &Type, errors: &mut Errors) {
    let many = match hears {
        Hears::Event(_) | Hears::Category(_) => return,
        Hears::Events(_) => "several events",
        Hears::Pattern(_) => "every event whose name matches",
    };
    if trait_object(event).is_none_or(|word| word != "AnyEvent") {
        errors.at(
            event.span(),
            format!("this listener hears {many}, of different types: take `event: &dyn AnyEvent`"),
        );
    }
}
