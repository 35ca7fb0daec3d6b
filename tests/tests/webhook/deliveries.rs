//! Real deliveries of GitHub: the genuine ones are accepted, nothing that is one step away from them is.

use std::collections::BTreeSet;
use std::path::Path;

use events_std::webhook::{
    GitHub, HmacSha256, Request, Signer, StandardWebhooks, Stripe, Verifier, Zendesk,
};
use events_tests::Size;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use crate::hub::{HubBench, SECRET, Sent, duplicate, queued, send, signature};
use crate::kit::on_both;

#[derive(Deserialize)]
struct Line {
    headers: std::collections::BTreeMap<String, String>,
    body: String,
}

/// The deliveries; none, and visibly so, where their file is not there.
pub(crate) fn deliveries() -> Vec<Sent> {
    let file =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/github-deliveries.jsonl");
    let Ok(text) = std::fs::read_to_string(&file) else {
        events_tests::skip(&format!(
            "GitHub's deliveries: there is no {}",
            file.display()
        ));
        return Vec::new();
    };
    let lines = text.lines().map(|line| {
        let line: Line = serde_json::from_str(line).expect("a delivery");
        Sent {
            path: "/hub/webhook".to_owned(),
            headers: line.headers.into_iter().collect(),
            body: line.body.into_bytes(),
        }
    });
    lines.collect()
}

async fn genuine_deliveries_are_accepted_once(url: String) {
    let hub = HubBench::new(url).await;
    let deliveries = deliveries();
    for sent in &deliveries {
        assert_eq!(send(&hub.router, sent).await, queued());
    }
    for sent in &deliveries {
        assert_eq!(send(&hub.router, sent).await, duplicate(), "replayed");
    }
    hub.work().await;
    let rows = hub.rows().await;
    assert_eq!(rows.len(), deliveries.len());
    for (row, sent) in rows.iter().rev().zip(&deliveries) {
        assert_eq!(row.payload, sent.body);
        let event = sent
            .headers
            .iter()
            .find(|(name, _)| name == "x-github-event");
        assert_eq!(row.event_type.as_ref(), event.map(|(_, value)| value));
    }
    let heard = hub.bench.heard.names();
    let received = heard.iter().filter(|name| **name == "webhook.received");
    assert_eq!(
        received.count(),
        deliveries.len(),
        "a replayed one fires nothing"
    );
}

async fn changed_or_cut_deliveries_are_refused(url: String) {
    let hub = HubBench::new(url).await;
    for sent in deliveries() {
        let mut changed = sent.clone();
        let middle = changed.body.len() / 2;
        changed.body[middle] ^= 1;
        let mut cut = sent.clone();
        cut.body.pop();
        let mut longer = sent.clone();
        longer.body.push(b' ');
        let other = signature("another-secret-of-24-bytes-or-more", &sent.body);
        let forged = sent.clone().with("x-hub-signature-256", other);
        let mut unsigned = sent.clone();
        unsigned
            .headers
            .retain(|(name, _)| !name.contains("signature"));
        for hostile in [changed, cut, longer, forged, unsigned] {
            let (status, _) = send(&hub.router, &hostile).await;
            assert_eq!(status.as_u16(), 403);
        }
    }
    assert_eq!(hub.bench.count("events_webhooks").await, 0);
    assert_eq!(hub.bench.count("events_jobs").await, 0);
}

/// So many mutations: few in a test, 100,000 with `EVENTS_FAULTS=ci`, 1,000,000 with `EVENTS_FAULTS=long`.
fn mutations() -> u64 {
    match Size::of_run() {
        Size::Small => 2_000,
        Size::Ci => 100_000,
        Size::Long => 1_000_000,
    }
}

/// A generator whose numbers are always the same: xorshift64 (Marsaglia, 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}

/// Changes bytes: one or more of them are others, are missing, are repeated, or are new.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(bytes.len().max(1));
    match random.below(6) {
        0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
        1 if !bytes.is_empty() => bytes[at] = random.byte(),
        2 if !bytes.is_empty() => drop(bytes.remove(at)),
        3 => bytes.insert(at.min(bytes.len()), random.byte()),
        4 => bytes.truncate(at),
        _ => {
            let part = bytes[at.min(bytes.len())..].to_vec();
            bytes.extend(part);
        }
    }
}

/// Of all mutations of signed bytes, signature or secret, none is accepted.
#[test]
fn no_mutation_of_a_genuine_delivery_is_accepted() {
    let deliveries: Vec<Sent> = deliveries()
        .into_iter()
        .filter(|sent| sent.body.len() < 20_000)
        .collect();
    if deliveries.is_empty() {
        return;
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut tried, mut accepted) = (0, 0);
    while tried < mutations() {
        let genuine = &deliveries[random.below(deliveries.len())];
        let mut sent = genuine.clone();
        let mut secret = SECRET.as_bytes().to_vec();
        let signature = sent
            .headers
            .iter_mut()
            .find(|(name, _)| name == "x-hub-signature-256")
            .expect("it is signed");
        let mut signed = signature.1.clone().into_bytes();
        match random.below(3) {
            0 => mutate(&mut sent.body, &mut random),
            1 => mutate(&mut signed, &mut random),
            _ => mutate(&mut secret, &mut random),
        }
        let same = signature.1.as_bytes() == signed
            && sent.body == genuine.body
            && secret == SECRET.as_bytes();
        // What is no header cannot be sent.
        let Ok(value) = HeaderValue::from_bytes(&signed) else {
            continue;
        };
        if same {
            continue;
        }
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static("x-hub-signature-256"), value);
        let request = Request::new(&headers, &sent.body, chrono::DateTime::UNIX_EPOCH);
        tried += 1;
        if GitHub::new(secret).verify(&request).is_ok() {
            accepted += 1;
        }
    }
    assert_eq!(accepted, 0, "of {tried}");
}

trait Both: Verifier + Signer {}

impl<V: Verifier + Signer> Both for V {}

/// The other schemes, each with a secret of its form.
type Scheme = (&'static str, &'static str, fn(&[u8]) -> Box<dyn Both>);

const SCHEMES: [Scheme; 4] = [
    ("Stripe", SECRET, |secret| Box::new(Stripe::new(secret))),
    ("Zendesk", SECRET, |secret| Box::new(Zendesk::new(secret))),
    (
        "Standard Webhooks",
        "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
        |secret| Box::new(StandardWebhooks::new(secret)),
    ),
    ("HMAC", SECRET, |secret| {
        let verifier = HmacSha256::new("x-acme-proof", secret).base64();
        Box::new(verifier.timestamp("x-acme-time", "."))
    }),
];

/// Some schemes write a list of signatures, of which one must fit: with more beside it, it is genuine still.
fn listed(value: &[u8]) -> BTreeSet<&[u8]> {
    let parts = value.split(|byte| matches!(byte, b',' | b' '));
    parts.filter(|part| !part.is_empty()).collect()
}

/// So it is with every other scheme, of body, secret, and all that is signed or signs.
#[test]
fn no_mutation_of_another_scheme_is_accepted() {
    const EACH: u64 = 5_000;
    let now = chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap();
    for (name, secret, of) in SCHEMES {
        let body = br#"{"id":"evt_1","type":"ticket.created","data":{"number":7}}"#;
        let id = HeaderValue::from_static("msg_9");
        let mut genuine = HeaderMap::from_iter([(HeaderName::from_static("webhook-id"), id)]);
        let scheme = of(secret.as_bytes());
        let signed = scheme.sign(&Request::new(&genuine, body, now)).unwrap();
        for (name, value) in signed {
            let name = HeaderName::try_from(name).unwrap();
            genuine.insert(name, value.try_into().unwrap());
        }
        let genuinely = scheme.verify(&Request::new(&genuine, body, now));
        assert_eq!(genuinely, Ok(()), "{name}");
        // Only Standard Webhooks looks at the id.
        let names = genuine
            .keys()
            .filter(|header| header.as_str() != "webhook-id" || name == "Standard Webhooks");
        let names: Vec<HeaderName> = names.cloned().collect();
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let (mut tried, mut accepted) = (0, 0);
        while tried < EACH {
            let (mut headers, mut sent) = (genuine.clone(), body.to_vec());
            let mut guessed = secret.as_bytes().to_vec();
            let changed = match random.below(4) {
                0 => {
                    mutate(&mut sent, &mut random);
                    sent != body
                }
                1 => {
                    mutate(&mut guessed, &mut random);
                    guessed != secret.as_bytes()
                }
                _ => {
                    let header = &names[random.below(names.len())];
                    let mut value = genuine[header].as_bytes().to_vec();
                    mutate(&mut value, &mut random);
                    let changed = !listed(&value).is_superset(&listed(genuine[header].as_bytes()));
                    // What is no header cannot be sent.
                    let Ok(value) = HeaderValue::from_bytes(&value) else {
                        continue;
                    };
                    headers.insert(header, value);
                    changed
                }
            };
            if !changed {
                continue;
            }
            tried += 1;
            let request = Request::new(&headers, &sent, now);
            if of(&guessed).verify(&request).is_ok() {
                accepted += 1;
            }
        }
        assert_eq!(accepted, 0, "of {tried} of {name}");
    }
}

on_both!(
    changed_or_cut_deliveries_are_refused,
    genuine_deliveries_are_accepted_once,
);
