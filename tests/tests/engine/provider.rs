//! Providers: what their methods find around them.

use events_std::{
    CheckFailure, FailureClass, HealthCheck, Integration, IntegrationError, IntegrationFilter,
    Integrations, NewIntegration, NoCredentials, NoMetadata, Provider, ScheduledSync, SyncError,
    SyncSession, SyncStart, provider,
};

use crate::kit::{Bench, on_both};

/// It needs the service itself, and tells in its errors how many integrations that has.
#[derive(Default)]
struct Asks;

#[provider(ScheduledSync, HealthCheck)]
impl Provider for Asks {
    const KEY: &'static str = "asks";
    const NAME: &'static str = "Asks";
    type Credentials = NoCredentials;
    type Metadata = NoMetadata;
}

async fn count() -> Result<usize, IntegrationError> {
    let all = Integrations::current()?
        .list(IntegrationFilter::new())
        .await;
    Ok(all?.len())
}

impl ScheduledSync for Asks {
    async fn sync(&self, _: &Integration, _: &mut SyncSession) -> Result<(), SyncError> {
        Err(SyncError::message(format!("{} found", count().await?)))
    }
}

impl HealthCheck for Asks {
    async fn check(&self, integration: &Integration) -> Result<(), CheckFailure> {
        let found = count().await?;
        // What it writes goes through the dispatcher of whoever asked.
        let engine = Integrations::current()?;
        engine.mark_synced(integration.id).await?;
        Err(CheckFailure::new(
            FailureClass::Client,
            format!("{found} found"),
        ))
    }
}

async fn a_provider_finds_the_service_that_calls_it(url: String) {
    let bench = Bench::with(url, |engine| engine.provider(Asks), |events| events).await;
    let new = NewIntegration::new("asks", "Support");
    let id = bench.engine.create(new).await.unwrap().id;
    bench.heard.take();

    let (_, said) = bench.engine.check_health(id).await.unwrap();
    assert_eq!(said.unwrap_err().to_string(), "1 found");
    assert_eq!(bench.heard.names(), ["integration.synced"]);
    match bench.engine.sync(id).await.unwrap() {
        SyncStart::Failed { error, .. } => assert_eq!(error, "1 found"),
        other => panic!("{other:?}"),
    }

    let elsewhere = events_core::Events::builder()
        .without_linked()
        .build()
        .unwrap();
    let error = elsewhere.scope(count()).await.unwrap_err();
    assert!(matches!(error, IntegrationError::NoneCurrent), "{error}");
}

on_both!(a_provider_finds_the_service_that_calls_it);
