//! The rules of events: each mistake is reported once, where it was made, with what to write instead.

use syn::spanned::Spanned as _;
use syn::{Attribute, GenericParam, Meta, Token, Type, punctuated::Punctuated};

use super::ast::{Event, Field, Shape};
use crate::errors::Errors;
use crate::function::{last_word, peel};
use crate::{names, text};

pub(super) fn check(event: &Event<'_>, errors: &mut Errors) {
    generics(event, errors);
    options(event, errors);
    if event.is_durable() {
        durable(event, errors);
    } else if !event.options.damaged {
        transient(event, errors);
    }
}

fn generics(event: &Event<'_>, errors: &mut Errors) {
    let Some(first) = event.generics.params.first() else {
        return;
    };
    let ident = event.ident;
    let message = match first {
        GenericParam::Lifetime(_) => {
            "an event outlives the call that dispatches it, so it cannot borrow: own the data, `String` for `&'a str`, `Arc<T>` for `&'a T`".to_owned()
        }
        GenericParam::Type(param) => {
            let param = &param.ident;
            format!("each event type has its own name and listeners, so it cannot be generic: derive `Event` on a concrete type for each `{param}`, `struct {ident}OfOrder({ident}<Order>);`")
        }
        GenericParam::Const(param) => {
            let param = &param.ident;
            format!("each event type has its own name and listeners, so it cannot be generic: make `{param}` a field, or derive `Event` on a concrete type, `struct {ident}Of8({ident}<8>);`")
        }
    };
    errors.at(first.span(), message);
}

fn options(event: &Event<'_>, errors: &mut Errors) {
    let options = &event.options;
    if let (Some(announced), Some(_)) = (&options.announced, &options.after_commit) {
        errors.at(announced.span(), "an announced event's listeners run in a job of the transaction, so they wait for its commit anyway: remove `after_commit`");
    }
    if let Some(name) = &options.name {
        errors.take(names::event(&name.value));
    }
    let Some(response) = &options.response else {
        return;
    };
    let ty = peel(&response.value);
    let fault = match (ty, last_word(ty).map(ToString::to_string).as_deref()) {
        (_, Some("Result")) => Some(
            "a listener's `Result` says whether it failed, so it cannot be its answer: name the type of the value that a listener answers, `Ok(answer)` is fine then",
        ),
        (_, Some("ControlFlow")) => Some(
            "a listener's `ControlFlow` says whether others still run, so it cannot be its answer: name a type of your own",
        ),
        (_, Some("Option")) => Some(
            "a listener of an event with a response may return `Option` of it and so not answer: name the type inside",
        ),
        (Type::Tuple(tuple), _) if tuple.elems.is_empty() => Some(
            "a listener that returns `()` does not answer: remove `response`, or name the type of the answer",
        ),
        (Type::Reference(reference), _)
            if reference
                .lifetime
                .as_ref()
                .is_none_or(|lifetime| lifetime.ident != "static") =>
        {
            Some("answers outlive the listener that gave them: own the data, `String` for `&str`")
        }
        (Type::ImplTrait(_) | Type::Infer(_), _) => {
            Some("the type of the answers is part of the event: name it")
        }
        _ => None,
    };
    if let Some(fault) = fault {
        errors.at(response.value.span(), fault);
    }
}

/// An event that stays in the process. What `#[serde(..)]` says on it is for other derives of the type.
fn transient(event: &Event<'_>, errors: &mut Errors) {
    if let Some(version) = &event.options.version {
        errors.at(version.span(), "`version` counts the changes of a wire form, and this event has none: add `durable`, or remove it");
    }
    if let Some(announced) = &event.options.announced {
        errors.at(announced.span(), "an announcement is a stored job, and this event is never stored: add `durable` and a `name`, or remove it");
    }
    for model in event.fields().filter_map(|field| field.model.as_ref()) {
        errors.at(model.given.span(), "a model is loaded again where a stored event is read, and this event is never stored: add `#[event(durable, name = \"..\")]` on the type, or remove it");
    }
}

/// An event with a wire form.
fn durable(event: &Event<'_>, errors: &mut Errors) {
    if let (Some(durable), None, false) = (
        &event.options.durable,
        &event.options.name,
        event.options.damaged,
    ) {
        errors.at(durable.span(), format!("a durable event is stored under a name that outlives renamings in the code: add `name = \"..\"`, for instance `name = \"{}\"`", suggestion(&event.ident.to_string())));
    }
    for attr in &event.serde {
        container(attr, errors);
    }
    if let Shape::Enum(variants) = &event.shape
        && variants.is_empty()
        && event.generics.params.is_empty()
    {
        errors.at(event.ident.span(), "an enum without variants has no value, so it can never be dispatched: add a variant, or make it a unit struct");
    }
    for field in event.fields() {
        self::field(field, errors);
    }
}

fn field(field: &Field<'_>, errors: &mut Errors) {
    if let Some(model) = &field.model {
        for attr in &field.serde {
            for (word, span) in words(attr) {
                if !["rename", "alias"].contains(&word.as_str()) {
                    errors.at(span, format!("a model travels by its key, to which `{word}` does not apply: remove it, or remove `model`"));
                }
            }
        }
        if let Type::Reference(reference) = peel(model.ty) {
            errors.at(
                reference.and_token.span,
                "a model is loaded again where the event is read: own it, without `&`",
            );
        }
    } else if let Type::Reference(reference) = peel(field.ty)
        && event_has_no_borrow(reference)
    {
        let elem = text::of(&reference.elem);
        let owned = if elem == "str" {
            "`String`"
        } else {
            "an owned type"
        };
        errors.at(reference.and_token.span, format!("what is read from a stored payload cannot be borrowed: own the data, {owned} for `&'static {elem}`"));
    }
}

/// A lifetime parameter is refused already.
fn event_has_no_borrow(reference: &syn::TypeReference) -> bool {
    reference
        .lifetime
        .as_ref()
        .is_some_and(|lifetime| lifetime.ident == "static")
}

/// What serde says of a container that would not reach the wire types as it is meant.
fn container(attr: &Attribute, errors: &mut Errors) {
    for (word, span) in words(attr) {
        let cure = match word.as_str() {
            "default" => "put `#[serde(default)]` on the fields",
            "from" | "try_from" | "into" | "remote" => {
                "put `#[serde(with = \"..\")]` on the fields"
            }
            "crate" | "bound" | "borrow" | "variant_identifier" | "field_identifier" => "remove it",
            _ => continue,
        };
        errors.at(
            span,
            format!(
                "the wire form is a type beside the event, to which `{word}` does not apply: {cure}"
            ),
        );
    }
}

/// The words of a `#[serde(..)]`, where they stand. What serde cannot read it reports itself.
pub(super) fn words(attr: &Attribute) -> Vec<(String, proc_macro2::Span)> {
    let metas = match &attr.meta {
        Meta::List(list) => list.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated),
        _ => return Vec::new(),
    };
    let word = |meta: Meta| {
        let ident = meta.path().segments.first()?.ident.clone();
        Some((ident.to_string(), ident.span()))
    };
    metas.into_iter().flatten().filter_map(word).collect()
}

/// A name that fits the type's: `order.paid` for `OrderPaid`.
fn suggestion(ident: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for c in ident
        .trim_start_matches("r#")
        .chars()
        .filter(char::is_ascii_alphanumeric)
    {
        match words.last_mut() {
            Some(word) if !c.is_ascii_uppercase() => word.push(c),
            _ => words.push(c.to_ascii_lowercase().to_string()),
        }
    }
    let last = words.pop().unwrap_or_default();
    if words.is_empty() {
        last
    } else {
        format!("{}.{last}", words.join("_"))
    }
}

#[cfg(test)]
mod tests {
    use super::suggestion;

    #[test]
    fn suggests_a_name() {
        assert_eq!(suggestion("OrderPaid"), "order.paid");
        assert_eq!(suggestion("ZendeskTicketSynced"), "zendesk_ticket.synced");
        assert_eq!(suggestion("Paid"), "paid");
    }
}
