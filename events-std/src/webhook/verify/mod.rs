//! Verifiers: what proves that a delivery comes from the provider.

mod github;
mod hmac;
mod keys;
mod standard;
mod stripe;
#[cfg(test)]
mod tests;
mod time;
mod zendesk;

pub use github::GitHub;
pub use hmac::HmacSha256;
pub use standard::StandardWebhooks;
pub use stripe::Stripe;
pub use zendesk::Zendesk;

use serde::Deserialize;
use serde_json::Value;

use super::Request;

/// What proves that a delivery comes from the provider, and finds in it what the provider says of it.
///
/// Those of the usual schemes are ready: [`GitHub`], [`Stripe`], [`Zendesk`], [`StandardWebhooks`], [`HmacSha256`].
/// Whoever writes another compares in constant time (crate `subtle`), on the raw bytes of the body, and panics at nothing
/// that a stranger may send.
#[diagnostic::on_unimplemented(
    message = "`{Self}` verifies no webhooks",
    label = "not a `Verifier`",
    note = "give one of those in `events_std::webhook`, as `GitHub`, or implement `Verifier` for a type of yours"
)]
pub trait Verifier: Send + Sync {
    /// Whether the delivery is genuine.
    ///
    /// # Errors
    ///
    /// Why it is refused.
    fn verify(&self, request: &Request<'_>) -> Result<(), Refused>;

    /// The provider's id of a delivery that is genuine, where it gives one: a second one with the same id is a duplicate.
    fn delivery_id(&self, request: &Request<'_>) -> Option<String> {
        let _ = request;
        None
    }

    /// What a delivery that is genuine says has happened.
    fn event_type(&self, request: &Request<'_>) -> Option<String> {
        let _ = request;
        None
    }

    /// The headers in which the proof stands: their values are not stored. Those whose names look like it, as with
    /// `signature`, `hmac` or `token` in them, need not be named.
    fn proof_headers(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What signs deliveries as a provider does: for the tests of an adapter, and for programs that play a provider.
///
/// ```
/// use chrono::DateTime;
/// use events_std::webhook::{Request, Signer, Verifier, Zendesk};
/// use http::{HeaderMap, HeaderName};
///
/// let (zendesk, mut headers) = (Zendesk::new("a secret"), HeaderMap::new());
/// let now = DateTime::UNIX_EPOCH;
/// for (name, value) in zendesk.sign(&Request::new(&headers.clone(), b"{}", now))? {
///     headers.insert(HeaderName::try_from(name)?, value.try_into()?);
/// }
/// zendesk.verify(&Request::new(&headers, b"{}", now))?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
///
/// The verifiers of the usual schemes are signers too, with the first of their secrets.
#[diagnostic::on_unimplemented(
    message = "`{Self}` signs no webhooks",
    label = "not a `Signer`",
    note = "give one of those in `events_std::webhook`, as `GitHub`, or implement `Signer` for your verifier"
)]
pub trait Signer: Send + Sync {
    /// The headers that prove a delivery of this body, signed at the time of the request: names and values. What else the
    /// scheme signs, as an id, stands in the request's headers already.
    ///
    /// # Errors
    ///
    /// If a header that is signed is missing or not of its form, or the secret is unfit.
    fn sign(&self, request: &Request<'_>) -> Result<Vec<(String, String)>, Refused>;
}

/// So that a provider can choose its scheme when it runs: `Box<dyn Verifier>`.
impl<V: Verifier + ?Sized> Verifier for Box<V> {
    fn verify(&self, request: &Request<'_>) -> Result<(), Refused> {
        (**self).verify(request)
    }

    fn delivery_id(&self, request: &Request<'_>) -> Option<String> {
        (**self).delivery_id(request)
    }

    fn event_type(&self, request: &Request<'_>) -> Option<String> {
        (**self).event_type(request)
    }

    fn proof_headers(&self) -> Vec<String> {
        (**self).proof_headers()
    }
}

/// Why a delivery is refused. It holds nothing that was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// A header is missing.
    #[error("the header `{0}` is missing")]
    Missing(String),
    /// A header is repeated, or not of its form.
    #[error("the header `{0}` is repeated or not of its form")]
    Malformed(String),
    /// It was signed too long ago, or in the future.
    #[error("it was signed too long ago, or in the future")]
    Outdated,
    /// No signature fits.
    #[error("no signature fits")]
    Signature,
    /// A secret on our side cannot prove anything, so that nothing is accepted with it.
    #[error("a secret of the integration is unfit: {0}")]
    UnfitSecret(&'static str),
    /// The verifier is put together in a way that proves less than it seems to, so that nothing is accepted with it.
    #[error("the verifier is misconfigured: {0}")]
    Misconfigured(&'static str),
    /// Another reason, of a verifier that is not from here. It must hold nothing that was sent.
    #[error("{0}")]
    Other(&'static str),
}

impl Refused {
    /// The word under which it is counted.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing_header",
            Self::Malformed(_) => "malformed_header",
            Self::Outdated => "outdated",
            Self::Signature => "wrong_signature",
            Self::UnfitSecret(_) => "unfit_secret",
            Self::Misconfigured(_) => "misconfigured",
            Self::Other(_) => "not_genuine",
        }
    }
}

/// What most providers write at the top of their JSON.
#[derive(Deserialize)]
struct Top {
    id: Option<Value>,
    #[serde(rename = "type")]
    event_type: Option<Value>,
}

impl Top {
    /// None of a list: serde would take its first two values for the fields.
    fn of(request: &Request<'_>) -> Option<Self> {
        let is_object = request.body().trim_ascii_start().starts_with(b"{");
        is_object.then(|| request.json()).flatten()
    }
}

/// The `id` at the top of the body, if it is a text.
fn id_in(request: &Request<'_>) -> Option<String> {
    text(Top::of(request)?.id?)
}

/// The `type` at the top of the body, if it is a text.
fn type_in(request: &Request<'_>) -> Option<String> {
    text(Top::of(request)?.event_type?)
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        _ => None,
    }
}
