//! That no secret survives, wherever it stands.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::body::Redactor;
use super::names::Names;
use super::text::{address, scrub};

/// As secrets are made: long, of more than letters.
const SECRET: &str = "[A-Za-z0-9._-]{4,20}S3[A-Za-z0-9]{4,20}";

/// Names of secrets, as providers write them.
fn secret_name() -> impl Strategy<Value = String> {
    let names = [
        "access_token",
        "refreshToken",
        "API-Key",
        "X-Api-Key",
        "password",
        "user_password",
        "client_secret",
        "Authorization",
        "Proxy-Authorization",
        "Set-Cookie",
        "session_id",
        "signature",
        "sig",
        "auth",
        "private_key",
        "SigningKey",
        "iban",
        "Customer-IBAN",
    ];
    prop::sample::select(names.to_vec()).prop_map(str::to_owned)
}

fn harmless_name() -> impl Strategy<Value = String> {
    prop::sample::select(&["id", "name", "subject", "author", "tickets", "page", "data"][..])
        .prop_map(str::to_owned)
}

fn redactor(credential: &str) -> Redactor {
    Redactor::for_tests(&["IBAN"], &[credential])
}

/// JSON in which the secret stands at least once, behind a secret name, as a credential in a text, or in an address,
/// and however deep.
fn body_with(secret: &'static str) -> impl Strategy<Value = Value> {
    let hiding = prop_oneof![
        secret_name().prop_map(move |name| json!({name: secret})),
        secret_name().prop_map(move |name| json!({name: {"deep": [secret]}})),
        Just(json!(format!("Bearer {secret}"))),
        Just(json!(format!("https://u:{secret}@host/x"))),
        Just(json!(format!("see https://host/x?page={secret}#{secret}"))),
        Just(json!(format!(
            "(see /x?filter[name]={secret}&ids[]={secret},{secret};b={secret})"
        ))),
        secret_name().prop_map(move |name| json!(format!("{name}={secret}"))),
        secret_name().prop_map(move |name| json!(format!("{name}: {secret}, and more"))),
        secret_name().prop_map(move |name| json!(format!("{name}={secret}?{secret}"))),
        secret_name().prop_map(move |name| json!(format!("{name}: https://h/{secret}"))),
        secret_name().prop_map(move |name| json!(json!({name: secret}).to_string())),
        secret_name()
            .prop_map(move |name| json!(format!("cut off {{\"{name}\": \"{secret}\", \"a\"")))
    ];
    hiding.prop_recursive(4, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 1..3).prop_map(Value::Array),
            (harmless_name(), inner.clone())
                .prop_map(|(name, inner)| Value::Object(Map::from_iter([(name, inner)]))),
            inner.prop_map(|inner| json!({"inner": inner.to_string()})),
        ]
    })
}

/// What the bodies of [`body_with`] hide. No part of it is a word of another text.
const HIDDEN: &str = "zQ7-hid.den_S3cr";

proptest! {
    #[test]
    fn no_secret_of_a_body_survives(body in body_with(HIDDEN)) {
        let stored = redactor("another-credential").body(None, json!([body]).to_string().as_bytes()).unwrap();
        prop_assert!(!stored.contains(HIDDEN), "{stored}");
    }

    #[test]
    fn no_credential_survives(secret in SECRET, before in ".{0,20}", after in ".{0,20}", name in harmless_name()) {
        let redactor = redactor(&secret);
        let text = format!("{before}{secret}{after}");
        prop_assert!(!redactor.text(&text).contains(&secret));
        prop_assert!(!redactor.endpoint(&text).contains(&secret));
        let body = json!({name: [text.clone()], text: 1});
        let stored = redactor.body(None, body.to_string().as_bytes()).unwrap();
        prop_assert!(!stored.contains(&secret), "{stored}");
    }

    #[test]
    fn no_secret_of_a_form_survives(secret in SECRET, name in secret_name(), times in 1_usize..3) {
        let pairs = (0..times).map(|_| (&*name, &*secret)).chain([("page", "2")]);
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let content_type = Some("Application/X-WWW-Form-Urlencoded; charset=utf-8");
        let stored = redactor("another-credential").body(content_type, form.as_bytes()).unwrap();
        prop_assert!(!stored.contains(&secret), "{stored}");
        prop_assert!(stored.contains("\"page\":\"2\""), "{stored}");
    }

    #[test]
    fn no_value_of_a_query_survives(names in vec("[a-z]{1,5}", 1..4), secret in SECRET) {
        let query: Vec<_> = names.iter().map(|name| format!("{name}={secret}")).collect();
        let clean = address(&format!("/a/b?{}", query.join("&")), &Names::with(&[]));
        let expected: Vec<_> = names.iter().map(|name| format!("{name}=[redacted]")).collect();
        prop_assert_eq!(clean, format!("/a/b?{}", expected.join("&")));
    }

    /// Whatever the text: no panic, and what is clean stays so.
    #[test]
    fn a_second_time_changes_nothing(text in ".{0,80}") {
        let names = Names::with(&[]);
        let once = scrub(&text, &names);
        prop_assert_eq!(scrub(&once, &names), once);
    }

    #[test]
    fn any_bytes_are_read_or_left_out(bytes in vec(any::<u8>(), 0..200)) {
        let form = Some("application/x-www-form-urlencoded");
        if let Some(stored) = redactor("another-credential").body(form, &bytes) {
            prop_assert!(serde_json::from_str::<Value>(&stored).is_ok());
        }
    }
}

#[test]
fn what_is_no_secret_stays() {
    let names = Names::with(&[]);
    for text in [
        "the answer was 404 Not Found",
        "author: Ada, page=2",
        "a basic plan",
        "tickets 1:2, at 10:30",
        "/api/v2/tickets/7",
        "",
        "   spaces  and\nlines ",
    ] {
        assert_eq!(scrub(text, &names), text);
    }
    for name in [
        "author",
        "page",
        "pinned",
        "passenger",
        "authority",
        "side",
        "keys",
        "status",
    ] {
        assert!(!names.is_secret(name), "{name}");
    }
}
