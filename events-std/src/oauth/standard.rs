//! What the standard says: the address to authorize at, the exchange of a code, refresh and revocation, by the crate
//! `oauth2`.

use events_core::BoxFuture;
use http::{StatusCode, Uri};
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AccessToken, AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret,
    CsrfToken, EndpointNotSet, EndpointSet, ErrorResponse, ErrorResponseType, ExtraTokenFields,
    HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken,
    RequestTokenError, RevocationUrl, Scope, StandardErrorResponse, StandardRevocableToken,
    StandardTokenResponse, TokenResponse, TokenUrl,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::client::endpoint;
use super::{Authorization, CodeGrant, OAuthClient, ProviderFailure, RevokedToken, Tokens};

/// What a server answers beside the tokens.
#[derive(Debug, Deserialize, Serialize)]
struct Others(Map<String, Value>);

impl ExtraTokenFields for Others {}

type Answer = StandardTokenResponse<Others, BasicTokenType>;
type Standard<A, T> = oauth2::Client<
    BasicErrorResponse,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    A,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    T,
>;

impl OAuthClient {
    /// Where a person is sent to authorize, as RFC 6749 (4.1.1) and RFC 7636 say.
    ///
    /// # Errors
    ///
    /// If what is configured cannot be used.
    pub fn authorize_url(&self, asked: &Authorization) -> Result<String, ProviderFailure> {
        let client = self.standard()?;
        let mut request = client
            .authorize_url(|| CsrfToken::new(asked.state.clone()))
            .add_scopes(self.scopes.iter().cloned().map(Scope::new))
            .set_redirect_uri(std::borrow::Cow::Owned(redirect(&asked.callback)?))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(
                &PkceCodeVerifier::new(asked.verifier.clone()),
            ));
        for (name, value) in &self.parameters {
            request = request.add_extra_param(name, value);
        }
        Ok(request.url().0.into())
    }

    /// Exchanges a code for tokens, as RFC 6749 (4.1.3) and RFC 7636 say.
    ///
    /// # Errors
    ///
    /// If the server does not do it.
    pub async fn exchange(&self, grant: &CodeGrant) -> Result<Tokens, ProviderFailure> {
        let client = self.standard()?;
        let request = client
            .exchange_code(AuthorizationCode::new(grant.code.clone()))
            .set_pkce_verifier(PkceCodeVerifier::new(grant.verifier.clone()))
            .set_redirect_uri(std::borrow::Cow::Owned(redirect(&grant.callback)?));
        let send = Sender::to(self, None);
        let answer = request.request_async(&send).await;
        self.tokens(&answer.map_err(failure)?)
    }

    /// Asks for the next access token, as RFC 6749 (6) says.
    ///
    /// # Errors
    ///
    /// If the server does not do it.
    pub async fn refresh(&self, refresh_token: &str) -> Result<Tokens, ProviderFailure> {
        let client = self.standard()?;
        let token = RefreshToken::new(refresh_token.to_owned());
        let send = Sender::to(self, None);
        let answer = client
            .exchange_refresh_token(&token)
            .request_async(&send)
            .await;
        self.tokens(&answer.map_err(failure)?)
    }

    /// Revokes a token, as RFC 7009 says.
    ///
    /// # Errors
    ///
    /// If the server does not do it; [`ProviderFailure::NoRevocation`] where no [`revocation_url`](Self::revocation_url) is
    /// configured.
    pub async fn revoke(&self, token: &RevokedToken) -> Result<(), ProviderFailure> {
        let Some(url) = &self.revocation_url else {
            return Err(ProviderFailure::NoRevocation);
        };
        let url = endpoint(url)?;
        let unusable = |_| ProviderFailure::Configuration("an endpoint is no URL".to_owned());
        let uri: Uri = url.as_str().parse().map_err(unusable)?;
        // The crate asks for https even on loopback: where the request goes is decided here.
        let mut as_https = url;
        let _ = as_https.set_scheme("https");
        let client = self
            .standard()?
            .set_revocation_url(RevocationUrl::from_url(as_https));
        let token = match token.clone() {
            RevokedToken::Access(token) => AccessToken::new(token).into(),
            RevokedToken::Refresh(token) => RefreshToken::new(token).into(),
        };
        let send = Sender::to(self, Some(uri));
        let request = client.revoke_token(token);
        let request = request.map_err(|error| ProviderFailure::Configuration(error.to_string()))?;
        request.request_async(&send).await.map_err(failure)
    }

    fn standard(&self) -> Result<Standard<EndpointSet, EndpointSet>, ProviderFailure> {
        let client =
            Standard::<EndpointNotSet, EndpointNotSet>::new(ClientId::new(self.id.clone()))
                .set_auth_uri(AuthUrl::from_url(endpoint(&self.authorize_url)?))
                .set_token_uri(TokenUrl::from_url(endpoint(&self.token_url)?))
                .set_auth_type(if self.secret_in_body {
                    AuthType::RequestBody
                } else {
                    AuthType::BasicAuth
                });
        Ok(match &self.secret {
            Some(secret) => {
                client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()))
            }
            None => client,
        })
    }

    /// The tokens of an answer, if they are such as we can use (RFC 6749, 7.1).
    fn tokens(&self, answer: &Answer) -> Result<Tokens, ProviderFailure> {
        if *answer.token_type() != BasicTokenType::Bearer {
            return Err(ProviderFailure::Answer("its token is no bearer token"));
        }
        let access = answer.access_token().secret();
        if access.is_empty() {
            return Err(ProviderFailure::Answer("its token is empty"));
        }
        let mut tokens = Tokens::new(access);
        // An empty one is none: the one that is stored stays.
        let refresh = answer.refresh_token().map(RefreshToken::secret);
        tokens.refresh_token = refresh.filter(|token| !token.is_empty()).cloned();
        tokens.expires_in = answer.expires_in();
        let kept = self.kept.iter().filter_map(|name| {
            let value = answer.extra_fields().0.get(name)?;
            Some((name.clone(), value.clone()))
        });
        tokens.others = kept.collect();
        Ok(tokens)
    }
}

/// What sends the crate's requests.
struct Sender<'o> {
    client: &'o OAuthClient,
    /// Where all go, in place of where they say.
    to: Option<Uri>,
}

impl<'o> Sender<'o> {
    fn to(client: &'o OAuthClient, to: Option<Uri>) -> Self {
        Self { client, to }
    }
}

impl<'c> AsyncHttpClient<'c> for Sender<'_> {
    type Error = ProviderFailure;
    type Future = BoxFuture<'c, Result<HttpResponse, ProviderFailure>>;

    fn call(&'c self, mut request: HttpRequest) -> Self::Future {
        if let Some(to) = &self.to {
            request.uri_mut().clone_from(to);
        }
        Box::pin(async {
            let mut answer = self.client.send(request).await?;
            let status = answer.status();
            if self.to.is_some() && status.is_success() {
                // A revocation is told by the status alone, but the crate takes 200 only.
                *answer.status_mut() = StatusCode::OK;
            } else if status.is_redirection() || (!status.is_success() && !is_error(answer.body()))
            {
                return Err(ProviderFailure::Status(status.as_u16()));
            }
            Ok(answer)
        })
    }
}

/// Whether it is an error as RFC 6749 (5.2) has it.
fn is_error(body: &[u8]) -> bool {
    let body: Option<Value> = serde_json::from_slice(body).ok();
    body.is_some_and(|body| body["error"].is_string())
}

fn redirect(callback: &str) -> Result<RedirectUrl, ProviderFailure> {
    let no_url = |_| ProviderFailure::Configuration("the callback address is no URL".to_owned());
    RedirectUrl::new(callback.to_owned()).map_err(no_url)
}

/// Nothing of the answer goes into the error but its code.
fn failure<T: ErrorResponseType + std::fmt::Display + 'static>(
    error: RequestTokenError<ProviderFailure, StandardErrorResponse<T>>,
) -> ProviderFailure
where
    StandardErrorResponse<T>: ErrorResponse,
{
    match error {
        RequestTokenError::ServerResponse(answer) => {
            ProviderFailure::of_code(&answer.error().to_string())
        }
        RequestTokenError::Request(failure) => failure,
        RequestTokenError::Parse(..) => ProviderFailure::Answer("it is no answer of OAuth 2"),
        RequestTokenError::Other(_) => ProviderFailure::Answer("it is empty, or of another type"),
    }
}
