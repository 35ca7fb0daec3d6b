//! What is stored of bodies, and that no secret is.

use events_std::{
    EncryptionKey, Integration, NewIntegration, NoMetadata, Provider, Redact, RequestError,
    provider,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{RequestBench, answer, send};
use crate::kit::on_both;

/// A provider that knows more of its secrets.
#[derive(Default)]
struct Payroll;

#[derive(Serialize, Deserialize)]
struct PayrollCredentials {
    account: String,
    key: String,
}

#[provider(Redact)]
impl Provider for Payroll {
    const KEY: &'static str = "payroll";
    const NAME: &'static str = "Payroll";
    type Credentials = PayrollCredentials;
    type Metadata = NoMetadata;
}

impl Redact for Payroll {
    fn secret_names(&self) -> &[&str] {
        &["iban"]
    }

    fn redact(&self, endpoint: &str, body: &mut Value) {
        assert!(!endpoint.contains('?'), "{endpoint}");
        assert_ne!(endpoint, "/panics", "as planned");
        if let Some(notes) = body.get_mut("notes") {
            *notes = json!("[left out]");
        }
    }
}

const CANARY: &str = "canary-6f0c2a";

async fn payroll(url: String) -> (RequestBench, Integration) {
    let bench = RequestBench::with(
        url,
        |engine| {
            let engine = engine.provider(Payroll);
            engine.encryption_key(EncryptionKey::from_bytes([1; 32]))
        },
        |events| events,
    )
    .await;
    let new = NewIntegration::of::<Payroll>("People");
    let credentials = PayrollCredentials {
        account: "canary-account".into(),
        key: CANARY.into(),
    };
    let new = new.credentials(credentials).unwrap();
    let integration = bench.bench.engine.create(new).await.unwrap();
    bench.bench.heard.take();
    (bench, integration)
}

/// Section 5 (better): bodies are stored redacted, by secret names, by the integration's own credentials wherever they
/// stand, and by what the provider's hook adds; and no event and no error holds a secret either.
async fn no_secret_is_stored_or_told(url: String) {
    let (bench, integration) = payroll(url).await;
    let engine = &bench.bench.engine;
    let echo = json!({
        "id": 7,
        "access_token": CANARY,
        "headers": {"Authorization": format!("Bearer {CANARY}")},
        "said": format!("your key {CANARY} is good"),
        "next": "https://api.example/people?cursor=canary-cursor",
        "iban": "canary-iban",
        "notes": "canary-notes",
        "nested": [{"clientSecret": "canary-secret"}],
        "empty": null,
    });
    let endpoint = "/people/canary-account?signature=canary-sig";
    let sent = engine
        .request(&integration, endpoint, "POST")
        .query("page", "canary-page")
        .form_body([
            ("name", "Ada"),
            ("password", "canary-password"),
            ("notes", "canary-note"),
        ])
        .send(async |_| answer(422, &echo.to_string()));
    let error = sent.await.unwrap_err();
    let record = bench.records().await.pop().unwrap();
    assert_eq!(
        record.endpoint,
        "/people/[redacted]?signature=[redacted]&page=[redacted]"
    );
    let request: Value = serde_json::from_str(record.request_data.as_ref().unwrap()).unwrap();
    assert_eq!(
        request,
        json!({"name": "Ada", "password": "[redacted]", "notes": "[left out]"})
    );
    let response: Value = serde_json::from_str(record.response_data.as_ref().unwrap()).unwrap();
    assert_eq!(
        response,
        json!({
            "id": 7,
            "access_token": "[redacted]",
            "headers": {"Authorization": "[redacted]"},
            "said": "your key [redacted] is good",
            "next": "https://api.example/people?cursor=[redacted]",
            "iban": "[redacted]",
            "notes": "[left out]",
            "nested": [{"clientSecret": "[redacted]"}],
            "empty": null,
        })
    );
    let failing = engine.request(&integration, "/", "POST").call(async |_| {
        let text =
            format!("GET https://u:canary-pw@h/x?key=canary-query: {CANARY}, token=canary-token");
        Err::<(), _>(text)
    });
    let other = failing.await.unwrap_err();
    for error in [error, other] {
        assert!(!error.to_string().contains("canary"), "{error}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
    for (name, event) in bench.bench.heard.take() {
        assert!(!event.contains("canary"), "{name}: {event}");
    }
    for record in bench.records().await {
        assert!(!format!("{record:?}").contains("canary"), "{record:?}");
    }
}

/// Section 5 (better): what cannot be parsed is not stored, and neither is what is too long to be read; the rest up to a
/// limit.
async fn what_cannot_be_parsed_is_not_stored(url: String) {
    let (bench, integration) = payroll(url).await;
    let long = json!({"a": "x".repeat(20 * 1024)}).to_string();
    let longest = json!({"a": "x".repeat(300 * 1024)}).to_string();
    for (body, stored) in [
        (r#"{"a": 1}"#, Some(r#"{"a":1}"#)),
        (r#"["a"]"#, Some(r#"["a"]"#)),
        (r#"{"a": 1"#, None),
        (r#""a lone text""#, None),
        ("<token>secret</token>", None),
        ("a=b", None),
        ("", None),
        (&longest, None),
    ] {
        let request = bench.bench.engine.request(&integration, "/", "PUT");
        send(request.body("text/plain", body), [answer(200, body)])
            .await
            .unwrap();
        let record = bench.records().await.pop().unwrap();
        assert_eq!(record.response_data.as_deref(), stored);
        assert_eq!(record.request_data.as_deref(), stored);
    }
    let request = bench.bench.engine.request(&integration, "/", "PUT");
    send(request, [answer(200, &long)]).await.unwrap();
    let stored = bench.records().await.pop().unwrap().response_data.unwrap();
    assert_eq!(stored.len(), 16 * 1024 + "…".len());
    // A hook that panics says nothing of the body, and so it is not stored.
    let request = bench.bench.engine.request(&integration, "/panics", "PUT");
    send(request, [answer(200, "{}")]).await.unwrap();
    assert_eq!(bench.records().await.pop().unwrap().response_data, None);
}

async fn bodies_are_kept_up_to_the_applications_limit(url: String) {
    for (kept, stored) in [(0, None), (4, Some("{\"a\"…")), (100, Some(r#"{"a":"ü"}"#))] {
        let bench = RequestBench::with(
            url.clone(),
            |engine| engine.keep_request_bodies(kept),
            |e| e,
        )
        .await;
        let request = bench.post().json_body(&json!({"a": "ü"}));
        let sent: Result<_, RequestError> = send(request, [answer(200, r#"{"a":"ü"}"#)]).await;
        sent.unwrap();
        let record = bench.records().await.pop().unwrap();
        assert_eq!(record.request_data.as_deref(), stored);
        assert_eq!(record.response_data.as_deref(), stored);
    }
}

on_both!(
    bodies_are_kept_up_to_the_applications_limit,
    no_secret_is_stored_or_told,
    what_cannot_be_parsed_is_not_stored,
);
