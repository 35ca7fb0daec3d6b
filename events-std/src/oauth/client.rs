//! What an application is registered as at an authorization server: endpoints, id, secret, scopes. Configuration only.

use std::fmt;
use std::time::Duration;

use oauth2::url::Url;
use secrecy::SecretString;

use super::ProviderFailure;

/// The client that an authorization server knows, and where the server is: all that a provider that follows the
/// standard (RFC 6749) needs.
///
/// ```
/// use events_std::oauth::OAuthClient;
///
/// let client = OAuthClient::new("my-app", "https://id.example/authorize", "https://id.example/token")
///     .secret("hush")
///     .scope("tickets:read")
///     .issuer("https://id.example")
///     .revocation_url("https://id.example/revoke");
/// # let _ = client;
/// ```
///
/// Endpoints are `https`, or `http` on loopback. Whatever is sent goes to their hosts alone; redirects are not followed,
/// and an answer holds 1 MiB at most.
#[derive(Clone)]
#[must_use]
pub struct OAuthClient {
    pub(super) id: String,
    pub(super) secret: Option<SecretString>,
    pub(super) authorize_url: String,
    pub(super) token_url: String,
    pub(super) revocation_url: Option<String>,
    pub(super) issuer: Option<String>,
    pub(super) scopes: Vec<String>,
    pub(super) parameters: Vec<(String, String)>,
    pub(super) kept: Vec<String>,
    pub(super) secret_in_body: bool,
    pub(super) roots: Vec<Vec<u8>>,
    pub(super) timeout: Duration,
}

/// No call takes longer, whatever is configured: a lease outlasts it.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

impl OAuthClient {
    /// The client with this id, of the server with these endpoints: where a person authorizes, and where tokens come
    /// from.
    pub fn new(
        id: impl Into<String>,
        authorize_url: impl Into<String>,
        token_url: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            secret: None,
            authorize_url: authorize_url.into(),
            token_url: token_url.into(),
            revocation_url: None,
            issuer: None,
            scopes: Vec::new(),
            parameters: Vec::new(),
            kept: Vec::new(),
            secret_in_body: false,
            roots: Vec::new(),
            timeout: Duration::from_secs(15),
        }
    }

    /// The client's secret, which a public client does not have. It is sent by HTTP Basic.
    pub fn secret(mut self, secret: impl Into<String>) -> Self {
        self.secret = Some(SecretString::from(secret.into()));
        self
    }

    /// Sends the secret in the body, as servers want it that do not follow the standard's advice.
    pub fn secret_in_body(mut self) -> Self {
        self.secret_in_body = true;
        self
    }

    /// Asks for this scope too.
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// The issuer that every answer of the server names in `iss` (RFC 9207): an answer without it, or with another, is
    /// refused. For servers that announce `authorization_response_iss_parameter_supported`: an application that connects to
    /// servers of which it does not trust each as much as the others needs it, since all send people back to one address
    /// (RFC 9700, 4.4). Without it, `iss` is not looked at.
    pub fn issuer(mut self, issuer: impl Into<String>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Where tokens are revoked (RFC 7009). Without it, a revocation removes them here alone, and the provider may accept
    /// them on.
    pub fn revocation_url(mut self, url: impl Into<String>) -> Self {
        self.revocation_url = Some(url.into());
        self
    }

    /// A further parameter of the request to authorize, as `access_type`, `offline`.
    pub fn parameter(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.parameters.push((name.into(), value.into()));
        self
    }

    /// Stores what the server answers under this name beside the tokens, as `instance_url`. All other is dropped, so
    /// that a server puts nothing over credentials that are none of its own.
    pub fn keep(mut self, name: impl Into<String>) -> Self {
        self.kept.push(name.into());
        self
    }

    /// Trusts this certificate, in PEM, beside those of the public authorities.
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// How long a call may take, 15 s unless given, 30 s at most; connecting may take 5 s of it.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(LONGEST);
        self
    }

    /// Whether a request may go there: to the origin of an endpoint.
    pub(super) fn is_own(&self, url: &Url) -> bool {
        let urls = [&self.authorize_url, &self.token_url].into_iter();
        is_safe(url)
            && urls
                .chain(&self.revocation_url)
                .filter_map(|own| Url::parse(own).ok())
                .any(|own| own.origin() == url.origin())
    }
}

/// An endpoint, checked.
pub(super) fn endpoint(url: &str) -> Result<Url, ProviderFailure> {
    let url = Url::parse(url).map_err(|_| configuration("an endpoint is no URL"))?;
    if is_safe(&url) {
        return Ok(url);
    }
    Err(configuration(
        "an endpoint is neither https nor http on loopback",
    ))
}

fn configuration(reason: &str) -> ProviderFailure {
    ProviderFailure::Configuration(reason.to_owned())
}

/// Whether what is sent there is secret on its way: https, or a way that does not leave the machine.
pub(super) fn is_safe(url: &Url) -> bool {
    match url.scheme() {
        "https" => url.has_host(),
        "http" => is_loopback(url),
        _ => false,
    }
}

pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host_str() {
        Some("localhost") => true,
        Some(host) => {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            let address = host.parse::<std::net::IpAddr>();
            address.is_ok_and(|address| address.is_loopback())
        }
        None => false,
    }
}

impl fmt::Debug for OAuthClient {
    /// Without the secret, and without parameters, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClient")
            .field("id", &self.id)
            .field("issuer", &self.issuer)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use oauth2::url::Url;

    use super::{OAuthClient, is_safe};

    #[test]
    fn plain_http_is_for_loopback_alone() {
        let safe = |url: &str| is_safe(&Url::parse(url).unwrap());
        for url in [
            "https://id.example/token",
            "http://localhost:8080/token",
            "http://127.0.0.1/token",
            "http://127.8.9.1:1/token",
            "http://[::1]:3/token",
        ] {
            assert!(safe(url), "{url}");
        }
        for url in [
            "http://id.example/token",
            "http://localhost.example/token",
            "http://127.0.0.1.example/token",
            "http://10.0.0.1/token",
            "http://[::2]/token",
            "ftp://localhost/token",
            "data:token",
        ] {
            assert!(!safe(url), "{url}");
        }
    }

    #[test]
    fn requests_go_to_the_hosts_that_are_configured() {
        let client = OAuthClient::new("id", "https://a.example/x", "https://b.example:8443/y");
        let own = |url: &str| client.is_own(&Url::parse(url).unwrap());
        assert!(own("https://a.example/anything"));
        assert!(own("https://b.example:8443/"));
        assert!(!own("https://b.example/"));
        assert!(!own("https://c.example/"));
        assert!(!own("http://a.example/"));
    }

    #[test]
    fn secrets_are_not_shown() {
        let client = OAuthClient::new("id", "https://a.example", "https://a.example")
            .secret("hush")
            .parameter("key", "hush");
        assert!(!format!("{client:?}").contains("hush"));
    }
}
