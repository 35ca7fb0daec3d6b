//! What is written of a job.

use std::sync::Arc;

use chrono::TimeDelta;
use events_core::{Event, Events, ManualClock, Refusal, listener};
use events_std::{Store, StoreError};
use sea_orm::{DbBackend, QueryResult};
use uuid::Uuid;

use crate::builder;
use crate::database::{Database, note, on_both};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "store.written")]
struct Written {
    key: String,
    number: u32,
}

#[listener(Written, queue = "plain", name = "plain")]
fn plain(_: &Written) {}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "store.twice")]
struct Twice(u32);

#[listener(Twice, queue = "one", name = "one", retry_for = "1h", delay = "5m")]
fn one(_: &Twice) {}

#[listener(Twice, queue = "two", name = "two")]
fn two(_: &Twice) {}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "store.unique")]
struct Unique {
    key: String,
    number: u32,
}

fn by_key(event: &Unique) -> String {
    event.key.clone()
}

#[listener(Unique, queue, name = "until_it_ends", unique = by_key)]
fn until_it_ends(_: &Unique) {}

#[listener(Unique, queue, name = "for_a_minute", unique = by_key, unique_for = "1m")]
fn for_a_minute(_: &Unique) {}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "store.ordered")]
struct Ordered {
    key: String,
    number: u32,
}

fn order(event: &Ordered) -> String {
    event.key.clone()
}

#[listener(Ordered, queue, name = "in_order", order_by = order)]
fn in_order(_: &Ordered) {}

struct Bench {
    store: Store,
    events: Events,
    clock: Arc<ManualClock>,
}

fn bench(database: &Database) -> Bench {
    let clock = Arc::new(ManualClock::default());
    let events = builder(database, module_path!())
        .clock(clock.clone())
        .build()
        .unwrap();
    Bench {
        store: database.store.with_events(&events),
        events,
        clock,
    }
}

fn numbers(rows: &[QueryResult]) -> Vec<u64> {
    rows.iter()
        .map(|row| {
            let payload: String = row.try_get_by_index(0).unwrap();
            let payload: serde_json::Value = serde_json::from_str(&payload).unwrap();
            payload["number"].as_u64().unwrap()
        })
        .collect()
}

async fn by_one_statement_or_another_a_row_is_the_same(database: Database) {
    let Bench { store, events, .. } = bench(&database);
    // One job alone, and two in one statement.
    events
        .dispatch(&Written {
            key: String::new(),
            number: 1,
        })
        .await
        .unwrap();
    events.dispatch(&Twice(1)).await.unwrap();
    let kinds = match store.backend() {
        DbBackend::Sqlite => {
            "SELECT typeof(uid) || length(uid) || typeof(delivery_id) || length(delivery_id) \
             || typeof(correlation_id) || length(correlation_id) || typeof(causation_id) || typeof(payload) \
             || typeof(version) || typeof(run_at) FROM events_jobs"
        }
        _ => {
            "SELECT pg_typeof(uid)::text || pg_typeof(delivery_id)::text || (causation_id IS NULL)::text \
             FROM events_jobs"
        }
    };
    let kinds: Vec<String> = database.column(kinds).await;
    assert_eq!(kinds.len(), 3);
    assert_eq!(kinds[0], kinds[1]);
    assert_eq!(kinds[0], kinds[2]);

    let rows = database
        .rows(
            "SELECT uid, delivery_id, correlation_id, causation_id, dispatched_at, run_at, expires_at, queue, event, \
             version, listener, state, attempts FROM events_jobs ORDER BY id",
        )
        .await;
    let ids: Vec<Uuid> = rows
        .iter()
        .map(|row| row.try_get_by_index(0).unwrap())
        .collect();
    assert!(ids.iter().all(|id| id.get_version_num() == 7));
    assert!(ids[0] < ids[1] && ids[1] < ids[2]);
    for row in &rows {
        let delivery: Uuid = row.try_get_by_index(1).unwrap();
        assert_eq!(row.try_get_by_index::<Uuid>(2).unwrap(), delivery);
        assert_eq!(row.try_get_by_index::<Option<Uuid>>(3).unwrap(), None);
        assert_eq!(row.try_get_by_index::<i32>(9).unwrap(), 1);
    }
    let listener = |row: &QueryResult| row.try_get_by_index::<String>(10).unwrap();
    let delayed = rows.iter().find(|row| listener(row) == "one").unwrap();
    let at: i64 = delayed.try_get_by_index(4).unwrap();
    assert_eq!(delayed.try_get_by_index::<i64>(5).unwrap(), at + 300_000);
    assert_eq!(
        delayed.try_get_by_index::<Option<i64>>(6).unwrap(),
        Some(at + 3_600_000)
    );
}

async fn any_text_travels(database: Database) {
    let Bench { store, events, .. } = bench(&database);
    let texts = [
        "\0 before and after \0",
        "\u{1}\u{1f}\u{7f}\u{80}",
        "\"quoted\" \\ back \\u0000 \\\"",
        "é ß 漢字 🦀 \u{202e}\u{feff}\u{fffd}\u{10ffff}",
        "line\r\nline\u{2028}",
        "",
    ];
    for text in texts {
        // Alone, and with another in one statement.
        let written = Written {
            key: text.to_owned(),
            number: 0,
        };
        events.dispatch(&written).await.unwrap();
        store
            .transaction(async |tx| {
                tx.dispatch(&written).await.unwrap();
                tx.dispatch(&written).await.unwrap();
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
    }
    let payloads: Vec<String> = database
        .column("SELECT payload FROM events_jobs ORDER BY id")
        .await;
    assert_eq!(payloads.len(), texts.len() * 3);
    for (index, payload) in payloads.iter().enumerate() {
        let payload: serde_json::Value = serde_json::from_str(payload).unwrap();
        assert_eq!(payload["key"], texts[index / 3]);
    }
}

async fn a_key_with_a_nul_is_refused(database: Database) {
    let Bench { store, events, .. } = bench(&database);
    let unique = unique("a\0b", 1);
    let refused = events.dispatch(&unique).await.unwrap_err();
    assert!(refused.to_string().contains("U+0000"), "{refused}");
    store
        .transaction(async |tx| {
            note(tx, "kept").await?;
            let refused = tx.dispatch(&unique).await.unwrap_err();
            assert!(matches!(refused.refusal(), Some(Refusal::Push(_))));
            let text = refused.to_string();
            assert!(text.contains("unique key of a job of `"), "{text}");
            assert!(text.contains("U+0000"), "{text}");
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    assert_eq!(database.notes().await, ["kept"]);
    assert_eq!(database.count("events_jobs").await, 0);
}

async fn from_one_to_a_thousand_in_one_transaction(database: Database) {
    let Bench { store, .. } = bench(&database);
    let mut expected = Vec::new();
    for count in [1, 2, 3, 499, 500, 501, 1_000] {
        store
            .transaction(async |tx| {
                for number in 0..count {
                    let key = "k".repeat(20);
                    tx.dispatch(&Written { key, number }).await.unwrap();
                }
                Ok::<_, StoreError>(())
            })
            .await
            .unwrap();
        expected.extend((0..count).map(u64::from));
    }
    let rows = database
        .rows("SELECT payload FROM events_jobs ORDER BY id")
        .await;
    assert_eq!(numbers(&rows), expected);
    let ids: Vec<i64> = database
        .column("SELECT COUNT(DISTINCT uid) FROM events_jobs")
        .await;
    assert_eq!(ids, [i64::try_from(expected.len()).unwrap()]);
}

async fn large_payloads_are_written_as_they_come(database: Database) {
    let Bench { store, .. } = bench(&database);
    store
        .transaction(async |tx| {
            for number in 0..20 {
                let key = "x".repeat(1 << 20);
                tx.dispatch(&Written { key, number }).await.unwrap();
            }
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    let sizes: Vec<i32> = database
        .column("SELECT CAST(LENGTH(payload) AS INTEGER) FROM events_jobs")
        .await;
    assert_eq!(sizes.len(), 20);
    assert!(sizes.iter().all(|size| *size > 1 << 20));
}

fn unique(key: &str, number: u32) -> Unique {
    Unique {
        key: key.to_owned(),
        number,
    }
}

async fn of(database: &Database, listener: &str) -> Vec<u64> {
    let sql =
        format!("SELECT payload FROM events_jobs WHERE listener LIKE '%{listener}' ORDER BY id");
    numbers(&database.rows(&sql).await)
}

async fn an_equal_job_is_not_written_while_one_waits(database: Database) {
    let Bench {
        store,
        events,
        clock,
    } = bench(&database);
    events.dispatch(&unique("a", 1)).await.unwrap();
    events.dispatch(&unique("a", 2)).await.unwrap();
    events.dispatch(&unique("b", 3)).await.unwrap();
    assert_eq!(of(&database, "until_it_ends").await, [1, 3]);
    assert_eq!(of(&database, "for_a_minute").await, [1, 3]);

    clock.advance(TimeDelta::seconds(59));
    events.dispatch(&unique("a", 4)).await.unwrap();
    clock.advance(TimeDelta::seconds(1));
    events.dispatch(&unique("a", 5)).await.unwrap();
    assert_eq!(of(&database, "until_it_ends").await, [1, 3]);
    assert_eq!(of(&database, "for_a_minute").await, [1, 3, 5]);

    // In one transaction, in which time goes by.
    store
        .transaction(async |tx| {
            for number in 6..=9 {
                tx.dispatch(&unique("a", number)).await.unwrap();
                tx.dispatch(&unique("c", number)).await.unwrap();
                clock.advance(TimeDelta::seconds(30));
            }
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    assert_eq!(of(&database, "until_it_ends").await, [1, 3, 6]);
    assert_eq!(of(&database, "for_a_minute").await, [1, 3, 5, 6, 8, 8]);
}

async fn a_job_that_was_rolled_back_keeps_nobody_away(database: Database) {
    let Bench { store, events, .. } = bench(&database);
    store
        .transaction(async |tx| {
            tx.dispatch(&unique("a", 1)).await.unwrap();
            Err::<(), _>(StoreError::SavepointOpen)
        })
        .await
        .unwrap_err();
    events.dispatch(&unique("a", 2)).await.unwrap();
    assert_eq!(of(&database, "until_it_ends").await, [2]);
}

async fn crossed_keys_do_not_lock_each_other_out(database: Database) {
    const KEYS: u32 = 60;
    let Bench { store, .. } = bench(&database);
    let tasks: Vec<_> = (0..16)
        .map(|number| {
            let store = store.clone();
            tokio::spawn(async move {
                store
                    .transaction(async |tx| {
                        for key in 0..KEYS {
                            let key = if number % 2 == 0 { key } else { KEYS - 1 - key };
                            let key = format!("{key:02}");
                            tx.dispatch(&unique(&key, number)).await.unwrap();
                            tx.dispatch(&Ordered { key, number }).await.unwrap();
                        }
                        Ok::<_, StoreError>(())
                    })
                    .await
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(of(&database, "until_it_ends").await.len(), 60);
    let sql = "SELECT payload FROM events_jobs WHERE order_key = '07' ORDER BY id";
    let mut numbers = numbers(&database.rows(sql).await);
    numbers.sort_unstable();
    assert_eq!(numbers, (0..16).collect::<Vec<u64>>());
}

async fn postgres_is_told_at_the_commit(database: Database) {
    use sea_orm::sqlx::postgres::PgListener;

    let Bench { store, events, .. } = bench(&database);
    if store.backend() != DbBackend::Postgres {
        return;
    }
    let mut told = PgListener::connect(&database.url).await.unwrap();
    told.listen("events_jobs").await.unwrap();
    let wait = std::time::Duration::from_millis(100);
    store
        .transaction(async |tx| {
            for number in 0..600 {
                tx.dispatch(&Twice(number)).await.unwrap();
            }
            assert!(tokio::time::timeout(wait, told.recv()).await.is_err());
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    told.recv().await.unwrap();
    assert!(tokio::time::timeout(wait, told.recv()).await.is_err());

    // One that writes nothing says nothing.
    events.dispatch(&unique("a", 1)).await.unwrap();
    told.recv().await.unwrap();
    events.dispatch(&unique("a", 2)).await.unwrap();
    assert!(tokio::time::timeout(wait, told.recv()).await.is_err());
}

on_both!(
    postgres_is_told_at_the_commit,
    by_one_statement_or_another_a_row_is_the_same,
    any_text_travels,
    a_key_with_a_nul_is_refused,
    from_one_to_a_thousand_in_one_transaction,
    large_payloads_are_written_as_they_come,
    an_equal_job_is_not_written_while_one_waits,
    a_job_that_was_rolled_back_keeps_nobody_away,
    crossed_keys_do_not_lock_each_other_out,
);
