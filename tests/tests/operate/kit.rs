//! A database for each test, on SQLite and, where there is one, on Postgres; and a small shop whose jobs fail.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Once};

use chrono::TimeDelta;
use events_core::{Event, Events, ManualClock, State, listener};
use events_std::{Store, Worker};
use sea_orm::{ConnectionTrait, Database, Statement};

/// Runs a test on every database that is there, each in a runtime of its own. Says so where Postgres is not.
pub(crate) fn on_every_database<F: Future<Output = ()>>(test: impl Fn(Shop) -> F) {
    let run = |url: &str| {
        runtime().block_on(async { test(Shop::open(url).await).await });
    };
    let name = unique();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(&name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    run(&format!("sqlite:{}", folder.join("test.db").display()));

    let Ok(server) = std::env::var("EVENTS_TEST_POSTGRES_URL") else {
        tell_skipped();
        return;
    };
    let drop_it = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
    administer(&server, &[&drop_it, &format!("CREATE DATABASE {name}")]);
    let (address, _) = server.rsplit_once('/').expect("a database in the address");
    let ended = catch_unwind(AssertUnwindSafe(|| run(&format!("{address}/{name}"))));
    administer(&server, &[&drop_it]);
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}

/// Once.
fn tell_skipped() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        events_tests::skip("on Postgres: EVENTS_TEST_POSTGRES_URL is not set");
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

fn unique() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "events_operate_{}_{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

fn administer(server: &str, statements: &[&str]) {
    runtime().block_on(async {
        let admin = Database::connect(server).await.expect("Postgres answers");
        for statement in statements {
            admin
                .execute_unprepared(statement)
                .await
                .expect("an own database");
        }
    });
}

/// Whether the listeners of the shop work; how many receipts are being sent, and how many were at once.
#[derive(Default)]
pub(crate) struct Works(AtomicBool, AtomicU32, AtomicU32);

#[derive(Clone, Debug, Event)]
#[event(durable, name = "order.paid")]
pub(crate) struct OrderPaid {
    pub(crate) order: u32,
}

/// The error has two lines, of which the first is the same for all orders.
#[listener(OrderPaid, queue = "mail", tries = 1, name = "send_receipt")]
async fn send_receipt(event: &OrderPaid, works: &State<Works>) -> Result<(), String> {
    let now = works.1.fetch_add(1, Ordering::SeqCst) + 1;
    works.2.fetch_max(now, Ordering::SeqCst);
    // Whatever else may run begins meanwhile.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    works.1.fetch_sub(1, Ordering::SeqCst);
    if works.0.load(Ordering::SeqCst) {
        return Ok(());
    }
    Err(format!("the mail server is away\norder {}", event.order))
}

#[listener(OrderPaid, queue = "stock", tries = 1, unique_for = "1h", unique = by_order, name = "take_from_stock")]
async fn take_from_stock(event: &OrderPaid, works: &State<Works>) -> Result<(), String> {
    if works.0.load(Ordering::SeqCst) {
        return Ok(());
    }
    Err(format!("order {} is not in stock", event.order))
}

fn by_order(event: &OrderPaid) -> String {
    event.order.to_string()
}

/// A dispatcher on a store, with a clock that stands still.
pub(crate) struct Shop {
    pub(crate) store: Store,
    pub(crate) events: Events,
    pub(crate) clock: Arc<ManualClock>,
}

impl Shop {
    async fn open(url: &str) -> Self {
        let store = Store::connect(url).await.expect("a store");
        let clock = Arc::new(ManualClock::default());
        let events = Events::builder()
            .only_linked_in(module_path!())
            .state(Works::default())
            .clock(clock.clone())
            .queue(store.queue())
            .build()
            .expect("it is wired");
        Self {
            store,
            events,
            clock,
        }
    }

    pub(crate) fn most_receipts_at_once(&self) -> u32 {
        let works = self.events.state::<Works>().expect("the state");
        works.2.load(Ordering::SeqCst)
    }

    /// From now on the listeners succeed.
    pub(crate) fn repair(&self) {
        let works = self.events.state::<Works>().expect("the state");
        works.0.store(true, Ordering::SeqCst);
    }

    /// Dispatches an order: one job for the mail, one for the stock.
    pub(crate) async fn order(&self, order: u32) {
        self.events
            .dispatch(&OrderPaid { order })
            .await
            .expect("the jobs are pushed");
    }

    /// Runs what is pending.
    pub(crate) async fn work(&self) {
        Worker::new(&self.events, &self.store)
            .drain()
            .await
            .expect("it works");
    }

    /// Orders that failed a minute apart: the numbers 1 and 2 are the jobs of the first, and so on.
    pub(crate) async fn failed_orders(&self, orders: u32) {
        for order in 1..=orders {
            self.order(order).await;
            self.work().await;
            self.clock.advance(TimeDelta::minutes(1));
        }
    }

    pub(crate) async fn execute(&self, sql: &str) {
        self.store
            .writer()
            .execute_unprepared(sql)
            .await
            .expect("it is carried out");
    }

    /// One number.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let statement = Statement::from_string(self.store.backend(), sql);
        let row = self.store.writer().query_one_raw(statement).await;
        row.expect("it is carried out")
            .expect("a row")
            .try_get_by_index(0)
            .expect("a number")
    }

    /// Jobs by state: pending, running, done, parked.
    pub(crate) async fn states(&self) -> [i64; 4] {
        let mut states = [0; 4];
        for (state, count) in states.iter_mut().enumerate() {
            let sql = format!("SELECT COUNT(*) FROM events_jobs WHERE state = {state}");
            *count = self.number(&sql).await;
        }
        states
    }
}
