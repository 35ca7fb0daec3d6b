//! What `#[listener(..)]` says: the events, then the options.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{ExprPath, Ident, LitStr, Path, Result, Token, Type};

use crate::errors::Errors;
use crate::options::{Given, Opt, Seen, Vocabulary, each};

const OPTIONS: Vocabulary = &[
    ("name", "name = \"orders.print\""),
    ("formerly", "formerly = \"old::name\""),
    ("priority", "priority = 10"),
    ("when", "when = path::to::condition"),
    ("after_commit", "after_commit"),
    ("queue", "queue = \"mail\""),
    ("tries", "tries = 5"),
    ("backoff", "backoff = [\"10s\", \"1m\"]"),
    ("jitter", "jitter"),
    ("timeout", "timeout = \"30s\""),
    ("delay", "delay = \"5m\""),
    ("retry_for", "retry_for = \"6h\""),
    ("unique", "unique = path::to::key"),
    ("unique_for", "unique_for = \"1h\""),
    ("unique_until_start", "unique_until_start"),
    ("order_by", "order_by = path::to::key"),
    ("failed", "failed = path::to::hook"),
    ("on_missing", "on_missing = \"discard\""),
    ("handle", "handle = PRINT"),
    ("crate", "crate = path::to::events_core"),
];

/// One of the events that the attribute names.
pub(crate) enum Target {
    Type(Box<Type>),
    Pattern(LitStr),
}

/// The attribute's content.
#[derive(Default)]
pub(crate) struct Attr {
    pub(crate) targets: Vec<Target>,
    pub(crate) options: Options,
}

/// The options, each as it was given.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) name: Option<Given<LitStr>>,
    pub(crate) formerly: Option<Given<Vec<LitStr>>>,
    pub(crate) priority: Option<Given<i32>>,
    pub(crate) when: Option<Given<ExprPath>>,
    pub(crate) after_commit: Option<Given<()>>,
    pub(crate) queue: Option<Given<Option<LitStr>>>,
    pub(crate) tries: Option<Given<u32>>,
    pub(crate) backoff: Option<Given<Vec<Duration>>>,
    pub(crate) jitter: Option<Given<()>>,
    pub(crate) timeout: Option<Given<Duration>>,
    pub(crate) delay: Option<Given<Duration>>,
    pub(crate) retry_for: Option<Given<Duration>>,
    pub(crate) unique: Option<Given<Option<ExprPath>>>,
    pub(crate) unique_for: Option<Given<Duration>>,
    pub(crate) unique_until_start: Option<Given<()>>,
    pub(crate) order_by: Option<Given<ExprPath>>,
    pub(crate) failed: Option<Given<ExprPath>>,
    /// Whether the job is discarded.
    pub(crate) on_missing: Option<Given<bool>>,
    pub(crate) handle: Option<Given<Ident>>,
    pub(crate) krate: Option<Given<Path>>,
    /// Whether something could not be read, so that what is missing may be that.
    pub(crate) damaged: bool,
}

impl Attr {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let mut attr = Self::default();
        let mut seen = Seen::default();
        let read = each(tokens, errors, |input| {
            if input.peek(LitStr) {
                attr.targets.push(Target::Pattern(input.parse()?));
                return Ok(());
            }
            if !is_option(input) {
                attr.targets.push(Target::Type(Box::new(input.parse()?)));
                return Ok(());
            }
            attr.options.read(seen.next(input, OPTIONS)?)
        });
        attr.options.damaged = !read;
        attr
    }
}

/// Options are written small, types are not: `queue`, `OrderPaid`, `events::OrderPaid`.
fn is_option(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    let Ok(word) = Ident::parse_any(&ahead) else {
        return false;
    };
    if ahead.peek(Token![=]) {
        return true;
    }
    let small = word.to_string().starts_with(|c: char| c.is_lowercase());
    small && word != "dyn" && word != "impl" && !ahead.peek(Token![::])
}

impl Options {
    fn read(&mut self, option: Opt<'_>) -> Result<()> {
        match option.name.to_string().as_str() {
            "name" => self.name = Some(option.text()?),
            "formerly" => self.formerly = Some(option.texts()?),
            "priority" => self.priority = Some(option.signed()?),
            "when" => self.when = Some(option.function()?),
            "after_commit" => self.after_commit = Some(option.flag()?),
            "queue" => self.queue = Some(option.optional(Opt::text)?),
            "tries" => self.tries = Some(option.count()?),
            "backoff" => self.backoff = Some(option.durations()?),
            "jitter" => self.jitter = Some(option.flag()?),
            "timeout" => self.timeout = Some(option.duration()?),
            "delay" => self.delay = Some(option.duration()?),
            "retry_for" => self.retry_for = Some(option.duration()?),
            "unique" => self.unique = Some(option.optional(Opt::function)?),
            "unique_for" => self.unique_for = Some(option.duration()?),
            "unique_until_start" => self.unique_until_start = Some(option.flag()?),
            "order_by" => self.order_by = Some(option.function()?),
            "failed" => self.failed = Some(option.function()?),
            "on_missing" => self.on_missing = Some(on_missing(option)?),
            "handle" => self.handle = Some(option.ident("names a static that is made")?),
            _ => self.krate = Some(option.krate()?),
        }
        Ok(())
    }

    /// The options that mean something for queued listeners only.
    pub(crate) fn of_the_queue(&self) -> impl Iterator<Item = (&'static str, Span)> {
        fn named<T>(name: &'static str, given: Option<&Given<T>>) -> Option<(&'static str, Span)> {
            given.map(|given| (name, given.span()))
        }
        [
            named("tries", self.tries.as_ref()),
            named("backoff", self.backoff.as_ref()),
            named("jitter", self.jitter.as_ref()),
            named("timeout", self.timeout.as_ref()),
            named("delay", self.delay.as_ref()),
            named("retry_for", self.retry_for.as_ref()),
            named("unique", self.unique.as_ref()),
            named("unique_for", self.unique_for.as_ref()),
            named("unique_until_start", self.unique_until_start.as_ref()),
            named("order_by", self.order_by.as_ref()),
            named("failed", self.failed.as_ref()),
            named("on_missing", self.on_missing.as_ref()),
        ]
        .into_iter()
        .flatten()
    }
}

fn on_missing(option: Opt<'_>) -> Result<Given<bool>> {
    let Given { name, value } = option.text()?;
    match value.value().as_str() {
        "fail" => Ok(Given { name, value: false }),
        "discard" => Ok(Given { name, value: true }),
        other => {
            let message = format!(
                "`{other}` is not among what can happen where a model is gone: write \"fail\" (the job fails and is kept, as without the option) or \"discard\" (the job counts as done)"
            );
            Err(syn::Error::new(value.span(), message))
        }
    }
}
