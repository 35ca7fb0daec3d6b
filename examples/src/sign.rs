//! What the other companies of the examples sign with.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::Error;

/// HMAC-SHA256 over these parts.
pub(crate) fn sign(secret: &str, parts: &[&[u8]]) -> Result<Vec<u8>, Error> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    for part in parts {
        mac.update(part);
    }
    Ok(mac.finalize().into_bytes().to_vec())
}
