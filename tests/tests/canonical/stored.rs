//! What a queue is given for each event, and what its listener is given back.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use events_core::{
    AnyEvent, BoxFuture, Capability, Events, Golden, Job, MemoryQueue, PushError, Queue, State,
    listener,
};
use events_std::{
    IntegrationCreated, IntegrationDisabled, IntegrationHealthChanged, IntegrationSynced,
    OAuthCompleted, OAuthRevoked, OperationCompleted, OperationFailed, OperationStarted,
    RequestCompleted, RequestFailed, SyncCompleted, SyncItemFailed, SyncResult, WebhookReceived,
};
use pollster::block_on;

use crate::NAMES;
use crate::rows::{Database, Rows, builder};

/// The text of every event that was heard.
type Heard = Mutex<Vec<String>>;

#[listener(
    IntegrationCreated,
    IntegrationSynced,
    IntegrationHealthChanged,
    IntegrationDisabled,
    RequestCompleted,
    RequestFailed,
    OperationStarted,
    OperationCompleted,
    OperationFailed,
    SyncCompleted,
    SyncItemFailed,
    OAuthCompleted,
    OAuthRevoked,
    WebhookReceived,
    queue = "later"
)]
fn later(event: &dyn AnyEvent, heard: &State<Heard>) {
    heard.lock().unwrap().push(format!("later {event:?}"));
}

#[listener("*")]
fn at_once(event: &dyn AnyEvent, heard: &State<Heard>) {
    heard.lock().unwrap().push(format!("at once {event:?}"));
}

fn dispatcher(rows: Rows, queue: impl Queue) -> Events {
    builder(module_path!())
        .state::<Database>(Some(rows))
        .state(Heard::default())
        .queue(queue)
        .build()
        .unwrap()
}

/// A queue that keeps what is pushed and runs nothing.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Job>>>);

impl Queue for Recorder {
    fn capabilities(&self) -> &[Capability] {
        &[]
    }

    fn push(&self, jobs: Vec<Job>) -> BoxFuture<'_, Result<(), PushError>> {
        Box::pin(std::future::ready(self.push_sync(jobs)))
    }

    fn push_sync(&self, jobs: Vec<Job>) -> Result<(), PushError> {
        self.0.lock().unwrap().extend(jobs);
        Ok(())
    }
}

/// The jobs of all events, in the order of the contract.
pub(crate) fn jobs() -> Vec<Job> {
    let queue = Recorder::default();
    let rows = Rows::at_first();
    let events = dispatcher(rows.clone(), queue.clone());
    for event in rows.events() {
        events.dispatch_any_sync(&*event).unwrap();
    }
    std::mem::take(&mut *queue.0.lock().unwrap())
}

#[test]
fn every_event_is_stored_under_its_name() {
    let names: Vec<_> = jobs().into_iter().map(|job| job.event).collect();
    assert_eq!(names, NAMES);
    assert_eq!(BTreeSet::from(NAMES).len(), NAMES.len());
}

#[test]
fn payloads_are_as_they_have_always_been() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let golden = Golden::new(&folder);
    let rows = Rows::at_first();
    for event in rows.events() {
        golden.check(&*event).unwrap();
    }
    let events = dispatcher(rows, Recorder::default());
    let read = block_on(golden.read_all(&events)).unwrap();
    let read: BTreeSet<_> = read.iter().map(|event| event.name()).collect();
    assert_eq!(read, BTreeSet::from(NAMES));
    // Whatever was stored is kept: there is a file of each version, and nothing else.
    let versions = jobs().into_iter().flat_map(|job| {
        (1..=job.version).map(move |version| format!("{}.v{version}.json", job.event))
    });
    let files = folder.read_dir().unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(
        files.collect::<BTreeSet<_>>(),
        versions.collect::<BTreeSet<_>>()
    );
}

#[test]
fn what_is_unset_is_stored_as_null() {
    let Rows { integration, .. } = Rows::at_first();
    let completed: &dyn AnyEvent = &SyncCompleted {
        integration: integration.clone(),
        result: SyncResult::default(),
    };
    let result = r#""result":{"success_count":0,"failure_count":0,"safe_synced_at":null,"cursor":null,"error":null}}"#;
    assert!(completed.payload().unwrap().ends_with(result));
    let received: &dyn AnyEvent = &WebhookReceived {
        integration,
        provider_key: "zendesk".to_owned(),
        provider_delivery_id: "d-1002".to_owned(),
        event_type: None,
    };
    let event_type = r#""event_type":null}"#;
    assert!(received.payload().unwrap().ends_with(event_type));
}

#[test]
fn a_queued_listener_sees_todays_rows_and_an_inline_one_those_of_the_event() {
    let rows = Rows::at_first();
    let changed = rows.clone().changed();
    let queue = MemoryQueue::new();
    let events = dispatcher(changed.clone(), queue.clone());
    block_on(async {
        for event in rows.events() {
            events.dispatch_any(&*event).await.unwrap();
        }
        assert_eq!(queue.drain(&events).await.done, NAMES.len());
    });
    let at_once = rows.events();
    let at_once = at_once.iter().map(|event| format!("at once {event:?}"));
    let later = changed.events();
    let later = later.iter().map(|event| format!("later {event:?}"));
    let expected: Vec<_> = at_once.chain(later).collect();
    let heard = events.state::<Heard>().unwrap().lock().unwrap();
    assert_eq!(*heard, expected);
}
