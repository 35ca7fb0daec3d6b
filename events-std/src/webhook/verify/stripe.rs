//! Stripe's signatures.

use std::time::Duration;

use super::keys::{Keys, from_hex};
use super::time::{TOLERANCE, from_digits, near};
use super::{Refused, Signer, Verifier, id_in, type_in};
use crate::webhook::Request;

const SIGNATURE: &str = "stripe-signature";

/// Stripe: HMAC-SHA256 over time and body, in `stripe-signature`.
pub struct Stripe {
    keys: Keys,
    tolerance: Duration,
}

impl Stripe {
    /// With the secret of the endpoint, `whsec_..`, as Stripe shows it.
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

impl Verifier for Stripe {
    fn verify(&self, request: &Request<'_>) -> Result<(), Refused> {
        let header = request.only(SIGNATURE)?;
        let (time, claimed) =
            read(header).ok_or_else(|| Refused::Malformed(SIGNATURE.to_owned()))?;
        let at = from_digits(time).ok_or_else(|| Refused::Malformed(SIGNATURE.to_owned()))?;
        self.keys
            .check(&[time.as_bytes(), b".", request.body()], &claimed)?;
        near(at, request.now(), self.tolerance)
    }

    fn delivery_id(&self, request: &Request<'_>) -> Option<String> {
        id_in(request)
    }

    fn event_type(&self, request: &Request<'_>) -> Option<String> {
        type_in(request)
    }
}

impl Signer for Stripe {
    fn sign(&self, request: &Request<'_>) -> Result<Vec<(String, String)>, Refused> {
        let time = request.now().timestamp().to_string();
        let code = self.keys.sign(&[time.as_bytes(), b".", request.body()])?;
        let value = format!("t={time},v1={}", hex::encode(code));
        Ok(vec![(SIGNATURE.to_owned(), value)])
    }
}

/// `t=TIME,v1=CODE`: one time, one code or more, and what other schemes call theirs.
fn read(header: &str) -> Option<(&str, Vec<Vec<u8>>)> {
    let (mut time, mut claimed) = (None, Vec::new());
    for part in header.split(',') {
        match part.split_once('=')? {
            ("t", value) if time.is_none() => time = Some(value),
            ("t", _) => return None,
            ("v1", value) => claimed.push(from_hex(value)?),
            _ => {}
        }
    }
    Some((time?, claimed))
}
