//! What `#[event(..)]` says, on the type and on its fields.

use proc_macro2::{Span, TokenStream};
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, LitStr, Meta, Path, Result, Token, Type, parenthesized, token};

use crate::errors::Errors;
use crate::options::{Given, Opt, Seen, Vocabulary, each};
use crate::text;

const OPTIONS: Vocabulary = &[
    ("name", "name = \"order.paid\""),
    ("version", "version = 2"),
    ("durable", "durable"),
    ("after_commit", "after_commit"),
    ("announced", "announced"),
    ("response", "response = Answer"),
    ("extends", "extends(Category)"),
    ("crate", "crate = path::to::events_core"),
];

const FIELD_OPTIONS: Vocabulary = &[("model", "model")];

/// The options of the type.
#[derive(Default)]
pub(super) struct Options {
    pub(super) name: Option<Given<LitStr>>,
    pub(super) version: Option<Given<u32>>,
    pub(super) durable: Option<Given<()>>,
    pub(super) after_commit: Option<Given<()>>,
    pub(super) announced: Option<Given<()>>,
    pub(super) response: Option<Given<Type>>,
    pub(super) extends: Vec<Path>,
    pub(super) krate: Option<Given<Path>>,
    /// Whether something could not be read, so that what is missing may be that.
    pub(super) damaged: bool,
}

impl Options {
    pub(super) fn parse(attrs: &[Attribute], errors: &mut Errors) -> Self {
        let mut options = Self::default();
        let mut seen = Seen::default();
        for tokens in lists(attrs, "#[event(name = \"order.paid\")]", errors) {
            let read = each(tokens, errors, |input| {
                options.read(seen.next(input, OPTIONS)?)
            });
            options.damaged |= !read;
        }
        options
    }

    fn read(&mut self, option: Opt<'_>) -> Result<()> {
        match option.name.to_string().as_str() {
            "name" => self.name = Some(option.text()?),
            "version" => self.version = Some(option.count()?),
            "durable" => self.durable = Some(option.flag()?),
            "after_commit" => self.after_commit = Some(option.flag()?),
            "announced" => self.announced = Some(option.flag()?),
            "response" => {
                let value = option.equals()?;
                let ty =
                    (option.input.parse()).map_err(|_| option.expected(value, "takes a type"))?;
                self.response = Some(option.given(ty));
            }
            "extends" => self.extends = extends(&option)?,
            _ => self.krate = Some(option.krate()?),
        }
        Ok(())
    }
}

/// `extends(A, B)`.
fn extends(option: &Opt<'_>) -> Result<Vec<Path>> {
    if !option.input.peek(token::Paren) {
        let message = "`extends` takes a list of categories: write `extends(Category)`";
        return Err(Error::new(option.name.span(), message));
    }
    let list;
    let paren = parenthesized!(list in option.input);
    if list.is_empty() {
        let message =
            "an empty list says nothing: write `extends(Category)`, or leave `extends` out";
        return Err(Error::new(paren.span.join(), message));
    }
    if list.peek(Token![dyn]) {
        let error = list.error("a category is named by its trait: remove `dyn`");
        list.parse::<TokenStream>()?;
        return Err(error);
    }
    let paths = Punctuated::<Path, Token![,]>::parse_terminated(&list)?;
    let mut categories: Vec<Path> = Vec::new();
    for path in paths {
        if categories
            .iter()
            .any(|known| text::of(known) == text::of(&path))
        {
            let span = path
                .segments
                .last()
                .map_or_else(Span::call_site, |last| last.ident.span());
            return Err(Error::new(
                span,
                "this category is named twice: keep one of the two",
            ));
        }
        categories.push(path);
    }
    Ok(categories)
}

/// Where a field says `#[event(model)]`.
pub(super) fn model(attrs: &[Attribute], errors: &mut Errors) -> Option<Given<()>> {
    let mut model = None;
    let mut seen = Seen::default();
    for tokens in lists(attrs, "#[event(model)]", errors) {
        each(tokens, errors, |input| {
            model = Some(seen.next(input, FIELD_OPTIONS)?.flag()?);
            Ok(())
        });
    }
    model
}

/// A variant knows no options.
pub(super) fn none(attrs: &[Attribute], errors: &mut Errors) {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("event")) {
        let span = attr.path().segments[0].ident.span();
        errors.at(span, "a variant has no options: put `#[event(..)]` on the enum, or `#[event(model)]` on a field");
    }
}

/// What stands between the parentheses of each `#[event(..)]`.
fn lists(attrs: &[Attribute], form: &str, errors: &mut Errors) -> Vec<TokenStream> {
    let mut lists = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("event")) {
        match &attr.meta {
            Meta::List(list) if matches!(list.delimiter, syn::MacroDelimiter::Paren(_)) => {
                lists.push(list.tokens.clone());
            }
            _ => {
                let span = attr.path().segments[0].ident.span();
                errors.at(
                    span,
                    format!("`event` takes a list of options: write for instance `{form}`"),
                );
            }
        }
    }
    lists
}
