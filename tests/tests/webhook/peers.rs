//! What the providers' own packages sign, by `tests/peers/sign.mjs`, is accepted; nothing that is one step away is.
//!
//! The packages are npm's: `npm ci --prefix tests/peers`. Without them these tests skip visibly.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use axum::Router;
use chrono::{DateTime, TimeDelta, Utc};
use events_core::BoxError;
use events_std::webhook::{self, Delivery, GitHub, StandardWebhooks, Stripe, Verifier};
use events_std::{Integration, NewIntegration, NoMetadata, Provider, Webhooks, Worker, provider};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::deliveries::deliveries;
use crate::hub::{Sent, duplicate, queued, send};
use crate::kit::{Bench, on_both};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_b3RoZXIgc2VjcmV0IG9mIDI0IGJ5dGVz";

/// A scheme, by the package that signs in it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Scheme {
    GitHub,
    Standard,
    Svix,
    Stripe,
}

use Scheme::{GitHub as ByGitHub, Standard, Stripe as ByStripe, Svix};

const SCHEMES: [Scheme; 4] = [ByGitHub, Standard, Svix, ByStripe];

impl Scheme {
    /// The header that holds the signature.
    fn signature(self) -> &'static str {
        match self {
            ByGitHub => "x-hub-signature-256",
            Standard => "webhook-signature",
            Svix => "svix-signature",
            ByStripe => "stripe-signature",
        }
    }

    /// Whether the time is signed too.
    fn signs_time(self) -> bool {
        self != ByGitHub
    }
}

#[derive(Serialize, Deserialize)]
struct PeerCredentials {
    scheme: Scheme,
    secret: String,
}

struct Peer;

#[provider(Webhooks, instance)]
impl Provider for Peer {
    const KEY: &'static str = "peer";
    const NAME: &'static str = "Peer";
    type Credentials = PeerCredentials;
    type Metadata = NoMetadata;
}

impl Webhooks for Peer {
    fn verifier(&self, integration: &Integration) -> Result<impl Verifier, BoxError> {
        let PeerCredentials { scheme, secret } = integration.credentials_of::<Self>()?;
        Ok(match scheme {
            ByGitHub => Box::new(GitHub::new(secret)) as Box<dyn Verifier>,
            Standard => Box::new(StandardWebhooks::new(secret)),
            Svix => Box::new(StandardWebhooks::svix(secret)),
            ByStripe => Box::new(Stripe::new(secret)),
        })
    }

    async fn handle(&self, _: Delivery) -> Result<(), BoxError> {
        Ok(())
    }
}

/// What a peer is asked to sign.
#[derive(Clone, Serialize)]
struct Order {
    scheme: Scheme,
    secret: &'static str,
    id: String,
    time: i64,
    body: String,
}

/// The headers of each, signed by the peers' packages; none, and visibly so, where they are not installed.
fn sign(orders: &[Order]) -> Option<Vec<BTreeMap<String, String>>> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let installed: PathBuf = peers.join("node_modules");
    if !installed.exists() {
        events_tests::skip("npm's signers: run `npm ci --prefix tests/peers`");
        return None;
    }
    let mut node = Command::new("node")
        .arg(peers.join("sign.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node starts");
    let mut stdin = node.stdin.take().expect("it is piped");
    let mut lines = Vec::new();
    for order in orders {
        serde_json::to_writer(&mut lines, order).expect("JSON");
        lines.push(b'\n');
    }
    let writing = std::thread::spawn(move || stdin.write_all(&lines));
    let output = node.wait_with_output().expect("node ends");
    writing.join().expect("no panic").expect("node reads all");
    assert!(output.status.success(), "{}", output.status);
    let printed = String::from_utf8(output.stdout).expect("text");
    let signed = printed.lines().map(serde_json::from_str);
    let signed: Vec<_> = signed.collect::<Result<_, _>>().expect("headers");
    assert_eq!(signed.len(), orders.len());
    Some(signed)
}

/// A scheme's integration, its routes and what is sent to it.
struct Peers {
    bench: Bench,
    router: Router,
    integrations: Vec<Integration>,
}

impl Peers {
    async fn new(url: String) -> Self {
        let bench = Bench::with(
            url,
            |engine| engine.provider(Peer),
            |events| events.only_linked_in("events_std"),
        )
        .await;
        let router = webhook::routes(bench.engine.clone()).unwrap();
        let mut integrations = Vec::new();
        for scheme in SCHEMES {
            let credentials = PeerCredentials {
                scheme,
                secret: SECRET.to_owned(),
            };
            let new = NewIntegration::of::<Peer>("A peer").credentials(credentials);
            integrations.push(bench.engine.create(new.unwrap()).await.unwrap());
        }
        bench.heard.take();
        Self {
            bench,
            router,
            integrations,
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.bench.events.now()
    }

    fn sent(&self, order: &Order, headers: BTreeMap<String, String>) -> Sent {
        let at = SCHEMES.iter().position(|scheme| *scheme == order.scheme);
        let integration = &self.integrations[at.unwrap()];
        Sent {
            path: format!("/peer/{}/webhook", integration.id),
            headers: headers.into_iter().collect(),
            body: order.body.clone().into_bytes(),
        }
    }

    /// What the peers sign of these; none where they are not installed.
    fn signed(&self, orders: &[Order]) -> Option<Vec<Sent>> {
        let headers = sign(orders)?;
        let sent = orders.iter().zip(headers);
        Some(
            sent.map(|(order, headers)| self.sent(order, headers))
                .collect(),
        )
    }
}

/// Bodies of every kind, each once for each scheme: of real deliveries, and such as trip over encodings.
fn orders(now: DateTime<Utc>) -> Vec<Order> {
    let mut bodies: Vec<String> = deliveries()
        .into_iter()
        .map(|sent| String::from_utf8(sent.body).expect("text"))
        .collect();
    bodies.extend([
        "{}".to_owned(),
        " { \"spaces\" :\t1 }\r\n".to_owned(),
        "{\"name\":\"Zoë \u{1F980} \\u2028 \u{2028}\",\"n\":1.0e2}".to_owned(),
        "no JSON at all".to_owned(),
        format!("{{\"long\":\"{}\"}}", "x".repeat(500_000)),
    ]);
    let mut orders = Vec::new();
    for (number, body) in bodies.into_iter().enumerate() {
        for scheme in SCHEMES {
            // Stripe gives no id beside the body, which so has one itself.
            let body = match (scheme, serde_json::from_str::<Value>(&body)) {
                (ByStripe, Ok(object)) => {
                    json!({"id": format!("evt_{number}"), "type": "charge.paid", "data": object})
                        .to_string()
                }
                _ => body.clone(),
            };
            orders.push(Order {
                scheme,
                secret: SECRET,
                id: format!("{scheme:?}_{number}"),
                time: now.timestamp(),
                body,
            });
        }
    }
    orders
}

async fn what_peers_sign_is_accepted_once(url: String) {
    let peers = Peers::new(url).await;
    let Some(sent) = peers.signed(&orders(peers.now())) else {
        return;
    };
    for sent in &sent {
        assert_eq!(
            send(&peers.router, sent).await,
            queued(),
            "{:?}",
            sent.headers
        );
    }
    for sent in &sent {
        assert_eq!(send(&peers.router, sent).await, duplicate(), "replayed");
    }
    let worker = Worker::new(&peers.bench.events, &peers.bench.store);
    worker.drain().await.unwrap();
    let processed = "events_webhooks WHERE status = 'processed'";
    assert_eq!(
        peers.bench.count(processed).await,
        i64::try_from(sent.len()).unwrap()
    );
    let heard = peers.bench.heard.names();
    let received = heard.iter().filter(|name| **name == "webhook.received");
    assert_eq!(received.count(), sent.len(), "a replayed one fires nothing");
}

async fn what_was_changed_after_a_peer_signed_it_is_refused(url: String) {
    let peers = Peers::new(url).await;
    let now = peers.now();
    let genuine = orders(now);
    let genuine: Vec<_> = genuine
        .iter()
        .filter(|order| order.body.len() < 30_000)
        .collect();
    let with = |change: fn(&mut Order)| {
        let changed = genuine.iter().map(|order| {
            let mut order = (*order).clone();
            change(&mut order);
            order
        });
        changed.collect::<Vec<_>>()
    };
    let as_they_are = with(|_| ());
    let Some(signed) = peers.signed(&as_they_are) else {
        return;
    };
    let mut hostile = Vec::new();
    for (order, sent) in as_they_are.iter().zip(signed) {
        let name = order.scheme.signature();
        let signature = sent.headers.iter().find(|(other, _)| other == name);
        let signature = signature.expect("it is signed").1.clone();
        let mut changed = sent.clone();
        let middle = changed.body.len() / 2;
        changed.body[middle] ^= 1;
        let mut cut = sent.clone();
        cut.body.pop();
        let mut unsigned = sent.clone();
        unsigned.headers.retain(|(other, _)| other != name);
        let shorter = sent.clone().with(name, &signature[..signature.len() - 1]);
        hostile.extend([changed, cut, unsigned, shorter]);
    }
    let mut refused = with(|order| order.secret = OTHER);
    let dated = [
        with(|order| order.time -= TimeDelta::minutes(6).num_seconds()),
        with(|order| order.time += TimeDelta::minutes(6).num_seconds()),
    ];
    let dated = dated.into_iter().flatten();
    refused.extend(dated.filter(|order| order.scheme.signs_time()));
    hostile.extend(peers.signed(&refused).expect("they are installed"));
    for sent in &hostile {
        let (status, _) = send(&peers.router, sent).await;
        assert_eq!(status.as_u16(), 403, "{:?}", sent.headers);
    }
    assert_eq!(peers.bench.count("events_webhooks").await, 0);
    assert_eq!(peers.bench.count("events_jobs").await, 0);
}

on_both!(
    what_peers_sign_is_accepted_once,
    what_was_changed_after_a_peer_signed_it_is_refused,
);
