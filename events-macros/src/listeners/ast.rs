//! An `impl` block: its methods that listen, and the block without their attributes.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::{ToTokens as _, quote};
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::{Attribute, Error, Generics, Meta, Path, Result, Token, Type};

use crate::errors::Errors;
use crate::function::{Function, members};
use crate::listener::{Attr, Listener};
use crate::options::{Given, Seen, Vocabulary, each};

const OPTIONS: Vocabulary = &[("crate", "crate = path::to::events_core")];

/// The block.
pub(super) struct Block {
    /// As it came, without the `#[listener]` attributes.
    pub(super) item: TokenStream,
    pub(super) head: Head,
    pub(super) methods: Vec<Method>,
    pub(super) krate: Option<Given<Path>>,
}

/// `impl<..> Type where ..`.
pub(super) struct Head {
    pub(super) attrs: Vec<Attribute>,
    pub(super) impl_token: Token![impl],
    pub(super) generics: Generics,
    /// The `for`, if it is the impl of a trait.
    pub(super) of_trait: Option<Token![for]>,
    pub(super) ty: Type,
}

/// A method with `#[listener]`.
pub(super) struct Method {
    attr: TokenStream,
    pub(super) function: Function,
}

impl Parse for Head {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        input.parse::<Option<Token![unsafe]>>()?;
        let impl_token = input.parse()?;
        let generics = if input.peek(Token![<]) {
            input.parse()?
        } else {
            Generics::default()
        };
        input.parse::<Option<Token![!]>>()?;
        let mut ty = input.parse()?;
        let of_trait: Option<Token![for]> = input.parse()?;
        if of_trait.is_some() {
            ty = input.parse()?;
        }
        input.parse::<TokenStream>()?;
        Ok(Self {
            attrs,
            impl_token,
            generics,
            of_trait,
            ty,
        })
    }
}

impl Block {
    pub(super) fn parse(attr: TokenStream, item: TokenStream, errors: &mut Errors) -> Result<Self> {
        let mut head: Vec<TokenTree> = item.into_iter().collect();
        let is_impl = |tree: &TokenTree| matches!(tree, TokenTree::Ident(word) if word == "impl");
        let body = match head.pop() {
            Some(TokenTree::Group(body)) if head.iter().any(is_impl) => body,
            last => return Err(no_block(head.into_iter().chain(last).collect())),
        };
        let tokens: TokenStream = head.into_iter().collect();
        let head = syn::parse2(tokens.clone())?;

        let mut krate = None;
        let mut seen = Seen::default();
        each(attr, errors, |input| {
            krate = Some(seen.next(input, OPTIONS)?.krate()?);
            Ok(())
        });

        let mut methods = Vec::new();
        let kept = members(body.stream())
            .into_iter()
            .map(|member| take(member, &mut methods, errors))
            .collect();
        let mut braces = Group::new(Delimiter::Brace, kept);
        braces.set_span(body.span());
        Ok(Self {
            item: quote!(#tokens #braces),
            head,
            methods,
            krate,
        })
    }
}

fn no_block(item: TokenStream) -> Error {
    let span = item.into_iter().find_map(|tree| match tree {
        TokenTree::Ident(word) if word != "pub" => Some(word.span()),
        _ => None,
    });
    let message = "this is not an `impl` block: `#[listeners]` stands on the `impl` of a type whose methods listen; for a function write `#[listener]`";
    Error::new(span.unwrap_or_else(proc_macro2::Span::call_site), message)
}

/// The member without its `#[listener]`; if it has one, it is put to the methods.
fn take(member: TokenStream, methods: &mut Vec<Method>, errors: &mut Errors) -> TokenStream {
    let parts = |input: ParseStream<'_>| {
        let inner = input.call(Attribute::parse_inner)?;
        let outer = input.call(Attribute::parse_outer)?;
        Ok((inner, outer, input.parse::<TokenStream>()?))
    };
    let Ok((inner, attrs, rest)) = parts.parse2(member.clone()) else {
        return member;
    };
    let (marks, attrs): (Vec<_>, Vec<_>) = attrs.into_iter().partition(is_listener);
    let Some(mark) = marks.first() else {
        return member;
    };
    if let Some(second) = marks.get(1) {
        let message = "a method listens once: name all events in one attribute, `#[listener(A, B)]`, or write a method for each";
        errors.at(second.pound_token.span, message);
    }
    let item = quote!(#(#attrs)* #rest);
    if let Some(function) =
        errors.take(Function::read(item.clone(), "`#[listener]` marks a method"))
    {
        methods.push(Method {
            attr: arguments(mark),
            function,
        });
    }
    quote!(#(#inner)* #item)
}

fn is_listener(attr: &Attribute) -> bool {
    attr.path()
        .segments
        .last()
        .is_some_and(|last| last.ident == "listener")
}

/// What stands in the attribute's parentheses.
fn arguments(attr: &Attribute) -> TokenStream {
    match &attr.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    }
}

/// The methods as listeners of `owner`.
pub(super) fn listeners(
    methods: Vec<Method>,
    owner: &Type,
    krate: Option<&Given<Path>>,
    errors: &mut Errors,
) -> Vec<Listener> {
    let mut listener = |method: Method| {
        let Method { attr, mut function } = method;
        let mut attr = Attr::parse(name_self(attr, owner), errors);
        if let Some(handle) = &attr.options.handle {
            errors.at(handle.span(), "a method needs a value to be called on, which a static cannot have: remove `handle` and give the value to the builder, `Events::builder().subscribe(value)`");
        }
        if attr.options.krate.is_none() {
            attr.options.krate = krate.map(|given| Given {
                name: given.name.clone(),
                value: given.value.clone(),
            });
        }
        let signature = name_self(function.sig.to_token_stream(), owner);
        function.sig = errors.take(syn::parse2(signature))?;
        Listener::new(attr, function, Some(owner.clone()), errors)
    };
    methods.into_iter().filter_map(&mut listener).collect()
}

/// Writes the type for `Self`, which means another one where the tokens are put.
fn name_self(tokens: TokenStream, owner: &Type) -> TokenStream {
    let mut named = TokenStream::new();
    let mut trees = tokens.into_iter().peekable();
    while let Some(tree) = trees.next() {
        match tree {
            TokenTree::Ident(word) if word == "Self" => {
                let leads =
                    matches!(trees.peek(), Some(TokenTree::Punct(next)) if next.as_char() == ':');
                named.extend(if leads {
                    quote!(<#owner>)
                } else {
                    quote!(#owner)
                });
            }
            TokenTree::Group(group) => {
                let mut inner = Group::new(group.delimiter(), name_self(group.stream(), owner));
                inner.set_span(group.span());
                inner.to_tokens(&mut named);
            }
            tree => tree.to_tokens(&mut named),
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::name_self;
    use quote::quote;
    use syn::parse_quote;

    #[test]
    fn writes_the_type_for_self() {
        let named = name_self(
            quote!(fn f(a: &Self, b: Vec<Self>) -> Self::Error),
            &parse_quote!(Mailer),
        );
        let wanted = quote!(fn f(a: &Mailer, b: Vec<Mailer>) -> <Mailer>::Error);
        assert_eq!(named.to_string(), wanted.to_string());
    }
}
