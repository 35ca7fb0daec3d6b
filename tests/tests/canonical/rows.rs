//! The database of these tests, its loaders, and one of each event over its rows.

use std::convert::Infallible;

use events_core::{AnyEvent, Events, EventsBuilder, Model, State, model};
use events_std::{
    Credentials, Direction, HealthStatus, Integration, IntegrationCreated, IntegrationDisabled,
    IntegrationHealthChanged, IntegrationLog, IntegrationRequest, IntegrationSyncItem,
    IntegrationSynced, ItemStatus, OAuthCompleted, OAuthRevoked, OperationCompleted,
    OperationFailed, OperationStarted, RequestCompleted, RequestFailed, SyncCompleted,
    SyncItemError, SyncItemErrorKind, SyncItemFailed, SyncResult, WebhookReceived,
};
use serde_json::{Map, json};

/// The secret in every integration of these tests.
pub(crate) const CANARY: &str = "canary-6f0c2a";

/// One row of each record.
#[derive(Clone)]
pub(crate) struct Rows {
    pub(crate) integration: Integration,
    pub(crate) request: IntegrationRequest,
    pub(crate) log: IntegrationLog,
    pub(crate) item: IntegrationSyncItem,
}

impl Rows {
    /// The rows as they are when the events fire.
    pub(crate) fn at_first() -> Self {
        let secrets = Map::from_iter([("access_token".to_owned(), json!(CANARY))]);
        Self {
            integration: Integration {
                id: 7,
                credentials: Some(Credentials::new(secrets)),
                ..Integration::new("zendesk", "Support")
            },
            request: IntegrationRequest {
                id: 21,
                ..IntegrationRequest::new(7, "GET", "/api/v2/tickets")
            },
            log: IntegrationLog {
                id: 34,
                ..IntegrationLog::new(7, "sync", Direction::Inbound, "processing")
            },
            item: IntegrationSyncItem {
                id: 55,
                ..IntegrationSyncItem::new(7, 3, "zendesk.ticket.synced", "{}")
            },
        }
    }

    /// The same rows, changed since.
    pub(crate) fn changed(mut self) -> Self {
        self.integration.name = "Support, Vienna".into();
        self.request.response_code = Some(200);
        self.log.status = "success".into();
        self.item.status = ItemStatus::Skipped;
        self
    }

    /// One of each canonical event, in the order of the contract.
    pub(crate) fn events(&self) -> Vec<Box<dyn AnyEvent>> {
        let integration = || self.integration.clone();
        let request = || self.request.clone();
        let log = || self.log.clone();
        vec![
            Box::new(IntegrationCreated {
                integration: integration(),
            }),
            Box::new(IntegrationSynced {
                integration: integration(),
            }),
            Box::new(IntegrationHealthChanged {
                integration: integration(),
                previous_status: HealthStatus::Healthy,
                new_status: HealthStatus::Degraded,
            }),
            Box::new(IntegrationDisabled {
                integration: integration(),
            }),
            Box::new(RequestCompleted {
                integration: integration(),
                request: request(),
            }),
            Box::new(RequestFailed {
                integration: integration(),
                request: request(),
            }),
            Box::new(OperationStarted {
                integration: integration(),
                log: log(),
            }),
            Box::new(OperationCompleted {
                integration: integration(),
                log: log(),
            }),
            Box::new(OperationFailed {
                integration: integration(),
                log: log(),
            }),
            Box::new(SyncCompleted {
                integration: integration(),
                result: SyncResult {
                    success_count: 41,
                    failure_count: 1,
                    safe_synced_at: Some("2026-03-01T12:30:00Z".parse().unwrap()),
                    cursor: Some(json!({"after": "2026-03-01"})),
                    error: Some("page 9: 503".to_owned()),
                },
            }),
            Box::new(SyncItemFailed {
                integration: integration(),
                item: self.item.clone(),
                error: SyncItemError {
                    kind: SyncItemErrorKind::TimedOut,
                    message: "no answer within 30 s".to_owned(),
                },
            }),
            Box::new(OAuthCompleted {
                integration: integration(),
            }),
            Box::new(OAuthRevoked {
                integration: integration(),
            }),
            Box::new(WebhookReceived {
                integration: integration(),
                provider_key: "zendesk".to_owned(),
                provider_delivery_id: "d-1001".to_owned(),
                event_type: Some("ticket.updated".to_owned()),
            }),
        ]
    }
}

/// Where the loaders look: nowhere, once the rows are deleted.
pub(crate) type Database = Option<Rows>;

/// A builder of dispatchers whose loaders look there, rather than into a store.
pub(crate) fn builder(module: &str) -> EventsBuilder {
    Events::builder()
        .only_linked_in(module)
        .register_model(INTEGRATION)
        .register_model(REQUEST)
        .register_model(LOG)
        .register_model(ITEM)
}

fn find<M: Model<Key = i64> + Clone>(
    database: &Database,
    row: fn(&Rows) -> &M,
    id: i64,
) -> Result<Option<M>, Infallible> {
    let row = database.as_ref().map(row);
    Ok(row.filter(|row| row.key() == id).cloned())
}

#[model(handle = INTEGRATION)]
fn integration(id: i64, rows: &State<Database>) -> Result<Option<Integration>, Infallible> {
    find(rows, |rows| &rows.integration, id)
}

#[model(handle = REQUEST)]
fn request(id: i64, rows: &State<Database>) -> Result<Option<IntegrationRequest>, Infallible> {
    find(rows, |rows| &rows.request, id)
}

#[model(handle = LOG)]
fn log(id: i64, rows: &State<Database>) -> Result<Option<IntegrationLog>, Infallible> {
    find(rows, |rows| &rows.log, id)
}

#[model(handle = ITEM)]
fn item(id: i64, rows: &State<Database>) -> Result<Option<IntegrationSyncItem>, Infallible> {
    find(rows, |rows| &rows.item, id)
}
