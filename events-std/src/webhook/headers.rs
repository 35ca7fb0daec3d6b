//! The headers of a delivery, as they are stored.

use std::collections::BTreeMap;

use http::HeaderMap;

use crate::request::is_secret_name;

/// What stands for a value that looks secret.
const MASK: &str = "***";

/// Words that make a header secret where they stand alone in its name, and no others would. A signature is one: together
/// with the body it could be sent again.
const WORDS: &[&str] = &["hmac", "sig"];

/// All headers by name, with the values of those masked that look secret, or in which the proof stands.
pub(super) fn stored(headers: &HeaderMap, proof: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut stored = BTreeMap::new();
    for name in headers.keys() {
        let secret = looks_secret(name.as_str())
            || proof
                .iter()
                .any(|header| header.eq_ignore_ascii_case(name.as_str()));
        let values = headers.get_all(name).iter().map(|value| {
            if secret {
                MASK.to_owned()
            } else {
                String::from_utf8_lossy(value.as_bytes()).into_owned()
            }
        });
        stored.insert(name.as_str().to_owned(), values.collect());
    }
    stored
}

fn looks_secret(name: &str) -> bool {
    is_secret_name(name)
        || name.contains("auth")
        || name.split(['-', '_']).any(|word| WORDS.contains(&word))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::stored;

    #[test]
    fn secrets_are_masked_and_all_else_is_kept() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer hush"),
            ("proxy-authorization", "Basic hush"),
            ("cookie", "session=hush"),
            ("x-hub-signature-256", "sha256=hush"),
            ("x-gitlab-token", "hush"),
            ("x-api-key", "hush"),
            ("x-shopify-hmac-sha256", "hush"),
            ("paypal-transmission-sig", "hush"),
            ("x-auth-key", "hush"),
            ("X-Trello-Webhook", "hush"),
            ("x-design", "a"),
            ("x-github-event", "push"),
            ("accept", "a"),
            ("accept", "b"),
        ] {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_static(value));
        }
        headers.append("x-odd", HeaderValue::from_bytes(b"\xff").unwrap());
        let stored = stored(&headers, &["X-Trello-Webhook".to_owned()]);
        assert!(!format!("{stored:?}").contains("hush"), "{stored:?}");
        assert_eq!(stored["x-github-event"], ["push"]);
        assert_eq!(stored["accept"], ["a", "b"]);
        assert_eq!(stored["x-odd"], ["\u{fffd}"]);
        assert_eq!(stored["cookie"], ["***"]);
        assert_eq!(stored["x-design"], ["a"]);
        assert_eq!(stored.len(), 14);
    }
}
