//! The wire form in words, a line for each field, for people to compare: what the derive can see of it.

use syn::ext::IdentExt as _;
use syn::{Attribute, Member, Meta};

use super::ast::{Body, Event, Field, Kind, Shape};
use super::valid::words;
use crate::text;

impl Event<'_> {
    /// The lines. What stands in the types of the fields is not seen.
    pub(super) fn fields_in_words(&self) -> String {
        let mut lines: Vec<String> = serde_words(&self.serde).into_iter().collect();
        match &self.shape {
            Shape::Struct(body) => lines.extend(body.in_words(None)),
            Shape::Enum(variants) => {
                for variant in variants {
                    let name = variant.ident.unraw().to_string();
                    let words = serde_words(&variant.serde);
                    lines.extend(words.map(|words| format!("{name} {words}")));
                    lines.extend(variant.body.in_words(Some(&name)));
                }
            }
        }
        lines.join("\n")
    }
}

impl Body<'_> {
    fn in_words(&self, variant: Option<&str>) -> Vec<String> {
        let fields: Vec<String> = self
            .fields
            .iter()
            .filter(|field| !field.is_skipped())
            .map(|field| match variant {
                Some(variant) => format!("{variant}.{}", field.in_words()),
                None => field.in_words(),
            })
            .collect();
        if !fields.is_empty() {
            return fields;
        }
        let empty = match (self.kind, variant) {
            (Kind::Named, _) => "{}",
            (Kind::Tuple, _) => "[]",
            (Kind::Unit, None) => "null",
            (Kind::Unit, Some(variant)) => return vec![variant.to_owned()],
        };
        vec![variant.map_or_else(|| empty.to_owned(), |variant| format!("{variant}: {empty}"))]
    }
}

impl Field<'_> {
    /// `currency: String #[serde(default)]`.
    fn in_words(&self) -> String {
        let name = match &self.member {
            Member::Named(name) => name.unraw().to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        };
        let mut words = format!("{name}: {}", text::of(self.ty));
        if self.model.is_some() {
            words.push_str(" #[event(model)]");
        }
        if let Some(serde) = serde_words(&self.serde) {
            words.push(' ');
            words.push_str(&serde);
        }
        words
    }

    /// Whether serde neither writes nor reads it.
    fn is_skipped(&self) -> bool {
        let words = self.serde.iter().flat_map(|attr| words(attr));
        words.into_iter().any(|(word, _)| word == "skip")
    }
}

/// The attributes of serde, as one.
fn serde_words(attrs: &[&Attribute]) -> Option<String> {
    let lists: Vec<String> = attrs
        .iter()
        .filter_map(|attr| match &attr.meta {
            Meta::List(list) => Some(text::of(&list.tokens).replace('\n', " ")),
            _ => None,
        })
        .collect();
    (!lists.is_empty()).then(|| format!("#[serde({})]", lists.join(", ")))
}

#[cfg(test)]
mod tests {
    use quote::quote;
    use syn::DeriveInput;

    use super::Event;
    use crate::errors::Errors;

    fn words(input: proc_macro2::TokenStream) -> String {
        let input: DeriveInput = syn::parse2(input).unwrap();
        Event::new(&input, &mut Errors::default()).fields_in_words()
    }

    #[test]
    fn every_field_has_its_line() {
        let paid = quote! {
            #[event(durable, name = "order.paid")]
            #[serde(rename_all = "camelCase", deny_unknown_fields)]
            struct OrderPaid {
                #[event(model)] customer: Option<Customer>,
                #[serde(default)] #[serde(rename = "why")] r#type: Vec<(u8, String)>,
                #[serde(skip)] cached: u8,
            }
        };
        assert_eq!(
            words(paid),
            "#[serde(rename_all = \"camelCase\", deny_unknown_fields)]\n\
             customer: Option<Customer> #[event(model)]\n\
             type: Vec<(u8, String)> #[serde(default, rename = \"why\")]"
        );
    }

    #[test]
    fn variants_stand_before_their_fields() {
        let changed = quote! {
            #[event(durable, name = "order.changed")]
            enum Changed { Cancelled, #[serde(rename = "p")] Paid(u64, u8), Gift { to: String }, None {}, Nil() }
        };
        assert_eq!(
            words(changed),
            "Cancelled\nPaid #[serde(rename = \"p\")]\nPaid.0: u64\nPaid.1: u8\nGift.to: String\nNone: {}\nNil: []"
        );
    }

    #[test]
    fn what_has_no_field_is_told_by_its_json() {
        assert_eq!(
            words(quote!(
                struct A;
            )),
            "null"
        );
        assert_eq!(
            words(quote!(
                struct A {}
            )),
            "{}"
        );
        assert_eq!(
            words(quote!(
                struct A();
            )),
            "[]"
        );
        assert_eq!(
            words(quote!(
                struct A(u8);
            )),
            "0: u8"
        );
    }
}
