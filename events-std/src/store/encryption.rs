//! Secrets at rest: an AEAD (XChaCha20-Poly1305) whose text is bound to what it belongs to, and keys that can be
//! replaced while old rows are still readable.

use std::fmt::{self, Write};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use chacha20poly1305::aead::{Aead, Generate, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};

/// The first byte of what is stored: the layout below, and the algorithm.
const LAYOUT: u8 = 1;
const ID: usize = 8;
const NONCE: usize = 24;
const HEAD: usize = 1 + ID + NONCE;

/// A key that encrypts credentials at rest: 32 random bytes, as `openssl rand -base64 32` prints them.
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # fn main() -> Result<(), events_std::EncryptionError> {
/// let key = events_std::EncryptionKey::from_base64("q5eSbO0LcTfSMCtRgEtnbKLC9p2rPl4Ik9GdB/gcVYk=")?;
/// assert_eq!(format!("{key:?}"), "EncryptionKey(854a02a3e3ef21d0)");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
pub struct EncryptionKey {
    /// A part of the key's hash: it tells keys apart, and nothing of them.
    id: [u8; ID],
    bytes: SecretBox<[u8; 32]>,
}

impl EncryptionKey {
    /// The key that this text stands for: base64, with or without padding, of either alphabet.
    ///
    /// # Errors
    ///
    /// If it is not base64, or not of 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self, EncryptionError> {
        let text = text.trim();
        let bytes = [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
            .iter()
            .find_map(|alphabet| alphabet.decode(text).ok())
            .map(Zeroizing::new)
            .ok_or(EncryptionError::NotAKey("it is not base64"))?;
        let bytes: [u8; 32] = (bytes.as_slice().try_into())
            .map_err(|_| EncryptionError::NotAKey("it is not of 32 bytes"))?;
        Ok(Self::from_bytes(bytes))
    }

    /// The key of these bytes, which are random.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        let hash = Sha256::new()
            .chain_update(b"events encryption key id\0")
            .chain_update(bytes)
            .finalize();
        let mut id = [0; ID];
        id.copy_from_slice(&hash[..ID]);
        Self {
            id,
            bytes: SecretBox::new(Box::new(bytes)),
        }
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.id == other.id
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new(self.bytes.expose_secret().into())
    }
}

impl fmt::Debug for EncryptionKey {
    /// The id alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EncryptionKey({})", hex(&self.id))
    }
}

fn hex(id: &[u8]) -> String {
    id.iter().fold(String::new(), |mut text, byte| {
        // A text takes all that is written.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What can go wrong with secrets at rest. It tells nothing of them.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncryptionError {
    /// A text is not a key.
    #[error("this is no encryption key, for {0}: make one with `openssl rand -base64 32`")]
    NotAKey(&'static str),
    /// There are secrets, and the engine was given no key.
    #[error(
        "there are credentials, but no encryption key: give one to the builder, `.encryption_key(..)`"
    )]
    NoKey,
    /// The secrets were encrypted with another key.
    #[error(
        "the credentials were encrypted with the key {0}, which this program does not have: give it to the builder, `.old_encryption_key(..)`"
    )]
    UnknownKey(String),
    /// The secrets were altered, or belong to another row.
    #[error("the stored credentials were altered, or belong to another integration")]
    Altered,
    /// What is stored is no encrypted text that this program knows.
    #[error("the stored credentials are not in a form that this program knows")]
    UnknownForm,
    /// The system gave no random numbers, or the secrets are too large.
    #[error("the credentials could not be encrypted")]
    Failed,
}

crate::error::debug_as_text!(EncryptionError);

/// The keys of one engine: the current one encrypts, all decrypt.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    pub(crate) current: Option<EncryptionKey>,
    pub(crate) old: Vec<EncryptionKey>,
}

impl Keyring {
    /// Encrypts with the current key. It is decrypted only with the same `bound`.
    pub(crate) fn seal(&self, secret: &[u8], bound: &[u8]) -> Result<Vec<u8>, EncryptionError> {
        let key = self.current.as_ref().ok_or(EncryptionError::NoKey)?;
        let nonce = XNonce::try_generate().map_err(|_| EncryptionError::Failed)?;
        let payload = Payload {
            msg: secret,
            aad: bound,
        };
        let text = key.cipher().encrypt(&nonce, payload);
        let text = text.map_err(|_| EncryptionError::Failed)?;
        let mut sealed = Vec::with_capacity(HEAD + text.len());
        sealed.push(LAYOUT);
        sealed.extend_from_slice(&key.id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&text);
        Ok(sealed)
    }

    /// Decrypts with the key that encrypted it.
    pub(crate) fn open(
        &self,
        sealed: &[u8],
        bound: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, EncryptionError> {
        let (head, text) = (sealed.split_at_checked(HEAD)).ok_or(EncryptionError::UnknownForm)?;
        if head[0] != LAYOUT {
            return Err(EncryptionError::UnknownForm);
        }
        let (id, nonce) = head[1..].split_at(ID);
        let mut keys = self.current.iter().chain(&self.old).peekable();
        if keys.peek().is_none() {
            return Err(EncryptionError::NoKey);
        }
        let key = keys
            .find(|key| key.id == id)
            .ok_or_else(|| EncryptionError::UnknownKey(hex(id)))?;
        let nonce = XNonce::try_from(nonce).map_err(|_| EncryptionError::UnknownForm)?;
        let payload = Payload {
            msg: text,
            aad: bound,
        };
        let secret = key.cipher().decrypt(&nonce, payload);
        secret
            .map(Zeroizing::new)
            .map_err(|_| EncryptionError::Altered)
    }

    /// Whether it was encrypted with the current key.
    pub(crate) fn is_current(&self, sealed: &[u8]) -> bool {
        let id = sealed.get(1..=ID);
        self.current
            .as_ref()
            .is_some_and(|key| id == Some(&key.id[..]))
    }
}

#[cfg(test)]
mod tests {
    use super::{EncryptionError, EncryptionKey, Keyring};

    fn key(byte: u8) -> EncryptionKey {
        EncryptionKey::from_bytes([byte; 32])
    }

    fn ring(current: u8, old: &[u8]) -> Keyring {
        Keyring {
            current: Some(key(current)),
            old: old.iter().map(|byte| key(*byte)).collect(),
        }
    }

    #[test]
    fn what_is_sealed_is_opened_by_its_key_for_its_row_alone() {
        let sealed = ring(1, &[]).seal(b"secret", b"row 7").unwrap();
        assert_eq!(*ring(1, &[]).open(&sealed, b"row 7").unwrap(), b"secret");
        assert_eq!(*ring(2, &[1]).open(&sealed, b"row 7").unwrap(), b"secret");
        assert_eq!(
            ring(1, &[]).open(&sealed, b"row 8"),
            Err(EncryptionError::Altered)
        );
        let unknown = ring(2, &[3]).open(&sealed, b"row 7");
        assert!(matches!(unknown, Err(EncryptionError::UnknownKey(_))));
        let none = Keyring::default();
        assert_eq!(none.open(&sealed, b"row 7"), Err(EncryptionError::NoKey));
        assert_eq!(none.seal(b"secret", b"row 7"), Err(EncryptionError::NoKey));
        assert!(ring(1, &[2]).is_current(&sealed));
        assert!(!ring(2, &[1]).is_current(&sealed));
    }

    #[test]
    fn every_altered_byte_is_noticed() {
        let ring = ring(1, &[]);
        let sealed = ring.seal(b"secret", b"row 7").unwrap();
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert!(ring.open(&altered, b"row 7").is_err(), "byte {at}");
            assert!(ring.open(&sealed[..at], b"row 7").is_err(), "{at} bytes");
        }
    }

    #[test]
    fn equal_secrets_are_sealed_unequally() {
        let ring = ring(1, &[]);
        let seal = || ring.seal(b"secret", b"row 7").unwrap();
        assert_ne!(seal(), seal());
        assert!(!seal().windows(6).any(|part| part == b"secret"));
    }

    #[test]
    fn keys_are_32_bytes_in_base64() {
        let text = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";
        for text in [text.to_owned(), format!("{text}="), format!(" {text}=\n")] {
            assert!(EncryptionKey::from_base64(&text).unwrap().is_same(&key(1)));
        }
        for text in ["", "AQEB", "not base64!"] {
            let error = EncryptionKey::from_base64(text).unwrap_err();
            assert!(matches!(error, EncryptionError::NotAKey(_)), "{text}");
        }
    }
}
