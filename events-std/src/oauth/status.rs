//! How an integration's authorization stands, without its tokens.

use chrono::{DateTime, Utc};

use super::refresh::Stored;
use crate::integration::{Integration, IntegrationError, Integrations};

/// How an integration's authorization stands. It holds no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OAuthStatus {
    /// Whether there is an access token.
    pub is_authorized: bool,
    /// Whether there is a refresh token.
    pub is_refreshable: bool,
    /// When the access token expires, where that is known.
    pub expires_at: Option<DateTime<Utc>>,
    /// Whether a person has to authorize anew, since the provider accepts the grant no more.
    pub needs_authorization: bool,
}

impl Integrations {
    /// How the integration's authorization stands, by its record.
    ///
    /// # Errors
    ///
    /// If its provider is not known, or has no `OAuth`.
    pub fn oauth_status(&self, integration: &Integration) -> Result<OAuthStatus, IntegrationError> {
        self.oauth_of(integration)?;
        let stored = Stored::of(integration);
        Ok(OAuthStatus {
            is_authorized: stored.access.is_some(),
            is_refreshable: stored.refresh.is_some(),
            expires_at: stored.expires_at(),
            needs_authorization: integration.needs_authorization,
        })
    }
}
