//! The headers of a delivery, as they are stored.

use std::collections::BTreeMap;

use http::HeaderMap;

/// What stands for a value that looks secret.
const MASK: &str = "***";

/// What the name of a header with a secret holds. A signature is one: together with the body it could be sent again.
const SECRET: &[&str] = &[
    "api-key",
    "apikey",
    "auth",
    "cookie",
    "credential",
    "password",
    "secret",
    "signature",
    "token",
];

/// All headers by name, with the values of those that look secret masked.
pub(super) fn stored(headers: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut stored = BTreeMap::new();
    for name in headers.keys() {
        let secret = SECRET.iter().any(|part| name.as_str().contains(part));
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

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

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
            ("x-github-event", "push"),
            ("accept", "a"),
            ("accept", "b"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers.append("x-odd", HeaderValue::from_bytes(b"\xff").unwrap());
        let stored = stored(&headers);
        assert!(!format!("{stored:?}").contains("hush"), "{stored:?}");
        assert_eq!(stored["x-github-event"], ["push"]);
        assert_eq!(stored["accept"], ["a", "b"]);
        assert_eq!(stored["x-odd"], ["\u{fffd}"]);
        assert_eq!(stored["cookie"], ["***"]);
        assert_eq!(stored.len(), 9);
    }
}
