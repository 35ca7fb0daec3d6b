//! The same of an item, which ends in the transaction of its listeners.

use std::time::Duration;

use events_core::{Event, Events, State, listener};
use events_std::{
    Integration, Integrations, NewIntegration, NoCredentials, NoMetadata, Provider, ScheduledSync,
    Scheduler, Store, SyncError, SyncItemEvent, SyncSession, Tx, Worker, provider,
};
use events_tests::Effects;
use sea_orm::DbErr;

use super::{Far, waits, write};
use crate::kit::{Base, number, runtime, until};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.unanswered.order", extends(SyncItemEvent))]
struct OrderSynced {
    #[event(model)]
    integration: Integration,
}

#[derive(Default)]
struct Shop;

#[provider(ScheduledSync)]
impl Provider for Shop {
    const KEY: &'static str = "faults.unanswered";
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
        let integration = integration.clone();
        let item = session.item().external_id(1);
        item.dispatch(OrderSynced { integration }).await?;
        Ok(())
    }
}

#[listener(OrderSynced)]
async fn books(_: &OrderSynced, tx: &Tx, effects: &State<Effects>) -> Result<(), DbErr> {
    write(tx, 1).await?;
    waits(1, effects).await;
    Ok(())
}

fn engine(store: &Store, base: &Base) -> (Events, Integrations) {
    let engine = Integrations::builder(store)
        .without_linked()
        .provider(Shop)
        .build()
        .unwrap();
    let events = Events::builder()
        .only_linked_in(module_path!())
        .state(engine.clone())
        .state(Effects::of(&base.folder))
        .queue(store.queue())
        .build()
        .unwrap();
    let engine = engine.with_events(&events);
    (events, engine)
}

#[test]
fn without_an_answer_to_its_last_statement_the_item_runs_again() {
    runtime().block_on(async {
        let Some(far) = Far::new().await else { return };
        let (_, here) = engine(&far.near, &far.base);
        let new = NewIntegration::new(Shop::KEY, "one").sync_every(60 * 24 * 365);
        here.create(new).await.unwrap();
        Scheduler::new(&here).run_due().await.unwrap();
        let store = Store::connect(&far.proxy.url).await.unwrap();
        let (events, there) = engine(&store, &far.base);
        let in_state = async |state: u8| {
            let count = format!("SELECT COUNT(*) FROM events_sync_items WHERE state = {state}");
            number(&far.near, &count).await
        };
        let test = async {
            far.runs(1).await;
            far.proxy.falls_silent();
            far.effects.mark("go");
            far.is_found_silent().await;
            assert_eq!(in_state(1).await, 1);
            far.proxy.lets_new_ones_through();
            until("it has ended", async || in_state(2).await == 1).await;
        };
        let worker = Worker::new(&events, &store).answer_within(Duration::from_secs(1));
        worker.sync_items(&there).run_until(test).await.unwrap();
        assert_eq!(far.effects.lines(), ["1", "1"]);
        let attempts = "SELECT CAST(attempts AS BIGINT) FROM events_sync_items";
        assert_eq!(number(&far.near, attempts).await, 1);
        far.has_written_once(&[1]).await;
    });
}
