//! Gives a name to the lifetimes that a signature leaves out: `&State<Db>` becomes `&'a State<Db>`.

use proc_macro2::Span;
use syn::{
    AngleBracketedGenericArguments, GenericArgument, Lifetime, PathArguments, Type, TypeParamBound,
};

/// Names every lifetime left out in `ty`, and says how many there were.
///
/// What stands in the signature of a function pointer or a `Fn` bound keeps its own lifetimes.
pub(crate) fn name(ty: &mut Type, lifetime: &Lifetime) -> usize {
    Naming { lifetime, found: 0 }.all(ty)
}

/// Whether `ty` borrows for a lifetime that it does not name.
pub(crate) fn borrows(ty: &Type) -> bool {
    name(&mut ty.clone(), &Lifetime::new("'a", Span::mixed_site())) > 0
}

struct Naming<'a> {
    lifetime: &'a Lifetime,
    found: usize,
}

impl Naming<'_> {
    fn all(mut self, ty: &mut Type) -> usize {
        self.ty(ty);
        self.found
    }

    fn ty(&mut self, ty: &mut Type) {
        match ty {
            Type::Reference(reference) => {
                match &mut reference.lifetime {
                    Some(given) => self.lifetime(given),
                    none => {
                        *none = Some(self.at(reference.and_token.span));
                        self.found += 1;
                    }
                }
                self.ty(&mut reference.elem);
            }
            Type::Path(path) => {
                if let Some(qself) = &mut path.qself {
                    self.ty(&mut qself.ty);
                }
                self.path(&mut path.path);
            }
            Type::Tuple(tuple) => tuple.elems.iter_mut().for_each(|elem| self.ty(elem)),
            Type::Array(array) => self.ty(&mut array.elem),
            Type::Slice(slice) => self.ty(&mut slice.elem),
            Type::Group(group) => self.ty(&mut group.elem),
            Type::Paren(paren) => self.ty(&mut paren.elem),
            Type::Ptr(ptr) => self.ty(&mut ptr.elem),
            Type::TraitObject(object) => {
                object.bounds.iter_mut().for_each(|bound| self.bound(bound));
            }
            _ => {}
        }
    }

    fn bound(&mut self, bound: &mut TypeParamBound) {
        match bound {
            TypeParamBound::Trait(bound) => self.path(&mut bound.path),
            TypeParamBound::Lifetime(lifetime) => self.lifetime(lifetime),
            _ => {}
        }
    }

    fn path(&mut self, path: &mut syn::Path) {
        for segment in &mut path.segments {
            if let PathArguments::AngleBracketed(arguments) = &mut segment.arguments {
                self.arguments(arguments);
            }
        }
    }

    fn arguments(&mut self, arguments: &mut AngleBracketedGenericArguments) {
        for argument in &mut arguments.args {
            match argument {
                GenericArgument::Lifetime(lifetime) => self.lifetime(lifetime),
                GenericArgument::Type(ty) => self.ty(ty),
                GenericArgument::AssocType(assoc) => self.ty(&mut assoc.ty),
                _ => {}
            }
        }
    }

    fn lifetime(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" {
            *lifetime = self.at(lifetime.span());
            self.found += 1;
        }
    }

    fn at(&self, span: Span) -> Lifetime {
        let mut lifetime = self.lifetime.clone();
        lifetime.set_span(crate::span::at(span));
        lifetime
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens as _;
    use syn::{parse_quote, parse_str};

    fn named(ty: &str) -> String {
        let mut ty: Type = parse_str(ty).unwrap();
        name(&mut ty, &parse_quote!('a));
        ty.to_token_stream().to_string().replace(' ', "")
    }

    #[test]
    fn names_what_is_left_out() {
        assert_eq!(named("&State<Db>"), "&'aState<Db>");
        assert_eq!(named("&mut Tx<'_>"), "&'amutTx<'a>");
        assert_eq!(
            named("Option<(&str, [&u8; 2])>"),
            "Option<(&'astr,[&'au8;2])>"
        );
        assert_eq!(named("Box<dyn Shape + '_>"), "Box<dynShape+'a>");
    }

    #[test]
    fn keeps_what_is_named_or_belongs_to_another_signature() {
        assert_eq!(named("&'static str"), "&'staticstr");
        assert_eq!(named("State<fn(&str) -> &str>"), "State<fn(&str)->&str>");
        assert_eq!(named("State<Box<dyn Fn(&str)>>"), "State<Box<dynFn(&str)>>");
    }

    #[test]
    fn tells_whether_anything_is_borrowed() {
        assert!(borrows(&parse_quote!(Result<&str, Error>)));
        assert!(!borrows(&parse_quote!(Result<&'static str, Error>)));
    }
}
