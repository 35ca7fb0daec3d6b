//! The grammar that all attributes share: `name`, `name = value` and `name(..)`, separated by commas.

use std::time::Duration;

use proc_macro2::{Span, TokenStream, TokenTree};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, ExprPath, Ident, LitInt, LitStr, Path, Result, Token, bracketed, token};

use crate::errors::Errors;
use crate::{duration, suggest};

/// The options that one attribute knows: name, and an example of its use for the errors.
pub(crate) type Vocabulary = &'static [(&'static str, &'static str)];

/// A value, with the option's name where the user wrote it.
pub(crate) struct Given<T> {
    pub(crate) name: Ident,
    pub(crate) value: T,
}

impl<T> Given<T> {
    pub(crate) fn span(&self) -> Span {
        self.name.span()
    }
}

/// Reads a list item by item, and says whether all could be read. Behind a mistake it goes on after the next comma.
pub(crate) fn each(
    tokens: TokenStream,
    errors: &mut Errors,
    mut item: impl FnMut(ParseStream<'_>) -> Result<()>,
) -> bool {
    let mut all_read = true;
    let all = |input: ParseStream<'_>| {
        while !input.is_empty() {
            let read = item(input).and_then(|()| {
                if input.is_empty() || input.peek(Token![,]) {
                    return Ok(());
                }
                Err(input.error("expected `,` between two options"))
            });
            if let Err(mistake) = read {
                errors.push(mistake);
                all_read = false;
                while !input.is_empty() && !input.peek(Token![,]) {
                    input.parse::<TokenTree>()?;
                }
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    };
    // Each item's own mistakes are kept as they come; the loop itself has none.
    let _ = all.parse2(tokens);
    all_read
}

/// The names of the options read so far.
#[derive(Default)]
pub(crate) struct Seen(Vec<Ident>);

impl Seen {
    /// The next option: one of `known`, and for the first time.
    pub(crate) fn next<'a>(
        &mut self,
        input: ParseStream<'a>,
        known: Vocabulary,
    ) -> Result<Opt<'a>> {
        if !input.peek(Ident::peek_any) {
            return Err(input.error("expected an option"));
        }
        let name = Ident::parse_any(input)?;
        let text = name.to_string();
        let Some((_, form)) = known.iter().find(|(known, _)| *known == text) else {
            return Err(unknown(&name, known));
        };
        if self.0.contains(&name) {
            return Err(Error::new(
                name.span(),
                format!("`{text}` is given twice: keep one of the two"),
            ));
        }
        self.0.push(name.clone());
        Ok(Opt { name, form, input })
    }
}

/// A word that no option of the attribute is spelt like.
fn unknown(name: &Ident, known: Vocabulary) -> Error {
    let words = known.iter().map(|(word, _)| *word);
    let advice = suggest::nearest(&name.to_string(), words.clone()).map_or_else(
        || {
            let words: Vec<_> = words.map(|word| format!("`{word}`")).collect();
            format!("the options are {}", words.join(", "))
        },
        |word| format!("did you mean `{word}`?"),
    );
    Error::new(name.span(), format!("unknown option `{name}`: {advice}"))
}

/// An option whose name was read and whose value was not.
pub(crate) struct Opt<'a> {
    pub(crate) name: Ident,
    form: &'static str,
    pub(crate) input: ParseStream<'a>,
}

impl Opt<'_> {
    /// `name`, without a value.
    pub(crate) fn flag(self) -> Result<Given<()>> {
        if self.has_value() || self.input.peek(token::Paren) {
            let Self { name, form, .. } = self;
            return Err(Error::new(
                name.span(),
                format!("`{name}` takes no value: write `{form}`"),
            ));
        }
        Ok(self.given(()))
    }

    fn has_value(&self) -> bool {
        self.input.peek(Token![=])
    }

    /// `name`, or `name = value`, which `read` reads.
    pub(crate) fn optional<T>(
        self,
        read: impl FnOnce(Self) -> Result<Given<T>>,
    ) -> Result<Given<Option<T>>> {
        if self.has_value() || self.input.peek(token::Paren) {
            let Given { name, value } = read(self)?;
            return Ok(Given {
                name,
                value: Some(value),
            });
        }
        Ok(self.given(None))
    }

    /// Steps over the `=` in front of a value, and says where that begins.
    pub(crate) fn equals(&self) -> Result<Span> {
        if !self.has_value() {
            let (name, form) = (&self.name, self.form);
            return Err(Error::new(
                name.span(),
                format!("`{name}` takes a value behind `=`: write `{form}`"),
            ));
        }
        let equals: Token![=] = self.input.parse()?;
        if self.input.is_empty() || self.input.peek(Token![,]) {
            return Err(Error::new(
                equals.span,
                format!("a value is missing: write `{}`", self.form),
            ));
        }
        Ok(self.input.span())
    }

    pub(crate) fn given<T>(self, value: T) -> Given<T> {
        Given {
            name: self.name,
            value,
        }
    }

    /// The value is not what the option `takes` or `must be`.
    pub(crate) fn expected(&self, value: Span, what: &str) -> Error {
        let (name, form) = (&self.name, self.form);
        Error::new(value, format!("`{name}` {what}: write `{form}`"))
    }

    /// `name = "text"`.
    pub(crate) fn text(self) -> Result<Given<LitStr>> {
        let value = self.equals()?;
        let text: LitStr =
            (self.input.parse()).map_err(|_| self.expected(value, "takes a string"))?;
        Ok(self.given(text))
    }

    /// `name = "text"` or `name = ["text", "text"]`.
    pub(crate) fn texts(self) -> Result<Given<Vec<LitStr>>> {
        let value = self.equals()?;
        let what = "takes a string or a list of strings";
        let mut texts = Vec::new();
        if self.input.peek(token::Bracket) {
            let list;
            let bracket = bracketed!(list in self.input);
            while !list.is_empty() {
                let item = list.span();
                texts.push(list.parse().map_err(|_| self.expected(item, what))?);
                if !list.is_empty() {
                    list.parse::<Token![,]>()?;
                }
            }
            if texts.is_empty() {
                let message = format!(
                    "an empty list says nothing: write `{}`, or leave `{}` out",
                    self.form, self.name
                );
                return Err(Error::new(bracket.span.join(), message));
            }
        } else {
            texts.push((self.input.parse()).map_err(|_| self.expected(value, what))?);
        }
        Ok(self.given(texts))
    }

    /// `name = "30s"`.
    pub(crate) fn duration(self) -> Result<Given<Duration>> {
        let Given { name, value } = self.text()?;
        Ok(Given {
            name,
            value: duration::parse(&value)?,
        })
    }

    /// `name = "30s"` or `name = ["30s", "5m"]`.
    pub(crate) fn durations(self) -> Result<Given<Vec<Duration>>> {
        let Given { name, value } = self.texts()?;
        let mut errors = Errors::default();
        let waits = value
            .iter()
            .filter_map(|text| errors.take(duration::parse(text)))
            .collect();
        errors.finish(Given { name, value: waits })
    }

    /// `name = 5`: at least 1.
    pub(crate) fn count(self) -> Result<Given<u32>> {
        let value = self.equals()?;
        let number: LitInt =
            (self.input.parse()).map_err(|_| self.expected(value, "takes a whole number"))?;
        match number.base10_parse() {
            Ok(0) => Err(self.expected(value, "must be at least 1")),
            Ok(count) => Ok(self.given(count)),
            Err(_) => Err(self.expected(value, &format!("must be at most {}", u32::MAX))),
        }
    }

    /// `name = -5`.
    pub(crate) fn signed(self) -> Result<Given<i32>> {
        let value = self.equals()?;
        let what = "takes a whole number";
        let minus: Option<Token![-]> = self.input.parse()?;
        let number: LitInt = (self.input.parse()).map_err(|_| self.expected(value, what))?;
        let sign = if minus.is_some() { "-" } else { "" };
        match format!("{sign}{}", number.base10_digits()).parse() {
            Ok(signed) if number.suffix().is_empty() || number.suffix() == "i32" => {
                Ok(self.given(signed))
            }
            _ => Err(self.expected(value, &format!("{what} from {} to {}", i32::MIN, i32::MAX))),
        }
    }

    /// `name = path::to::function`.
    pub(crate) fn function(self) -> Result<Given<ExprPath>> {
        let value = self.equals()?;
        let path = self.input.parse();
        self.whole(path, value, "takes the path of a function")
    }

    /// `crate = path::to::events_core`.
    pub(crate) fn krate(self) -> Result<Given<Path>> {
        let value = self.equals()?;
        let path = self.input.call(Path::parse_mod_style);
        self.whole(path, value, "takes the path of a crate")
    }

    /// The value, if it was read and nothing stands behind it.
    fn whole<T>(self, read: Result<T>, value: Span, what: &str) -> Result<Given<T>> {
        match read {
            Ok(read) if self.input.is_empty() || self.input.peek(Token![,]) => Ok(self.given(read)),
            _ => Err(self.expected(value, what)),
        }
    }

    /// `name = NAME`.
    pub(crate) fn ident(self, what: &str) -> Result<Given<Ident>> {
        let value = self.equals()?;
        let ident = self.input.parse();
        self.whole(ident, value, what)
    }
}
