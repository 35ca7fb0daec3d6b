//! What comes to the application's webhooks: from Zendesk, and from others.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use events_std::Integration;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;
use serde_json::json;

use crate::Error;
use crate::sending::{self, Answer, sign};

/// What Zendesk signs with.
pub(super) const SECRET: &str = "a webhook secret of the story";

/// One delivery.
#[derive(Clone)]
pub(super) struct Hook {
    pub(super) id: String,
    body: String,
    secret: &'static str,
}

impl Hook {
    /// Tells that a ticket is solved.
    pub(super) fn solved(ticket: u64) -> Self {
        let body = json!({
            "type": "zen:event-type:ticket.status_changed",
            "detail": { "id": ticket.to_string() },
            "event": { "previous": "OPEN", "current": "SOLVED" },
        });
        Self {
            id: format!("hook-{ticket}"),
            body: body.to_string(),
            secret: SECRET,
        }
    }

    /// The same from somebody who does not know the secret.
    pub(super) fn forged(self) -> Self {
        let secret = "a guess";
        Self { secret, ..self }
    }

    /// The same with 2 MiB of nothing behind it.
    pub(super) fn oversized(self) -> Self {
        let body = self.body + &" ".repeat(2 * 1024 * 1024);
        Self { body, ..self }
    }
}

/// Who sends them.
pub(super) struct Sender {
    client: Client,
    app: String,
}

impl Sender {
    /// To the application at this address.
    pub(super) fn to(app: String) -> Result<Self, Error> {
        let client = Client::builder().no_proxy().build()?;
        Ok(Self { client, app })
    }

    /// Sends one to this integration. What is signed is the time too.
    pub(super) async fn send(
        &self,
        hook: &Hook,
        to: &Integration,
        now: DateTime<Utc>,
    ) -> Result<Answer, Error> {
        let (provider, id) = (&to.provider, to.id);
        let url = format!("{}/integrations/{provider}/{id}/webhook", self.app);
        let time = now.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        let signature = sign(hook.secret, &[time.as_bytes(), hook.body.as_bytes()])?;
        let request = self
            .client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("x-zendesk-webhook-invocation-id", &hook.id)
            .header("x-zendesk-webhook-signature", STANDARD.encode(signature))
            .header("x-zendesk-webhook-signature-timestamp", time)
            .body(hook.body.clone());
        sending::send(request).await
    }
}
