//! The routes that an app mounts.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::LengthLimitError;

use super::accept::{Accepted, accept, candidates, capability};
use super::process::is_processed_by;
use super::refusal::{Asked, Refusal, answer};
use super::{Answer, Challenge, RoutesError};
use crate::integration::Integrations;

/// A larger body is not read: 1 MiB.
const LARGEST: usize = 1024 * 1024;
/// More headers are refused, or more bytes of them: names and values.
const MOST_HEADERS: usize = 100;
const LARGEST_HEADERS: usize = 32 * 1024;
/// So long a body may take.
const LONGEST: Duration = Duration::from_secs(10);

/// The routes of webhooks, for the app's own server: `POST /{provider}/webhook` and `POST /{provider}/{id}/webhook`
/// accept deliveries; `GET` on the same paths asks the provider's [challenge](crate::Webhooks::challenge).
///
/// ```no_run
/// # #[cfg(feature = "sqlite")]
/// # async fn run(integrations: events_std::Integrations) -> Result<(), Box<dyn std::error::Error>> {
/// use axum::Router;
/// use events_std::webhook;
///
/// let app: Router = Router::new().nest("/integrations", webhook::routes(integrations)?);
/// # Ok(())
/// # }
/// ```
///
/// A delivery that is genuine and new is stored in one transaction with the announcement of
/// [`WebhookReceived`](crate::WebhookReceived) and the job that lets the provider's handler have it, and answered
/// `200 {"status":"queued"}`; one that is stored already `200 {"status":"duplicate"}`. What was begun is brought to its
/// end even if the sender hangs up.
///
/// | refused | |
/// |---|---|
/// | 431 | There are more than 100 headers, or more than 32 KiB of them. |
/// | 413 | The body is larger than 1 MiB; it is not read to its end. |
/// | 408, 400 | The body takes longer than 10 s, or breaks off. |
/// | 404 | There is no such provider, or no such active integration of it. |
/// | 400 | The provider has no webhooks; or the path names no integration, and the provider has more than 16. |
/// | 403 | No secret verifies it, or those of two integrations do; or a challenge is not answered. |
/// | 503, 500 | It could not be stored, or the provider's code panicked: the sender tries again. |
///
/// Each refusal answers JSON, `{"error": ".."}`, is logged with its reason and
/// [counted](Integrations::webhook_refusals). How long a client may take for its headers is the server's to limit, as
/// with hyper's `header_read_timeout`: `axum::serve` sets none. By HTTP/1 it refuses more than 100 headers by itself, and
/// takes about 400 KB of them before these routes are asked.
///
/// # Errors
///
/// If the dispatcher of these integrations would never process what is accepted.
pub fn routes<S: Clone + Send + Sync + 'static>(
    integrations: Integrations,
) -> Result<Router<S>, RoutesError> {
    if !is_processed_by(&integrations.events()) {
        return Err(RoutesError::NoProcessing);
    }
    let route = || MethodRouter::new().fallback(handle);
    Ok(Router::new()
        .route("/{provider}/webhook", route())
        .route("/{provider}/{id}/webhook", route())
        .with_state(integrations))
}

/// What a path names.
#[derive(Clone, Default)]
struct Named {
    provider: String,
    id: Option<String>,
}

impl Named {
    fn of(path: Vec<(String, String)>) -> Self {
        let mut named = Self::default();
        // An app may nest the routes under a path with parameters of its own: ours are the last.
        for (name, value) in path {
            match &*name {
                "provider" => named.provider = value,
                "id" => named.id = Some(value),
                _ => {}
            }
        }
        named
    }

    fn asked(&self, integrations: &Integrations) -> Asked {
        let known = integrations
            .providers()
            .any(|(key, _)| key == self.provider);
        Asked {
            provider: known.then(|| self.provider.clone()),
            integration: self.id.as_ref().and_then(|id| id.parse().ok()),
        }
    }
}

async fn handle(
    State(integrations): State<Integrations>,
    path: Result<Path<Vec<(String, String)>>, PathRejection>,
    request: Request,
) -> Response {
    // What is not UTF-8 names no provider.
    let named = path.map_or_else(|_| Named::default(), |Path(path)| Named::of(path));
    let answered = match *request.method() {
        Method::POST => deliver(&integrations, named.clone(), request).await,
        Method::GET => challenge(&integrations, named.clone(), request).await,
        _ => Err(Refusal::Method),
    };
    answered.unwrap_or_else(|refusal| refusal.answer(&integrations, &named.asked(&integrations)))
}

async fn deliver(
    integrations: &Integrations,
    named: Named,
    request: Request,
) -> Result<Response, Refusal> {
    let status = match receive(integrations, named.provider, named.id, request).await? {
        Accepted::Queued => "queued",
        Accepted::Duplicate => "duplicate",
    };
    Ok(answer(
        StatusCode::OK,
        &serde_json::json!({ "status": status }),
    ))
}

/// Takes a delivery to the integration with this id, or to the one whose secret verifies it.
pub(crate) async fn receive(
    integrations: &Integrations,
    provider: String,
    id: Option<String>,
    request: Request,
) -> Result<Accepted, Refusal> {
    let (head, body) = request.into_parts();
    check(&head.headers)?;
    let body = read(&head.headers, body).await?;
    let engine = integrations.with_events(&integrations.events());
    let accepted = integrations.apart(async move {
        accept(&engine, &provider, id.as_deref(), &head.headers, &body).await
    });
    accepted.await?
}

/// Headers are stored as the body is.
fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    let sizes = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len());
    if headers.len() > MOST_HEADERS || sizes.sum::<usize>() > LARGEST_HEADERS {
        return Err(Refusal::HeadersTooLarge);
    }
    Ok(())
}

async fn challenge(
    integrations: &Integrations,
    named: Named,
    request: Request,
) -> Result<Response, Refusal> {
    let challenge = Challenge::new(request.uri().query().unwrap_or_default());
    let engine = integrations.with_events(&integrations.events());
    let answered = integrations.apart(async move {
        let webhooks = capability(&engine, &named.provider)?;
        let candidates = candidates(&engine, &named.provider, named.id.as_deref()).await?;
        let (candidates, left_out) = (candidates.integrations, candidates.left_out);
        if candidates.is_empty() && left_out.is_none() {
            return Ok(webhooks.challenge(None, &challenge).await);
        }
        for candidate in &candidates {
            if let Some(answer) = webhooks.challenge(Some(candidate), &challenge).await {
                return Ok(Some(answer));
            }
        }
        left_out.map_or(Ok(None), |error| Err(Refusal::from(error)))
    });
    let Answer { content_type, body } = answered.await??.ok_or(Refusal::NoAnswer)?;
    let headers = [
        (header::CONTENT_TYPE, content_type),
        // What the provider echoes may be a stranger's: no browser takes it for a page.
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, body).into_response())
}

/// Reads a body to its end, but not more of it, and not longer, than is allowed.
async fn read(headers: &HeaderMap, body: Body) -> Result<axum::body::Bytes, Refusal> {
    let declared = headers.get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let least = declared.unwrap_or_default().max(body.size_hint().lower());
    if usize::try_from(least).is_ok_and(|least| least <= LARGEST) {
        match tokio::time::timeout(LONGEST, to_bytes(body, LARGEST)).await {
            Ok(Ok(body)) => return Ok(body),
            Ok(Err(error)) => {
                let source = std::error::Error::source(&error);
                if !source.is_some_and(<dyn std::error::Error>::is::<LengthLimitError>) {
                    return Err(Refusal::BrokenOff);
                }
            }
            Err(_) => return Err(Refusal::TooSlow),
        }
    }
    Err(Refusal::TooLarge)
}
