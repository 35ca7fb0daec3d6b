//! The other company: a small Zendesk on loopback, with the tickets, the cursors and the bad days of a large one.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, put};
use axum::{Json, Router};
use helpdesk_zendesk::Ticket;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::consent;

/// How many tickets stand on a page of the export.
const PAGE: usize = 100;

/// A Zendesk that runs until the program ends.
#[derive(Clone)]
pub(super) struct Zendesk(Arc<Inner>);

struct Inner {
    /// By the time of their last change.
    tickets: Mutex<Vec<Ticket>>,
    down: AtomicBool,
    /// So many comments are refused before the next one is taken.
    refuse_comments: AtomicU32,
}

impl Zendesk {
    /// Starts one, at a port that is free. The address too.
    pub(super) async fn start() -> io::Result<(Self, String)> {
        let zendesk = Self(Arc::new(Inner {
            tickets: Mutex::default(),
            down: AtomicBool::new(false),
            refuse_comments: AtomicU32::new(0),
        }));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let routes = Router::new()
            .route("/api/v2/incremental/tickets/cursor.json", get(export))
            .route("/api/v2/users/me.json", get(me))
            .route("/api/v2/tickets/{file}", put(comment))
            .layer(middleware::from_fn_with_state(zendesk.clone(), let_in))
            .with_state(zendesk.clone())
            .merge(consent::routes());
        tokio::spawn(axum::serve(listener, routes).into_future());
        Ok((zendesk, url))
    }

    /// Somebody writes tickets, a second after each other. The number of the last.
    pub(super) fn write(&self, tickets: impl IntoIterator<Item = (&'static str, String)>) -> u64 {
        let mut all = self.tickets();
        for (group, subject) in tickets {
            let last = all.last();
            let (id, time) = last.map_or((1, 1_767_600_000), |last| {
                (last.id + 1, last.generated_timestamp + 1)
            });
            all.push(Ticket {
                id,
                subject,
                group: group.to_owned(),
                generated_timestamp: time,
            });
        }
        all.last().map_or(0, |last| last.id)
    }

    /// From now on it answers nothing but 503.
    pub(super) fn go_down(&self) {
        self.0.down.store(true, Ordering::Relaxed);
    }

    /// It answers again.
    pub(super) fn come_back(&self) {
        self.0.down.store(false, Ordering::Relaxed);
    }

    /// The next comments are refused, so many of them.
    pub(super) fn refuse_comments(&self, count: u32) {
        self.0.refuse_comments.store(count, Ordering::Relaxed);
    }

    fn tickets(&self) -> std::sync::MutexGuard<'_, Vec<Ticket>> {
        self.0
            .tickets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nobody comes in while it is down, and never without the token that its authorization server gave.
async fn let_in(
    State(zendesk): State<Zendesk>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    if zendesk.0.down.load(Ordering::Relaxed) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let wanted = format!("Bearer {}", consent::TOKEN);
    if headers
        .get(header::AUTHORIZATION)
        .map(HeaderValue::as_bytes)
        != Some(wanted.as_bytes())
    {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    next.run(request).await
}

/// Where an export begins.
#[derive(Deserialize)]
struct From {
    start_time: Option<i64>,
    cursor: Option<String>,
}

async fn export(State(zendesk): State<Zendesk>, Query(from): Query<From>) -> Response {
    let tickets = zendesk.tickets();
    let start = match (&from.cursor, from.start_time) {
        (Some(cursor), _) => cursor.strip_prefix("after-").and_then(|at| at.parse().ok()),
        (None, Some(time)) => {
            Some(tickets.partition_point(|ticket| ticket.generated_timestamp < time))
        }
        (None, None) => None,
    };
    let Some(start) = start.filter(|start| *start <= tickets.len()) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let end = tickets.len().min(start + PAGE);
    Json(json!({
        "tickets": tickets[start..end],
        "after_cursor": format!("after-{end}"),
        "end_of_stream": end == tickets.len(),
    }))
    .into_response()
}

async fn me() -> Json<Value> {
    Json(json!({ "user": { "id": 1, "role": "agent" } }))
}

async fn comment(
    State(zendesk): State<Zendesk>,
    Path(file): Path<String>,
    Json(change): Json<Value>,
) -> StatusCode {
    let left = &zendesk.0.refuse_comments;
    let refused = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
        left.checked_sub(1)
    });
    if refused.is_ok() {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    let id: Option<u64> = file.strip_suffix(".json").and_then(|id| id.parse().ok());
    let is_known = zendesk.tickets().iter().any(|ticket| Some(ticket.id) == id);
    match change["ticket"]["comment"]["body"].as_str() {
        _ if !is_known => StatusCode::NOT_FOUND,
        None => StatusCode::UNPROCESSABLE_ENTITY,
        Some(_) => StatusCode::OK,
    }
}
