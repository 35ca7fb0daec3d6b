//! What a listener is: whom it hears, what it asks for, what it returns.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::{LitStr, Type, TypeParamBound};

use super::attr::{Attr, Options, Target};
use super::valid;
use crate::errors::Errors;
use crate::function::{Function, last_word, peel};
use crate::krate::Private;
use crate::text;

/// A listener that can be registered.
pub(crate) struct Listener {
    pub(crate) private: Private,
    pub(crate) function: Function,
    pub(crate) hears: Hears,
    /// The types of the arguments behind the event.
    pub(crate) arguments: Vec<Type>,
    pub(crate) options: Options,
    /// The type whose method it is.
    pub(crate) owner: Option<Type>,
    /// The type of the first argument, without the reference.
    pub(crate) event: Type,
}

/// What a listener hears.
pub(crate) enum Hears {
    /// One event.
    Event(Type),
    /// Several events.
    Events(Vec<Type>),
    /// The events of a category: `dyn Trait`.
    Category(Type),
    /// The events whose name matches.
    Pattern(LitStr),
}

impl Listener {
    /// Puts attribute and function together; none where they do not fit, for which there is an error then.
    pub(crate) fn new(
        attr: Attr,
        function: Function,
        owner: Option<Type>,
        errors: &mut Errors,
    ) -> Option<Self> {
        let Attr { targets, options } = attr;
        valid::signature(&function, owner.is_some(), errors);
        valid::options(&options, errors);
        let event = event(&function, errors);
        let hears = hears(targets, event.as_ref(), errors);
        let (event, hears) = (event?, hears?);
        valid::fits(&hears, &event, errors);
        Some(Self {
            private: Private::new(options.krate.as_ref()),
            arguments: function.arguments().skip(1).cloned().collect(),
            function,
            hears,
            options,
            owner,
            event,
        })
    }
}

/// The event's type in the signature: what the first argument refers to.
fn event(function: &Function, errors: &mut Errors) -> Option<Type> {
    let Some(first) = function.arguments().next() else {
        let span = function.sig.paren_token.span.join();
        errors.at(
            span,
            "a listener takes the event it hears: write `event: &OrderPaid` as its first argument",
        );
        return None;
    };
    match peel(first) {
        Type::Reference(reference) if reference.mutability.is_none() => match peel(&reference.elem)
        {
            Type::ImplTrait(_) => None,
            elem => Some(elem.clone()),
        },
        Type::Reference(reference) => {
            let message = "events are facts that all listeners share, so they cannot be changed: take the event by `&`, without `mut`";
            errors.at(reference.mutability.span(), message);
            None
        }
        // Refused with the other types that are left open.
        Type::ImplTrait(_) => None,
        ty => {
            let message = format!(
                "other listeners need the event too: take it by reference, `event: &{}`",
                text::of(ty)
            );
            errors.at(ty.span(), message);
            None
        }
    }
}

/// What the listener hears: as the attribute says, or else the first argument.
fn hears(targets: Vec<Target>, event: Option<&Type>, errors: &mut Errors) -> Option<Hears> {
    let Some(first) = targets.first() else {
        return inferred(event?, errors);
    };
    if let Target::Pattern(pattern) = first {
        if let Some(second) = targets.get(1) {
            errors.at(second.span(), "a listener hears one pattern, or a list of event types: write a listener for each pattern, which may call the same function");
            return None;
        }
        errors.take(crate::names::pattern(pattern))?;
        return Some(Hears::Pattern(pattern.clone()));
    }
    let mut types: Vec<Type> = Vec::new();
    for target in &targets {
        match target {
            Target::Type(ty) if matches!(peel(ty), Type::Reference(_)) => {
                let message = "an event is named by its type: remove `&` here, the function's argument has it";
                errors.at(ty.span(), message);
                return None;
            }
            Target::Pattern(pattern) => {
                errors.at(pattern.span(), "a listener hears one pattern, or a list of event types: write two listeners, which may call the same function");
                return None;
            }
            Target::Type(ty) if types.iter().any(|known| text::of(known) == text::of(ty)) => {
                errors.at(
                    ty.span(),
                    format!("`{}` is named twice: keep one of the two", text::of(ty)),
                );
                return None;
            }
            Target::Type(ty) => types.push(*ty.clone()),
        }
    }
    if types.len() == 1 {
        return one(types.remove(0), errors);
    }
    if let Some(category) = types.iter().find(|ty| trait_object(ty).is_some()) {
        errors.at(category.span(), "a listener hears one category, or a list of event types: write two listeners, which may call the same function");
        return None;
    }
    Some(Hears::Events(types))
}

/// An event or a category that the attribute names.
fn one(ty: Type, errors: &mut Errors) -> Option<Hears> {
    match trait_object(&ty) {
        Some(word) if word == "AnyEvent" => {
            let message = "`dyn AnyEvent` does not say which events: write their types, `#[listener(A, B)]`, or a pattern of their names, `#[listener(\"order.*\")]`; `\"*\"` hears every event that has a name";
            errors.at(ty.span(), message);
            None
        }
        Some(_) => Some(Hears::Category(ty)),
        None => Some(Hears::Event(peel(&ty).clone())),
    }
}

/// The first argument names what is heard.
fn inferred(event: &Type, errors: &mut Errors) -> Option<Hears> {
    match trait_object(event) {
        Some(word) if word == "AnyEvent" => {
            let message = "which events? `dyn AnyEvent` can be any: write `#[listener(A, B)]` with their types, or `#[listener(\"order.*\")]` with a pattern of their names";
            errors.at(event.span(), message);
            None
        }
        Some(_) => Some(Hears::Category(event.clone())),
        None => Some(Hears::Event(event.clone())),
    }
}

/// The trait's name, if the type is `dyn Trait`.
pub(crate) fn trait_object(ty: &Type) -> Option<String> {
    let Type::TraitObject(object) = peel(ty) else {
        return None;
    };
    object.bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound
            .path
            .segments
            .last()
            .map(|segment| segment.ident.to_string()),
        _ => None,
    })
}

impl Target {
    fn span(&self) -> Span {
        match self {
            Self::Type(ty) => ty.span(),
            Self::Pattern(pattern) => pattern.span(),
        }
    }
}

/// Whether the type is `State<T>`, without a reference.
pub(crate) fn is_state(ty: &Type) -> bool {
    last_word(ty).is_some_and(|word| word == "State")
}
