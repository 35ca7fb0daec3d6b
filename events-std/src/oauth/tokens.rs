//! The tokens of an authorization: as a server gives them, and as they lie among an integration's credentials.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value};

#[cfg(feature = "store")]
pub(super) use crate::integration::{ACCESS_TOKEN, REFRESH_TOKEN};

/// The third among the credentials.
#[cfg(feature = "store")]
pub(super) const EXPIRES_AT: &str = "token_expires_at";

/// What an authorization server gave. `Debug` shows nothing of it.
///
/// Stored among the integration's credentials it is `access_token`, `refresh_token` and `token_expires_at`, a time as
/// RFC 3339 writes it; and what [`with`](Self::with) adds.
#[derive(Clone)]
#[must_use]
pub struct Tokens {
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
    pub(super) expires_in: Option<Duration>,
    pub(super) others: Map<String, Value>,
}

impl Tokens {
    /// An access token that does not expire, and cannot be refreshed.
    pub fn new(access_token: impl Into<String>) -> Self {
        Self {
            access_token: access_token.into(),
            refresh_token: None,
            expires_in: None,
            others: Map::new(),
        }
    }

    /// The token that asks for the next access token. Without one, the one that is stored stays.
    pub fn refresh_token(mut self, token: impl Into<String>) -> Self {
        self.refresh_token = Some(token.into());
        self
    }

    /// How long the access token is good for, from the request on.
    pub fn expires_in(mut self, time: Duration) -> Self {
        self.expires_in = Some(time);
        self
    }

    /// Another value that is stored among the credentials, over the one of this name.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.others.insert(name.into(), value.into());
        self
    }

    /// Puts them over the credentials that are stored.
    #[cfg(feature = "store")]
    pub(super) fn merge_into(
        self,
        credentials: &mut Map<String, Value>,
        asked_at: chrono::DateTime<chrono::Utc>,
    ) {
        credentials.extend(self.others);
        credentials.insert(ACCESS_TOKEN.to_owned(), self.access_token.into());
        if let Some(token) = self.refresh_token {
            credentials.insert(REFRESH_TOKEN.to_owned(), token.into());
        }
        let expires_at = self.expires_in.and_then(|time| {
            let time = chrono::TimeDelta::from_std(time).ok()?;
            asked_at.checked_add_signed(time)
        });
        match expires_at {
            Some(at) => credentials.insert(EXPIRES_AT.to_owned(), at.to_rfc3339().into()),
            // The time of the token before is none of this one.
            None => credentials.remove(EXPIRES_AT),
        };
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(..)")
    }
}

/// One token that is to be revoked. `Debug` shows nothing of it.
#[derive(Clone)]
#[non_exhaustive]
pub enum RevokedToken {
    /// An access token.
    Access(String),
    /// A refresh token: with it goes the whole grant.
    Refresh(String),
}

impl fmt::Debug for RevokedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Access(_) => "Access(..)",
            Self::Refresh(_) => "Refresh(..)",
        })
    }
}
