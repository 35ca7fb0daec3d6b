//! The wire form: a type to write from and a type to read into, with the event's own shape, where models stand as
//! references to be loaded.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Ident, Member};

use super::ast::{Body, Event, Field, Kind, Model, Number, Shape};
use crate::span::{at, here};

/// Which of the two types.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Written,
    Read,
}

impl Event<'_> {
    pub(super) fn wire(&self) -> TokenStream {
        let (p, ident) = (&self.private, self.ident);
        let version = self.options.version.as_ref().map_or(1, |given| given.value);
        let models = self
            .fields()
            .filter_map(|field| field.model.as_ref())
            .map(|model| {
                let codec = &model.codec;
                quote_spanned!(here()=> #codec.model)
            });
        let fields = self.fields_in_words();
        let codecs = self.codecs();
        let (written, read) = (self.definition(Side::Written), self.definition(Side::Read));
        let (encode, decode) = (self.encode(), self.decode());
        quote_spanned! {here()=>
            #[automatically_derived]
            impl #p::Durable for #ident {}
            static __FORM: #p::DurableForm = #p::DurableForm {
                version: #version,
                fields: #fields,
                encode: __encode,
                decode: __decode,
                models: &[#(#models),*],
            };
            #codecs
            #written
            #read
            #encode
            #decode
        }
    }

    /// How each model is written and read.
    fn codecs(&self) -> TokenStream {
        let codec = |model: &Model<'_>| {
            let (name, ty, user) = (&model.codec, model.ty, at(model.ty.span()));
            let p = self.private.at(model.ty.span());
            quote_spanned!(user=> static #name: #p::ModelCodec<#ty> = #p::model_codec::<#ty>();)
        };
        self.fields()
            .filter_map(|field| field.model.as_ref())
            .map(codec)
            .collect()
    }

    /// The type of one side.
    fn definition(&self, side: Side) -> TokenStream {
        let p = &self.private;
        let name = side.name();
        let derive = match side {
            Side::Written => quote_spanned!(here()=> #p::serde::Serialize),
            Side::Read => quote_spanned!(here()=> #p::serde::Deserialize),
        };
        let serde = quote!(#p::serde).to_string();
        let shown = self.ident.to_string();
        let renamed = self.serde.iter().any(|attr| renames(attr));
        let rename = (!renamed).then(|| quote!(#[serde(rename = #shown)]));
        let attrs = &self.serde;
        let parameters = self.parameters(side);
        // Fields that serde skips are never read.
        let skipping = self.fields().any(|field| !field.serde.is_empty());
        let silent = skipping.then(|| quote!(#[allow(dead_code)]));
        let head = quote_spanned!(here()=> #silent #[derive(#derive)] #[serde(crate = #serde)] #rename #(#attrs)*);
        match &self.shape {
            Shape::Struct(body) => {
                let fields = self.fields_of(body, side);
                let end = (!matches!(body.kind, Kind::Named)).then(|| quote!(;));
                quote_spanned!(here()=> #head struct #name #parameters #fields #end)
            }
            Shape::Enum(variants) => {
                let variants = variants.iter().map(|variant| {
                    let (ident, attrs) = (variant.ident, &variant.serde);
                    let fields = self.fields_of(&variant.body, side);
                    quote!(#(#attrs)* #ident #fields)
                });
                quote_spanned!(here()=> #head enum #name #parameters { #(#variants),* })
            }
        }
    }

    /// What the type is generic over: the types of the fields, so that one that serde cannot write or read is
    /// reported once, where the whole is written or read, and not for each statement that serde generates.
    fn parameters(&self, side: Side) -> TokenStream {
        // Only what is written borrows, and only if something is not a model.
        let borrows = side == Side::Written && self.fields().any(|field| field.model.is_none());
        let lifetime = borrows.then(|| quote_spanned!(here()=> 'a,));
        let types = self.fields().filter_map(Field::parameter);
        quote_spanned!(here()=> <#lifetime #(#types),*>)
    }

    /// The type of one side for this event.
    fn concrete(&self, side: Side) -> TokenStream {
        let name = side.name();
        let types = self
            .fields()
            .filter(|field| field.parameter().is_some())
            .map(|field| field.ty);
        quote_spanned!(here()=> #name<#(#types),*>)
    }

    fn fields_of(&self, body: &Body<'_>, side: Side) -> TokenStream {
        let fields = body.fields.iter().map(|field| {
            let attrs = &field.serde;
            let ty = self.type_of(field, side);
            match &field.member {
                Member::Named(name) => quote!(#(#attrs)* #name: #ty),
                Member::Unnamed(_) => quote!(#(#attrs)* #ty),
            }
        });
        match body.kind {
            Kind::Named => quote!({ #(#fields),* }),
            Kind::Tuple => quote!(( #(#fields),* )),
            Kind::Unit => TokenStream::new(),
        }
    }

    fn type_of(&self, field: &Field<'_>, side: Side) -> TokenStream {
        let p = &self.private;
        let user = at(field.ty.span());
        if let Some(model) = &field.model {
            return match model.number {
                Number::One => quote_spanned!(user=> #p::ModelRef),
                Number::Option => quote_spanned!(user=> ::core::option::Option<#p::ModelRef>),
                Number::Many => quote_spanned!(user=> ::std::vec::Vec<#p::ModelRef>),
            };
        }
        let ty = field
            .parameter()
            .map_or_else(|| field.ty.to_token_stream(), Ident::into_token_stream);
        match side {
            Side::Written => quote_spanned!(user=> &'a #ty),
            Side::Read => ty,
        }
    }

    /// From the event to the type that is written.
    fn encode(&self) -> TokenStream {
        let (p, ident) = (&self.private, self.ident);
        let arms = self.arms(ident, &Side::Written.name(), |field, value| {
            let Some(model) = &field.model else {
                return value.to_token_stream();
            };
            let codec = &model.codec;
            match model.number {
                Number::One => quote_spanned!(here()=> #codec.write(#value)?),
                Number::Option => quote_spanned!(here()=> #codec.write_option(#value)?),
                Number::Many => quote_spanned!(here()=> #codec.write_vec(#value)?),
            }
        });
        quote_spanned! {here()=>
            fn __encode(event: &dyn #p::AnyEvent)
                -> ::core::result::Result<::std::string::String, #p::EncodeError>
            {
                let event: &#ident = #p::concrete(event)?;
                #p::to_json(&match event { #arms })
            }
        }
    }

    /// From the type that is read to the event.
    fn decode(&self) -> TokenStream {
        let (p, ident) = (&self.private, self.ident);
        let loads = self.fields().any(|field| field.model.is_some());
        let loader = Ident::new(if loads { "loader" } else { "_loader" }, here());
        let wire = self.concrete(Side::Read);
        let arms = self.arms(&Side::Read.name(), ident, |field, value| {
            let Some(model) = &field.model else {
                return value.to_token_stream();
            };
            let codec = &model.codec;
            match model.number {
                Number::One => quote_spanned!(here()=> #codec.read(#loader, #value).await?),
                Number::Option => {
                    quote_spanned!(here()=> #codec.read_option(#loader, #value).await?)
                }
                Number::Many => quote_spanned!(here()=> #codec.read_vec(#loader, #value).await?),
            }
        });
        quote_spanned! {here()=>
            fn __decode<'a>(payload: &'a str, #loader: #p::Loader<'a>) -> #p::BoxFuture<
                'a,
                ::core::result::Result<::std::boxed::Box<dyn #p::AnyEvent>, #p::DecodeError>,
            > {
                ::std::boxed::Box::pin(async move {
                    let wire = #p::from_json::<#wire>(payload)?;
                    let event = match wire { #arms };
                    ::core::result::Result::Ok(::std::boxed::Box::new(event) as ::std::boxed::Box<dyn #p::AnyEvent>)
                })
            }
        }
    }

    /// One arm for each shape of the event: the fields of `from`, turned, as those of `to`.
    fn arms(
        &self,
        from: &Ident,
        to: &Ident,
        turn: impl Fn(&Field<'_>, &Ident) -> TokenStream,
    ) -> TokenStream {
        let arm = |variant: Option<&Ident>, body: &Body<'_>| {
            let variant = variant.map(|variant| quote!(::#variant));
            let members: Vec<_> = body.fields.iter().map(|field| &field.member).collect();
            let names: Vec<_> = (0..members.len())
                .map(|index| format_ident!("field{index}", span = here()))
                .collect();
            let values = body
                .fields
                .iter()
                .zip(&names)
                .map(|(field, name)| turn(field, name));
            quote!(#from #variant { #(#members: #names),* } => #to #variant { #(#members: #values),* },)
        };
        match &self.shape {
            Shape::Struct(body) => arm(None, body),
            Shape::Enum(variants) => variants
                .iter()
                .map(|variant| arm(Some(variant.ident), &variant.body))
                .collect(),
        }
    }
}

impl Side {
    fn name(self) -> Ident {
        Ident::new(
            if self == Self::Written {
                "__Written"
            } else {
                "__Read"
            },
            here(),
        )
    }
}

/// Whether the user gives the container a name of their own.
fn renames(attr: &syn::Attribute) -> bool {
    let mut renames = false;
    // What serde cannot read it reports itself.
    let _ = attr.parse_nested_meta(|meta| {
        renames |= meta.path.is_ident("rename");
        meta.input.parse::<TokenStream>().map(drop)
    });
    renames
}
