//! An `impl Provider for Type` whose body is not looked at, so that a half-typed one breaks nothing.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::parse::{Parse, ParseStream};
use syn::{Attribute, Error, Generics, Path, Result, Token, Type, WhereClause};

/// The head of the block.
pub(super) struct Block {
    pub(super) attrs: Vec<Attribute>,
    pub(super) generics: Generics,
    /// The trait, where one is named.
    pub(super) of: Option<Path>,
    pub(super) ty: Type,
}

impl Parse for Block {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        input.parse::<Option<Token![unsafe]>>()?;
        input.parse::<Token![impl]>()?;
        let generics = if input.peek(Token![<]) {
            input.parse()?
        } else {
            Generics::default()
        };
        let first: Type = input.parse()?;
        let (of, ty) = if input.parse::<Option<Token![for]>>()?.is_some() {
            let Type::Path(path) = first else {
                return Err(Error::new(
                    Span::call_site(),
                    "expected the path of a trait",
                ));
            };
            (Some(path.path), input.parse()?)
        } else {
            (None, first)
        };
        input.parse::<Option<WhereClause>>()?;
        Ok(Self {
            attrs,
            generics,
            of,
            ty,
        })
    }
}

impl Block {
    pub(super) fn parse(item: TokenStream) -> Result<Self> {
        let mut head: Vec<TokenTree> = item.into_iter().collect();
        let is_impl = |tree: &TokenTree| matches!(tree, TokenTree::Ident(word) if word == "impl");
        match head.pop() {
            Some(TokenTree::Group(body))
                if body.delimiter() == Delimiter::Brace && head.iter().any(is_impl) =>
            {
                syn::parse2(head.into_iter().collect())
            }
            last => Err(no_block(head.into_iter().chain(last))),
        }
    }
}

fn no_block(item: impl Iterator<Item = TokenTree>) -> Error {
    let mut words = item.filter(|tree| matches!(tree, TokenTree::Ident(word) if word != "pub"));
    let span = words
        .next()
        .map_or_else(Span::call_site, |word| word.span());
    Error::new(
        span,
        "this is not an `impl` block: mark the one that makes the type a provider, `#[provider] impl Provider for Zendesk {}`",
    )
}
