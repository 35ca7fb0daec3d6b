//! Why a provider did not do what it was asked for.

use events_core::BoxError;

/// Why an authorization server did not do what it was asked for. It holds nothing of what the server answered but the
/// code of an error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProviderFailure {
    /// The grant, a code or a refresh token, is invalid, expired, revoked, or was used already: `invalid_grant` (RFC
    /// 6749, 5.2). Trying again does not help: a person has to authorize anew.
    #[error("the provider does not accept the grant any more (invalid_grant)")]
    InvalidGrant,
    /// Another error code of the server, as `invalid_client`.
    #[error("the provider answered with the error {0}")]
    Refused(String),
    /// The server could not be reached, its certificate is not trusted, or it broke off. Trying again may help.
    #[error("the provider cannot be reached: {0}")]
    Unreachable(String),
    /// The server took longer than is allowed. Trying again may help.
    #[error("the provider did not answer in time")]
    TimedOut,
    /// The answer is not what the standard asks for.
    #[error("the provider's answer is not understood: {0}")]
    Answer(&'static str),
    /// The server answered with this HTTP status, and with no error of OAuth 2: something before it is at fault, or it
    /// is none.
    #[error("the provider answered with the status {0}, and with no error of OAuth 2")]
    Status(u16),
    /// The server has no way to revoke a token, as where no
    /// [`revocation_url`](super::OAuthClient::revocation_url) is configured: the tokens are forgotten here alone.
    #[error("the provider has no address at which tokens are revoked")]
    NoRevocation,
    /// What is configured cannot be used.
    #[error("the OAuth client is not configured rightly: {0}")]
    Configuration(String),
    /// The adapter's own failure.
    #[error(transparent)]
    Other(BoxError),
}

impl ProviderFailure {
    /// The failure that a server's error code stands for. Codes are made of few characters (RFC 6749, 5.2); what has
    /// others, or is long, is not repeated.
    #[must_use]
    pub fn of_code(code: &str) -> Self {
        if code == "invalid_grant" {
            return Self::InvalidGrant;
        }
        Self::Refused(code_or_unknown(code).to_owned())
    }

    /// Whether a token that was to be revoked is none any more, which is what was wanted (RFC 7009, 2.2).
    #[cfg(feature = "store")]
    pub(super) fn is_of_dead_token(&self) -> bool {
        match self {
            Self::InvalidGrant => true,
            Self::Refused(code) => code == "invalid_token",
            _ => false,
        }
    }
}

/// The code, if it looks like one.
pub(super) fn code_or_unknown(code: &str) -> &str {
    let is_word = |c: char| c.is_ascii_lowercase() || c == '_';
    if !code.is_empty() && code.len() <= 40 && code.chars().all(is_word) {
        code
    } else {
        "unknown"
    }
}

#[cfg(test)]
mod tests {
    use super::ProviderFailure;

    #[test]
    fn codes_are_repeated_only_if_they_look_like_codes() {
        assert!(matches!(
            ProviderFailure::of_code("invalid_grant"),
            ProviderFailure::InvalidGrant
        ));
        let told = |code: &str| ProviderFailure::of_code(code).to_string();
        assert!(told("invalid_client").ends_with("invalid_client"));
        assert!(told("hush-hush 42").ends_with("unknown"));
        assert!(told(&"a".repeat(41)).ends_with("unknown"));
    }
}
