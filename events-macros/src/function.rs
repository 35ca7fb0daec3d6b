//! A function whose body is not looked at, so that a half-typed one breaks nothing.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::parse::{Parse, ParseStream, Parser as _};
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Error, FnArg, GenericArgument, Ident, PathArguments, Result, ReturnType, Safety,
    Signature, Type, TypeParamBound, Visibility,
};

use crate::errors::Errors;

/// A function's head.
pub(crate) struct Function {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let function = Self {
            attrs: input.call(Attribute::parse_outer)?,
            vis: input.parse()?,
            sig: input.parse()?,
        };
        input.parse::<TokenStream>()?;
        Ok(function)
    }
}

impl Function {
    /// The head of `item`; `instead` says what to write where the item is no function.
    pub(crate) fn read(item: TokenStream, instead: &str) -> Result<Self> {
        let is_function = item
            .clone()
            .into_iter()
            .any(|tree| matches!(&tree, TokenTree::Ident(word) if word == "fn"));
        if !is_function {
            let keyword = keyword(item).unwrap_or_else(Span::call_site);
            return Err(Error::new(
                keyword,
                format!("this is not a function: {instead}"),
            ));
        }
        syn::parse2(item)
    }

    pub(crate) fn ident(&self) -> &Ident {
        &self.sig.ident
    }

    pub(crate) fn is_async(&self) -> bool {
        self.sig.asyncness.is_some()
    }

    /// The types of the arguments, the receiver left out.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = &Type> {
        self.sig
            .inputs
            .iter()
            .filter_map(|argument| match argument {
                FnArg::Typed(typed) => Some(&*typed.ty),
                FnArg::Receiver(_) => None,
            })
    }

    pub(crate) fn output(&self) -> Option<&Type> {
        match &self.sig.output {
            ReturnType::Default => None,
            ReturnType::Type(_, ty) => Some(ty),
        }
    }

    /// Refuses what the dispatcher could not call: `what` is "a listener", "a loader" or "an upcaster".
    pub(crate) fn check(&self, what: &str, errors: &mut Errors) {
        let sig = &self.sig;
        if let Some(token) = &sig.constness {
            errors.at(
                token.span,
                format!("{what} runs when it is called for, never at compile time: remove `const`"),
            );
        }
        if let Safety::Unsafe(token) = &sig.safety {
            errors.at(token.span, format!("{what} is called by the dispatcher, which cannot keep the promises of an unsafe function: remove `unsafe`"));
        }
        if let Some(abi) = &sig.abi {
            errors.at(
                abi.extern_token.span,
                format!("{what} is called from Rust: remove `extern`"),
            );
        }
        if let Some(variadic) = &sig.variadic {
            errors.at(
                variadic.dots.spans[0],
                format!("{what} has a fixed list of arguments: remove `...`"),
            );
        }
        self.check_generics(what, errors);
        self.check_error(what, errors);
        for ty in self.arguments().chain(self.output()) {
            if let Type::ImplTrait(ty) = peel(ty) {
                errors.at(ty.impl_token.span, self.opaque(what));
            }
        }
        if let Some(Type::Never(never)) = self.output().map(peel) {
            errors.at(
                never.bang_token.span,
                format!("{what} must come back, so that others can run: return `()` or a `Result`"),
            );
        }
    }

    /// `Result<T, Box<dyn Error>>` would be refused in many words: its error stays on one thread.
    fn check_error(&self, what: &str, errors: &mut Errors) {
        let boxed = self.output().and_then(|ty| type_argument(ty, "Result", 1));
        let Some(Type::TraitObject(object)) = boxed.and_then(|ty| type_argument(ty, "Box", 0))
        else {
            return;
        };
        let names = |word: &str| {
            object.bounds.iter().any(|bound| match bound {
                TypeParamBound::Trait(bound) => bound
                    .path
                    .segments
                    .last()
                    .is_some_and(|last| last.ident == word),
                _ => false,
            })
        };
        if names("Error") && !(names("Send") && names("Sync")) {
            errors.at(
                object.span(),
                format!("the error of {what} may be reported on another thread: write `Box<dyn Error + Send + Sync>`, or `events_core::BoxError`"),
            );
        }
    }

    fn check_generics(&self, what: &str, errors: &mut Errors) {
        let generics = &self.sig.generics;
        let Some(first) = generics.params.first() else {
            return;
        };
        let cure = if generics.type_params().next().is_none()
            && generics.const_params().next().is_none()
        {
            "leave the lifetimes out, as in `event: &OrderPaid`"
        } else {
            "write one function for each type, which may call a generic one"
        };
        errors.at(
            first.span(),
            format!("{what} is registered once, as one function, so it cannot be generic: {cure}"),
        );
    }

    fn opaque(&self, what: &str) -> String {
        let returned = matches!(self.output().map(peel), Some(Type::ImplTrait(_)));
        let cure = if returned {
            "name the type, or write `async fn` where it is a future"
        } else {
            "name the type"
        };
        format!("{what}'s types are part of its record, which `impl Trait` leaves open: {cure}")
    }
}

/// The type without parentheses and invisible groups around it.
pub(crate) fn peel(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Paren(inner) => &inner.elem,
            Type::Group(inner) => &inner.elem,
            _ => return ty,
        }
    }
}

/// The last word of a type's path: `Db` in `store::Db<T>`.
pub(crate) fn last_word(ty: &Type) -> Option<&Ident> {
    match peel(ty) {
        Type::Path(path) => path.path.segments.last().map(|segment| &segment.ident),
        _ => None,
    }
}

/// The type argument of `word<..>` at `position`.
pub(crate) fn type_argument<'a>(ty: &'a Type, word: &str, position: usize) -> Option<&'a Type> {
    let Type::Path(path) = peel(ty) else {
        return None;
    };
    let last = path
        .path
        .segments
        .last()
        .filter(|last| last.ident == word)?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.iter().nth(position)? {
        GenericArgument::Type(ty) => Some(peel(ty)),
        _ => None,
    }
}

/// Where the item behind its attributes and visibility begins.
fn keyword(item: TokenStream) -> Option<Span> {
    let head = |input: ParseStream<'_>| {
        input.call(Attribute::parse_outer)?;
        input.parse::<Visibility>()?;
        let span = input.span();
        input.parse::<TokenStream>()?;
        Ok(span)
    };
    head.parse2(item).ok()
}

/// The items between the braces of an `impl` or a `trait`, each as it came.
pub(crate) fn members(body: TokenStream) -> Vec<TokenStream> {
    let mut members = vec![TokenStream::new()];
    for tree in body {
        let ends =
            is_body(&tree) || matches!(&tree, TokenTree::Punct(punct) if punct.as_char() == ';');
        if let Some(last) = members.last_mut() {
            tree.to_tokens(last);
        }
        if ends {
            members.push(TokenStream::new());
        }
    }
    members.retain(|member| !member.is_empty());
    members
}

/// Whether the tree is `{ .. }`, also where a `macro_rules!` put it, in an invisible group.
pub(crate) fn is_body(tree: &TokenTree) -> bool {
    let TokenTree::Group(group) = tree else {
        return false;
    };
    match group.delimiter() {
        Delimiter::Brace => true,
        Delimiter::None => group
            .stream()
            .into_iter()
            .last()
            .is_some_and(|last| is_body(&last)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Group;
    use quote::quote;

    #[test]
    fn splits_a_block_into_its_members() {
        let invisible = Group::new(Delimiter::None, quote!({ 1 }));
        let body = quote! {
            const A: [u8; 2] = [1; 2];
            #[cfg(test)]
            fn a(&self) -> u8 { if true { 1 } else { 2 } }
            fn b() #invisible
            fn c();
        };
        let members: Vec<String> = members(body).iter().map(ToString::to_string).collect();
        assert_eq!(members.len(), 4, "{members:?}");
        assert!(members[0].starts_with("const A"));
        assert!(members[3].starts_with("fn c"));
    }

    #[test]
    fn reads_a_function_without_its_body() {
        let half_typed = quote!(pub async fn f(a: &A, b: u8) -> C { let x = a. ; });
        let function = Function::read(half_typed, "").unwrap();
        assert!(function.is_async());
        assert_eq!(function.arguments().count(), 2);
        assert!(
            Function::read(
                quote!(
                    struct F;
                ),
                "mark a function"
            )
            .is_err()
        );
    }
}
