//! What the application says of itself: where servers send people back to, and which of its pages they go on to.

use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderValue;
use oauth2::url::Url;

use super::client::is_safe;
use crate::integration::{Integrations, IntegrationsBuilder};

/// Where authorization servers send people back to, and which pages of the application they go on to.
///
/// ```
/// use events_std::oauth::OAuthSettings;
///
/// let settings = OAuthSettings::new("https://app.example/integrations/oauth/callback", "/integrations")
///     .page("/settings/integrations");
/// # let _ = settings;
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct OAuthSettings {
    pub(super) callback: Option<String>,
    pages: Vec<String>,
    pub(super) refresh_before: Duration,
}

impl Default for OAuthSettings {
    /// No callback address, so no [`routes`](super::routes): tokens are refreshed 300 s before they expire, those of less than 600 s
    /// when half of their life is over.
    fn default() -> Self {
        Self {
            callback: None,
            pages: Vec::new(),
            refresh_before: Duration::from_mins(5),
        }
    }
}

impl OAuthSettings {
    /// The address of the callback route, as it is registered at the providers, and the page that people go on to: a path
    /// of the same host, as `/integrations`, or an address.
    pub fn new(callback: impl Into<String>, page: impl Into<String>) -> Self {
        Self {
            callback: Some(callback.into()),
            pages: vec![page.into()],
            ..Self::default()
        }
    }

    /// Another page, to which a request may ask to go on by the parameter `redirect`, which holds exactly this text.
    pub fn page(mut self, page: impl Into<String>) -> Self {
        self.pages.push(page.into());
        self
    }

    /// How long before its expiry an access token is refreshed, in place of 300 s; but never before half of its life is
    /// over, so that one of short life is used for a while too.
    pub fn refresh_before(mut self, time: Duration) -> Self {
        self.refresh_before = time;
        self
    }

    /// The page that is asked for, if it is allowed: the text itself is compared, so that nothing is understood here that a
    /// browser understands otherwise.
    pub(super) fn page_for(&self, asked: Option<&str>) -> Option<&str> {
        let mut pages = self.pages.iter().map(String::as_str);
        match asked {
            None => pages.next(),
            Some(asked) => pages.find(|page| *page == asked),
        }
    }

    pub(super) fn check(&self) -> Result<Checked, RoutesError> {
        let callback = self.callback.as_deref().ok_or(RoutesError::NoCallback)?;
        let url = Url::parse(callback).ok().filter(is_safe);
        let url = url.filter(|url| url.fragment().is_none());
        let url = url.ok_or_else(|| RoutesError::Callback(callback.to_owned()))?;
        for page in &self.pages {
            if !is_page(page) {
                return Err(RoutesError::Page(page.clone()));
            }
        }
        Ok(Checked {
            callback: callback.to_owned(),
            origin: url.origin().ascii_serialization(),
            is_https: url.scheme() == "https",
        })
    }
}

/// What the callback address tells.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) callback: String,
    pub(super) origin: String,
    pub(super) is_https: bool,
}

/// Whether every browser takes it for a path of the same host, or for the address that it is.
fn is_page(page: &str) -> bool {
    let is_plain = page.bytes().all(|byte| byte.is_ascii_graphic()) && !page.contains('\\');
    if !is_plain || HeaderValue::from_str(page).is_err() {
        return false;
    }
    match page.strip_prefix('/') {
        Some(rest) => !rest.starts_with('/'),
        None => Url::parse(page).is_ok_and(|url| is_safe(&url) && url.username().is_empty()),
    }
}

/// Why there are no routes.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoutesError {
    /// The engine does not know the address of the callback.
    #[error(
        "the engine does not know where authorization servers send people back to: give it to its builder, `.oauth(OAuthSettings::new(callback, page))`"
    )]
    NoCallback,
    /// There is no key to encrypt tokens with.
    #[error(
        "the engine has no key to encrypt tokens with: give it to its builder, `.encryption_key(..)`"
    )]
    NoEncryptionKey,
    /// The address of the callback is not usable.
    #[error(
        "`{0}` is no address for a callback: it is https, or http on loopback, and has no fragment"
    )]
    Callback(String),
    /// A page is not usable.
    #[error(
        "`{0}` is no page to go on to: write a path, as `/integrations`, or an https address, in ASCII"
    )]
    Page(String),
}

crate::error::debug_as_text!(RoutesError);

impl IntegrationsBuilder {
    /// Where authorization servers send people back to, and which pages of the application they go on to.
    pub fn oauth(self, settings: OAuthSettings) -> Self {
        self.part(settings)
    }
}

impl Integrations {
    pub(super) fn oauth_settings(&self) -> Arc<OAuthSettings> {
        self.part()
    }
}

#[cfg(test)]
mod tests {
    use super::{OAuthSettings, RoutesError, is_page};

    #[test]
    fn pages_are_paths_of_the_same_host_or_safe_addresses() {
        for page in [
            "/",
            "/a/b?c=d#e",
            "https://app.example/x",
            "http://localhost:3000/x",
        ] {
            assert!(is_page(page), "{page}");
        }
        for page in [
            "",
            "x",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/a\\b",
            "/a b",
            "/\t/evil.example",
            "/\r\nx: y",
            "http://app.example",
            "javascript:alert(1)",
            "https://app.example@evil.example",
            "data:x",
            "/ä",
        ] {
            assert!(!is_page(page), "{page}");
        }
    }

    #[test]
    fn faults_are_told_before_anything_is_served() {
        let of = |callback: &str, page: &str| OAuthSettings::new(callback, page).check().err();
        assert_eq!(of("https://app.example/cb", "/"), None);
        assert_eq!(
            OAuthSettings::default().check().err(),
            Some(RoutesError::NoCallback)
        );
        for callback in [
            "http://app.example/cb",
            "app.example/cb",
            "https://app.example/cb#x",
        ] {
            assert_eq!(
                of(callback, "/"),
                Some(RoutesError::Callback(callback.to_owned()))
            );
        }
        assert_eq!(
            of("https://app.example/cb", "//x"),
            Some(RoutesError::Page("//x".to_owned()))
        );
    }
}
