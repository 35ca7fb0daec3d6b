//! A line of the file, and the request that it becomes.

use std::collections::BTreeMap;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde::de::IgnoredAny;
use uuid::Uuid;

/// What GitHub's own headers begin with.
const OURS: &str = "x-github-";
const KIND: &str = "x-github-event";
const ID: &str = "x-github-delivery";

#[derive(Deserialize)]
struct Fields {
    headers: BTreeMap<String, String>,
    body: String,
}

/// A delivery as GitHub would send it, but for the signature. One that has no id in the file has a new one.
pub(super) struct Line {
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// Why a line is no delivery.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    #[error("it is not a delivery: {0}")]
    Line(serde_json::Error),
    #[error("its header `{0}` cannot be sent")]
    Header(String),
    #[error("it has no header `{KIND}`")]
    NoKind,
    #[error("its body is not JSON: {0}")]
    Body(serde_json::Error),
}

impl Line {
    pub(super) fn parse(line: &[u8]) -> Result<Self, LineError> {
        let Fields { headers, body } = serde_json::from_slice(line).map_err(LineError::Line)?;
        serde_json::from_str::<IgnoredAny>(&body).map_err(LineError::Body)?;
        let mut own = HeaderMap::new();
        for (name, value) in headers {
            let header = HeaderName::from_bytes(name.as_bytes());
            let header = header.ok().zip(HeaderValue::from_str(&value).ok());
            let (header, value) = header.ok_or(LineError::Header(name))?;
            if header.as_str().starts_with(OURS) {
                own.insert(header, value);
            }
        }
        if !own.contains_key(KIND) {
            return Err(LineError::NoKind);
        }
        if !own.contains_key(ID) {
            let id = Uuid::new_v4().to_string();
            own.insert(ID, id.parse().map_err(|_| LineError::Header(id))?);
        }
        Ok(Self { headers: own, body })
    }

    /// What has happened.
    pub(super) fn kind(&self) -> &str {
        let kind = self.headers.get(KIND).and_then(|kind| kind.to_str().ok());
        kind.unwrap_or_default()
    }
}
