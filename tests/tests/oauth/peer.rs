//! The authorization server of others: `oidc-provider`, by `tests/peers/authorize.mjs`, over TLS with a root of its own.
//!
//! The package is npm's: `npm ci --prefix tests/peers`. Without it these tests skip visibly.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use chrono::TimeDelta;
use events_std::oauth::{OAuthClient, OAuthError, ProviderFailure};
use events_std::{IntegrationUpdate, OAuth};
use http::{HeaderMap, Request, header};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;

use crate::desk::{CALLBACK, Desk, DeskBench, ORIGIN};
use crate::kit::on_both;
use crate::processes::{WORKERS, Workers};
use crate::server::{CLIENT, SECRET, Server};

/// The peer, as long as this lives.
struct Peer {
    node: Child,
    lines: Lines<BufReader<ChildStdout>>,
    url: String,
    root: String,
}

impl Peer {
    /// None, and visibly so, where it is not installed.
    fn start() -> Option<Self> {
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
        if !peers.join("node_modules/oidc-provider").exists() {
            events_tests::skip("npm's oidc-provider: run `npm ci --prefix tests/peers`");
            return None;
        }
        let mut of_root = CertificateParams::new([]).unwrap();
        of_root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = CertifiedIssuer::self_signed(of_root, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = certificate.signed_by(&key, &root).unwrap();
        let mut node = Command::new("node")
            .arg(peers.join("authorize.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("node starts");
        let told = json!({
            "key": key.serialize_pem(), "cert": certificate.pem(),
            "client": CLIENT, "secret": SECRET, "callback": CALLBACK,
        });
        let stdin = node.stdin.as_mut().unwrap();
        writeln!(stdin, "{told}").unwrap();
        let mut lines = BufReader::new(node.stdout.take().unwrap()).lines();
        let url = lines.next().expect("it says its address").unwrap();
        Some(Self {
            node,
            lines,
            url,
            root: root.pem(),
        })
    }

    fn desk(&self) -> Desk {
        Desk {
            url: self.url.clone(),
            root: Some(self.root.clone()),
        }
    }

    async fn bench(&self, url: String) -> DeskBench {
        DeskBench::of(url, Server::start().await, self.desk(), |events| events).await
    }

    /// Ends it: what it granted and refused.
    fn ended(mut self) -> Vec<String> {
        drop(self.node.stdin.take());
        let lines = self.lines.by_ref().map(Result::unwrap);
        // It also prints advice.
        let is_ours = |line: &String| line.starts_with("granted ") || line.starts_with("refused ");
        let ours = lines.filter(is_ours).collect();
        self.node.wait().unwrap();
        ours
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // One that has ended is no failure.
        let _ = self.node.kill();
        let _ = self.node.wait();
    }
}

/// A person's browser at the peer.
struct Browser {
    client: OAuthClient,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn at(desk: &DeskBench, peer: &Peer) -> Self {
        Self {
            client: OAuth::client(&peer.desk(), &desk.integration).unwrap(),
            cookies: BTreeMap::new(),
        }
    }

    async fn go(&mut self, method: &str, url: &str, form: &str) -> Option<String> {
        let pairs = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let cookies = pairs.collect::<Vec<_>>().join("; ");
        let request = Request::builder()
            .method(method)
            .uri(url)
            .header(header::COOKIE, cookies)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.as_bytes().to_vec());
        let answer = self.client.send(request.unwrap()).await.unwrap();
        assert!(answer.status().as_u16() < 400, "{url}: {}", answer.status());
        self.keep(answer.headers());
        let location = answer.headers().get(header::LOCATION)?;
        Some(location.to_str().unwrap().to_owned())
    }

    fn keep(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Logs in and agrees: the address to which the peer sends the person back.
    async fn agree(&mut self, url: &str, at: &str) -> String {
        let absolute = |location: String| {
            if location.starts_with('/') {
                format!("{url}{location}")
            } else {
                location
            }
        };
        let mut at = at.to_owned();
        for prompt in ["login", "consent"] {
            let form = format!("prompt={prompt}&login=ada&password=any");
            let shown = absolute(self.go("GET", &at, "").await.expect("to the prompt"));
            assert!(shown.contains("/interaction/"), "{shown}");
            let next = self.go("POST", &shown, &form).await;
            at = absolute(next.expect("on its way"));
        }
        self.go("GET", &at, "").await.expect("the way back")
    }
}

/// Connects by the peer.
async fn connect(desk: &DeskBench, peer: &Peer) {
    let answer = desk.get(&desk.path("authorize"), None).await;
    let mut browser = Browser::at(desk, peer);
    let back = browser.agree(&peer.url, answer.location()).await;
    let query = back.strip_prefix(CALLBACK).expect("to the callback");
    assert!(query.contains("iss="), "{query}");
    let back = format!("/integrations/oauth/callback{query}");
    let ended = desk.get(&back, Some(&answer.cookie())).await;
    assert_eq!(ended.location(), "/integrations");
    assert_eq!(desk.bench.heard.names(), ["oauth.completed"]);
}

async fn it_connects_refreshes_and_revokes(url: String) {
    let Some(peer) = Peer::start() else { return };
    let desk = peer.bench(url).await;
    let id = desk.integration.id;
    let engine = &desk.bench.engine;
    connect(&desk, &peer).await;
    let first = desk.credentials().await;
    // It rotates the refresh token each time.
    desk.bench.clock.advance(TimeDelta::seconds(3_301));
    let token = engine.access_token(id).await.unwrap();
    assert_ne!(Some(token.secret()), first.access_token.as_deref());
    let second = desk.credentials().await;
    assert_ne!(second.refresh_token, first.refresh_token);
    engine.refresh_access_token(id).await.unwrap();
    // A refresh token that was used already: the peer takes the whole grant back.
    let stolen = IntegrationUpdate::new().credentials(&first).unwrap();
    engine.update(id, stolen).await.unwrap();
    let error = engine.refresh_access_token(id).await.unwrap_err();
    assert!(
        matches!(error, OAuthError::NeedsAuthorization(_)),
        "{error}"
    );
    assert!(desk.stored().await.needs_authorization);
    connect(&desk, &peer).await;
    let last = desk.credentials().await;
    assert_eq!(desk.revoke(Some(ORIGIN)).await.location(), "/integrations");
    assert_eq!(desk.bench.heard.names(), ["oauth.revoked"]);
    assert_eq!(desk.credentials().await.access_token, None);
    let revoked = IntegrationUpdate::new().credentials(&last).unwrap();
    engine.update(id, revoked).await.unwrap();
    let error = engine.refresh_access_token(id).await.unwrap_err();
    assert!(
        matches!(error, OAuthError::NeedsAuthorization(_)),
        "{error}"
    );
    let granted = peer.ended();
    assert_eq!(
        granted,
        [
            "granted authorization_code",
            "granted refresh_token",
            "granted refresh_token",
            "refused invalid_grant",
            "granted authorization_code",
            "refused invalid_grant",
        ]
    );
}

async fn fifty_workers_make_one_call_to_it(url: String) {
    let Some(peer) = Peer::start() else { return };
    let desk = peer.bench(url).await;
    connect(&desk, &peer).await;
    desk.bench.clock.advance(TimeDelta::seconds(3_400));
    let start = |_| Workers::start(&desk, &peer.url, Some(&peer.root));
    let mut processes: Vec<Workers> = (0..5).map(start).collect();
    for process in &mut processes {
        process.says("ready");
    }
    for process in &mut processes {
        process.go();
    }
    let mut tokens: Vec<String> = Vec::new();
    for process in &mut processes {
        tokens.extend((0..WORKERS).map(|_| process.says("token")));
    }
    assert_eq!(tokens.len(), 50);
    tokens.dedup();
    assert_eq!(tokens, [desk.credentials().await.access_token.unwrap()]);
    let granted = peer.ended();
    assert_eq!(
        granted,
        ["granted authorization_code", "granted refresh_token"]
    );
}

/// Its root is trusted because it was configured, and for nothing else.
async fn a_root_that_is_not_configured_is_not_trusted(url: String) {
    let Some(peer) = Peer::start() else { return };
    let own = OAuthClient::new(CLIENT, &peer.url, format!("{}/token", peer.url));
    for client in [own.clone(), own.root_certificate("no certificate")] {
        let error = client.refresh("any").await.unwrap_err();
        match error {
            ProviderFailure::Unreachable(reason) => assert!(reason.contains("certificate")),
            ProviderFailure::Configuration(reason) => assert!(reason.contains("PEM")),
            other => panic!("{other}"),
        }
    }
    assert_eq!(peer.ended(), [""; 0]);
    drop(url);
}

on_both!(
    it_connects_refreshes_and_revokes,
    fifty_workers_make_one_call_to_it,
    a_root_that_is_not_configured_is_not_trusted,
);
