//! What an event is: its options, its shape, its fields.

use quote::format_ident;
use syn::spanned::Spanned as _;
use syn::{Attribute, Data, DeriveInput, Fields, Generics, Ident, Index, Member, Type};

use super::attr::{self, Options};
use crate::attributes;
use crate::errors::Errors;
use crate::function::type_argument;
use crate::krate::Private;
use crate::options::Given;
use crate::span::here;

/// An event type.
pub(super) struct Event<'a> {
    pub(super) private: Private,
    pub(super) ident: &'a Ident,
    pub(super) generics: &'a Generics,
    pub(super) options: Options,
    pub(super) doc: Option<String>,
    pub(super) serde: Vec<&'a Attribute>,
    pub(super) shape: Shape<'a>,
}

/// A struct or an enum.
pub(super) enum Shape<'a> {
    Struct(Body<'a>),
    Enum(Vec<Variant<'a>>),
}

/// A variant of an enum.
pub(super) struct Variant<'a> {
    pub(super) ident: &'a Ident,
    pub(super) serde: Vec<&'a Attribute>,
    pub(super) body: Body<'a>,
}

/// The fields of a struct or a variant.
pub(super) struct Body<'a> {
    pub(super) kind: Kind,
    pub(super) fields: Vec<Field<'a>>,
}

/// How the fields are written.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Named,
    Tuple,
    Unit,
}

/// One field.
pub(super) struct Field<'a> {
    pub(super) member: Member,
    pub(super) ty: &'a Type,
    pub(super) serde: Vec<&'a Attribute>,
    pub(super) model: Option<Model<'a>>,
    /// Counts the fields of the whole event.
    number: usize,
}

/// A field that travels by key.
pub(super) struct Model<'a> {
    pub(super) given: Given<()>,
    pub(super) ty: &'a Type,
    pub(super) number: Number,
    /// The name of the static that says how the model is written and read.
    pub(super) codec: Ident,
}

/// How many models a field holds.
#[derive(Clone, Copy)]
pub(super) enum Number {
    One,
    Option,
    Many,
}

impl<'a> Event<'a> {
    pub(super) fn new(input: &'a DeriveInput, errors: &mut Errors) -> Self {
        let options = Options::parse(&input.attrs, errors);
        let shape = match &input.data {
            Data::Struct(data) => Shape::Struct(Body::new(&data.fields, 0, errors)),
            Data::Enum(data) => {
                let mut number = 0;
                let variant = |variant: &'a syn::Variant| {
                    attr::none(&variant.attrs, errors);
                    let body = Body::new(&variant.fields, number, errors);
                    number += body.fields.len();
                    Variant {
                        ident: &variant.ident,
                        serde: serde(&variant.attrs),
                        body,
                    }
                };
                Shape::Enum(data.variants.iter().map(variant).collect())
            }
            Data::Union(data) => {
                let message = "an event's fields must be readable by every listener, and those of a union are not: make it an `enum` or a `struct`";
                errors.at(data.union_token.span, message);
                Shape::Enum(Vec::new())
            }
        };
        Self {
            private: Private::new(options.krate.as_ref()),
            ident: &input.ident,
            generics: &input.generics,
            doc: attributes::doc(&input.attrs),
            serde: serde(&input.attrs),
            options,
            shape,
        }
    }

    /// The bodies: one of a struct, that of each variant of an enum.
    pub(super) fn bodies(&self) -> impl Iterator<Item = &Body<'a>> {
        let (body, variants) = match &self.shape {
            Shape::Struct(body) => (Some(body), &[][..]),
            Shape::Enum(variants) => (None, &variants[..]),
        };
        body.into_iter()
            .chain(variants.iter().map(|variant| &variant.body))
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &Field<'a>> {
        self.bodies().flat_map(|body| &body.fields)
    }

    pub(super) fn is_durable(&self) -> bool {
        self.options.durable.is_some()
    }
}

impl<'a> Body<'a> {
    fn new(fields: &'a Fields, number: usize, errors: &mut Errors) -> Self {
        let kind = match fields {
            Fields::Named(_) => Kind::Named,
            Fields::Unnamed(_) => Kind::Tuple,
            Fields::Unit => Kind::Unit,
        };
        let field = |(index, field): (usize, &'a syn::Field)| Field {
            member: match &field.ident {
                Some(ident) => Member::Named(ident.clone()),
                None => Member::Unnamed(Index {
                    index: u32::try_from(index).unwrap_or(u32::MAX),
                    span: field.ty.span(),
                }),
            },
            ty: &field.ty,
            serde: serde(&field.attrs),
            number: number + index,
            model: attr::model(&field.attrs, errors)
                .map(|given| Model::new(given, &field.ty, number + index)),
        };
        Self {
            kind,
            fields: fields.iter().enumerate().map(field).collect(),
        }
    }
}

impl Field<'_> {
    /// The name that stands for the field's type in the wire types; none where serde is told about the field, whose
    /// functions may take that type alone, or where a model stands.
    pub(super) fn parameter(&self) -> Option<Ident> {
        let generic = self.model.is_none() && self.serde.is_empty();
        generic.then(|| format_ident!("__T{}", self.number, span = here()))
    }
}

impl<'a> Model<'a> {
    /// `Option<M>` and `Vec<M>` are known by their names.
    fn new(given: Given<()>, ty: &'a Type, field: usize) -> Self {
        let (ty, number) = if let Some(inner) = type_argument(ty, "Option", 0) {
            (inner, Number::Option)
        } else if let Some(inner) = type_argument(ty, "Vec", 0) {
            (inner, Number::Many)
        } else {
            (ty, Number::One)
        };
        Self {
            given,
            ty,
            number,
            codec: format_ident!("__MODEL{field}", span = here()),
        }
    }
}

fn serde(attrs: &[Attribute]) -> Vec<&Attribute> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("serde"))
        .collect()
}
