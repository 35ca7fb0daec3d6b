//! Whatever a provider has signed is accepted, whatever bytes it is, and its id and type are what a plain reading finds.

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::DateTime;
use events_std::webhook::{
    GitHub, HmacSha256, Request, StandardWebhooks, Stripe, Verifier, Zendesk,
};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use sha2::Sha256;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NOW: i64 = 1_700_000_000;
const TIME: &str = "1700000000";
const TIME_IN_WORDS: &str = "2023-11-14T22:13:20Z";

fn code(secret: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("any length is a key");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn check(
    verifier: &dyn Verifier,
    headers: &[(&'static str, String)],
    body: &[u8],
    is_id: impl Fn(Option<&str>) -> bool,
) {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_str(value).expect("a header"));
    }
    let now = DateTime::from_timestamp(NOW, 0).expect("a time");
    let request = Request::new(&map, body, now);
    assert_eq!(verifier.verify(&request), Ok(()), "it is signed");
    let id = verifier.delivery_id(&request);
    assert!(is_id(id.as_deref()), "{id:?}");
    let _ = verifier.event_type(&request);
    let mut longer = body.to_vec();
    longer.push(b' ');
    let changed = Request::new(&map, &longer, now);
    assert!(verifier.verify(&changed).is_err(), "it is another body");
}

fuzz_target!(|body: &[u8]| {
    let secret = SECRET.as_bytes();
    let hub = format!("sha256={}", hex::encode(code(secret, &[body])));
    let headers = [
        ("x-hub-signature-256", hub),
        ("x-github-delivery", "d-1".into()),
    ];
    check(&GitHub::new(SECRET), &headers, body, |id| id == Some("d-1"));

    let stripe = hex::encode(code(secret, &[TIME.as_bytes(), b".", body]));
    let headers = [("stripe-signature", format!("t={TIME},v1={stripe}"))];
    // A plain reading refuses what the fast one passes over, as a number beyond all bounds.
    let top: Option<Value> = serde_json::from_slice(body).ok();
    check(&Stripe::new(SECRET), &headers, body, |id| {
        top.as_ref()
            .is_none_or(|top| top.get("id").and_then(Value::as_str) == id)
    });

    let zendesk = STANDARD.encode(code(secret, &[TIME_IN_WORDS.as_bytes(), body]));
    let headers = [
        ("x-zendesk-webhook-signature", zendesk),
        (
            "x-zendesk-webhook-signature-timestamp",
            TIME_IN_WORDS.into(),
        ),
        ("x-zendesk-webhook-invocation-id", "z-1".into()),
    ];
    check(&Zendesk::new(SECRET), &headers, body, |id| {
        id == Some("z-1")
    });

    let plain = hex::encode(code(secret, &[body]));
    let headers = [("signature", plain), ("id", "h-1".into())];
    let own = HmacSha256::new("signature", SECRET).delivery_id("id");
    check(&own, &headers, body, |id| id == Some("h-1"));

    let timed = STANDARD.encode(code(secret, &[TIME.as_bytes(), b":", body]));
    let headers = [("signature", format!("v1={timed}")), ("time", TIME.into())];
    let own = HmacSha256::new("signature", SECRET).prefix("v1=").base64();
    check(&own.timestamp("time", ":"), &headers, body, |id| {
        id.is_none()
    });

    // Its crate signs texts only.
    if std::str::from_utf8(body).is_err() {
        return;
    }
    let key = STANDARD.decode(&SECRET["whsec_".len()..]).expect("Base64");
    let standard = STANDARD.encode(code(&key, &[b"m-1.", TIME.as_bytes(), b".", body]));
    let proof = |names: [&'static str; 3]| {
        let values = ["m-1".to_owned(), TIME.to_owned(), format!("v1,{standard}")];
        names.into_iter().zip(values).collect::<Vec<_>>()
    };
    let headers = proof(["webhook-id", "webhook-timestamp", "webhook-signature"]);
    let is_id = |id: Option<&str>| id == Some("m-1");
    check(&StandardWebhooks::new(SECRET), &headers, body, is_id);
    let headers = proof(["svix-id", "svix-timestamp", "svix-signature"]);
    check(&StandardWebhooks::svix(SECRET), &headers, body, is_id);
});
