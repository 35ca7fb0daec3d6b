//! What each test stands on: a database of its own, a dispatcher of the listeners of its own module, a clock that
//! stands still, and the engine.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, Once};

use events_core::{AnyEvent, Events, EventsBuilder, ManualClock};
use events_std::{
    EncryptionKey, Integration, Integrations, IntegrationsBuilder, NewIntegration, Provider, Store,
    Worker, provider,
};
use sea_orm::{ConnectionTrait, QueryResult, Statement, TryGetable};
use serde::{Deserialize, Serialize};
use tracing::Subscriber;
use tracing::subscriber::Interest;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;
use uuid::Uuid;

/// Writes a test for each database from each body: `async fn name(url: String)`, which makes its [`Bench`].
macro_rules! on_both {
    ($($body:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test] fn $body() { $crate::kit::on_sqlite(super::$body); })+
        }
        mod postgres {
            $(#[test] fn $body() { $crate::kit::on_postgres(stringify!($body), super::$body); })+
        }
    };
}
pub(crate) use on_both;

/// A subscriber for a part of a test, which hears all that is logged there.
///
/// Each place that logs remembers for the whole process who wants to hear it. While there is only one subscriber, `tracing`
/// asks the thread that comes to the place first: one of another test has none, and the place is silent from then on. So
/// there is a default for all threads.
pub(crate) fn listening(
    layer: impl Layer<Registry> + Send + Sync,
) -> impl Subscriber + Send + Sync {
    static FOR_ALL_THREADS: Once = Once::new();
    FOR_ALL_THREADS.call_once(|| {
        tracing::subscriber::set_global_default(AskAgain).expect("no other default in this suite");
        // Places that were come to between the two steps of that.
        tracing::callsite::rebuild_interest_cache();
    });
    tracing_subscriber::registry().with(layer)
}

/// Hears nothing, and lets each place ask each time. It knows no spans: a registry closes the parent of a span by the
/// default of the thread that drops it, which would not know that one if it had others.
struct AskAgain;

impl Subscriber for AskAgain {
    fn register_callsite(&self, _: &'static tracing::Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        false
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, _: &tracing::Event<'_>) {}

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// The provider of most tests.
#[derive(Default)]
pub(crate) struct Zendesk;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ZendeskCredentials {
    pub(crate) token: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ZendeskMetadata {
    pub(crate) brand: String,
}

#[provider]
impl Provider for Zendesk {
    const KEY: &'static str = "zendesk";
    const NAME: &'static str = "Zendesk";
    type Credentials = ZendeskCredentials;
    type Metadata = ZendeskMetadata;
}

/// The text of every event that was heard, in order: `Debug` of the event.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<(&'static str, String)>>>);

impl Heard {
    /// The stored names of the events heard since the last call, and forgets them.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.take().into_iter().map(|(name, _)| name).collect()
    }

    /// Names and texts of the events heard since the last call, and forgets them.
    pub(crate) fn take(&self) -> Vec<(&'static str, String)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn hear(&self, event: &dyn AnyEvent) {
        let text = format!("{event:?}");
        self.0.lock().unwrap().push((event.name(), text));
    }
}

/// What a test stands on.
#[allow(dead_code, reason = "the files of the rooms above use the rest")]
pub(crate) struct Bench {
    pub(crate) store: Store,
    pub(crate) url: String,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) events: Events,
    /// Bound to `events`.
    pub(crate) engine: Integrations,
    /// What an inline listener of every event of the canonical names heard.
    pub(crate) heard: Heard,
}

impl Bench {
    /// With the defaults, and no listeners but the one that fills `heard`.
    pub(crate) async fn new(url: String) -> Self {
        Self::with(url, |engine| engine.provider(Zendesk), |events| events).await
    }

    /// As the caller builds the engine, which has no provider and one encryption key, and the dispatcher, which has no
    /// linked listeners.
    pub(crate) async fn with(
        url: String,
        engine: impl FnOnce(IntegrationsBuilder) -> IntegrationsBuilder,
        events: impl FnOnce(EventsBuilder) -> EventsBuilder,
    ) -> Self {
        let store = Store::connect(&url).await.unwrap();
        let builder = Integrations::builder(&store)
            .without_linked()
            .encryption_key(EncryptionKey::from_bytes([1; 32]));
        let engine = engine(builder).build().unwrap();
        let (clock, listener) = (Arc::new(ManualClock::default()), Heard::default());
        let hears = listener.clone();
        let builder = Events::builder()
            .without_linked()
            .clock(clock.clone())
            .state(engine.clone())
            .queue(store.queue())
            .listen_pattern("kit.heard", "*", move |event: &dyn AnyEvent| {
                hears.hear(event);
                async {}
            });
        let events = events(builder).build().unwrap();
        Self {
            engine: engine.with_events(&events),
            store,
            url,
            clock,
            events,
            heard: listener,
        }
    }

    /// A stored integration. What was heard of it is forgotten.
    pub(crate) async fn integration(&self) -> Integration {
        let new = NewIntegration::new(Zendesk::KEY, "Support");
        let integration = self.engine.create(new).await.unwrap();
        self.heard.take();
        integration
    }

    /// The integration as it is stored now.
    pub(crate) async fn stored(&self, integration: &Integration) -> Integration {
        let found = self.engine.find(integration.id).await.unwrap();
        found.expect("it is stored")
    }

    /// Runs all jobs that are due.
    pub(crate) async fn work(&self) {
        Worker::new(&self.events, &self.store)
            .drain()
            .await
            .unwrap();
    }

    /// The rows of a query.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<QueryResult> {
        let statement = Statement::from_string(self.store.backend(), sql);
        self.store.reader().query_all_raw(statement).await.unwrap()
    }

    /// The first column of a query.
    pub(crate) async fn column<T: TryGetable>(&self, sql: &str) -> Vec<T> {
        let rows = self.rows(sql).await;
        rows.iter()
            .map(|row| row.try_get_by_index(0).unwrap())
            .collect()
    }

    pub(crate) async fn count(&self, table: &str) -> i64 {
        self.column(&format!("SELECT COUNT(*) FROM {table}")).await[0]
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// A folder that is removed with this.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(format!("events-engine-{}", Uuid::now_v7()));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder that stays behind in a place for temporary ones does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Gives the address of a SQLite file.
pub(crate) fn on_sqlite<F: Future<Output = ()>>(body: impl FnOnce(String) -> F) {
    let folder = Folder::new();
    block_on(body(format!(
        "sqlite:{}",
        folder.0.join("test.db").display()
    )));
}

/// Gives the address of an empty database on Postgres, which is dropped afterwards; or skips visibly.
pub(crate) fn on_postgres<F: Future<Output = ()>>(test: &str, body: impl FnOnce(String) -> F) {
    let Ok(server) = std::env::var("EVENTS_TEST_POSTGRES_URL") else {
        return events_tests::skip(&format!(
            "on Postgres: `{test}`; set EVENTS_TEST_POSTGRES_URL to run it"
        ));
    };
    let name = format!("events_test_{}", Uuid::now_v7().simple());
    let (base, _) = server
        .rsplit_once('/')
        .expect("the address names a database");
    let url = format!("{base}/{name}");
    let admin = |sql: String| {
        let server = &server;
        async move {
            let admin = sea_orm::Database::connect(server).await.unwrap();
            admin.execute_unprepared(&sql).await.unwrap();
            admin.close().await.unwrap();
        }
    };
    block_on(admin(format!("CREATE DATABASE {name}")));
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| block_on(body(url))));
    block_on(admin(format!("DROP DATABASE {name} WITH (FORCE)")));
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}
