//! The derive and attribute macros of `events-core`.

mod attributes;
mod category;
mod duration;
mod errors;
mod event;
mod function;
mod krate;
mod lifetimes;
mod link_all;
mod listener;
mod listeners;
mod model;
mod names;
mod options;
mod span;
mod suggest;
mod text;

use proc_macro::TokenStream;

/// Makes a type an event.
#[proc_macro_derive(Event, attributes(event, serde))]
pub fn event(input: TokenStream) -> TokenStream {
    event::event(input.into()).into()
}

/// Registers a function as a listener.
#[proc_macro_attribute]
pub fn listener(attr: TokenStream, item: TokenStream) -> TokenStream {
    listener::listener(attr.into(), item.into()).into()
}

/// Makes the methods of a value listeners.
#[proc_macro_attribute]
pub fn listeners(attr: TokenStream, item: TokenStream) -> TokenStream {
    listeners::listeners(attr.into(), item.into()).into()
}

/// Makes a trait a category of events.
#[proc_macro_attribute]
pub fn category(attr: TokenStream, item: TokenStream) -> TokenStream {
    category::category(attr.into(), item.into()).into()
}

/// Registers the function that loads a model.
#[proc_macro_attribute]
pub fn model(attr: TokenStream, item: TokenStream) -> TokenStream {
    model::model(attr.into(), item.into()).into()
}

/// Links every direct dependency.
#[proc_macro]
pub fn link_all(input: TokenStream) -> TokenStream {
    link_all::link_all(input.into()).into()
}
