//! Zendesk's signatures.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, NaiveDateTime, Utc};

use super::keys::Keys;
use super::time::{TOLERANCE, near};
use super::{Refused, Signer, Verifier, type_in};
use crate::webhook::Request;

const SIGNATURE: &str = "x-zendesk-webhook-signature";
const TIMESTAMP: &str = "x-zendesk-webhook-signature-timestamp";
/// As a signed time is written.
const FORM: &str = "%Y-%m-%dT%H:%M:%SZ";

/// Zendesk: HMAC-SHA256 over time and body, in `x-zendesk-webhook-signature`, in Base64.
///
/// Zendesk does not sign the delivery's id: whoever can read a delivery on its way can send it again under another id, as
/// long as the tolerance lasts. Only TLS keeps it from being read.
pub struct Zendesk {
    keys: Keys,
    tolerance: Duration,
}

impl Zendesk {
    /// With the signing secret of the webhook, as Zendesk shows it.
    #[must_use]
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        Self {
            keys: Keys::new(secret),
            tolerance: TOLERANCE,
        }
    }

    /// These secrets too, as long as one replaces another.
    #[must_use]
    pub fn also<S: AsRef<[u8]>>(mut self, secrets: impl IntoIterator<Item = S>) -> Self {
        secrets.into_iter().for_each(|secret| self.keys.add(secret));
        self
    }

    /// How far the signed time may be from now; 5 minutes unless given.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = tolerance;
        self
    }
}

impl Verifier for Zendesk {
    fn verify(&self, request: &Request<'_>) -> Result<(), Refused> {
        let header = request.only(SIGNATURE)?;
        let time = request.only(TIMESTAMP)?;
        let claimed = STANDARD.decode(header);
        let claimed = claimed.map_err(|_| Refused::Malformed(SIGNATURE.to_owned()))?;
        let at = from_iso(time).ok_or_else(|| Refused::Malformed(TIMESTAMP.to_owned()))?;
        self.keys
            .check(&[time.as_bytes(), request.body()], &[claimed])?;
        near(at, request.now(), self.tolerance)
    }

    fn delivery_id(&self, request: &Request<'_>) -> Option<String> {
        request
            .header("x-zendesk-webhook-invocation-id")
            .map(str::to_owned)
    }

    fn event_type(&self, request: &Request<'_>) -> Option<String> {
        type_in(request)
    }
}

impl Signer for Zendesk {
    fn sign(&self, request: &Request<'_>) -> Result<Vec<(String, String)>, Refused> {
        let time = request.now().format(FORM).to_string();
        let code = self.keys.sign(&[time.as_bytes(), request.body()])?;
        Ok(vec![
            (SIGNATURE.to_owned(), STANDARD.encode(code)),
            (TIMESTAMP.to_owned(), time),
        ])
    }
}

/// `2021-03-25T05:09:27Z`, and nothing else. Nothing stands between time and body where they are signed: a time of a
/// fixed length lets no byte move from one to the other.
fn from_iso(text: &str) -> Option<DateTime<Utc>> {
    if text.len() != "2021-03-25T05:09:27Z".len() {
        return None;
    }
    let at = NaiveDateTime::parse_from_str(text, FORM).ok()?;
    Some(at.and_utc())
}
