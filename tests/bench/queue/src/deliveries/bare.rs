//! What one would write by hand: axum's own body limit, the signature over the raw bytes in constant time, and by plain
//! sqlx, on the same pool, a transaction with the row and its two jobs. It knows the secret and the integration's id, and
//! asks the database for neither.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chrono::Utc;
use events_std::Store;
use hmac::{Hmac, KeyInit, Mac};
use sea_orm::DbBackend;
use sea_orm::sqlx::{self, PgPool, SqlitePool};
use serde_json::json;
use sha2::Sha256;
use uuid::Uuid;

use super::SECRET;

const ROW: &str = "INSERT INTO events_webhooks (integration_id, provider, provider_delivery_id, event_type, payload, \
                   headers, created_at, updated_at) VALUES ($1, 'hub', $2, $3, $4, $5, $6, $6) \
                   ON CONFLICT (integration_id, provider_delivery_id) DO NOTHING";
const JOBS: &str = "INSERT INTO events_jobs (uid, queue, event, version, listener, payload, run_at, delivery_id, \
                    dispatched_at, correlation_id, changed_at, unique_key) VALUES \
                    ($1, 'default', 'webhook.received', 1, '*', $3, $4, $5, $4, $5, $4, NULL), \
                    ($2, 'default', 'webhook.received', 1, 'events_std.webhook.process', $3, $4, $5, $4, $5, $4, $6)";

#[derive(Clone)]
enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

#[derive(Clone)]
struct Hook {
    pool: Pool,
    integration: i64,
}

/// The handler, at the same path.
pub fn router(store: &Store, integration: i64) -> Router {
    let writer = store.writer();
    let pool = if store.backend() == DbBackend::Postgres {
        Pool::Postgres(writer.get_postgres_connection_pool().clone())
    } else {
        Pool::Sqlite(writer.get_sqlite_connection_pool().clone())
    };
    Router::new()
        .route("/hub/{id}/webhook", post(receive))
        .with_state(Hook { pool, integration })
}

async fn receive(State(hook): State<Hook>, headers: HeaderMap, body: Bytes) -> Response {
    if !is_genuine(&headers, &body) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let status = match hook.store(&headers, &body).await {
        Ok(true) => "queued",
        Ok(false) => "duplicate",
        Err(error) => {
            eprintln!("the bare handler failed: {error}");
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
    };
    let json = [(header::CONTENT_TYPE, "application/json")];
    (json, json!({ "status": status }).to_string()).into_response()
}

fn is_genuine(headers: &HeaderMap, body: &[u8]) -> bool {
    let signature = headers.get("x-hub-signature-256");
    let code = signature.and_then(|value| value.to_str().ok()?.strip_prefix("sha256="));
    let Some(code) = code.and_then(|code| hex::decode(code).ok()) else {
        return false;
    };
    Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).is_ok_and(|mut mac| {
        mac.update(body);
        mac.verify_slice(&code).is_ok()
    })
}

/// All headers, but for the signature's value.
fn stored(headers: &HeaderMap) -> String {
    let mut stored: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in headers {
        let is_secret = name == "x-hub-signature-256";
        let value = value.to_str().unwrap_or_default();
        let value = if is_secret { "***" } else { value };
        stored.entry(name.as_str()).or_default().push(value);
    }
    json!(stored).to_string()
}

impl Hook {
    /// Whether it is new.
    async fn store(&self, headers: &HeaderMap, body: &[u8]) -> Result<bool, sqlx::Error> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let id = text("x-github-delivery").unwrap_or_default();
        let event = text("x-github-event");
        let (now, delivery) = (Utc::now().timestamp_millis(), Uuid::now_v7());
        let payload = json!({
            "integration": { "model": "integration", "key": self.integration },
            "provider_key": "hub",
            "provider_delivery_id": id,
            "event_type": event,
        });
        // The same for both databases, whose types differ.
        macro_rules! insert {
            ($tx:ident) => {
                let row = sqlx::query(ROW).bind(self.integration).bind(id);
                let row = row.bind(event).bind(body).bind(stored(headers)).bind(now);
                if row.execute(&mut *$tx).await?.rows_affected() == 0 {
                    return Ok(false);
                }
                let jobs = sqlx::query(JOBS).bind(Uuid::now_v7()).bind(Uuid::now_v7());
                let jobs = jobs.bind(payload.to_string()).bind(now).bind(delivery);
                let jobs = jobs.bind(format!("{}/{id}", self.integration));
                jobs.execute(&mut *$tx).await?;
            };
        }
        match &self.pool {
            Pool::Sqlite(pool) => {
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                insert!(tx);
                tx.commit().await?;
            }
            Pool::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                insert!(tx);
                sqlx::query("NOTIFY events_jobs").execute(&mut *tx).await?;
                tx.commit().await?;
            }
        }
        Ok(true)
    }
}
