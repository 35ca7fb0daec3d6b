//! The tokens of one listener: a local type that calls the function, and the record that names it.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{Ident, Lifetime, Type};

use super::ast::{Hears, Listener};
use crate::span::{at, here, place};
use crate::{attributes, lifetimes, text};

/// A listener's items, and the expression that is its record.
pub(crate) struct Registered {
    pub(crate) items: TokenStream,
    pub(crate) record: TokenStream,
}

impl Listener {
    /// The free function, submitted to the registry.
    pub(super) fn expand(&self) -> TokenStream {
        let p = &self.private;
        let inherited = attributes::inherited(&self.function.attrs);
        let Registered { items, record } = self.register();
        let body = quote_spanned! {here()=>
            #items
            static __RECORD: #p::ListenerRecord = #record;
            #p::inventory::submit! { #p::Registration::Listener(&__RECORD) }
        };
        let Some(handle) = &self.options.handle else {
            return quote_spanned!(here()=> #inherited const _: () = { #body };);
        };
        let (vis, name) = (&self.function.vis, &handle.value);
        let doc = format!(
            "The listener `{}`, to be given to a dispatcher by hand.",
            self.function.ident()
        );
        quote_spanned! {here()=>
            #inherited
            #[doc = #doc]
            #vis static #name: #p::Handle = { #body #p::Handle::new(&__RECORD) };
        }
    }

    pub(crate) fn register(&self) -> Registered {
        let mut items = self.call();
        items.extend(self.condition());
        items.extend(self.queue());
        items.extend(self.assertions());
        Registered {
            items,
            record: self.record(),
        }
    }

    /// The type that `Event` of the listener's trait names.
    pub(super) fn heard(&self) -> TokenStream {
        match &self.hears {
            Hears::Event(ty) | Hears::Category(ty) => ty.to_token_stream(),
            Hears::Events(_) | Hears::Pattern(_) => {
                let p = &self.private;
                quote_spanned!(at(self.event.span())=> dyn #p::AnyEvent)
            }
        }
    }

    /// The function's path.
    fn path(&self) -> TokenStream {
        let ident = self.function.ident();
        match &self.owner {
            Some(owner) => quote_spanned!(at(ident.span())=> <#owner>::#ident),
            None => ident.to_token_stream(),
        }
    }

    /// The local type, and its way to the function.
    fn call(&self) -> TokenStream {
        let p = &self.private;
        let user = at(self.function.ident().span());
        let lifetime = Lifetime::new("'a", here());
        let (mut types, mut names) = (Vec::new(), Vec::new());
        if let Some(owner) = &self.owner {
            types.push(quote_spanned!(here()=> &#lifetime #p::Instance<#owner>));
            names.push(Ident::new("this", here()));
        }
        for (index, ty) in self.arguments.iter().enumerate() {
            let mut ty = ty.clone();
            lifetimes::name(&mut ty, &lifetime);
            names.push(format_ident!("argument{index}", span = at(ty.span())));
            types.push(ty.into_token_stream());
        }
        let event = Ident::new("event", at(self.event.span()));
        let passed = if self.owner.is_some() {
            let (this, rest) = (&names[0], &names[1..]);
            quote!(#this, #event #(, #rest)*)
        } else {
            quote!(#event #(, #names)*)
        };
        let arguments = self.argument_list(&types);
        let output = self
            .function
            .output()
            .map_or_else(|| quote_spanned!(user=> ()), ToTokens::to_token_stream);
        let (heard, path) = (self.heard(), self.path());
        let call = quote_spanned!(user=> #path(#passed));
        let (listener, returned) = if self.function.is_async() {
            let lent = Lifetime::new("'a", user);
            let future = quote_spanned! {user=>
                impl ::core::future::Future<Output = Self::Return> + ::core::marker::Send + #lent
            };
            (quote_spanned!(here()=> AsyncListener), future)
        } else {
            (
                quote_spanned!(here()=> SyncListener),
                quote_spanned!(here()=> Self::Return),
            )
        };
        quote_spanned! {here()=>
            struct __Listener;
            impl #p::#listener for __Listener {
                type Event = #heard;
                type Args<#lifetime> = #arguments;
                type Return = #output;
                fn call<#lifetime>(
                    #event: &#lifetime Self::Event,
                    (#(#names,)*): Self::Args<#lifetime>,
                ) -> #returned {
                    #call
                }
            }
        }
    }

    /// The tuple of the arguments; where one cannot be asked for, the error stands at the user's arguments.
    fn argument_list(&self, types: &[TokenStream]) -> TokenStream {
        let span = match &self.arguments[..] {
            [] => here(),
            [only] => at(only.span()),
            _ => at(self.function.sig.paren_token.span.join()),
        };
        quote_spanned!(span=> (#(#types,)*))
    }

    fn condition(&self) -> Option<TokenStream> {
        let p = &self.private;
        let given = self.options.when.as_ref()?;
        let (path, heard) = (&given.value, self.heard());
        let user = at(path.span());
        let event = Ident::new("event", user);
        let holds = quote_spanned!(user=> #path(#event));
        Some(quote_spanned! {here()=>
            impl #p::Condition for __Listener {
                type Event = #heard;
                fn holds(#event: &Self::Event) -> bool { #holds }
            }
        })
    }

    fn record(&self) -> TokenStream {
        let p = &self.private;
        let ident = self.function.ident();
        let place = place(ident.span());
        let name = self.name();
        let hears = self.hears();
        let constructor = if self.function.is_async() {
            "future"
        } else {
            "sync"
        };
        let constructor = Ident::new(constructor, here());
        let mut record = quote_spanned! {here()=>
            #p::ListenerRecord::#constructor::<__Listener>(#name, #hears, #p::Source::new(#place))
        };
        let mut with = |method: TokenStream| record.extend(quote_spanned!(here()=> . #method));
        if let Some(doc) = attributes::doc(&self.function.attrs) {
            with(quote!(doc(#doc)));
        }
        if let Some(given) = &self.options.priority {
            let priority = given.value;
            with(quote!(priority(#priority)));
        }
        if let Some(given) = &self.options.formerly {
            let names = &given.value;
            with(quote!(formerly(&[#(#names),*])));
        }
        if self.options.when.is_some() {
            with(quote!(when::<__Listener>()));
        }
        if self.options.after_commit.is_some() {
            with(quote!(after_commit()));
        }
        if self.options.queue.is_some() {
            with(quote!(queued(&__QUEUE)));
        }
        record
    }

    /// The full name: as given, or where the function stands.
    fn name(&self) -> TokenStream {
        if let Some(given) = &self.options.name {
            return given.value.to_token_stream();
        }
        let ident = self.function.ident().to_string();
        let ident = ident.trim_start_matches("r#");
        let path = match &self.owner {
            Some(owner) => format!("::{}::{ident}", text::of(owner)),
            None => format!("::{ident}"),
        };
        quote_spanned!(here()=> ::core::concat!(::core::module_path!(), #path))
    }

    fn hears(&self) -> TokenStream {
        let p = &self.private;
        let types = match &self.hears {
            Hears::Event(_) | Hears::Category(_) => {
                let of = if self.function.is_async() {
                    "of_async"
                } else {
                    "of_sync"
                };
                let of = Ident::new(of, here());
                return quote_spanned!(here()=> #p::Hears::#of::<__Listener>());
            }
            Hears::Events(types) => types,
            Hears::Pattern(pattern) => {
                return quote_spanned!(here()=> #p::Hears::Pattern(::std::borrow::Cow::Borrowed(#pattern)));
            }
        };
        let metas = types
            .iter()
            .map(|ty| quote_spanned!(at(ty.span())=> #p::meta_of::<#ty>));
        quote_spanned!(here()=> #p::Hears::Types(::std::borrow::Cow::Borrowed(&[#(#metas),*])))
    }

    /// What the compiler must know of the events, each asked for at the user's own token.
    fn assertions(&self) -> TokenStream {
        let p = &self.private;
        let mut names: Vec<&str> = Vec::new();
        let types: &[Type] = match &self.hears {
            Hears::Event(ty) => core::slice::from_ref(ty),
            Hears::Events(types) => types,
            Hears::Category(ty) => {
                if self.options.queue.is_some() {
                    return assertion(p, "assert_category_may_queue", ty);
                }
                return TokenStream::new();
            }
            Hears::Pattern(_) => return TokenStream::new(),
        };
        if self.options.queue.is_some() {
            names.extend(["assert_durable", "assert_may_queue"]);
        }
        if self.options.after_commit.is_some() {
            names.push("assert_clone");
        }
        types
            .iter()
            .flat_map(|ty| names.iter().map(move |name| assertion(p, name, ty)))
            .collect()
    }
}

fn assertion(p: &impl ToTokens, name: &str, ty: &Type) -> TokenStream {
    let name = Ident::new(name, at(ty.span()));
    quote_spanned!(at(ty.span())=> const _: () = #p::#name::<#ty>();)
}
