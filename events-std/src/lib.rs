//! The canonical events of third-party integrations, and the records they carry.
//!
//! ```standalone_crate
//! use events_core::{Event, listener};
//! use events_std::{HealthStatus, Integration, IntegrationHealthChanged};
//!
//! #[listener(IntegrationHealthChanged)]
//! fn report(event: &IntegrationHealthChanged) {
//!     println!("{} was {}, is {}", event.integration.name, event.previous_status, event.new_status);
//! }
//!
//! fn main() {
//!     let mut integration = Integration::new("zendesk", "Support");
//!     integration.health_status = HealthStatus::Degraded;
//!     IntegrationHealthChanged {
//!         integration,
//!         previous_status: HealthStatus::Healthy,
//!         new_status: HealthStatus::Degraded,
//!     }
//!     .dispatch_sync()
//!     .unwrap();
//! }
//! ```
//!
//! All events are durable. Where a listener is queued, the records in its event travel by key and are loaded again
//! before it runs: it sees today's row, an inline listener the record as it was when the event fired.
//!
//! The nouns:
//!
//! - [`Integration`]: one connection to a provider, with its [`Credentials`] and [`HealthStatus`].
//!   [`IntegrationCreated`], [`IntegrationSynced`], [`IntegrationHealthChanged`], [`IntegrationDisabled`].
//! - [`Provider`]: a third party, registered by [`provider`](macro@provider) with its capabilities, as [`HealthCheck`].
//! - `Integrations`: the service that an application holds, on its `Store`.
//! - [`IntegrationRequest`]: one attempt of an API request, with its [`RequestFailure`] and [`FailureClass`], made by
//!   `Integrations::request` within the provider's [`RateLimit`], and without what its [`Redact`] names.
//!   [`RequestCompleted`], [`RequestFailed`].
//! - [`IntegrationLog`]: one entry of the operation log, with its [`Direction`].
//!   [`OperationStarted`], [`OperationCompleted`], [`OperationFailed`].
//! - [`IntegrationSyncItem`]: one item of a sync run, with its [`ItemStatus`]. [`SyncResult`] is what became of the
//!   run, [`SyncItemError`] why an item failed. [`SyncCompleted`], [`SyncItemFailed`].
//! - [`SyncItemEvent`]: the category that an adapter's own per-item events extend.
//! - `TestEngine`, by `Integrations::for_tests()`: an engine for the tests of adapters, which syncs, and takes webhooks
//!   as `TestDelivery`. [`SyncSession::capture`] needs no database at all.
//! - `OpenTelemetry` (with the feature `opentelemetry`): traces travel with jobs.
//! - [`IntegrationWebhook`]: one delivery of a webhook, with its [`WebhookStatus`]. [`WebhookReceived`]. With the feature
//!   `webhooks`, the capability `Webhooks`, verifiers and routes: see [`webhook`].
//! - [`OAuthCompleted`], [`OAuthRevoked`]. With the feature `oauth`, the capability `OAuth`, tokens that are kept fresh, and
//!   routes: see [`oauth`](mod@oauth).

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
#[cfg(feature = "cli")]
pub mod cli;
mod error;
mod integration;
pub mod oauth;
#[cfg(feature = "opentelemetry")]
mod opentelemetry;
mod operation;
#[cfg(feature = "store")]
mod queue;
mod request;
#[cfg(feature = "store")]
mod store;
mod sync;
#[cfg(feature = "sqlite")]
mod testing;
pub mod webhook;

pub use error::{RateLimited, UnknownWord};
pub use events_macros::provider;
pub use integration::{
    CheckFailure, Credentials, CredentialsError, FailureClass, HealthCheck, HealthStatus,
    HealthThresholds, Integration, IntegrationCreated, IntegrationDisabled,
    IntegrationHealthChanged, IntegrationSynced, MetadataError, NoCredentials, NoMetadata,
    Provider, RateLimit,
};
#[cfg(feature = "store")]
pub use integration::{
    InspectedIntegration, IntegrationError, IntegrationFilter, IntegrationUpdate, Integrations,
    IntegrationsBuilder, NewIntegration, StartError, StartFault, Within,
};
// What the compiler proposes to whoever lacks it; the first has the second in it.
#[cfg(any(feature = "oauth", feature = "oauth-loopback"))]
pub use oauth::OAuth;
pub use oauth::{OAuthCompleted, OAuthRevoked};
#[cfg(feature = "opentelemetry")]
pub use opentelemetry::OpenTelemetry;
#[cfg(feature = "store")]
pub use operation::OperationFilter;
pub use operation::{
    Direction, IntegrationLog, OperationCompleted, OperationFailed, OperationStarted,
};
#[cfg(feature = "store")]
pub use queue::operate::{
    FailedCause, FailedDetails, FailedFilter, FailedJob, FailedJobs, FailedPage, JobId, Lack,
    LiveWorker, NotAJobId, QueueDepth, QueueStats, UnclaimedJobs,
};
#[cfg(feature = "store")]
pub use queue::{DEFAULT_TIMEOUT, Left, StoreQueue, Worker, WorkerError};
#[cfg(feature = "store")]
pub use request::{
    ApiRequest, ApiResponse, FailedRequest, JsonRequest, RequestAttempt, RequestError,
    RequestFilter,
};
pub use request::{IntegrationRequest, Redact, RequestCompleted, RequestFailed, RequestFailure};
#[cfg(feature = "store")]
pub use store::{
    AppTransaction, Durability, EncryptionError, EncryptionKey, Joined, Store, StoreError,
    StoreOptions, Tx,
};
pub use sync::{
    CapturedItem, CapturedItems, IntegrationSyncItem, ItemAttempt, ItemStatus, MixedCheckpoints,
    RunLease, RunState, ScheduledSync, SessionError, SyncCompleted, SyncError, SyncItem,
    SyncItemError, SyncItemErrorKind, SyncItemEvent, SyncItemFailed, SyncProgress, SyncResult,
    SyncRun, SyncSession, latest_checkpoint,
};
#[cfg(feature = "store")]
pub use sync::{ItemFilter, Scheduler, SkipReason, SyncRunError, SyncStart};
#[cfg(all(feature = "sqlite", feature = "webhooks"))]
pub use testing::{TestDelivery, TestReceived};
#[cfg(feature = "sqlite")]
pub use testing::{TestEngine, TestEngineBuilder, TestRun};
#[cfg(feature = "webhooks")]
pub use webhook::Webhooks;
pub use webhook::{IntegrationWebhook, WebhookReceived, WebhookStatus};
