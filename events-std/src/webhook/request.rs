//! A delivery as it came in, before anything of it is believed.

use chrono::{DateTime, Utc};
use http::HeaderMap;
use serde::de::DeserializeOwned;

use super::Refused;

/// A delivery as it came in: headers and the raw bytes of the body.
///
/// Until a [`Verifier`](super::Verifier) has accepted it, everything in it may be an attacker's.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    headers: &'r HeaderMap,
    body: &'r [u8],
    now: DateTime<Utc>,
}

impl<'r> Request<'r> {
    /// Of these headers and this body, at this time.
    #[must_use]
    pub fn new(headers: &'r HeaderMap, body: &'r [u8], now: DateTime<Utc>) -> Self {
        Self { headers, body, now }
    }

    /// All headers.
    #[must_use]
    pub fn headers(&self) -> &'r HeaderMap {
        self.headers
    }

    /// The body, byte for byte as it was sent.
    #[must_use]
    pub fn body(&self) -> &'r [u8] {
        self.body
    }

    /// The time by the dispatcher's clock.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The value of a header, if it is there once and is visible ASCII.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'r str> {
        self.only(name).ok()
    }

    /// The value of a header that must be there once: of two, which one a signature covers would be a guess.
    ///
    /// # Errors
    ///
    /// If it is missing, repeated, or not visible ASCII.
    pub fn only(&self, name: &str) -> Result<&'r str, Refused> {
        let mut values = self.headers.get_all(name).iter();
        let value = values
            .next()
            .ok_or_else(|| Refused::Missing(name.to_owned()))?;
        match (value.to_str(), values.next()) {
            (Ok(value), None) => Ok(value),
            _ => Err(Refused::Malformed(name.to_owned())),
        }
    }

    /// The body as JSON, if it is such.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_slice(self.body).ok()
    }
}

impl std::fmt::Debug for Request<'_> {
    /// Names of headers and sizes alone: values may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request")
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}
