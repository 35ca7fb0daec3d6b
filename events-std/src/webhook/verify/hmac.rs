//! Signatures of providers that sign in a way of their own, by configuration.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::keys::{Keys, from_hex};
use super::time::{TOLERANCE, from_digits, near};
use super::{Refused, Signer, Verifier, type_in};
use crate::webhook::Request;

/// HMAC-SHA256 over the body, or over time and body, as the provider writes it.
///
/// Without a [`timestamp`](Self::timestamp) a delivery that somebody has captured is good for ever: it fires again when
/// its row is forgotten, after [`keep_webhooks_for`](crate::IntegrationsBuilder::keep_webhooks_for), 30 days unless given.
///
/// ```
/// use events_std::webhook::HmacSha256;
///
/// let verifier = HmacSha256::new("x-acme-signature", "a secret of Acme")
///     .prefix("v1=")
///     .base64()
///     .timestamp("x-acme-timestamp", ".")
///     .delivery_id("x-acme-delivery")
///     .event_type("x-acme-event");
/// ```
pub struct HmacSha256 {
    keys: Keys,
    header: String,
    prefix: String,
    base64: bool,
    timestamp: Option<(String, String)>,
    tolerance: Option<Duration>,
    delivery_id: Option<String>,
    event_type: Option<String>,
}

impl HmacSha256 {
    /// With the name of the header in which the signature stands, in hexadecimal, and this secret.
    #[must_use]
    pub fn new(header: impl Into<String>, secret: impl AsRef<[u8]>) -> Self {
        Self {
            keys: Keys::new(secret),
            header: header.into().to_ascii_lowercase(),
            prefix: String::new(),
            base64: false,
            timestamp: None,
            tolerance: None,
            delivery_id: None,
            event_type: None,
        }
    }

    /// These secrets too, as long as one replaces another.
    #[must_use]
    pub fn also<S: AsRef<[u8]>>(mut self, secrets: impl IntoIterator<Item = S>) -> Self {
        secrets.into_iter().for_each(|secret| self.keys.add(secret));
        self
    }

    /// What stands before the signature, as `sha256=`.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// The signature is in Base64.
    #[must_use]
    pub fn base64(mut self) -> Self {
        self.base64 = true;
        self
    }

    /// The time is signed too: the name of its header, in which it stands as seconds since the Unix epoch, and what
    /// stands between it and the body where they are signed.
    #[must_use]
    pub fn timestamp(mut self, header: impl Into<String>, separator: impl Into<String>) -> Self {
        self.timestamp = Some((header.into().to_ascii_lowercase(), separator.into()));
        self
    }

    /// How far the signed time may be from now; 5 minutes unless given. It needs a [`timestamp`](Self::timestamp): without
    /// one every delivery is refused, as [`Refused::Misconfigured`], for nothing would bound its age.
    #[must_use]
    pub fn tolerance(mut self, tolerance: Duration) -> Self {
        self.tolerance = Some(tolerance);
        self
    }

    /// The header in which the delivery's id stands. Otherwise a hash of the body stands for it: an `id` in the body may
    /// be that of a thing of which many deliveries tell. The header is not signed: whoever can read a delivery on its way can
    /// send it again under another id. Only TLS keeps it from being read.
    #[must_use]
    pub fn delivery_id(mut self, header: impl Into<String>) -> Self {
        self.delivery_id = Some(header.into().to_ascii_lowercase());
        self
    }

    /// The header that says what has happened. Otherwise it is the `type` at the top of the JSON body, if there is one.
    #[must_use]
    pub fn event_type(mut self, header: impl Into<String>) -> Self {
        self.event_type = Some(header.into().to_ascii_lowercase());
        self
    }
}

impl HmacSha256 {
    /// Whether all options are of use.
    fn check(&self) -> Result<(), Refused> {
        if self.tolerance.is_some() && self.timestamp.is_none() {
            return Err(Refused::Misconfigured(
                "`HmacSha256` has a `.tolerance(..)`, but no signed time: name its header by `.timestamp(..)`, or remove \
                 the tolerance",
            ));
        }
        Ok(())
    }
}

impl Verifier for HmacSha256 {
    fn verify(&self, request: &Request<'_>) -> Result<(), Refused> {
        self.check()?;
        let malformed = |header: &str| Refused::Malformed(header.to_owned());
        let claimed = request.only(&self.header)?;
        let claimed = claimed.strip_prefix(&*self.prefix);
        let claimed = claimed.and_then(|claimed| {
            if self.base64 {
                STANDARD.decode(claimed).ok()
            } else {
                from_hex(claimed)
            }
        });
        let claimed = [claimed.ok_or_else(|| malformed(&self.header))?];
        let Some((header, separator)) = &self.timestamp else {
            return self.keys.check(&[request.body()], &claimed);
        };
        let time = request.only(header)?;
        let at = from_digits(time).ok_or_else(|| malformed(header))?;
        let parts = [time.as_bytes(), separator.as_bytes(), request.body()];
        self.keys.check(&parts, &claimed)?;
        near(at, request.now(), self.tolerance.unwrap_or(TOLERANCE))
    }

    fn delivery_id(&self, request: &Request<'_>) -> Option<String> {
        let header = self.delivery_id.as_ref()?;
        request.header(header).map(str::to_owned)
    }

    fn event_type(&self, request: &Request<'_>) -> Option<String> {
        match &self.event_type {
            Some(header) => request.header(header).map(str::to_owned),
            None => type_in(request),
        }
    }

    fn proof_headers(&self) -> Vec<String> {
        vec![self.header.clone()]
    }
}

impl Signer for HmacSha256 {
    fn sign(&self, request: &Request<'_>) -> Result<Vec<(String, String)>, Refused> {
        self.check()?;
        let mut headers = Vec::new();
        let code = match &self.timestamp {
            None => self.keys.sign(&[request.body()])?,
            Some((header, separator)) => {
                let time = request.now().timestamp().to_string();
                let parts = [time.as_bytes(), separator.as_bytes(), request.body()];
                let code = self.keys.sign(&parts)?;
                headers.push((header.clone(), time));
                code
            }
        };
        let code = if self.base64 {
            STANDARD.encode(code)
        } else {
            hex::encode(code)
        };
        headers.push((self.header.clone(), format!("{}{code}", self.prefix)));
        Ok(headers)
    }
}
