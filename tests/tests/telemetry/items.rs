//! The traces that the items of sync runs carry.

use events_core::{Event, Events, listener};
use events_std::{
    Integration, Integrations, NewIntegration, NoCredentials, NoMetadata, Provider, ScheduledSync,
    SyncError, SyncItemEvent, SyncSession, Worker, provider,
};

use crate::capture::{self, children, of_event};
use crate::jobs::Numbered;
use crate::kit::on_every_database;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "items.found", extends(SyncItemEvent))]
struct Found(u32);

#[listener(Found)]
async fn fails_once(event: &Found, attempt: events_core::Attempt) -> Result<(), std::io::Error> {
    tracing::info!("item {}", event.0);
    if attempt.number == 1 {
        return Err(std::io::Error::other("once"));
    }
    Ok(())
}

struct Finds;

#[provider(ScheduledSync, instance)]
impl Provider for Finds {
    const KEY: &'static str = "finds";
    const NAME: &'static str = "Finds";
    type Credentials = NoCredentials;
    type Metadata = NoMetadata;
}

impl ScheduledSync for Finds {
    async fn sync(&self, _: &Integration, session: &mut SyncSession) -> Result<(), SyncError> {
        for number in 1..=2 {
            session.dispatch(Found(number)).await?;
        }
        Ok(())
    }
}

#[test]
fn each_attempt_at_an_item_belongs_to_the_trace_of_the_sync_that_found_it() {
    capture::all();
    on_every_database(async |base| {
        let before = of_event("sync item", "items.found").len();
        let (store, trace) = (base.store().await, Numbered::default());
        let clock = std::sync::Arc::new(events_core::ManualClock::new(chrono::Utc::now()));
        let engine = Integrations::builder(&store)
            .without_linked()
            .provider(Finds)
            .build()
            .unwrap();
        let events = Events::builder()
            .only_linked_in(module_path!())
            .state(engine.clone())
            .queue(store.queue())
            .trace_context(trace.clone())
            .clock(clock.clone())
            .build()
            .unwrap();
        let engine = engine.with_events(&events);
        let new = NewIntegration::new(Finds::KEY, "Finds");
        let integration = engine.create(new).await.unwrap();
        engine.sync(integration.id).await.unwrap();
        let worker = || Worker::new(&events, &store).sync_items(&engine);
        worker().run_due().await.unwrap();
        clock.advance(chrono::TimeDelta::seconds(11));
        worker().drain().await.unwrap();
        let items = of_event("sync item", "items.found").split_off(before);
        let mut attempts: Vec<&str> = items
            .iter()
            .map(|item| item.fields.get("attempt"))
            .collect();
        attempts.sort_unstable();
        assert_eq!(attempts, ["1", "1", "2", "2"]);
        let carried = items[0].fields.get("traceparent");
        assert!(!carried.is_empty());
        for item in &items {
            assert_eq!(item.fields.get("traceparent"), carried);
            assert!(!children(item).is_empty(), "the span of its listener");
        }
        let adopted = trace.adopted.lock().unwrap();
        let same = adopted.iter().filter(|adopted| *adopted == carried);
        assert_eq!(same.count(), 4);
    });
}
