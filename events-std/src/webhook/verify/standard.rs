//! The signatures of Standard Webhooks.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use standardwebhooks::Webhook;
use subtle::{Choice, ConstantTimeEq};

use super::keys::Keys;
use super::time::{TOLERANCE, from_digits, near};
use super::{Refused, Signer, Verifier, type_in};
use crate::webhook::Request;

/// The least bytes of a secret, by the specification.
const LEAST: usize = 24;

/// [Standard Webhooks](https://www.standardwebhooks.com): HMAC-SHA256 over id, time and body, in `webhook-signature`.
pub struct StandardWebhooks {
    /// In Base64 still: one that is none is refused where it is used.
    keys: Keys,
    tolerance: Duration,
    prefix: &'static str,
}

impl StandardWebhooks {
    /// With this secret: `whsec_`, which may be missing, and at least 24 bytes in Base64.
    #[must_use]
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        Self {
            keys: Keys::new(secret),
            tolerance: TOLERANCE,
            prefix: "webhook",
        }
    }

    /// The same with the names that Svix gives to the headers: `svix-id`, `svix-timestamp`, `svix-signature`.
    #[must_use]
    pub fn svix(secret: impl AsRef<[u8]>) -> Self {
        Self {
            prefix: "svix",
            ..Self::new(secret)
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

    fn name(&self, part: &str) -> String {
        format!("{}-{part}", self.prefix)
    }
}

impl Verifier for StandardWebhooks {
    fn verify(&self, request: &Request<'_>) -> Result<(), Refused> {
        let names = [
            self.name("id"),
            self.name("timestamp"),
            self.name("signature"),
        ];
        let [id, time, signatures] = [
            request.only(&names[0])?,
            request.only(&names[1])?,
            request.only(&names[2])?,
        ];
        if !is_id(id) {
            return Err(Refused::Malformed(names[0].clone()));
        }
        let at = from_digits(time).ok_or_else(|| Refused::Malformed(names[1].clone()))?;
        let mut fits = Choice::from(0);
        for key in self.keys.iter() {
            let signed = signed(key, id, at.timestamp(), request.body())?;
            for claimed in signatures.split(' ') {
                fits |= signed.as_bytes().ct_eq(claimed.as_bytes());
            }
        }
        if !bool::from(fits) {
            return Err(Refused::Signature);
        }
        near(at, request.now(), self.tolerance)
    }

    fn delivery_id(&self, request: &Request<'_>) -> Option<String> {
        request.header(&self.name("id")).map(str::to_owned)
    }

    fn event_type(&self, request: &Request<'_>) -> Option<String> {
        type_in(request)
    }
}

impl Signer for StandardWebhooks {
    /// The id stands in the request's headers.
    fn sign(&self, request: &Request<'_>) -> Result<Vec<(String, String)>, Refused> {
        let name = self.name("id");
        let id = request.only(&name)?;
        if !is_id(id) {
            return Err(Refused::Malformed(name));
        }
        let time = request.now().timestamp();
        let signed = signed(self.keys.first(), id, time, request.body())?;
        Ok(vec![
            (self.name("timestamp"), time.to_string()),
            (self.name("signature"), signed),
        ])
    }
}

/// A dot parts id, time and body where they are signed: with one in the id, another division has the same code.
fn is_id(id: &str) -> bool {
    !id.is_empty() && !id.contains('.')
}

/// The signature, with a secret as it is written.
fn signed(key: &[u8], id: &str, time: i64, body: &[u8]) -> Result<String, Refused> {
    let signed =
        Webhook::from_bytes(decoded(key)?).and_then(|webhook| webhook.sign(id, time, body));
    signed.map_err(|_| Refused::Other("the body is not UTF-8"))
}

/// The bytes of a secret.
fn decoded(secret: &[u8]) -> Result<Vec<u8>, Refused> {
    let text = secret.strip_prefix(b"whsec_").unwrap_or(secret);
    let key = STANDARD.decode(text);
    let key = key.map_err(|_| Refused::UnfitSecret("it is not Base64"))?;
    if key.len() < LEAST {
        return Err(Refused::UnfitSecret("it has fewer than 24 bytes"));
    }
    Ok(key)
}
