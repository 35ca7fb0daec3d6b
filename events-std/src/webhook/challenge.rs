//! Challenges: what a provider asks with a `GET` before it delivers, as to prove that the address is ours.

use std::collections::BTreeMap;
use std::fmt;

/// What a provider asks with a `GET`. Nobody has proven who asks.
#[derive(Clone)]
pub struct Challenge {
    query: BTreeMap<String, String>,
}

impl Challenge {
    /// The challenge of a query, as `hub.mode=subscribe&hub.challenge=7`.
    #[must_use]
    pub fn new(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
        Self {
            query: pairs.collect(),
        }
    }

    /// The value of this name in the query; the last, where there are more.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }
}

impl fmt::Debug for Challenge {
    /// Names alone: a value may be a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Challenge")
            .field(&self.query.keys().collect::<Vec<_>>())
            .finish()
    }
}

/// What a provider is answered to a challenge, with the status 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

impl Answer {
    /// A plain text, as the challenge itself.
    pub fn text(body: impl Into<String>) -> Self {
        Self {
            content_type: "text/plain; charset=utf-8",
            body: body.into(),
        }
    }

    /// JSON.
    #[must_use]
    pub fn json(body: &serde_json::Value) -> Self {
        Self {
            content_type: "application/json",
            body: body.to_string(),
        }
    }
}
