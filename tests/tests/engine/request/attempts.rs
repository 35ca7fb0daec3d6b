//! Attempts: how many there are, what each is told and recorded as, and the waits between them.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::time::Duration;

use chrono::TimeDelta;
use events_std::{
    FailureClass, Integration, IntegrationError, RateLimited, RequestError, StoreError,
};
use serde::Deserialize;
use serde_json::json;

use super::{RequestBench, answer, answer_with, breaks, send};
use crate::kit::on_both;

#[derive(Debug, PartialEq, Deserialize)]
struct Page {
    tickets: Vec<u64>,
}

/// Sections 2 and 5: one row and one event for an attempt that succeeds, and what was asked for comes back decoded.
async fn a_request_that_succeeds_is_one_row_and_one_event(url: String) {
    let bench = RequestBench::new(url).await;
    let clock = bench.bench.clock.clone();
    let page: Page = bench
        .get()
        .query("page", 2)
        .idempotency_key("once")
        .json()
        .send(async |attempt| {
            assert_eq!((attempt.number(), attempt.max_attempts()), (1, 3));
            assert_eq!(attempt.method(), "GET");
            assert_eq!(attempt.endpoint(), "/api/v2/tickets?page=2");
            assert_eq!(attempt.idempotency_key(), Some("once"));
            assert_eq!((attempt.body(), attempt.content_type()), (None, None));
            clock.advance(TimeDelta::milliseconds(120));
            let mut answer = answer(200, r#"{"tickets": [1, 2]}"#)?;
            let headers = answer.headers_mut();
            headers.insert("X-Request-Id", "abc-1".parse().unwrap());
            Ok::<_, io::Error>(answer)
        })
        .await
        .unwrap();
    assert_eq!(
        page,
        Page {
            tickets: vec![1, 2]
        }
    );
    let records = bench.records().await;
    let [record] = &*records else {
        panic!("{records:?}")
    };
    assert_eq!(record.integration_id, bench.integration.id);
    assert_eq!((&*record.method, record.response_code), ("GET", Some(200)));
    assert_eq!(record.endpoint, "/api/v2/tickets?page=[redacted]");
    assert_eq!(record.idempotency_key.as_deref(), Some("once"));
    assert_eq!(record.provider_request_id.as_deref(), Some("abc-1"));
    assert_eq!(record.request_data, None);
    assert_eq!(
        record.response_data.as_deref(),
        Some(r#"{"tickets":[1,2]}"#)
    );
    assert!(record.response_success && record.error.is_none());
    assert_eq!((record.retry_of, record.failure_class), (None, None));
    assert_eq!(record.duration_ms, Some(120));
    assert_eq!(record.created_at, bench.bench.events.now());
    // Section 1.3 (better): the record as it is stored.
    let heard = bench.bench.heard.take();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0].0, "request.completed");
    assert!(heard[0].1.contains(&format!("{record:?}")), "{heard:?}");
}

/// Section 5 (better: a returned 500 is a failure): one row and one event per attempt, each retry points at the first.
async fn an_answer_of_500_is_a_failure_and_is_tried_again(url: String) {
    let bench = RequestBench::new(url).await;
    let answers = [answer(500, "{}"), answer(502, "no JSON"), answer(200, "{}")];
    assert_eq!(send(bench.get(), answers).await.unwrap().status(), 200);
    let records = bench.records().await;
    let codes: Vec<_> = records.iter().map(|record| record.response_code).collect();
    assert_eq!(codes, [Some(500), Some(502), Some(200)]);
    let first = Some(records[0].id);
    let retries: Vec<_> = records.iter().map(|record| record.retry_of).collect();
    assert_eq!(retries, [None, first, first]);
    let classes: Vec<_> = records.iter().map(|record| record.failure_class).collect();
    let upstream = Some(FailureClass::Upstream);
    assert_eq!(classes, [upstream, upstream, None]);
    let error = records[1].error.as_ref().unwrap();
    assert_eq!(
        (&*error.kind, &*error.message),
        ("status", "the answer was 502 Bad Gateway")
    );
    assert_eq!(
        bench.bench.heard.names(),
        ["request.failed", "request.failed", "request.completed"]
    );
    let waits = bench.waits.take();
    assert_eq!(waits.len(), 2);
    assert!(waits[0] >= Duration::from_millis(500), "{waits:?}");
    assert!(waits[1] >= Duration::from_secs(1), "{waits:?}");
    assert!(
        waits.iter().all(|wait| *wait <= Duration::from_secs(10)),
        "{waits:?}"
    );
}

/// Section 5: `GET` is tried 3 times, all else once, unless the call says otherwise.
async fn reads_are_tried_three_times_and_writes_once(url: String) {
    let bench = RequestBench::new(url).await;
    let fails = |times: usize| (0..times).map(|_| breaks(ErrorKind::ConnectionRefused));
    for (request, attempts) in [
        (bench.get(), 3),
        (bench.post(), 1),
        (bench.post().attempts(2), 2),
        (bench.get().attempts(0), 1),
        (
            bench.bench.engine.request(&bench.integration, "/", "get"),
            3,
        ),
        (
            bench
                .bench
                .engine
                .request(&bench.integration, "/", http::Method::PUT),
            1,
        ),
    ] {
        let error = send(request, fails(attempts)).await.unwrap_err();
        let failed = error.failed().unwrap();
        assert_eq!(failed.attempts(), u32::try_from(attempts).unwrap());
        assert!(failed.cause().unwrap().is::<io::Error>());
        assert_eq!(error.class(), Some(FailureClass::Upstream));
        let mut heard = bench.bench.heard.names();
        heard.retain(|name| *name != "integration.health_changed");
        assert_eq!(heard, vec!["request.failed"; attempts]);
        let record = bench.records().await.pop().unwrap();
        assert_eq!(*failed.request(), record);
    }
}

#[derive(Debug)]
struct ClientError(ErrorKind);

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it did not work")
    }
}

impl Error for ClientError {}

/// Section 5: only the provider's own failures and throttles are tried again; section 4 says which they are.
async fn failures_have_their_class_and_only_two_are_tried_again(url: String) {
    use FailureClass::{Client, Throttle, Unknown, Upstream};
    let bench = RequestBench::new(url).await;
    let unauthorized = || answer(401, r#"{"error": "who?"}"#);
    for (make, class, kind, tried_again) in [
        (
            &(|| answer(500, "")) as &dyn Fn() -> super::Answer,
            Upstream,
            "status",
            true,
        ),
        (&|| answer(599, ""), Upstream, "status", true),
        (&|| answer(501, ""), Unknown, "status", false),
        (&|| answer(400, ""), Client, "status", false),
        (&unauthorized, Client, "status", false),
        (&|| answer(429, ""), Throttle, "rate_limit", true),
        (
            &|| breaks(ErrorKind::ConnectionReset),
            Upstream,
            "connection",
            true,
        ),
        (&|| breaks(ErrorKind::TimedOut), Upstream, "timeout", true),
        (&|| breaks(ErrorKind::InvalidData), Unknown, "error", false),
    ] {
        let attempts = if tried_again { 3 } else { 1 };
        let answers: Vec<_> = (0..attempts).map(|_| make()).collect();
        // A throttle without a wait of its own is tried again like any failure.
        let error = send(bench.get(), answers).await.unwrap_err();
        let record = error.failed().unwrap().request();
        assert_eq!(record.failure_class, Some(class));
        assert_eq!(record.error.as_ref().unwrap().kind, kind);
        assert_eq!(error.status(), record.response_code);
    }
    let error = send(bench.get(), [unauthorized()]).await.unwrap_err();
    assert_eq!(error.status(), Some(401));
    assert_eq!(
        error.failed().unwrap().body().unwrap(),
        br#"{"error": "who?"}"#
    );
    assert_eq!(
        error.to_string(),
        "GET /api/v2/tickets failed: the answer was 401 Unauthorized"
    );
}

/// What the application knows of its client comes before what is known of any error, and the call before the engine.
async fn the_application_tells_whose_failure_an_error_is(url: String) {
    let of_engine = |error: &(dyn Error + 'static)| {
        let error: &ClientError = error.downcast_ref()?;
        (error.0 == ErrorKind::TimedOut).then_some(FailureClass::Upstream)
    };
    let bench = RequestBench::with(url, |engine| engine.classify_requests(of_engine), |e| e).await;
    let fails = async |kind, request: events_std::ApiRequest<'_>| {
        let sent = request
            .attempts(1)
            .call(async |_| Err::<(), _>(io::Error::other(ClientError(kind))));
        sent.await.unwrap_err().class().unwrap()
    };
    assert_eq!(
        fails(ErrorKind::TimedOut, bench.get()).await,
        FailureClass::Upstream
    );
    assert_eq!(
        fails(ErrorKind::NotFound, bench.get()).await,
        FailureClass::Unknown
    );
    let of_call =
        |error: &(dyn Error + 'static)| error.is::<ClientError>().then_some(FailureClass::Client);
    let request = bench.get().classify(of_call);
    assert_eq!(
        fails(ErrorKind::TimedOut, request).await,
        FailureClass::Client
    );
    let record = bench.records().await.pop().unwrap();
    assert_eq!(record.error.unwrap().message, "it did not work");
}

/// Section 5: retries honour `Retry-After`, and never wait for longer than the call's patience.
async fn retries_wait_for_as_long_as_the_provider_asks(url: String) {
    let bench = RequestBench::new(url).await;
    let seconds = Duration::from_secs;
    let after = |value: &str| answer_with(429, ("Retry-After", value));
    send(bench.get(), [after("7"), answer(200, "{}")])
        .await
        .unwrap();
    assert_eq!(bench.waits.take(), [seconds(7)]);
    let answers = [answer_with(503, ("retry-after", " 9 ")), answer(200, "{}")];
    send(bench.get(), answers).await.unwrap();
    assert_eq!(bench.waits.take(), [seconds(9)]);
    // The clock stands at 2026-01-01 00:00:16.
    let date = "Thu, 01 Jan 2026 00:00:24 GMT";
    send(bench.get(), [after(date), answer(200, "{}")])
        .await
        .unwrap();
    assert_eq!(bench.waits.take(), [seconds(8)]);
    // Too long: the caller is told at once.
    let error = send(bench.get(), [after("11")]).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(seconds(11)));
    assert_eq!(RateLimited::find(&error).unwrap().wait(), seconds(11));
    let patient = bench.get().patience(seconds(60));
    send(patient, [after("11"), answer(200, "{}")])
        .await
        .unwrap();
    assert_eq!(bench.waits.take(), [seconds(11)]);
    // A client's own error may ask for patience too, and no wait is assumed to be a minute.
    let limited = RateLimited::retry_after(seconds(300));
    let error = bench
        .get()
        .call(async |_| Err::<(), _>(limited))
        .await
        .unwrap_err();
    assert_eq!(
        (error.class(), error.retry_after()),
        (Some(FailureClass::Throttle), Some(seconds(300)))
    );
    let error = send(bench.post(), [answer(429, "{}")]).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(seconds(60)));
    // An upstream failure is no rate limit, whatever it asks for.
    let error = send(bench.post(), [answer_with(503, ("retry-after", "4"))])
        .await
        .unwrap_err();
    assert_eq!(error.retry_after(), Some(seconds(4)));
    assert_eq!(RateLimited::find(&error), None);
}

/// Section 5: success is an answer that could be decoded.
async fn an_answer_that_does_not_fit_is_a_failure(url: String) {
    let bench = RequestBench::new(url).await;
    let sent = bench.get().json::<Page>();
    let error = sent
        .send(async |_| answer(200, r#"{"tickets": "s3cret"}"#))
        .await
        .unwrap_err();
    assert_eq!(error.class(), Some(FailureClass::Unknown));
    let records = bench.records().await;
    let [record] = &*records else {
        panic!("{records:?}")
    };
    assert_eq!(
        (record.response_code, record.response_success),
        (Some(200), false)
    );
    let failure = record.error.as_ref().unwrap();
    assert_eq!(failure.kind, "decode");
    // serde's own words cite the value.
    assert!(!failure.message.contains("s3cret"), "{failure:?}");
    assert_eq!(bench.bench.heard.names(), ["request.failed"]);
}

/// A client that returns values of its own succeeds with `Ok`; the record has neither status nor body.
async fn a_client_may_return_values_of_its_own(url: String) {
    let bench = RequestBench::new(url).await;
    let made = bench
        .post()
        .json_body(&json!({"subject": "Fire"}))
        .call(async |attempt| {
            assert_eq!(attempt.body(), Some(&br#"{"subject":"Fire"}"#[..]));
            assert_eq!(attempt.content_type(), Some("application/json"));
            Ok::<_, io::Error>(7)
        })
        .await
        .unwrap();
    assert_eq!(made, 7);
    let record = bench.records().await.pop().unwrap();
    assert_eq!(
        record.request_data.as_deref(),
        Some(r#"{"subject":"Fire"}"#)
    );
    assert_eq!((record.response_code, record.response_data), (None, None));
    assert!(record.response_success);
    let unwritable = std::collections::BTreeMap::from([((1, 2), 3)]);
    let refused = bench.post().json_body(&unwritable);
    let error = send(refused, []).await.unwrap_err();
    assert!(matches!(error, RequestError::Body(_)), "{error}");
}

/// Section 5: a request refuses to run inside a transaction.
async fn a_request_refuses_to_run_in_a_transaction(url: String) {
    let bench = RequestBench::new(url).await;
    let refused = bench.bench.store.transaction(async |_| {
        let error = send(bench.get(), []).await.unwrap_err();
        assert!(matches!(error, RequestError::TransactionOpen), "{error}");
        Ok::<_, StoreError>(())
    });
    refused.await.unwrap();
    assert!(bench.records().await.is_empty());
    send(bench.get(), [answer(204, "")]).await.unwrap();
}

/// A record that cannot be stored is an error that says what the provider said; the body is still the caller's.
async fn an_attempt_that_cannot_be_recorded_says_so(url: String) {
    let bench = RequestBench::new(url).await;
    let gone = Integration {
        id: bench.integration.id + 1,
        ..bench.integration.clone()
    };
    let request = bench.bench.engine.request(&gone, "/", "POST");
    let error = send(request, [answer(200, "{}")]).await.unwrap_err();
    let RequestError::NotRecorded { succeeded, source } = error else {
        panic!("{error}")
    };
    assert!(succeeded);
    assert!(matches!(source, IntegrationError::NotFound(_)), "{source}");
}

on_both!(
    a_client_may_return_values_of_its_own,
    a_request_refuses_to_run_in_a_transaction,
    a_request_that_succeeds_is_one_row_and_one_event,
    an_answer_of_500_is_a_failure_and_is_tried_again,
    an_answer_that_does_not_fit_is_a_failure,
    an_attempt_that_cannot_be_recorded_says_so,
    failures_have_their_class_and_only_two_are_tried_again,
    reads_are_tried_three_times_and_writes_once,
    retries_wait_for_as_long_as_the_provider_asks,
    the_application_tells_whose_failure_an_error_is,
);
