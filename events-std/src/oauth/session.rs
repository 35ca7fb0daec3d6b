//! The browser that began an authorization: a cookie with a random value, whose hash is kept with the state, so that
//! nobody ends in one browser what was begun in another.

use http::HeaderMap;
use http::header::COOKIE;
use oauth2::CsrfToken;

use super::state::hash;

/// How long the browser keeps it: as long as a state, in seconds.
const LASTS: u32 = 600;
/// The length of 256 bits in base64 without padding.
const LENGTH: usize = 43;

/// A browser's session.
pub(super) struct Session(String);

impl Session {
    /// Of a cookie with this prefix no other host, and no page without TLS, can set one (RFC 6265bis, 4.1.3).
    const fn name(is_https: bool) -> &'static str {
        if is_https {
            "__Host-events-oauth"
        } else {
            "events-oauth"
        }
    }

    /// The one that the request names; none if it names several.
    pub(super) fn of(headers: &HeaderMap, is_https: bool) -> Option<Self> {
        let mut found = None;
        let lines = headers.get_all(COOKIE).iter();
        let pairs = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'));
        for pair in pairs {
            let Some((name, value)) = pair.trim().split_once('=') else {
                continue;
            };
            if name != Self::name(is_https) {
                continue;
            }
            let is_ours = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            if found.is_some() || value.len() != LENGTH || !value.bytes().all(is_ours) {
                return None;
            }
            found = Some(Self(value.to_owned()));
        }
        found
    }

    pub(super) fn new() -> Self {
        Self(random())
    }

    /// What is stored of it.
    pub(super) fn hash(&self) -> String {
        hash("session", &self.0)
    }

    /// The header's value that sets it. `Lax`, since the way back from the provider comes from another site.
    pub(super) fn cookie(&self, is_https: bool) -> String {
        let secure = if is_https { "; Secure" } else { "" };
        format!(
            "{}={}; Path=/; Max-Age={LASTS}; HttpOnly; SameSite=Lax{secure}",
            Self::name(is_https),
            self.0
        )
    }
}

/// 256 random bits, in base64 that addresses can hold.
pub(super) fn random() -> String {
    CsrfToken::new_random_len(32).into_secret()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::COOKIE;

    use super::Session;

    fn of(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, line.parse().unwrap());
        }
        Session::of(&headers, true).map(|session| session.0)
    }

    #[test]
    fn one_whole_value_is_a_session() {
        let value = super::random();
        let pair = format!("__Host-events-oauth={value}");
        assert_eq!(of(&[&format!("a=b; {pair}; c=d")]), Some(value.clone()));
        assert_eq!(of(&["a=b", &pair]), Some(value.clone()));
        assert_eq!(of(&[&pair, &pair]), None);
        assert_eq!(of(&[&format!("events-oauth={value}")]), None);
        assert_eq!(of(&[&pair[..pair.len() - 1]]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn the_cookie_is_for_this_host_alone() {
        let session = Session::new();
        let cookie = session.cookie(true);
        for part in [
            "__Host-",
            "Path=/;",
            "; HttpOnly",
            "; SameSite=Lax",
            "; Secure",
        ] {
            assert!(cookie.contains(part), "{part}");
        }
        assert!(!cookie.contains("Domain"));
        assert!(!session.cookie(false).contains("Secure"));
        assert!(!session.hash().contains(&session.0));
    }
}
