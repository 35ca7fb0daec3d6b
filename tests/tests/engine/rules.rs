//! The rules for every event (section 1), at the events of the engine.

use std::sync::Mutex;

use events_core::{EventsBuilder, Incident, State, listener};
use events_std::{
    Direction, FailureClass, HealthStatus, HealthThresholds, Integration, IntegrationCreated,
    IntegrationDisabled, IntegrationError, IntegrationHealthChanged, IntegrationLog,
    IntegrationSynced, Integrations, NewIntegration, OperationCompleted, OperationFailed,
    OperationStarted, Store, SyncItemFailed, Tx,
};
use sea_orm::{ConnectionTrait, Statement};

use crate::desk::{DeskBench, Fate};
use crate::kit::{Bench, Zendesk, on_both};

/// Disabled at the second failure: one call then fires two events.
const QUICK: HealthThresholds = HealthThresholds {
    degraded_after: 1,
    failing_after: 2,
    disabled_after: Some(3),
    degraded_factor: 2,
    failing_factor: 10,
};

async fn bench(url: String, events: impl FnOnce(EventsBuilder) -> EventsBuilder) -> Bench {
    let engine = |engine: events_std::IntegrationsBuilder| engine.provider(Zendesk).health(QUICK);
    Bench::with(url, engine, events).await
}

/// What fires every event of an integration's life and of the operation log, in this order:
const LIFE: [&str; 9] = [
    "integration.created",
    "integration.synced",
    "operation.started",
    "operation.completed",
    "operation.failed",
    "integration.health_changed",
    "integration.health_changed",
    "integration.disabled",
    "integration.health_changed",
];

async fn live(engine: &Integrations, tx: &Tx) -> Result<Integration, IntegrationError> {
    let within = engine.within(tx);
    let created = within
        .create(NewIntegration::new("zendesk", "Support"))
        .await?;
    within.mark_synced(created.id).await?;
    for status in ["processing", "success", "failed"] {
        let log = IntegrationLog::new(created.id, "import", Direction::Inbound, status);
        within.log_operation(log).await?;
    }
    for _ in 0..3 {
        within
            .record_failure(created.id, FailureClass::Upstream)
            .await?;
    }
    Ok(created)
}

/// Rule 1 (better): inside a caller's transaction every event waits for the outermost commit, and is dropped on
/// rollback, also on that of a savepoint.
async fn events_wait_for_the_outermost_commit(url: String) {
    let bench = bench(url, |events| events).await;
    let (engine, store) = (&bench.engine, bench.store.with_events(&bench.events));
    let rolled_back = store
        .transaction(async |tx| {
            live(engine, tx).await?;
            Err::<(), _>(IntegrationError::NotFound(0))
        })
        .await;
    assert!(matches!(rolled_back, Err(IntegrationError::NotFound(0))));
    assert!(bench.heard.names().is_empty());
    assert_eq!(bench.count("events_integrations").await, 0);
    assert_eq!(bench.count("events_operations").await, 0);

    let committed = store.transaction(async |tx| {
        let dropped = tx
            .savepoint(async |tx| {
                live(engine, tx).await?;
                Err::<(), _>(IntegrationError::NotFound(0))
            })
            .await;
        assert!(dropped.is_err());
        let kept = tx.savepoint(async |tx| live(engine, tx).await).await?;
        assert!(
            bench.heard.names().is_empty(),
            "the outermost is open still"
        );
        Ok::<_, IntegrationError>(kept)
    });
    let kept = committed.await.unwrap();
    assert_eq!(bench.heard.names(), LIFE);
    assert_eq!(bench.count("events_integrations").await, 1);
    assert_eq!(
        bench.stored(&kept).await.health_status,
        HealthStatus::Disabled
    );
}

/// Another process, as far as the database can tell.
struct Other(Integrations);

/// What listeners found to be so.
#[derive(Default)]
struct Found(Mutex<Vec<bool>>);

mod committed {
    use super::{
        Found, Integration, IntegrationCreated, IntegrationDisabled, IntegrationHealthChanged,
        IntegrationLog, IntegrationSynced, OperationCompleted, OperationFailed, OperationStarted,
        Other, State, listener,
    };

    async fn integration(row: &Integration, other: &Other, found: &Found) {
        let stored = other.0.find(row.id).await.unwrap();
        found.0.lock().unwrap().push(stored.as_ref() == Some(row));
    }

    async fn log(row: &IntegrationLog, other: &Other, found: &Found) {
        let stored = other.0.find_operation(row.id).await.unwrap();
        found.0.lock().unwrap().push(stored.as_ref() == Some(row));
    }

    #[listener(IntegrationCreated)]
    async fn created(event: &IntegrationCreated, other: &State<Other>, found: &State<Found>) {
        integration(&event.integration, other, found).await;
    }

    #[listener(IntegrationSynced)]
    async fn synced(event: &IntegrationSynced, other: &State<Other>, found: &State<Found>) {
        integration(&event.integration, other, found).await;
    }

    #[listener(IntegrationHealthChanged)]
    async fn changed(event: &IntegrationHealthChanged, other: &State<Other>, found: &State<Found>) {
        integration(&event.integration, other, found).await;
    }

    #[listener(IntegrationDisabled)]
    async fn disabled(event: &IntegrationDisabled, other: &State<Other>, found: &State<Found>) {
        integration(&event.integration, other, found).await;
    }

    #[listener(OperationStarted)]
    async fn started(event: &OperationStarted, other: &State<Other>, found: &State<Found>) {
        log(&event.log, other, found).await;
    }

    #[listener(OperationCompleted)]
    async fn completed(event: &OperationCompleted, other: &State<Other>, found: &State<Found>) {
        log(&event.log, other, found).await;
    }

    #[listener(OperationFailed)]
    async fn failed(event: &OperationFailed, other: &State<Other>, found: &State<Found>) {
        log(&event.log, other, found).await;
    }
}

/// Rule 1 (better): the row is committed before any listener runs: another process sees it, as the event tells it
/// (rule 3, better: fully populated, never with unset database defaults). Rule 5: inline listeners run before the call
/// returns.
async fn rows_are_committed_before_listeners_run(url: String) {
    let other = Store::connect(&url).await.unwrap();
    let other = Integrations::builder(&other)
        .without_linked()
        .build()
        .unwrap();
    let module = concat!(module_path!(), "::committed");
    let listening = |builder: EventsBuilder| {
        let builder = builder.only_linked_in(module);
        builder.state(Other(other)).state(Found::default())
    };
    let bench = bench(url, listening).await;
    let (engine, new) = (&bench.engine, NewIntegration::new("zendesk", "Support"));
    let id = engine.create(new).await.unwrap().id;
    engine.mark_synced(id).await.unwrap();
    for status in ["processing", "success", "failed"] {
        let log = IntegrationLog::new(id, "import", Direction::Inbound, status);
        engine.log_operation(log).await.unwrap();
    }
    for _ in 0..3 {
        let recorded = engine.record_failure(id, FailureClass::Upstream).await;
        recorded.unwrap();
    }
    assert_eq!(bench.heard.names(), LIFE);
    let found = bench.events.state::<Found>().unwrap().0.lock().unwrap();
    assert_eq!(*found, [true; LIFE.len()]);
}

/// The failures that the error hook was told of: event, listener, error.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

mod failing {
    use super::{
        IntegrationCreated, IntegrationDisabled, IntegrationHealthChanged, OperationStarted,
        listener,
    };

    #[listener(IntegrationCreated, priority = 100)]
    async fn fails(_: &IntegrationCreated) -> Result<(), String> {
        Err("out of ink".to_owned())
    }

    #[listener(IntegrationDisabled, priority = 100)]
    fn panics(_: &IntegrationDisabled) {
        panic!("out of paper");
    }

    #[listener(IntegrationHealthChanged, priority = 100)]
    fn fails_too(_: &IntegrationHealthChanged) -> Result<(), String> {
        Err("out of luck".to_owned())
    }

    #[listener(OperationStarted, priority = 100)]
    async fn panics_too(_: &OperationStarted) {
        panic!("out of order");
    }
}

/// Rule 2 (better): a listener that fails or panics changes neither the outcome of the operation nor what others hear;
/// the failure goes to the error hook with event, listener and error. Nor does it stop the next event.
async fn listeners_that_fail_change_nothing(url: String) {
    let told = std::sync::Arc::new(Told::default());
    let hook = told.clone();
    let listening = |builder: EventsBuilder| {
        builder
            .only_linked_in(concat!(module_path!(), "::failing"))
            .error_hook(move |incident| {
                let Incident::Failed(failure) = incident else {
                    panic!("{incident:?}");
                };
                let listener = failure.listener().name();
                let listener = listener.rsplit("::").next().unwrap_or_default();
                let line = format!("{} {listener} {}", failure.event(), failure.cause());
                hook.0.lock().unwrap().push(line);
            })
    };
    let bench = bench(url, listening).await;
    let (engine, new) = (&bench.engine, NewIntegration::new("zendesk", "Support"));
    let created = engine.create(new).await.unwrap();
    assert_eq!(bench.stored(&created).await, created);
    let log = IntegrationLog::new(created.id, "import", Direction::Inbound, "processing");
    let log = engine.log_operation(log).await.unwrap();
    assert!(engine.find_operation(log.id).await.unwrap().is_some());
    for failures in 1..=3 {
        let now = engine
            .record_failure(created.id, FailureClass::Upstream)
            .await;
        assert_eq!(now.unwrap().consecutive_failures, failures);
    }
    let now = bench.stored(&created).await;
    assert_eq!(
        (now.health_status, now.is_active),
        (HealthStatus::Disabled, false)
    );
    let expected = [
        "integration.created",
        "operation.started",
        "integration.health_changed",
        "integration.health_changed",
        "integration.disabled",
        "integration.health_changed",
    ];
    assert_eq!(
        bench.heard.names(),
        expected,
        "the others heard all of them"
    );
    let told = told.0.lock().unwrap();
    let parts = [
        "integration.created fails ",
        "operation.started panics_too ",
        "integration.health_changed fails_too ",
        "integration.health_changed fails_too ",
        "integration.disabled panics ",
        "integration.health_changed fails_too ",
    ];
    assert_eq!(told.len(), parts.len(), "{told:?}");
    for (line, part) in told.iter().zip(parts) {
        assert!(
            line.starts_with(part) && line.contains("out of "),
            "{part}in {line}"
        );
    }
}

/// Records that queued listeners were given.
#[derive(Default)]
struct Given {
    logs: Mutex<Vec<IntegrationLog>>,
    changes: Mutex<Vec<(HealthStatus, HealthStatus, HealthStatus)>>,
    items: Mutex<Vec<String>>,
}

mod later {
    use super::{Given, IntegrationHealthChanged, OperationStarted, State, listener};

    #[listener(OperationStarted, queue)]
    async fn started(event: &OperationStarted, given: &State<Given>) {
        assert_eq!(event.integration.id, event.log.integration_id);
        given.logs.lock().unwrap().push(event.log.clone());
    }

    #[listener(IntegrationHealthChanged, queue)]
    async fn changed(event: &IntegrationHealthChanged, given: &State<Given>) {
        let change = (
            event.previous_status,
            event.new_status,
            event.integration.health_status,
        );
        given.changes.lock().unwrap().push(change);
    }
}

mod items {
    use super::{Given, State, SyncItemFailed, listener};

    #[listener(SyncItemFailed, queue, handle = FAILED)]
    pub(super) async fn item_failed(event: &SyncItemFailed, given: &State<Given>) {
        let (item, error) = (&event.item, &event.error);
        let text = format!("{} {} {}", item.status, error.kind, item.attempts);
        given.items.lock().unwrap().push(text);
    }
}

fn later(builder: EventsBuilder) -> EventsBuilder {
    builder
        .only_linked_in(concat!(module_path!(), "::later"))
        .state(Given::default())
}

/// Rule 3 (better): a queued listener sees today's row, an `OperationStarted` `success` already, while what travels by
/// value stays as it was.
async fn a_queued_listener_sees_todays_row(url: String) {
    let bench = bench(url, later).await;
    let integration = bench.integration().await;
    let engine = &bench.engine;
    let log = IntegrationLog::new(integration.id, "import", Direction::Inbound, "processing");
    let log = engine.log_operation(log).await.unwrap();
    let ended = IntegrationLog {
        status: "success".into(),
        ..log
    };
    let ended = engine.update_operation(ended).await.unwrap().unwrap();
    for _ in 0..2 {
        let recorded = engine
            .record_failure(integration.id, FailureClass::Upstream)
            .await;
        recorded.unwrap();
    }
    bench.work().await;
    let given = bench.events.state::<Given>().unwrap();
    assert_eq!(*given.logs.lock().unwrap(), [ended]);
    let mut changes = given.changes.lock().unwrap().clone();
    changes.sort_by_key(|(_, new, _)| new.to_string());
    assert_eq!(
        changes,
        [
            (
                HealthStatus::Healthy,
                HealthStatus::Degraded,
                HealthStatus::Failing
            ),
            (
                HealthStatus::Degraded,
                HealthStatus::Failing,
                HealthStatus::Failing
            ),
        ]
    );
}

/// The database, as another process sees it.
struct Outside(Store);

async fn jobs(outside: &Store) -> i64 {
    let sql = "SELECT COUNT(*) FROM events_jobs";
    let statement = Statement::from_string(outside.backend(), sql);
    let row = outside.reader().query_one_raw(statement).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}

mod before {
    use super::{Found, OperationStarted, Outside, State, jobs, listener};

    #[listener(OperationStarted, priority = 100, handle = INLINE)]
    pub(super) async fn inline(
        _: &OperationStarted,
        outside: &State<Outside>,
        found: &State<Found>,
    ) {
        let committed = jobs(&outside.0).await == 2;
        found.0.lock().unwrap().push(committed);
    }
}

/// Rule 4 (better): the jobs of queued listeners are written in the transaction of the row they speak of, so that a
/// crash between the commit and the dispatch loses nothing, and a rollback leaves none.
async fn jobs_stand_or_fall_with_their_row(url: String) {
    let outside = Outside(Store::connect(&url).await.unwrap());
    let listening = |builder: EventsBuilder| {
        let builder = later(builder).register(before::INLINE);
        builder.state(outside).state(Found::default())
    };
    let bench = bench(url, listening).await;
    let other = bench.events.state::<Outside>().unwrap();
    let integration = bench.integration().await;
    let (engine, store) = (&bench.engine, bench.store.with_events(&bench.events));
    for commits in [false, true] {
        let ended = store
            .transaction(async |tx| {
                let within = engine.within(tx);
                let log =
                    IntegrationLog::new(integration.id, "import", Direction::Inbound, "processing");
                within.log_operation(log).await?;
                within
                    .record_failure(integration.id, FailureClass::Upstream)
                    .await?;
                assert_eq!(jobs(&other.0).await, 0, "nothing is committed");
                if commits {
                    Ok(())
                } else {
                    Err(IntegrationError::NotFound(0))
                }
            })
            .await;
        assert_eq!(ended.is_ok(), commits);
        assert_eq!(jobs(&other.0).await, if commits { 2 } else { 0 });
    }
    let found = bench.events.state::<Found>().unwrap().0.lock().unwrap();
    assert_eq!(*found, [true], "before the first inline listener ran");
}

/// Rule 3 (better), for two records of one event: the item of a `SyncItemFailed` is loaded again, and is `failed`.
async fn the_job_of_a_failed_item_finds_its_row_failed(url: String) {
    let listening =
        |builder: EventsBuilder| builder.register(items::FAILED).state(Given::default());
    let desk = DeskBench::with(url, listening).await;
    desk.plan().set(2, [Fate::Fails]);
    desk.sync([1, 2]).await;
    desk.bench.work().await;
    let given = desk.bench.events.state::<Given>().unwrap();
    assert_eq!(*given.items.lock().unwrap(), ["failed exhausted 5"]);
}

on_both!(
    a_queued_listener_sees_todays_row,
    events_wait_for_the_outermost_commit,
    jobs_stand_or_fall_with_their_row,
    listeners_that_fail_change_nothing,
    rows_are_committed_before_listeners_run,
    the_job_of_a_failed_item_finds_its_row_failed,
);
