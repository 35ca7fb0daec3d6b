//! The operation log (section 6).

use events_std::{Direction, IntegrationError, IntegrationLog};
use serde_json::json;

use crate::desk::DeskBench;
use crate::kit::{Bench, on_both};

/// Section 2: `OperationStarted`, `OperationCompleted` and `OperationFailed` fire by the status of the row that is
/// inserted; other statuses fire nothing.
async fn an_entry_fires_by_its_status(url: String) {
    let bench = Bench::new(url).await;
    let id = bench.integration().await.id;
    for (status, fired) in [
        ("processing", vec!["operation.started"]),
        ("success", vec!["operation.completed"]),
        ("failed", vec!["operation.failed"]),
        ("partial", vec![]),
        ("", vec![]),
    ] {
        let log = IntegrationLog::new(id, "import", Direction::Inbound, status);
        let stored = bench.engine.log_operation(log).await.unwrap();
        let heard = bench.heard.take();
        let names: Vec<_> = heard.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, fired, "{status}");
        // Section 1.3 (better): the record as it is stored, with its id and times.
        let text = format!("{stored:?}");
        assert!(
            heard.iter().all(|(_, event)| event.contains(&text)),
            "{heard:?}"
        );
        assert_eq!(stored.created_at, bench.events.now());
        assert_eq!(
            bench.engine.find_operation(stored.id).await.unwrap(),
            Some(stored)
        );
    }
}

/// Section 6: updating a row fires nothing.
async fn a_change_of_an_entry_fires_nothing(url: String) {
    let bench = Bench::new(url).await;
    let id = bench.integration().await.id;
    let parent = IntegrationLog::new(id, "import", Direction::Outbound, "processing");
    let parent = bench.engine.log_operation(parent).await.unwrap();
    let full = IntegrationLog {
        parent_id: Some(parent.id),
        external_id: Some("7".into()),
        summary: Some("all of it".into()),
        metadata: Some(json!({"a": 1})),
        result_data: Some(json!([1])),
        error: Some("none".into()),
        duration_ms: Some(12),
        attempt: Some(2),
        max_attempts: Some(3),
        ..IntegrationLog::new(id, "export", Direction::Outbound, "processing")
    };
    let stored = bench.engine.log_operation(full.clone()).await.unwrap();
    let expected = IntegrationLog {
        id: stored.id,
        created_at: stored.created_at,
        updated_at: stored.updated_at,
        ..full
    };
    assert_eq!(stored, expected);
    bench.heard.take();
    bench.clock.advance(chrono::TimeDelta::seconds(1));
    for status in ["success", "failed", "processing"] {
        let changed = IntegrationLog {
            status: status.into(),
            summary: None,
            ..stored.clone()
        };
        let changed = bench
            .engine
            .update_operation(changed)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            (&*changed.status, changed.summary.as_deref()),
            (status, None)
        );
        assert_eq!(changed.updated_at, bench.events.now());
        assert_eq!(
            bench.engine.find_operation(stored.id).await.unwrap(),
            Some(changed)
        );
    }
    assert!(bench.heard.names().is_empty());
    let gone = IntegrationLog {
        id: stored.id + 1,
        ..stored
    };
    assert_eq!(bench.engine.update_operation(gone).await.unwrap(), None);
}

async fn an_entry_of_no_integration_is_refused(url: String) {
    let bench = Bench::new(url).await;
    let log = IntegrationLog::new(99, "import", Direction::Inbound, "success");
    let error = bench.engine.log_operation(log).await.unwrap_err();
    assert!(matches!(error, IntegrationError::NotFound(99)), "{error}");
    assert!(bench.heard.names().is_empty());
}

/// Postgres cannot store the character U+0000, which a provider's answer may well hold.
async fn any_text_is_stored(url: String) {
    let bench = Bench::new(url).await;
    let id = bench.integration().await.id;
    let odd = IntegrationLog {
        external_id: Some("7\0".into()),
        summary: Some("\0".into()),
        error: Some("a\0b".into()),
        ..IntegrationLog::new(id, "import\0", Direction::Inbound, "odd\0")
    };
    let stored = bench.engine.log_operation(odd.clone()).await.unwrap();
    assert_eq!(stored.error.as_deref(), Some("a\u{FFFD}b"));
    assert_eq!(stored.operation, "import\u{FFFD}");
    let again = IntegrationLog {
        id: stored.id,
        ..odd
    };
    let changed = bench.engine.update_operation(again).await.unwrap();
    assert_eq!(changed, Some(stored));
}

/// A run is closed whatever its provider said, of which as much is kept as of any other error.
async fn a_run_fails_with_any_text(url: String) {
    let desk = DeskBench::new(url).await;
    let text: &'static str = "a\0".repeat(3_000).leak();
    desk.desk.0.lock().unwrap().fails = Some(text);
    let id = desk.integration.id;
    desk.bench.engine.sync(id).await.unwrap();
    let run = &desk.bench.engine.sync_runs(id).await.unwrap()[0];
    assert_eq!(run.state.to_string(), "closed");
    assert_eq!(desk.log(run).await.error, Some("a".repeat(1_000)));
}

on_both!(
    a_run_fails_with_any_text,
    any_text_is_stored,
    a_change_of_an_entry_fires_nothing,
    an_entry_fires_by_its_status,
    an_entry_of_no_integration_is_refused,
);
