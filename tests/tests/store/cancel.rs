//! Transactions whose caller stops waiting, at every point at which it can.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use events_core::{Event, State, listener};
use events_std::{Store, StoreError};

use crate::database::{Database, note, on_both};
use crate::{Log, builder};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "store.left")]
struct Left(usize);

#[listener(Left, queue)]
fn queued(_: &Left) {}

#[listener(Left)]
async fn afterwards(event: &Left, log: &State<Log>) {
    tokio::task::yield_now().await;
    log.write(format!("{:03}", event.0));
}

/// Gives up on a future when it has been pending so often.
struct GiveUp<F> {
    after: usize,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for GiveUp<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        match self.future.as_mut().poll(task) {
            Poll::Ready(value) => Poll::Ready(Some(value)),
            Poll::Pending if self.after == 0 => Poll::Ready(None),
            Poll::Pending => {
                self.after -= 1;
                Poll::Pending
            }
        }
    }
}

async fn transaction(store: Store, number: usize) {
    store
        .transaction(async |tx| {
            note(tx, &format!("{number:03}")).await?;
            tx.dispatch(&Left(number)).await.unwrap();
            tx.savepoint(async |tx| {
                note(tx, &format!("{number:03} more")).await?;
                Ok::<_, StoreError>(())
            })
            .await
        })
        .await
        .unwrap();
}

async fn all_or_nothing_wherever_it_is_dropped(database: Database) {
    let events = builder(&database, module_path!()).build().unwrap();
    let store = database.store.with_events(&events);
    let (mut whole, mut number, mut left) = (0, 0, 0);
    // A point is reached or not by the speed of the database: many rounds, until several in a row come to their end. The
    // first ones are dropped as soon as they wait.
    while whole < 5 && number < 1_000 {
        let given_up = GiveUp {
            after: number / 12,
            future: Box::pin(transaction(store.clone(), number)),
        };
        if given_up.await.is_some() {
            whole += 1;
        } else {
            (whole, left) = (0, left + 1);
        }
        number += 1;
    }
    assert!(left > 10, "it was dropped {left} times");
    // The writer is free, and the last word of those that were committing is still to come.
    transaction(store.clone(), 999).await;
    let mut settled = pin!(async {
        loop {
            let rows = database.notes().await;
            let mut jobs: Vec<i64> = database
                .column("SELECT CAST(payload AS BIGINT) FROM events_jobs")
                .await;
            jobs.sort_unstable();
            let mut heard = events.state::<Log>().unwrap().0.lock().unwrap().clone();
            heard.sort();
            let jobs: Vec<String> = jobs.iter().map(|job| format!("{job:03}")).collect();
            let pairs: Vec<String> = heard
                .iter()
                .flat_map(|text| [text.clone(), format!("{text} more")])
                .collect();
            if rows == pairs && jobs == heard {
                return heard.len();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let deadline = Instant::now() + Duration::from_secs(10);
    let committed = tokio::time::timeout_at(deadline.into(), &mut settled).await;
    assert!(committed.expect("rows, jobs and listeners agree") >= 6);
}

async fn a_rollback_that_is_left_half_way_is_one(database: Database) {
    let events = builder(&database, module_path!()).build().unwrap();
    let store = database.store.with_events(&events);
    for after in 0..40 {
        let failing = store.transaction(async |tx| {
            note(tx, "a").await?;
            tx.dispatch(&Left(0)).await.unwrap();
            Err::<(), _>(StoreError::SavepointOpen)
        });
        GiveUp {
            after: after / 4,
            future: Box::pin(failing),
        }
        .await;
    }
    transaction(store, 1).await;
    assert_eq!(database.notes().await, ["001", "001 more"]);
    assert_eq!(database.count("events_jobs").await, 1);
}

async fn a_savepoint_that_is_left_anywhere_is_kept_or_undone(database: Database) {
    let events = builder(&database, module_path!()).build().unwrap();
    let store = database.store.with_events(&events);
    let mut whole = 0;
    for number in 0..48 {
        let name = format!("{number:03}");
        let ended = store
            .transaction(async |tx| {
                note(tx, &format!("{name} before")).await?;
                let savepoint = tx.savepoint(async |tx| {
                    note(tx, &format!("{name} in")).await?;
                    tx.dispatch(&Left(number)).await.unwrap();
                    // However fast the database answers, here it can be left.
                    tokio::task::yield_now().await;
                    Ok::<_, StoreError>(())
                });
                GiveUp {
                    after: number / 4,
                    future: Box::pin(savepoint),
                }
                .await;
                Ok::<_, StoreError>(note(tx, &format!("{name} after")).await?)
            })
            .await;
        let rows = database.notes().await;
        let has = |part: &str| rows.contains(&format!("{name} {part}"));
        assert_eq!(has("before"), ended.is_ok(), "{ended:?}");
        assert_eq!(has("after"), ended.is_ok());
        let job = format!("SELECT COUNT(*) FROM events_jobs WHERE payload = '{number}'");
        assert_eq!(database.column::<i64>(&job).await[0], i64::from(has("in")));
        let heard = events
            .state::<Log>()
            .unwrap()
            .0
            .lock()
            .unwrap()
            .contains(&name);
        assert_eq!(heard, has("in"));
        whole += usize::from(has("in"));
    }
    assert!(whole > 0 && whole < 48, "{whole} were kept");
}

async fn a_dispatch_that_is_left_half_way_is_not_committed_in_part(database: Database) {
    let events = builder(&database, module_path!()).build().unwrap();
    let store = database.store.with_events(&events);
    let mut left = 0;
    for after in 0..12 {
        let before = database.count("events_jobs").await;
        let ended = store
            .transaction(async |tx| {
                for number in 0..499 {
                    tx.dispatch(&Left(number)).await.unwrap();
                }
                // This one writes all 500.
                let last = GiveUp {
                    after,
                    future: Box::pin(tx.dispatch(&Left(499))),
                };
                if last.await.is_none() {
                    left += 1;
                }
                Ok::<_, StoreError>(())
            })
            .await;
        let written = database.count("events_jobs").await - before;
        match ended {
            Ok(()) => assert_eq!(written, 500),
            Err(StoreError::Broken(_)) => assert_eq!(written, 0),
            Err(other) => panic!("{other}"),
        }
    }
    assert!(left > 0);
}

on_both!(
    all_or_nothing_wherever_it_is_dropped,
    a_rollback_that_is_left_half_way_is_one,
    a_savepoint_that_is_left_anywhere_is_kept_or_undone,
    a_dispatch_that_is_left_half_way_is_not_committed_in_part,
);
