//! The routes that an app mounts.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use events_core::BoxFuture;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};

use super::query::{Answered, parameter};
use super::refusal::Refusal;
use super::session::Session;
use super::settings::{Checked, RoutesError};
use crate::integration::{Integration, Integrations};

/// What somebody asks to do with an integration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OAuthAction {
    /// To authorize it at its provider.
    Connect,
    /// To take its authorization back.
    Disconnect,
}

/// Says who may connect and disconnect which integration. The app's own: there is none by default.
///
/// ```
/// use events_std::Integration;
/// use events_std::oauth::{Authorizer, OAuthAction};
/// use http::request::Parts;
///
/// struct Owners;
///
/// impl Authorizer for Owners {
///     async fn allows(&self, request: &Parts, integration: &Integration, _: OAuthAction) -> bool {
///         // What the app's own layer put into the request.
///         let user: Option<&String> = request.extensions.get();
///         user.is_some() && user == integration.owner_id.as_ref()
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say who may connect integrations",
    label = "not an `Authorizer`",
    note = "implement `events_std::oauth::Authorizer` for a type of yours: it looks at the request, and at the integration"
)]
pub trait Authorizer: Send + Sync + 'static {
    /// Whether whoever sent the request may do this with the integration. A panic is a no.
    fn allows(
        &self,
        request: &Parts,
        integration: &Integration,
        action: OAuthAction,
    ) -> impl Future<Output = bool> + Send;
}

/// [`Authorizer`] behind a pointer.
trait ErasedAuthorizer: Send + Sync {
    fn allows<'a>(
        &'a self,
        request: &'a Parts,
        integration: &'a Integration,
        action: OAuthAction,
    ) -> BoxFuture<'a, bool>;
}

impl<A: Authorizer> ErasedAuthorizer for A {
    fn allows<'a>(
        &'a self,
        request: &'a Parts,
        integration: &'a Integration,
        action: OAuthAction,
    ) -> BoxFuture<'a, bool> {
        Box::pin(Authorizer::allows(self, request, integration, action))
    }
}

#[derive(Clone)]
struct Desk {
    integrations: Integrations,
    authorizer: Arc<dyn ErasedAuthorizer>,
    checked: Arc<Checked>,
}

/// The routes of OAuth, for the app's own server: `GET /{id}/oauth/authorize` sends a person to the provider, who comes
/// back to `GET /oauth/callback`; `POST /{id}/oauth/revoke` takes the authorization back. Each ends at a page of the
/// [settings](super::OAuthSettings): the first, or the one that the parameter `redirect` of the first and the last asks for.
///
/// ```no_run
/// # #[cfg(feature = "sqlite")]
/// # async fn run(
/// #     integrations: events_std::Integrations,
/// #     owners: impl events_std::oauth::Authorizer,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// use axum::Router;
/// use events_std::oauth;
///
/// let app: Router = Router::new().nest("/integrations", oauth::routes(integrations, owners)?);
/// # Ok(())
/// # }
/// ```
///
/// A state is good once, for 10 minutes, in the browser that began. What was begun is brought to its end even if the
/// browser hangs up.
///
/// | refused | |
/// |---|---|
/// | 403 | The authorizer says no; or a request to revoke comes from another origin than the callback's, or tells none. |
/// | 404 | There is no such integration. |
/// | 400 | Its provider has no OAuth; the page is not known; the state is missing, unknown, used, expired, or of another browser; the issuer is another; or the provider answers with an error. |
/// | 502 | The provider does not exchange the code, or does not revoke. |
/// | 500 | The OAuth client is not configured rightly, or the provider's code or the authorizer panicked. |
/// | 503 | The database failed. |
///
/// On none of them is anything of the integration changed, or any event fired. Each answers JSON, `{"error": ".."}`, is
/// logged with its reason and [counted](Integrations::oauth_refusals).
///
/// # Errors
///
/// If the engine was not told where providers send people back to, the settings cannot be used, or the engine has no key
/// to encrypt tokens with.
pub fn routes<S: Clone + Send + Sync + 'static>(
    integrations: Integrations,
    authorizer: impl Authorizer,
) -> Result<Router<S>, RoutesError> {
    let checked = Arc::new(integrations.oauth_settings().check()?);
    if !integrations.can_seal() {
        return Err(RoutesError::NoEncryptionKey);
    }
    let desk = Desk {
        integrations,
        authorizer: Arc::new(authorizer),
        checked,
    };
    Ok(Router::new()
        .route(
            "/{id}/oauth/authorize",
            MethodRouter::new().fallback(authorize),
        )
        .route("/{id}/oauth/revoke", MethodRouter::new().fallback(revoke))
        .route("/oauth/callback", MethodRouter::new().fallback(callback))
        .with_state(desk))
}

/// What a path names; an error where it is not UTF-8.
type Named = Result<Path<Vec<(String, String)>>, PathRejection>;

/// An app may nest the routes under a path with parameters of its own: ours is the last.
fn id_of(path: Named) -> Option<i64> {
    let Path(path) = path.ok()?;
    let (_, id) = path.iter().rev().find(|(name, _)| name == "id")?;
    id.parse().ok()
}

async fn authorize(State(desk): State<Desk>, path: Named, request: Request) -> Response {
    let id = id_of(path);
    let answered = desk.clone().authorize(id, request).await;
    sealed(answered.unwrap_or_else(|refusal| refusal.answer(&desk.integrations, id)))
}

async fn revoke(State(desk): State<Desk>, path: Named, request: Request) -> Response {
    let id = id_of(path);
    let answered = desk.clone().revoke(id, request).await;
    sealed(answered.unwrap_or_else(|refusal| refusal.answer(&desk.integrations, id)))
}

async fn callback(State(desk): State<Desk>, request: Request) -> Response {
    let answered = desk.clone().callback(request).await;
    sealed(answered.unwrap_or_else(|refusal| refusal.answer(&desk.integrations, None)))
}

impl Desk {
    async fn authorize(self, id: Option<i64>, request: Request) -> Result<Response, Refusal> {
        only(&Method::GET, &request)?;
        let (parts, _) = request.into_parts();
        let is_https = self.checked.is_https;
        let session = Session::of(&parts.headers, is_https).unwrap_or_else(Session::new);
        let cookie = session.cookie(is_https);
        let integrations = self.integrations.clone();
        let to = integrations.apart(async move {
            let page = self.page(&parts)?;
            let action = OAuthAction::Connect;
            let integration = self.allowed(id, &parts, action).await?;
            let callback = self.checked.callback.clone();
            let engine = &self.integrations;
            engine
                .begin_authorization(&integration, &session, &page, callback)
                .await
        });
        let mut answer = found(&to.await??)?;
        let cookie = HeaderValue::from_str(&cookie).map_err(|_| Refusal::Panicked)?;
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
        Ok(answer)
    }

    async fn callback(self, request: Request) -> Result<Response, Refusal> {
        only(&Method::GET, &request)?;
        let answered = Answered::of(request.uri().query().unwrap_or_default())?;
        let session = Session::of(request.headers(), self.checked.is_https);
        let callback = self.checked.callback.clone();
        let integrations = self.integrations.clone();
        let page = integrations.apart(async move {
            self.integrations
                .complete_authorization(answered, session, callback)
                .await
        });
        found(&page.await??)
    }

    async fn revoke(self, id: Option<i64>, request: Request) -> Result<Response, Refusal> {
        only(&Method::POST, &request)?;
        let (parts, _) = request.into_parts();
        let mut origins = parts.headers.get_all(header::ORIGIN).iter();
        let origin = origins.next().map(HeaderValue::as_bytes);
        if origin != Some(self.checked.origin.as_bytes()) || origins.next().is_some() {
            return Err(Refusal::ForeignOrigin);
        }
        let integrations = self.integrations.clone();
        let page = integrations.apart(async move {
            let page = self.page(&parts)?;
            let action = OAuthAction::Disconnect;
            let integration = self.allowed(id, &parts, action).await?;
            self.integrations
                .revoke_authorization(integration.id)
                .await?;
            Ok::<_, Refusal>(page)
        });
        found(&page.await??)
    }

    /// The integration, if whoever asks may do this with it.
    async fn allowed(
        &self,
        id: Option<i64>,
        parts: &Parts,
        action: OAuthAction,
    ) -> Result<Integration, Refusal> {
        let found = self
            .integrations
            .find(id.ok_or(Refusal::UnknownIntegration)?);
        let integration = found.await?.ok_or(Refusal::UnknownIntegration)?;
        if !self.authorizer.allows(parts, &integration, action).await {
            return Err(Refusal::NotAllowed);
        }
        self.integrations.oauth_of(&integration)?;
        Ok(integration)
    }

    fn page(&self, parts: &Parts) -> Result<String, Refusal> {
        let asked = parameter(parts.uri.query().unwrap_or_default(), "redirect")?;
        let settings = self.integrations.oauth_settings();
        let page = settings.page_for(asked.as_deref());
        page.map(str::to_owned).ok_or(Refusal::UnknownPage)
    }
}

/// Also `HEAD` is another method: what looks ahead must not use a state up.
fn only(method: &Method, request: &Request) -> Result<(), Refusal> {
    if request.method() == method {
        Ok(())
    } else {
        Err(Refusal::Method(method.clone()))
    }
}

fn found(to: &str) -> Result<Response, Refusal> {
    let to = HeaderValue::from_str(to).map_err(|_| Refusal::Panicked)?;
    Ok((StatusCode::FOUND, [(header::LOCATION, to)]).into_response())
}

/// States and codes stand in these addresses: nothing keeps them, and no other site hears of them.
fn sealed(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    let no_store = HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, no_store);
    let no_referrer = HeaderValue::from_static("no-referrer");
    headers.insert(header::REFERRER_POLICY, no_referrer);
    answer
}
