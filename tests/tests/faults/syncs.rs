//! Sync runs of every outcome, worked at by processes that are killed at random points.

use std::fmt::Write as _;
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, TimeDelta, Utc};
use events_core::{Attempt, Clock, Event, Events, State, listener};
use events_std::{
    Integration, Integrations, NewIntegration, NoCredentials, NoMetadata, Provider, RateLimited,
    ScheduledSync, Scheduler, Store, SyncCompleted, SyncError, SyncItemEvent, SyncItemFailed,
    SyncSession, Tx, provider,
};
use events_tests::{Dice, Effects, Size};
use sea_orm::{ConnectionTrait, Statement};

use crate::kit::{self, Base, number, on_every_database};
use crate::process::{Orders, Process, told_to_end};

/// So much faster than others does the time pass here, alike in all processes.
const FASTER: u32 = 100;

/// The clock of a hurried world.
struct Hurried;

impl Clock for Hurried {
    fn now(&self) -> DateTime<Utc> {
        let start = DateTime::from_timestamp(1_750_000_000, 0).expect("a time");
        let passed = DateTime::<Utc>::from(SystemTime::now()) - start;
        start + TimeDelta::milliseconds(passed.num_milliseconds() * i64::from(FASTER))
    }
}

/// An item that ends by itself.
#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.syncs.order", extends(SyncItemEvent))]
struct OrderSynced {
    #[event(model)]
    integration: Integration,
    order: u64,
}

/// An item whose listener writes in its transaction.
#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.syncs.invoice", extends(SyncItemEvent))]
struct InvoiceSynced {
    #[event(model)]
    integration: Integration,
    invoice: u64,
}

#[derive(Default)]
struct Shop;

#[provider(ScheduledSync)]
impl Provider for Shop {
    const KEY: &'static str = "faults.shop";
    const NAME: &'static str = "Shop";
    type Credentials = NoCredentials;
    type Metadata = NoMetadata;
}

impl ScheduledSync for Shop {
    async fn sync(
        &self,
        integration: &Integration,
        session: &mut SyncSession,
    ) -> Result<(), SyncError> {
        let shop = shop(integration);
        for item in 1..=4 + shop % 17 {
            let each = session.item().external_id(item).checkpoint(item);
            let integration = integration.clone();
            if item % 3 == 0 {
                let invoice = item;
                each.dispatch(InvoiceSynced {
                    integration,
                    invoice,
                })
                .await?;
            } else {
                let order = item;
                each.dispatch(OrderSynced { integration, order }).await?;
            }
        }
        if shop % 8 == 7 {
            return Err(SyncError::message("the export broke off"));
        }
        Ok(())
    }
}

/// The number of a shop: its name.
fn shop(integration: &Integration) -> u64 {
    integration.name.parse().expect("a number")
}

/// The item that kills each process that works at it.
const POISON: (u64, u64) = (12, 2);

/// What becomes of an attempt at an item, by shop and item.
fn fate(
    integration: &Integration,
    item: u64,
    attempt: Attempt,
    effects: &Effects,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let shop = shop(integration);
    if (shop, item) == POISON {
        std::process::abort();
    }
    match (shop * 31 + item * 7) % 20 {
        0 if shop % 4 == 2 => Err("no attempt goes well".into()),
        1 if attempt.number == 1 => Err("the first attempt fails".into()),
        2 if attempt.number == 1 => panic!("the first attempt panics"),
        3 => {
            let name = format!("limited-{shop}-{item}");
            if effects.is_marked(&name) {
                return Ok(());
            }
            effects.mark(&name);
            Err(RateLimited::retry_after(Duration::from_secs(20)).into())
        }
        _ => Ok(()),
    }
}

#[listener(OrderSynced)]
async fn stores(
    event: &OrderSynced,
    attempt: Attempt,
    effects: &State<Effects>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    for _ in 0..event.order % 5 {
        tokio::task::yield_now().await;
    }
    fate(&event.integration, event.order, attempt, effects)
}

#[listener(InvoiceSynced)]
async fn books(
    event: &InvoiceSynced,
    attempt: Attempt,
    effects: &State<Effects>,
    tx: &Tx,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let booked = i64::try_from(shop(&event.integration) * 1_000 + event.invoice)?;
    tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO booked (number) VALUES ($1)",
        [booked.into()],
    ))
    .await?;
    fate(&event.integration, event.invoice, attempt, effects)
}

#[listener(SyncCompleted)]
async fn hears_of_runs(_: &SyncCompleted) {}

#[listener(SyncItemFailed, queue)]
async fn hears_of_failed_items(_: &SyncItemFailed) {}

fn engine(store: &Store, base: &Base) -> (Events, Integrations) {
    let engine = Integrations::builder(store)
        .without_linked()
        .provider(Shop)
        .build()
        .unwrap();
    let events = Events::builder()
        .only_linked_in(module_path!())
        .clock(Hurried)
        .state(engine.clone())
        .state(Effects::of(&base.folder))
        .queue(store.queue())
        .build()
        .unwrap();
    let engine = engine.with_events(&events);
    (events, engine)
}

/// The other role: not a test, unless the variables say so.
#[test]
fn worker() {
    let Some(orders) = Orders::of_process() else {
        return;
    };
    kit::runtime().block_on(async {
        let store = orders.base.store().await;
        let (events, engine) = engine(&store, &orders.base);
        let scheduler = Scheduler::new(&engine).poll_every(Duration::from_millis(50));
        let worker = orders.worker(&events, &store).sync_items(&engine);
        tokio::select! {
            ended = worker.run_until(told_to_end()) => drop(ended.unwrap()),
            () = scheduler.run_until(std::future::pending()) => {}
        }
    });
}

const UNSETTLED: &str = "SELECT COUNT(*) FROM events_integrations AS n WHERE NOT EXISTS \
                         (SELECT 1 FROM events_sync_runs AS r WHERE r.integration_id = n.id AND r.state = 2)";

/// Integrations whose cursor has moved although an item of theirs is not resolved.
const TOO_FAR: &str = "SELECT COUNT(*) FROM events_integrations AS n WHERE n.sync_cursor IS NOT NULL AND EXISTS \
                       (SELECT 1 FROM events_sync_items AS i WHERE i.integration_id = n.id AND i.state IN (0, 1, 3))";

#[test]
fn every_run_ends_once_and_no_cursor_passes_an_item_that_has_not() {
    let (runs, workers, kills) = match Size::of_run() {
        Size::Small => (16, 3, 3),
        Size::Ci => (200, 8, 20),
        Size::Long => (200, 8, 150),
    };
    on_every_database(async |base: Base| {
        let mut dice = Dice::new();
        let store = base.store().await;
        store
            .writer()
            .execute_unprepared("CREATE TABLE booked (number BIGINT NOT NULL)")
            .await
            .unwrap();
        let (_, engine) = engine(&store, &base);
        for shop in 0..runs {
            // Due at once, and then not again.
            let new = NewIntegration::new(Shop::KEY, shop.to_string()).sync_every(60 * 24 * 365);
            engine.create(new).await.unwrap();
        }
        let start = || Process::start_as(&base, "syncs::worker", 4);
        let mut processes: Vec<Process> = (0..workers).map(|_| start()).collect();
        let deadline = Instant::now() + Duration::from_mins(5);
        let mut left = kills;
        loop {
            assert!(Instant::now() < deadline, "{}", standing(&store).await);
            for process in &mut processes {
                // Poisoned.
                if process.has_ended() {
                    *process = start();
                }
            }
            assert_eq!(number(&store, TOO_FAR).await, 0);
            let settled = number(&store, UNSETTLED).await == 0
                && number(
                    &store,
                    "SELECT COUNT(*) FROM events_jobs WHERE state IN (0, 1)",
                )
                .await
                    == 0;
            if settled && left == 0 {
                break;
            }
            if left > 0 && dice.below(3) == 0 {
                let victim = dice.below(workers);
                std::mem::replace(&mut processes[victim], start()).kill();
                left -= 1;
            }
            let pause = u64::try_from(dice.below(60)).unwrap();
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
        for process in processes {
            assert!(process.end().await, "it ends in order");
        }
        let count = async |sql: &str| number(&store, &format!("SELECT COUNT(*) FROM {sql}")).await;
        let runs = i64::from(runs);
        let standing = standing(&store).await;
        eprintln!("{standing}");
        assert_eq!(count("events_sync_runs").await, runs, "{standing}");
        assert_eq!(
            count("events_sync_runs WHERE state <> 2 OR reconcile_due").await,
            0,
            "{standing}"
        );
        assert_eq!(count("events_sync_items WHERE state IN (0, 1)").await, 0);
        let completed = "events_jobs WHERE event = 'sync.completed'";
        assert_eq!(count(completed).await, runs, "once for each run");
        assert_eq!(count("events_jobs WHERE state <> 2").await, 0);
        let failed = count("events_sync_items WHERE state = 3").await;
        let told = "events_jobs WHERE event = 'sync.item_failed'";
        assert_eq!(count(told).await, failed, "once for each item that failed");
        // A clean run moves the cursor to its last item, another one leaves it.
        let wrong = "events_integrations AS n JOIN events_sync_runs AS r ON r.integration_id = n.id \
                     JOIN events_operations AS l ON l.id = r.log_id \
                     WHERE (l.status = 'success') <> (n.sync_cursor IS NOT NULL)";
        assert_eq!(count(wrong).await, 0, "{standing}");
        let short = "events_integrations AS n JOIN events_sync_runs AS r ON r.integration_id = n.id \
                     WHERE n.sync_cursor IS NOT NULL AND n.sync_cursor <> CAST(r.enumerated AS TEXT)";
        assert_eq!(count(short).await, 0, "{standing}");
        let invoices = "events_sync_items WHERE event_name = 'faults.syncs.invoice' AND state = 2";
        assert_eq!(count("booked").await, count(invoices).await, "once each");
        assert_eq!(
            count("(SELECT DISTINCT number FROM booked) AS b").await,
            count("booked").await
        );
        // Else nothing was tried: too slow a machine for so quick a clock.
        let tried = "events_operations WHERE status IN ('success', 'partial')";
        assert!(count(tried).await * 4 >= runs, "{standing}");
        let alive = "events_operations WHERE error LIKE '%no sign of life%' AND integration_id = \
                     (SELECT id FROM events_integrations WHERE name = '12')";
        if count(alive).await == 0 {
            let crashed = "events_sync_items WHERE error_kind = 'crashed' AND attempts = 5 AND external_id = '2'";
            assert_eq!(count(crashed).await, 1, "the poisonous one");
        }
    });
}

/// How things stand, for people to read.
async fn standing(store: &Store) -> String {
    let mut standing = String::new();
    for (what, group) in [
        (
            "runs",
            "SELECT 'state ' || state || CASE WHEN reconcile_due THEN ' due' ELSE '' END AS g FROM events_sync_runs",
        ),
        ("logs", "SELECT status AS g FROM events_operations"),
        (
            "items",
            "SELECT 'state ' || state || ' ' || COALESCE(error_kind, '') AS g FROM events_sync_items",
        ),
        ("jobs", "SELECT event || ' ' || state AS g FROM events_jobs"),
    ] {
        let sql = format!("SELECT g, COUNT(*) FROM ({group}) AS a GROUP BY g ORDER BY g");
        let rows = store
            .writer()
            .query_all_raw(Statement::from_string(store.backend(), sql))
            .await
            .unwrap();
        for row in rows {
            let group: String = row.try_get_by_index(0).unwrap();
            let count: i64 = row.try_get_by_index(1).unwrap();
            let _ = writeln!(standing, "{what} {group}: {count}");
        }
    }
    standing
}
