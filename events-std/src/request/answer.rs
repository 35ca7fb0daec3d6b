//! What a client's answer tells: its status, its headers, its body.

/// The answer to an API request, whichever client asked. `http::Response` of bytes is one.
///
/// An answer of `reqwest` becomes one in a few lines:
///
/// ```
/// # mod reqwest {
/// #     pub type Result<T> = std::result::Result<T, std::io::Error>;
/// #     pub struct Response(pub http::Response<Vec<u8>>);
/// #     impl Response {
/// #         pub fn status(&self) -> http::StatusCode { self.0.status() }
/// #         pub fn headers(&self) -> &http::HeaderMap { self.0.headers() }
/// #         pub async fn bytes(self) -> Result<Vec<u8>> { Ok(self.0.into_body()) }
/// #     }
/// # }
/// # type Bytes = Vec<u8>;
/// async fn read(response: reqwest::Response) -> reqwest::Result<http::Response<Bytes>> {
///     let mut answer = http::Response::new(Bytes::new());
///     *answer.status_mut() = response.status();
///     *answer.headers_mut() = response.headers().clone();
///     *answer.body_mut() = response.bytes().await?;
///     Ok(answer)
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the answer to an API request",
    label = "this tells no status, headers and body",
    note = "return an `http::Response` of bytes, or implement `events_std::ApiResponse`; for a client that returns values of its own, use `call` instead of `send`"
)]
pub trait ApiResponse {
    /// The HTTP status; none where the protocol has none. From 400 on it is a failure.
    fn status(&self) -> Option<u16>;
    /// The value of the header with this name, which is in lower case, if it is text.
    fn header(&self, name: &str) -> Option<&str>;
    /// The whole body.
    fn body(&self) -> &[u8];
}

impl<B: AsRef<[u8]>> ApiResponse for http::Response<B> {
    fn status(&self) -> Option<u16> {
        Some(self.status().as_u16())
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    fn body(&self) -> &[u8] {
        self.body().as_ref()
    }
}

/// Headers in which providers name a request, the usual ones first.
const REQUEST_IDS: [&str; 7] = [
    "x-request-id",
    "request-id",
    "x-zendesk-request-id",
    "x-github-request-id",
    "x-amzn-requestid",
    "x-ms-request-id",
    "x-correlation-id",
];

/// What is kept of an answer until its attempt is recorded.
#[derive(Default)]
pub(super) struct Answer {
    pub(super) status: Option<u16>,
    pub(super) request_id: Option<String>,
    pub(super) retry_after: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) body: Option<Vec<u8>>,
}

impl Answer {
    pub(super) fn of(response: &impl ApiResponse) -> Self {
        let header = |name| response.header(name).map(str::to_owned);
        Self {
            status: response.status(),
            request_id: REQUEST_IDS.iter().find_map(|name| header(name)),
            retry_after: header("retry-after"),
            content_type: header("content-type"),
            body: Some(response.body().to_vec()),
        }
    }
}
