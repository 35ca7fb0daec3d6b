//! What is taken over from the attributes of the user's item.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Expr, ExprLit, Lit, Meta};

/// The doc comment, one line for each line.
pub(crate) fn doc(attrs: &[Attribute]) -> Option<String> {
    let blocks: Vec<String> = attrs.iter().filter_map(doc_text).collect();
    let text = blocks
        .iter()
        .flat_map(|block| block.split('\n'))
        .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
        .collect::<Vec<_>>()
        .join("\n");
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn doc_text(attr: &Attribute) -> Option<String> {
    let Meta::NameValue(pair) = &attr.meta else {
        return None;
    };
    match &pair.value {
        Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) if pair.path.is_ident("doc") => Some(text.value()),
        _ => None,
    }
}

/// The attributes that generated items need too: under what conditions they exist, and which lints are silent.
pub(crate) fn inherited(attrs: &[Attribute]) -> TokenStream {
    let mut tokens = TokenStream::new();
    for attr in attrs {
        if attr.path().is_ident("cfg") || attr.path().is_ident("allow") {
            tokens.extend(quote!(#attr));
        } else if let (true, Meta::List(list)) = (attr.path().is_ident("expect"), &attr.meta) {
            // The expectation is the item's to fulfil.
            let lints = &list.tokens;
            tokens.extend(quote!(#[allow(#lints)]));
        } else if attr.path().is_ident("deprecated") {
            tokens.extend(quote!(#[allow(deprecated)]));
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::doc;
    use syn::parse_quote;

    #[test]
    fn joins_doc_lines_without_their_first_space() {
        let item: syn::ItemFn = parse_quote! {
            /// One line.
            ///
            ///   Indented.
            #[inline]
            fn f() {}
        };
        assert_eq!(
            doc(&item.attrs).as_deref(),
            Some("One line.\n\n  Indented.")
        );
        assert_eq!(doc(&[]), None);
    }
}
