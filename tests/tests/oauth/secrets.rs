//! Neither the client's secret, a code, a token, a state nor a verifier is seen anywhere: in no log of any level, event or
//! error, and in no byte of the database.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, OnceLock};

use events_std::oauth::{OAuthClient, Tokens};
use http::StatusCode;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::desk::{DeskBench, ORIGIN};
use crate::kit::on_both;
use crate::server::{CANARY, SECRET};

/// Keeps all that is logged, at every level.
#[derive(Clone, Default)]
pub(crate) struct Everything(pub(crate) Arc<Mutex<String>>);

impl Visit for Everything {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0.lock().unwrap(), "{}={value:?} ", field.name());
    }
}

impl Subscriber for Everything {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
        self.0.lock().unwrap().push('\n');
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Of the whole process, since what is enabled is remembered for the whole process: the other tests log no secret either.
pub(crate) fn everything() -> &'static Everything {
    static EVERYTHING: OnceLock<Everything> = OnceLock::new();
    EVERYTHING.get_or_init(|| {
        let everything = Everything::default();
        tracing::subscriber::set_global_default(everything.clone()).expect("it is the only one");
        // Places that were come to between the two steps of that.
        tracing::callsite::rebuild_interest_cache();
        everything
    })
}

async fn no_secret_is_seen(url: String) {
    let logged = everything();
    let mut seen = String::new();
    let mut secrets = vec!["canary-".to_owned()];
    let story = async {
        let desk = DeskBench::new(url.clone()).await;
        let told = json!({ "error": CANARY, "error_description": SECRET });
        for fails in [true, false] {
            let (back, cookie) = desk.begun().await;
            secrets.push(cookie.split_once('=').unwrap().1.to_owned());
            let state = back.split_once("state=").unwrap().1;
            secrets.push(state.split('&').next().unwrap().to_owned());
            if fails {
                desk.server.will(StatusCode::BAD_REQUEST, &told);
            }
            let answer = desk.get(&back, Some(&cookie)).await;
            let _ = write!(seen, "{:?}", answer.body);
            // Once more, with all that is wrong at once.
            let again = desk
                .get(&format!("{back}&error={CANARY}"), Some(&cookie))
                .await;
            let _ = write!(seen, "{:?}", again.body);
        }
        let id = desk.integration.id;
        desk.server.will(StatusCode::OK, &told);
        let error = desk
            .bench
            .engine
            .refresh_access_token(id)
            .await
            .unwrap_err();
        let _ = write!(seen, "{error} {error:?}");
        let token = desk.bench.engine.refresh_access_token(id).await.unwrap();
        assert!(token.secret().contains("canary-"));
        desk.server.will(StatusCode::BAD_REQUEST, &told);
        let error = desk
            .bench
            .engine
            .revoke_authorization(id)
            .await
            .unwrap_err();
        let _ = write!(seen, "{error} {error:?} {token:?}");
        let integration = desk.stored().await;
        let _ = write!(seen, "{integration:?} {:?}", desk.bench.engine);
        desk.begun().await;
        desk.revoke(Some(ORIGIN)).await.location();
        let _ = write!(seen, "{:?}", desk.bench.heard.take());
        let client = OAuthClient::new("id", "https://a.example", "https://a.example");
        let _ = write!(
            seen,
            "{:?} {:?}",
            client.secret(SECRET),
            Tokens::new(CANARY)
        );
        for table in ["events_integrations", "events_oauth_states", "events_jobs"] {
            for row in desk.bench.rows(&format!("SELECT * FROM {table}")).await {
                let _ = write!(seen, "{row:?}");
            }
        }
    };
    story.await;
    let logged = logged.0.lock().unwrap().clone();
    assert!(
        logged.contains("a request of OAuth was refused"),
        "the logs are seen"
    );
    assert!(seen.contains("oauth.revoked"));
    let mut files = Vec::new();
    if let Some(path) = url.strip_prefix("sqlite:") {
        let folder = std::path::Path::new(path).parent().unwrap();
        for entry in std::fs::read_dir(folder).unwrap() {
            files.extend(std::fs::read(entry.unwrap().path()).unwrap());
        }
        assert!(files.windows(19).any(|part| part == b"events_oauth_states"));
    }
    for secret in secrets {
        assert!(!logged.contains(&secret), "{secret} is logged: {logged}");
        assert!(!seen.contains(&secret), "{secret} is seen: {seen}");
        let bytes = secret.as_bytes();
        assert!(
            !files.windows(bytes.len()).any(|part| part == bytes),
            "{secret} is stored"
        );
    }
}

on_both!(no_secret_is_seen);
