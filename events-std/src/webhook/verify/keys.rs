//! The live secrets of one integration, and the comparison that all verifiers share.

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretSlice};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use super::Refused;

/// Secrets that are live at once: while one is replaced, the old one is still used by some.
pub(super) struct Keys(Vec<SecretSlice<u8>>);

impl Keys {
    pub(super) fn new(secret: impl AsRef<[u8]>) -> Self {
        let mut keys = Self(Vec::new());
        keys.add(secret);
        keys
    }

    pub(super) fn add(&mut self, secret: impl AsRef<[u8]>) {
        self.0.push(secret.as_ref().to_vec().into());
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(ExposeSecret::expose_secret)
    }

    /// Whether one of the claimed codes is that of the parts with one of the secrets. Every secret and every code is
    /// looked at, each in constant time: how long it takes tells nothing of them.
    pub(super) fn check(&self, parts: &[&[u8]], claimed: &[Vec<u8>]) -> Result<(), Refused> {
        let mut fits = Choice::from(0);
        for key in self.iter() {
            let code = code(key, parts)?;
            for claimed in claimed {
                fits |= code.ct_eq(claimed);
            }
        }
        if bool::from(fits) {
            Ok(())
        } else {
            Err(Refused::Signature)
        }
    }

    /// The code of the parts with the first secret.
    pub(super) fn sign(&self, parts: &[&[u8]]) -> Result<Vec<u8>, Refused> {
        code(self.first(), parts)
    }

    /// The first secret: there is always one.
    pub(super) fn first(&self) -> &[u8] {
        self.iter().next().unwrap_or_default()
    }
}

/// The code of the parts with a secret.
fn code(key: &[u8], parts: &[&[u8]]) -> Result<Vec<u8>, Refused> {
    if key.is_empty() {
        return Err(Refused::UnfitSecret("it is empty"));
    }
    let mac = Hmac::<Sha256>::new_from_slice(key);
    let mut mac = mac.map_err(|_| Refused::UnfitSecret("its length"))?;
    for part in parts {
        mac.update(part);
    }
    Ok(mac.finalize().into_bytes().to_vec())
}

/// Bytes as small hexadecimal letters: a signature has one spelling.
pub(super) fn from_hex(text: &str) -> Option<Vec<u8>> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    hex::decode(text).ok()
}
