//! Bodies, as they are stored.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::REDACTED;
use super::capability::ErasedRedact;
use super::names::Names;
use super::text::{address, scrub};
use crate::integration::{Integration, Integrations, IntegrationsBuilder};

/// A body that is longer is not read, and so not stored, in bytes.
const LONGEST_READ: usize = 256 * 1024;

/// A credential that is shorter is not looked for: it would be found everywhere.
const SHORTEST_CREDENTIAL: usize = 6;

/// So many bytes of a body are stored.
#[derive(Clone, Copy, Debug)]
struct Kept(usize);

impl Default for Kept {
    fn default() -> Self {
        Self(16 * 1024)
    }
}

impl Integrations {
    /// A text without the integration's own credentials, as far as they are 6 bytes or longer.
    pub(crate) fn without_credentials(&self, integration: &Integration, text: &str) -> String {
        Redactor::of(self, integration, "").without_credentials(text)
    }
}

impl IntegrationsBuilder {
    /// How many bytes are stored of each body of a request and of an answer, redacted (credentials shorter than 6 bytes
    /// are not looked for): 16 KiB unless given, and none
    /// with 0. What is longer is cut; of a body over 256 KiB nothing is stored, nor of one that is neither JSON nor a
    /// form.
    pub fn keep_request_bodies(self, bytes: usize) -> Self {
        self.part(Kept(bytes))
    }
}

/// Takes the secrets out of what one call stores.
pub(in crate::request) struct Redactor {
    names: Names,
    credentials: Vec<String>,
    provider: Option<Arc<dyn ErasedRedact>>,
    kept: usize,
    /// What the call asks for, without its query.
    path: String,
}

impl Redactor {
    pub(in crate::request) fn of(
        engine: &Integrations,
        integration: &Integration,
        endpoint: &str,
    ) -> Self {
        let provider = engine.capability::<dyn ErasedRedact>(&integration.provider);
        let mut credentials = Vec::new();
        if let Some(all) = &integration.credentials
            && let Ok(all) = all.read::<Value>()
        {
            texts(&all, &mut credentials);
        }
        longest_first(&mut credentials);
        let names = provider.as_deref().map(ErasedRedact::secret_names);
        Self {
            names: Names::with(names.unwrap_or_default()),
            credentials,
            kept: engine.part::<Kept>().0,
            path: endpoint
                .split(['?', '#'])
                .next()
                .unwrap_or_default()
                .to_owned(),
            provider,
        }
    }

    /// Looks for this secret too.
    pub(in crate::request) fn hide(&mut self, secret: &str) {
        let secret = Value::from(secret);
        texts(&secret, &mut self.credentials);
        longest_first(&mut self.credentials);
    }

    #[cfg(test)]
    pub(super) fn for_tests(names: &[&str], credentials: &[&str]) -> Self {
        Self {
            names: Names::with(names),
            credentials: credentials.iter().map(|text| (*text).to_owned()).collect(),
            provider: None,
            kept: usize::MAX,
            path: String::new(),
        }
    }

    /// An endpoint, of whose query the names stay.
    pub(in crate::request) fn endpoint(&self, endpoint: &str) -> String {
        address(&self.without_credentials(endpoint), &self.names)
    }

    /// Any text.
    pub(in crate::request) fn text(&self, text: &str) -> String {
        scrub(&self.without_credentials(text), &self.names)
    }

    fn without_credentials(&self, text: &str) -> String {
        let mut clean = text.to_owned();
        for credential in &self.credentials {
            if clean.contains(&**credential) {
                clean = clean.replace(&**credential, REDACTED);
            }
        }
        clean
    }

    /// A body as JSON; none if it cannot be read, or is not to be stored.
    pub(in crate::request) fn body(
        &self,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Option<String> {
        if self.kept == 0 || body.is_empty() || body.len() > LONGEST_READ {
            return None;
        }
        let mut value = parse(content_type, body)?;
        if let Some(provider) = &self.provider {
            catch_unwind(AssertUnwindSafe(|| provider.redact(&self.path, &mut value))).ok()?;
        }
        self.clean(&mut value);
        let mut stored = value.to_string();
        if stored.len() > self.kept {
            stored.truncate(stored.floor_char_boundary(self.kept));
            stored.push('…');
        }
        Some(stored)
    }

    fn clean(&self, value: &mut Value) {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
            Value::String(text) => self.clean_text(text),
            Value::Array(values) => values.iter_mut().for_each(|value| self.clean(value)),
            Value::Object(fields) => {
                for (mut name, mut value) in std::mem::take(fields) {
                    if !self.names.is_secret(&name) {
                        self.clean(&mut value);
                    } else if !value.is_null() {
                        value = REDACTED.into();
                    }
                    name = self.text(&name);
                    fields.insert(name, value);
                }
            }
        }
    }

    fn clean_text(&self, text: &mut String) {
        // JSON in JSON, as in the payload of a message.
        let inner = text
            .starts_with(['{', '['])
            .then(|| serde_json::from_str(text));
        if let Some(Ok(mut inner)) = inner {
            self.clean(&mut inner);
            *text = inner.to_string();
            return;
        }
        *text = self.text(text);
    }
}

/// One may stand in another.
fn longest_first(credentials: &mut [String]) {
    credentials.sort_by_key(|text| std::cmp::Reverse(text.len()));
}

/// All texts in credentials that are long enough to be looked for.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) if text.len() >= SHORTEST_CREDENTIAL => found.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| texts(value, found)),
        Value::Object(fields) => fields.values().for_each(|value| texts(value, found)),
        _ => {}
    }
}

/// An object or a list, from JSON or from a form. A lone text has no name that could tell what it is.
fn parse(content_type: Option<&str>, body: &[u8]) -> Option<Value> {
    if let Ok(value) = serde_json::from_slice::<Value>(body) {
        return (value.is_object() || value.is_array()).then_some(value);
    }
    let content_type = content_type?.split(';').next().unwrap_or_default().trim();
    if !content_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return None;
    }
    let mut fields = Map::new();
    for (name, value) in form_urlencoded::parse(body) {
        let value = Value::from(value);
        match fields.get_mut(&*name) {
            None => drop(fields.insert(name.into_owned(), value)),
            Some(Value::Array(values)) => values.push(value),
            Some(one) => *one = Value::Array(vec![one.take(), value]),
        }
    }
    Some(Value::Object(fields))
}
