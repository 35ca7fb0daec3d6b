//! The calls to an authorization server: https but on loopback, to the configured hosts alone, without redirects, bounded
//! in time and size.
//!
//! An own client of few lines, since the features of a larger one would be those of the whole program.

use std::time::Duration;

use axum::body::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use oauth2::url::Url;

use super::{OAuthClient, ProviderFailure};

/// A larger answer is not read: 1 MiB.
const LARGEST: usize = 1024 * 1024;
/// So long connecting may take.
const CONNECTING: Duration = Duration::from_secs(5);

impl OAuthClient {
    /// Sends a request to one of the client's hosts, for providers that do not follow the standard: the answer as it
    /// came, whatever its status.
    ///
    /// # Errors
    ///
    /// If the address is not one of the client's endpoints' origin, the server cannot be reached or does not answer in
    /// time, or its answer is larger than 1 MiB.
    pub async fn send(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, ProviderFailure> {
        let url = Url::parse(&request.uri().to_string());
        if !url.is_ok_and(|url| self.is_own(&url)) {
            let reason = "a request would leave the hosts of the configured endpoints";
            return Err(ProviderFailure::Configuration(reason.to_owned()));
        }
        let exchange = self.exchange_with(request);
        let answered = tokio::time::timeout(self.timeout, exchange).await;
        answered.unwrap_or(Err(ProviderFailure::TimedOut))
    }

    async fn exchange_with(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<Response<Vec<u8>>, ProviderFailure> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECTING));
        #[cfg(feature = "oauth")]
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(self.tls()?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        #[cfg(not(feature = "oauth"))]
        let connector = {
            if request.uri().scheme_str() != Some("http") {
                let reason = "https needs the feature `oauth` of events-std, not `oauth-loopback`";
                return Err(ProviderFailure::Configuration(reason.to_owned()));
            }
            http
        };
        // Calls are rare: no connection is kept.
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector);
        let answer = client.request(request.map(Full::from)).await;
        let (head, body) = answer.map_err(|error| unreachable(&error))?.into_parts();
        let body = Limited::new(body, LARGEST).collect().await;
        let body = body.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                ProviderFailure::Answer("it is larger than 1 MiB")
            } else {
                unreachable(&*error)
            }
        })?;
        Ok(Response::from_parts(head, body.to_bytes().to_vec()))
    }

    /// The provider of cryptography is named here, so that it never depends on what else the program links.
    #[cfg(feature = "oauth")]
    fn tls(&self) -> Result<rustls::ClientConfig, ProviderFailure> {
        use rustls::pki_types::CertificateDer;
        use rustls::pki_types::pem::PemObject as _;
        use rustls::{ClientConfig, RootCertStore};

        let failed = |error: rustls::Error| ProviderFailure::Configuration(error.to_string());
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        for pem in &self.roots {
            let before = roots.len();
            for certificate in CertificateDer::pem_slice_iter(pem) {
                let certificate = certificate.map_err(|_| no_certificate())?;
                roots.add(certificate).map_err(failed)?;
            }
            if roots.len() == before {
                return Err(no_certificate());
            }
        }
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}

#[cfg(feature = "oauth")]
fn no_certificate() -> ProviderFailure {
    ProviderFailure::Configuration("a root certificate is not in PEM".to_owned())
}

/// The last cause says it: the address was refused, the certificate is not known.
fn unreachable(error: &(dyn std::error::Error + 'static)) -> ProviderFailure {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    ProviderFailure::Unreachable(last.to_string())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::Request;

    use super::super::client::LONGEST;
    use super::{OAuthClient, ProviderFailure};

    /// A listener, and its address.
    fn listener() -> (std::net::TcpListener, String) {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        (listener, url)
    }

    fn post(url: &str) -> Request<Vec<u8>> {
        Request::post(url).body(b"token=hush".to_vec()).unwrap()
    }

    #[tokio::test]
    async fn nothing_is_sent_to_another_host() {
        let (_own, configured) = listener();
        let (foreign, url) = listener();
        let client = OAuthClient::new("id", &*configured, format!("{configured}/token"));
        let port = url.rsplit_once(':').unwrap().1;
        for foreign in [
            format!("{url}/token"),
            format!("http://localhost:{port}/token"),
            format!("https://127.0.0.1:{port}/token"),
            "/token".to_owned(),
        ] {
            let error = client.send(post(&foreign)).await.unwrap_err();
            assert!(
                matches!(&error, ProviderFailure::Configuration(reason) if reason.contains("leave the hosts")),
                "{foreign}: {error}"
            );
        }
        let error = foreign.accept().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
    }

    /// By a server that takes the request, and never answers.
    #[tokio::test]
    async fn a_call_ends_after_the_time_that_is_given() {
        let (_silent, url) = listener();
        let client = OAuthClient::new("id", &*url, &*url).timeout(Duration::from_millis(1));
        let error = client.send(post(&url)).await.unwrap_err();
        assert!(matches!(error, ProviderFailure::TimedOut), "{error}");
    }

    #[test]
    fn no_call_may_take_longer_than_the_lease_allows() {
        let client = OAuthClient::new("id", "https://a.example", "https://a.example");
        assert_eq!(client.timeout, Duration::from_secs(15));
        let (short, long) = (Duration::from_secs(3), Duration::from_hours(1));
        assert_eq!(client.clone().timeout(short).timeout, short);
        assert_eq!(client.timeout(long).timeout, LONGEST);
    }
}
