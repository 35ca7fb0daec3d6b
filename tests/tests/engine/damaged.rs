//! Rows that something else has damaged.

use events_std::{ItemStatus, NewIntegration, RunState};

use crate::desk::{DeskBench, execute};
use crate::kit::{on_both, on_sqlite};

/// Whatever stands in one row keeps no other run.
async fn a_run_whose_row_cannot_be_read_is_not_in_the_way(url: String) {
    let desk = DeskBench::new(url).await;
    let engine = &desk.bench.engine;
    desk.desk.finds([1]);
    let mut runs = Vec::new();
    for name in ["metadata", "health", "cursor", "state", "well"] {
        let one = engine.create(NewIntegration::new("desk", name)).await;
        let begun = engine.sync(one.unwrap().id).await.unwrap();
        runs.push(begun.assert_enumerated());
    }
    for damage in [
        "UPDATE events_sync_items SET state = 2".to_owned(),
        "UPDATE events_sync_runs SET reconcile_due = TRUE, finished = enumerated".to_owned(),
        "UPDATE events_integrations SET metadata = '{' WHERE name = 'metadata'".to_owned(),
        "UPDATE events_integrations SET health_status = 'odd' WHERE name = 'health'".to_owned(),
        format!(
            "UPDATE events_sync_runs SET starting_cursor = '{{' WHERE id = {}",
            runs[2].id
        ),
        format!(
            "UPDATE events_sync_runs SET enumerated = -1 WHERE id = {}",
            runs[3].id
        ),
    ] {
        execute(&desk.bench, &damage).await;
    }
    assert_eq!(engine.reconcile().await.unwrap(), 1);
    assert!(desk.is_closed(&runs[4]).await);
}

on_both!(a_run_whose_row_cannot_be_read_is_not_in_the_way);

/// Section 7.3: what cannot be decoded ends at once. Postgres stores none of these values in such columns.
#[test]
fn an_item_whose_row_cannot_be_read_fails_with_its_reason_and_the_others_run() {
    on_sqlite(async |url| {
        let desk = DeskBench::new(url).await;
        let run = desk.begin(1..=7).await;
        let damages = [
            (2, "payload = CAST(x'5bff5d' AS TEXT)"),
            (3, "delivery_id = 'none'"),
            (4, "created_at = 'yesterday'"),
            (5, "payload = x'5bff5d'"),
            (6, "external_id = x'ff', checkpoint_value = x'ff'"),
        ];
        for (ticket, damage) in damages {
            let id = desk.item(&run, ticket).await.id;
            let damage = format!("UPDATE events_sync_items SET {damage} WHERE id = {id}");
            execute(&desk.bench, &damage).await;
        }
        desk.worker().drain().await.unwrap();
        let mut ran = desk.plan().attempts();
        ran.sort_unstable();
        assert_eq!(ran, [(1, 1), (7, 1)]);
        let closed = desk.run(&run).await;
        assert_eq!((closed.state, closed.finished), (RunState::Closed, 7));
        let mut heard = desk.heard().await;
        heard.sort_unstable();
        let mut expected = vec!["sync.completed"];
        expected.extend(["sync.item_failed"; 5]);
        assert_eq!(heard, expected);
        let items = desk.items(&run).await;
        let failed: Vec<_> = items
            .iter()
            .filter(|item| item.status == ItemStatus::Failed)
            .collect();
        assert_eq!(failed.len(), 5);
        for item in &failed {
            let error = item.error.as_deref().unwrap();
            assert!(error.starts_with("its row cannot be read: "), "{error}");
        }
        let kinds: Vec<String> = desk
            .bench
            .column("SELECT DISTINCT error_kind FROM events_sync_items WHERE state = 3")
            .await;
        assert_eq!(kinds, ["undecodable"]);

        // An operator may try it again, and skip it.
        let id = failed[0].id;
        desk.bench.engine.retry_item(id).await.unwrap();
        desk.worker().drain().await.unwrap();
        let again = desk.bench.engine.sync_item(id).await.unwrap().unwrap();
        assert_eq!(again.status, ItemStatus::Failed);
        let skipped = desk.bench.engine.skip_item(id).await.unwrap();
        assert_eq!(skipped.status, ItemStatus::Skipped);
    });
}
