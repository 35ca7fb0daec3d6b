//! What `#[provider(..)]` says.

use proc_macro2::TokenStream;
use syn::{Ident, Path};

use crate::errors::Errors;
use crate::options::{Given, Seen, Vocabulary, each};

const OPTIONS: Vocabulary = &[
    ("ScheduledSync", "ScheduledSync"),
    ("HealthCheck", "HealthCheck"),
    ("Redact", "Redact"),
    ("Webhooks", "Webhooks"),
    ("OAuth", "OAuth"),
    ("instance", "instance"),
    ("crate", "crate = path::to::events_std"),
];

/// The function that makes each capability.
const CAPABILITIES: &[(&str, &str)] = &[
    ("ScheduledSync", "scheduled_sync"),
    ("HealthCheck", "health_check"),
    ("Redact", "redact"),
    ("Webhooks", "webhooks"),
    ("OAuth", "oauth"),
];

/// The options.
#[derive(Default)]
pub(super) struct Options {
    /// The name of each capability, as the user wrote it, and of its function.
    pub(super) capabilities: Vec<(Ident, &'static str)>,
    pub(super) instance: Option<Given<()>>,
    pub(super) krate: Option<Given<Path>>,
}

impl Options {
    pub(super) fn parse(attr: TokenStream, errors: &mut Errors) -> Self {
        let mut options = Self::default();
        let mut seen = Seen::default();
        each(attr, errors, |input| {
            let option = seen.next(input, OPTIONS)?;
            let function = CAPABILITIES
                .iter()
                .find(|(capability, _)| option.name == *capability);
            if let Some((_, function)) = function {
                options.capabilities.push((option.flag()?.name, *function));
            } else if option.name == "instance" {
                options.instance = Some(option.flag()?);
            } else {
                options.krate = Some(option.krate()?);
            }
            Ok(())
        });
        options
    }
}
