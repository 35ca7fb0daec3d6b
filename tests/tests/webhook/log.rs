//! What is logged of a refusal: its reason, and nothing that was sent.

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::instrument::WithSubscriber;
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::hub::{HubBench, SECRET, Sent, send, signature};
use crate::kit::{listening, on_both};

/// The fields of every event and span, of every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0.lock().unwrap(), "{}={value:?} ", field.name());
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut self.clone());
    }

    fn on_new_span(&self, span: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        span.record(&mut self.clone());
    }
}

async fn a_refusal_is_logged_with_its_reason_and_nothing_that_was_sent(url: String) {
    let hub = HubBench::new(url).await;
    let body = r#"{"canary":"in the body"}"#;
    let wrong = signature("canary-secret", body.as_bytes());
    let forged = Sent::new("canary-id", "canary-event", body)
        .with("authorization", "Bearer canary-token")
        .with("x-hub-signature-256", wrong.clone());
    let unsigned = {
        let mut sent = forged.clone();
        sent.headers
            .retain(|(name, _)| name != "x-hub-signature-256");
        sent
    };
    let large = Sent::new("canary-id", "push", &"canary".repeat(200_000));
    let refused = [
        ("wrong_signature", forged.clone()),
        ("missing_header", unsigned),
        ("too_large", large),
        (
            "unknown_provider",
            forged.clone().to("/nobody/webhook?canary=1"),
        ),
        ("unknown_integration", forged.to("/hub/99/webhook")),
    ];
    for (reason, sent) in refused {
        let log = Log::default();
        let heard = listening(log.clone());
        let (status, _) = send(&hub.router, &sent).with_subscriber(heard).await;
        assert!(status.is_client_error());
        let log = log.0.lock().unwrap().clone();
        assert!(log.contains(reason), "{reason}: {log}");
        for secret in ["canary", SECRET, &wrong["sha256=".len()..]] {
            assert!(!log.contains(secret), "{secret}: {log}");
        }
    }
}

on_both!(a_refusal_is_logged_with_its_reason_and_nothing_that_was_sent);
