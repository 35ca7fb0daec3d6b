//! Each scheme against what its provider publishes, and against everything that is one step away from it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use proptest::prelude::*;
use sha2::Sha256;

use super::{GitHub, HmacSha256, Refused, Signer, StandardWebhooks, Stripe, Verifier, Zendesk};
use crate::webhook::Request;

/// A delivery that can be changed.
#[derive(Clone)]
struct Sent {
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    now: DateTime<Utc>,
}

impl Sent {
    fn new(headers: &[(&'static str, &str)], body: &str, now: i64) -> Self {
        Self {
            headers: headers
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned()))
                .collect(),
            body: body.as_bytes().to_vec(),
            now: DateTime::from_timestamp(now, 0).unwrap(),
        }
    }

    fn with(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut sent = self.clone();
        sent.headers.retain(|(other, _)| *other != name);
        sent.headers.push((name, value.into()));
        sent
    }

    fn without(&self, name: &str) -> Self {
        let mut sent = self.clone();
        sent.headers.retain(|(other, _)| *other != name);
        sent
    }

    fn twice(&self, name: &'static str) -> Self {
        let mut sent = self.clone();
        let value = sent.value(name).to_owned();
        sent.headers.push((name, value));
        sent
    }

    fn value(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        &headers.find(|(other, _)| *other == name).unwrap().1
    }

    fn later(&self, seconds: i64) -> Self {
        let mut sent = self.clone();
        sent.now += TimeDelta::seconds(seconds);
        sent
    }

    /// None: it cannot be sent at all.
    fn map(&self) -> Option<HeaderMap> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).ok()?;
            headers.append(HeaderName::from_static(name), value);
        }
        Some(headers)
    }

    fn to(&self, verifier: &dyn Verifier) -> Result<(), Refused> {
        let headers = self.map().expect("headers");
        verifier.verify(&Request::new(&headers, &self.body, self.now))
    }
}

const AT: i64 = 1_700_000_000;
const SECRET: &str = "a shared secret of some length";
const STANDARD_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const BODY: &str = r#"{"id":"evt_1","type":"ticket.created"}"#;

fn code_of(parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

trait Both: Verifier + Signer {}

impl<V: Verifier + Signer> Both for V {}

/// One genuine delivery of each scheme, with its verifier, its signature's header and, where it has one, its time's.
struct Scheme {
    verifier: Box<dyn Both>,
    genuine: Sent,
    signature: &'static str,
    time: Option<&'static str>,
}

fn schemes() -> Vec<Scheme> {
    let at = AT.to_string();
    let plain = hex::encode(code_of(&[BODY.as_bytes()]));
    let timed = code_of(&[at.as_bytes(), b".", BODY.as_bytes()]);
    let iso = "2023-11-14T22:13:20Z";
    let zendesk = base64(&code_of(&[iso.as_bytes(), BODY.as_bytes()]));
    let stripe = format!("t={at},v1={}", hex::encode(&timed));
    let standard = standardwebhooks::Webhook::new(STANDARD_SECRET).unwrap();
    let standard = standard.sign("msg_1", AT, BODY.as_bytes()).unwrap();
    let scheme = |verifier, headers: &[(&'static str, &str)], time| Scheme {
        verifier,
        genuine: Sent::new(headers, BODY, AT),
        signature: headers[0].0,
        time,
    };
    vec![
        scheme(
            Box::new(GitHub::new(SECRET)),
            &[("x-hub-signature-256", &format!("sha256={plain}"))],
            None,
        ),
        scheme(
            Box::new(Stripe::new(SECRET)),
            &[("stripe-signature", &stripe)],
            None,
        ),
        scheme(
            Box::new(Zendesk::new(SECRET)),
            &[
                ("x-zendesk-webhook-signature", &zendesk),
                ("x-zendesk-webhook-signature-timestamp", iso),
            ],
            Some("x-zendesk-webhook-signature-timestamp"),
        ),
        scheme(
            Box::new(StandardWebhooks::new(STANDARD_SECRET)),
            &[
                ("webhook-signature", &standard),
                ("webhook-timestamp", &at),
                ("webhook-id", "msg_1"),
            ],
            Some("webhook-timestamp"),
        ),
        scheme(
            Box::new(StandardWebhooks::svix(STANDARD_SECRET)),
            &[
                ("svix-signature", &standard),
                ("svix-timestamp", &at),
                ("svix-id", "msg_1"),
            ],
            Some("svix-timestamp"),
        ),
        scheme(
            Box::new(HmacSha256::new("X-Acme-Signature", SECRET)),
            &[("x-acme-signature", &plain)],
            None,
        ),
        scheme(
            Box::new(
                HmacSha256::new("x-acme-signature", SECRET)
                    .prefix("v1=")
                    .base64()
                    .timestamp("X-Acme-Time", "."),
            ),
            &[
                ("x-acme-signature", &format!("v1={}", base64(&timed))),
                ("x-acme-time", &at),
            ],
            Some("x-acme-time"),
        ),
    ]
}

#[test]
fn what_github_publishes_is_accepted() {
    // The example of GitHub's documentation on validating deliveries.
    let sent = Sent::new(
        &[(
            "x-hub-signature-256",
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
        )],
        "Hello, World!",
        AT,
    );
    let secret = "It's a Secret to Everybody";
    assert_eq!(sent.to(&GitHub::new(secret)), Ok(()));
    assert_eq!(
        sent.to(&GitHub::new("It's no Secret")),
        Err(Refused::Signature)
    );
}

#[test]
fn what_is_genuine_is_accepted_and_nothing_else() {
    for scheme in schemes() {
        let Scheme {
            verifier,
            genuine,
            signature,
            time,
        } = scheme;
        assert_eq!(genuine.to(&*verifier), Ok(()), "{signature}");
        let missing = Refused::Missing(signature.to_owned());
        assert_eq!(genuine.without(signature).to(&*verifier), Err(missing));
        let malformed = Err(Refused::Malformed(signature.to_owned()));
        assert_eq!(genuine.twice(signature).to(&*verifier), malformed);
        for junk in ["", "x", "sha256=", "t=,v1=", "v1,", "\u{e4}", "=,=", "0"] {
            let sent = genuine.with(signature, junk);
            assert!(sent.to(&*verifier).is_err(), "{signature}: {junk}");
        }
        for (index, _) in BODY.bytes().enumerate() {
            let mut sent = genuine.clone();
            sent.body[index] ^= 1;
            assert_eq!(sent.to(&*verifier), Err(Refused::Signature), "{signature}");
            sent.body.truncate(index);
            assert_eq!(sent.to(&*verifier), Err(Refused::Signature), "{signature}");
        }
        let timed = time.is_some() || signature == "stripe-signature";
        for seconds in [-300, 300] {
            assert_eq!(genuine.later(seconds).to(&*verifier), Ok(()), "{signature}");
        }
        for seconds in [-301, 301] {
            let refused = if timed {
                Err(Refused::Outdated)
            } else {
                Ok(())
            };
            assert_eq!(
                genuine.later(seconds).to(&*verifier),
                refused,
                "{signature}"
            );
        }
        if let Some(time) = time {
            let missing = Refused::Missing(time.to_owned());
            assert_eq!(genuine.without(time).to(&*verifier), Err(missing));
            let value = genuine.value(time);
            for other in [
                format!("0{value}"),
                format!("+{value}"),
                format!("-{value}"),
                format!(" {value}"),
                format!("{value} "),
                format!("{value}.0"),
                "9".repeat(40),
                String::new(),
            ] {
                let refused = Err(Refused::Malformed(time.to_owned()));
                assert_eq!(
                    genuine.with(time, &*other).to(&*verifier),
                    refused,
                    "{other}"
                );
            }
        }
    }
}

/// What a signer makes is what the provider makes, byte for byte.
#[test]
fn signers_sign_as_the_provider_does() {
    for scheme in schemes() {
        let mut proof: Vec<_> = scheme.genuine.headers.clone();
        proof.retain(|(name, _)| !name.ends_with("-id"));
        proof.sort_unstable();
        let unsigned = proof
            .iter()
            .fold(scheme.genuine.clone(), |sent, (name, _)| sent.without(name));
        let headers = unsigned.map().unwrap();
        let request = Request::new(&headers, &unsigned.body, unsigned.now);
        let mut signed = scheme.verifier.sign(&request).unwrap();
        signed.sort_unstable();
        let proof = proof
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value));
        assert_eq!(signed, proof.collect::<Vec<_>>());
    }
}

#[test]
fn what_cannot_be_signed_is_told() {
    let sign = |signer: &dyn Signer, headers: &[(&'static str, &str)], body: &[u8]| {
        let headers = Sent::new(headers, "", AT).map().unwrap();
        let now = DateTime::from_timestamp(AT, 0).unwrap();
        signer.sign(&Request::new(&headers, body, now)).unwrap_err()
    };
    let empty = Refused::UnfitSecret("it is empty");
    assert_eq!(sign(&GitHub::new("").also([SECRET]), &[], b"{}"), empty);
    let standard = StandardWebhooks::new(STANDARD_SECRET);
    let missing = Refused::Missing("webhook-id".to_owned());
    assert_eq!(sign(&standard, &[], b"{}"), missing);
    let malformed = Refused::Malformed("webhook-id".to_owned());
    assert_eq!(sign(&standard, &[("webhook-id", "a.b")], b"{}"), malformed);
    let other = Refused::Other("the body is not UTF-8");
    assert_eq!(sign(&standard, &[("webhook-id", "a")], b"\xff"), other);
}

#[test]
fn one_of_several_live_secrets_is_enough() {
    let plain = schemes().remove(0).genuine;
    assert_eq!(plain.to(&GitHub::new("new").also([SECRET])), Ok(()));
    assert_eq!(plain.to(&GitHub::new(SECRET).also(Some("old"))), Ok(()));
    assert_eq!(plain.to(&GitHub::new(SECRET).also(None::<String>)), Ok(()));
    assert_eq!(
        plain.to(&GitHub::new("new").also(["old"])),
        Err(Refused::Signature)
    );
    let standard = schemes().remove(3).genuine;
    let other = format!("whsec_{}", base64(&[7; 24]));
    assert_eq!(
        standard.to(&StandardWebhooks::new(&other).also([STANDARD_SECRET])),
        Ok(())
    );
    assert_eq!(
        standard.to(&StandardWebhooks::new(other)),
        Err(Refused::Signature)
    );
}

#[test]
fn a_sender_with_several_secrets_signs_with_each() {
    let stripe = schemes().remove(1).genuine;
    let value = stripe.value("stripe-signature").to_owned();
    let (time, code) = value.split_once(',').unwrap();
    let (wrong, verifier) = ("00".repeat(32), Stripe::new(SECRET));
    let both = |value: String| stripe.with("stripe-signature", value).to(&verifier);
    assert_eq!(both(format!("{time},v1={wrong},{code},v0={wrong}")), Ok(()));
    assert_eq!(
        both(format!("{time},v1={wrong},v0={}", &code[3..])),
        Err(Refused::Signature)
    );
    let malformed = Err(Refused::Malformed("stripe-signature".to_owned()));
    assert_eq!(both(format!("{time},{time},{code}")), malformed);
    assert_eq!(both(code.to_owned()), malformed);
    let standard = schemes().remove(3).genuine;
    let code = standard.value("webhook-signature").to_owned();
    let verifier = StandardWebhooks::new(STANDARD_SECRET);
    let several = |value: String| standard.with("webhook-signature", value).to(&verifier);
    assert_eq!(several(format!("v1a,AAAA v1,AAAA {code}")), Ok(()));
    assert_eq!(several(code.replace("v1,", "v2,")), Err(Refused::Signature));
}

#[test]
fn secrets_that_prove_nothing_accept_nothing() {
    let empty = Err(Refused::UnfitSecret("it is empty"));
    let github = schemes().remove(0).genuine;
    assert_eq!(github.to(&GitHub::new("")), empty);
    assert_eq!(github.to(&GitHub::new(SECRET).also([""])), empty);
    let standard = schemes().remove(3).genuine;
    let short = format!("whsec_{}", base64(&[7; 23]));
    let few = Err(Refused::UnfitSecret("it has fewer than 24 bytes"));
    assert_eq!(standard.to(&StandardWebhooks::new(short)), few);
    assert_eq!(standard.to(&StandardWebhooks::new("")), few);
    let unread = Err(Refused::UnfitSecret("it is not Base64"));
    assert_eq!(standard.to(&StandardWebhooks::new("whsec_!")), unread);
}

/// A dot in the id would let the same code stand for another division into id and time.
#[test]
fn no_dot_stands_in_an_id_of_standard_webhooks() {
    let standard = schemes().remove(3).genuine;
    let signer = standardwebhooks::Webhook::new(STANDARD_SECRET).unwrap();
    let malformed = Err(Refused::Malformed("webhook-id".to_owned()));
    for id in ["msg.1", ".", ""] {
        let code = signer.sign(id, AT, BODY.as_bytes()).unwrap();
        let sent = standard
            .with("webhook-id", id)
            .with("webhook-signature", code);
        assert_eq!(sent.to(&StandardWebhooks::new(STANDARD_SECRET)), malformed);
    }
}

#[test]
fn the_tolerance_can_be_another() {
    let stripe = schemes().remove(1).genuine;
    let verifier = Stripe::new(SECRET).tolerance(Duration::from_secs(10));
    assert_eq!(stripe.later(10).to(&verifier), Ok(()));
    assert_eq!(stripe.later(11).to(&verifier), Err(Refused::Outdated));
}

/// A verifier, the headers of a request, and what it finds in it: the id and the type.
type Case = (
    Box<dyn Verifier>,
    HeaderMap,
    Option<&'static str>,
    Option<&'static str>,
);

#[test]
fn ids_and_types_are_found_where_the_provider_writes_them() {
    let headers = |pairs: &[(&'static str, &str)]| Sent::new(pairs, BODY, AT).map().unwrap();
    let cases: [Case; 6] = [
        (
            Box::new(GitHub::new(SECRET)),
            headers(&[("x-github-delivery", "7"), ("x-github-event", "push")]),
            Some("7"),
            Some("push"),
        ),
        (
            Box::new(Stripe::new(SECRET)),
            headers(&[]),
            Some("evt_1"),
            Some("ticket.created"),
        ),
        (
            Box::new(Zendesk::new(SECRET)),
            headers(&[("x-zendesk-webhook-invocation-id", "8")]),
            Some("8"),
            Some("ticket.created"),
        ),
        (
            Box::new(StandardWebhooks::new(SECRET)),
            headers(&[("webhook-id", "msg_9")]),
            Some("msg_9"),
            Some("ticket.created"),
        ),
        (
            Box::new(
                HmacSha256::new("x-s", SECRET)
                    .delivery_id("X-Id")
                    .event_type("X-Type"),
            ),
            headers(&[("x-id", "10"), ("x-type", "paid")]),
            Some("10"),
            Some("paid"),
        ),
        // An `id` in the body may be that of a thing of which many deliveries tell.
        (
            Box::new(HmacSha256::new("x-s", SECRET)),
            headers(&[]),
            None,
            Some("ticket.created"),
        ),
    ];
    for (verifier, headers, id, event_type) in cases {
        let now = DateTime::from_timestamp(AT, 0).unwrap();
        let request = Request::new(&headers, BODY.as_bytes(), now);
        assert_eq!(verifier.delivery_id(&request).as_deref(), id);
        assert_eq!(verifier.event_type(&request).as_deref(), event_type);
        for body in ["", "[1]", "{\"id\":7,\"type\":[]}", "\u{0}"] {
            let request = Request::new(&headers, body.as_bytes(), now);
            let _ = (
                verifier.delivery_id(&request),
                verifier.event_type(&request),
            );
        }
    }
}

/// An option that could do nothing is no option that is ignored.
#[test]
fn a_tolerance_needs_a_signed_time() {
    let (headers, now) = (HeaderMap::new(), DateTime::from_timestamp(AT, 0).unwrap());
    let request = Request::new(&headers, BODY.as_bytes(), now);
    let untimed = HmacSha256::new("x-s", SECRET).tolerance(Duration::from_mins(1));
    for refused in [
        untimed.verify(&request).unwrap_err(),
        untimed.sign(&request).unwrap_err(),
    ] {
        assert!(refused.to_string().contains(".timestamp(..)"), "{refused}");
    }
    assert!(untimed.timestamp("x-t", ".").sign(&request).is_ok());
}

/// serde would take a list for an object whose fields have no names.
#[test]
fn a_list_has_neither_id_nor_type() {
    let headers = HeaderMap::new();
    let now = DateTime::from_timestamp(AT, 0).unwrap();
    let request = Request::new(&headers, br#"["evt_1","charge.paid"]"#, now);
    let stripe = Stripe::new(SECRET);
    assert_eq!(stripe.delivery_id(&request), None);
    assert_eq!(stripe.event_type(&request), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever is done to the signature, the time, the id or the body, it is refused.
    #[test]
    fn no_mutation_is_accepted(which in 0_usize..7, part in 0_usize..4, at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let Scheme { verifier, genuine, .. } = schemes().remove(which);
        let mut sent = genuine.clone();
        let changed = if let Some((_, value)) = sent.headers.get_mut(part) {
            let mut bytes = value.clone().into_bytes();
            mutate(&mut bytes, at, byte, cut);
            // What is no text cannot be sent in these headers.
            let Ok(text) = String::from_utf8(bytes) else { return Ok(()) };
            let changed = text != *value;
            *value = text;
            changed
        } else {
            mutate(&mut sent.body, at, byte, cut);
            sent.body != genuine.body
        };
        if changed && sent.map().is_some() {
            prop_assert!(sent.to(&*verifier).is_err(), "{:?} {:?}", sent.headers, sent.body);
        }
    }

    /// Nothing that a stranger sends lets a verifier panic, or is accepted.
    #[test]
    fn no_noise_is_accepted(which in 0_usize..7, values in prop::collection::vec("[ -~]{0,80}", 3), body in any::<Vec<u8>>()) {
        let Scheme { verifier, mut genuine, .. } = schemes().remove(which);
        for ((_, value), noise) in genuine.headers.iter_mut().zip(values) {
            *value = noise;
        }
        genuine.body = body;
        prop_assert!(genuine.to(&*verifier).is_err());
    }
}

fn mutate(bytes: &mut Vec<u8>, at: prop::sample::Index, byte: u8, cut: bool) {
    if bytes.is_empty() {
        return;
    }
    let at = at.index(bytes.len());
    if cut {
        bytes.truncate(at);
    } else {
        bytes[at] = byte;
    }
}
