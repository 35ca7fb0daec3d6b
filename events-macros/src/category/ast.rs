//! A trait whose bodies are not looked at, so that a half-typed one breaks nothing.

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Error, Generics, Ident, Result, Token, TypeParamBound, Visibility, WhereClause,
};

use crate::function::{Function, is_body, members};

/// A trait that events extend.
pub(super) struct Category {
    pub(super) head: Head,
    pub(super) members: Vec<TokenStream>,
}

/// `pub trait Name<..>: Bounds where ..`.
pub(super) struct Head {
    pub(super) attrs: Vec<Attribute>,
    pub(super) unsafety: Option<Token![unsafe]>,
    pub(super) auto: Option<Token![auto]>,
    pub(super) ident: Ident,
    pub(super) generics: Generics,
    pub(super) supertraits: Punctuated<TypeParamBound, Token![+]>,
}

impl Parse for Head {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        let unsafety = input.parse()?;
        let auto = input.parse()?;
        input.parse::<Token![trait]>()?;
        let ident = input.parse()?;
        let generics = input.parse()?;
        let mut supertraits = Punctuated::new();
        if input.parse::<Option<Token![:]>>()?.is_some() {
            while !input.is_empty() && !input.peek(Token![where]) {
                supertraits.push_value(input.parse()?);
                if !input.peek(Token![+]) {
                    break;
                }
                supertraits.push_punct(input.parse()?);
            }
        }
        input.parse::<Option<WhereClause>>()?;
        Ok(Self {
            attrs,
            unsafety,
            auto,
            ident,
            generics,
            supertraits,
        })
    }
}

impl Category {
    pub(super) fn parse(item: TokenStream) -> Result<Self> {
        let mut head: Vec<TokenTree> = item.into_iter().collect();
        let is_trait = |tree: &TokenTree| matches!(tree, TokenTree::Ident(word) if word == "trait");
        let body = match head.pop() {
            Some(TokenTree::Group(body)) if head.iter().any(is_trait) => body,
            last => return Err(no_trait(head.into_iter().chain(last))),
        };
        Ok(Self {
            head: syn::parse2(head.into_iter().collect())?,
            members: members(body.stream()),
        })
    }

    /// Whether there is something that each event must say for itself: a member without a body.
    pub(super) fn demands(&self) -> bool {
        let has_body = |member: &TokenStream| {
            let last = member.clone().into_iter().last();
            last.is_some_and(|last| is_body(&last))
        };
        !self.members.iter().all(has_body)
    }

    /// The functions, where they can be read.
    pub(super) fn functions(&self) -> impl Iterator<Item = Function> {
        self.members
            .iter()
            .filter_map(|member| syn::parse2(member.clone()).ok())
    }
}

fn no_trait(item: impl Iterator<Item = TokenTree>) -> Error {
    let mut words = item.filter(|tree| matches!(tree, TokenTree::Ident(word) if word != "pub"));
    let span = words
        .next()
        .map_or_else(proc_macro2::Span::call_site, |word| word.span());
    Error::new(
        span,
        "this is not a trait: a category is a trait that events extend, `#[category] pub trait Audited: AnyEvent {}`",
    )
}
