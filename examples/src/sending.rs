//! How other companies send webhooks: what they sign with, and what they are answered.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use reqwest::{RequestBuilder, StatusCode};
use serde::Deserialize;
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

/// What becomes of a webhook that is sent.
#[derive(PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is stored.
    Queued,
    /// It was stored before.
    Duplicate,
    Refused(StatusCode, String),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Body {
    Taken { status: String },
    Refused { error: String },
}

/// Sends it.
pub(crate) async fn send(request: RequestBuilder) -> Result<Answer, Error> {
    let answer = request.send().await?;
    let status = answer.status();
    let body = answer.bytes().await?;
    Ok(match serde_json::from_slice(&body)? {
        Body::Taken { status } if status == "duplicate" => Answer::Duplicate,
        Body::Taken { .. } => Answer::Queued,
        Body::Refused { error } => Answer::Refused(status, error),
    })
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queued => f.write_str("queued"),
            Self::Duplicate => f.write_str("duplicate"),
            Self::Refused(status, error) => write!(f, "{status}: {error}"),
        }
    }
}
