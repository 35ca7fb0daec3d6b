//! What a provider hands its items to while it enumerates them.

use std::sync::Arc;
use std::sync::Mutex;

use events_core::{AnyEvent, BoxFuture, Durable, EncodeError, Event};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::captured::{Captured, CapturedItems};
use super::{SessionError, SyncItemEvent};

/// The largest wire form of one item's event, in bytes.
pub(super) const LARGEST_PAYLOAD: usize = 256 * 1024;
/// The longest external id, in characters.
pub(super) const LONGEST_EXTERNAL_ID: usize = 500;
/// So many items go to the store at once,
pub(super) const CHUNK_ITEMS: usize = 500;
/// or so many bytes of payload, whichever comes first.
pub(super) const CHUNK_BYTES: usize = 4 * 1024 * 1024;

/// One sync run's enumeration: a provider hands over its items one by one, and they stream to the store in chunks, each
/// while the provider goes on, so that a run of any size holds few of them in memory: two chunks at most.
///
/// An item whose event type and external id the run has already is dropped and counted: the first stays.
///
/// In an adapter's own tests, [`capture`](Self::capture) makes one that keeps the items instead.
pub struct SyncSession {
    cursor: Option<Value>,
    sink: Sink,
    /// Items that the sink does not have yet.
    waiting: Vec<NewItem>,
    /// The size of their payloads, in bytes.
    bytes: usize,
    /// Items are missing: a chunk was not stored, or nobody waited until an item was taken.
    broken: bool,
}

enum Sink {
    Store(Box<dyn ItemSink>),
    Test(Arc<Mutex<Captured>>),
}

/// Where a session's items go, chunk by chunk.
pub(crate) trait ItemSink: Send {
    /// An item was handed over. It is begun with others later.
    fn note_item(&self);

    /// Begins to store a chunk: the one before it is stored.
    fn begin(&mut self, items: Vec<NewItem>);

    /// How storing the last chunk ended, if that has ended and was not told yet.
    fn ended(&mut self) -> Option<Result<(), SessionError>>;

    /// Waits until nothing is being stored, and tells how that ended.
    fn end(&mut self) -> BoxFuture<'_, Result<(), SessionError>>;

    /// Whether no chunk is being stored, and every end is told.
    fn is_idle(&self) -> bool;
}

/// An item that is not stored yet.
#[derive(Debug)]
pub(crate) struct NewItem {
    pub(crate) event_name: &'static str,
    pub(crate) version: u32,
    pub(crate) payload: String,
    pub(crate) external_id: Option<String>,
    /// As JSON.
    pub(crate) checkpoint: Option<String>,
}

impl SyncSession {
    pub(crate) fn into_sink(cursor: Option<Value>, sink: Box<dyn ItemSink>) -> Self {
        Self::of(cursor, Sink::Store(sink))
    }

    fn of(cursor: Option<Value>, sink: Sink) -> Self {
        Self {
            cursor,
            sink,
            waiting: Vec::new(),
            bytes: 0,
            broken: false,
        }
    }

    /// A session that keeps its items for a test to look at, without a database. `cursor` is the one that the provider
    /// finds stored. A provider that asks for `Integrations::current()` is tested on an engine of
    /// `Integrations::for_tests()`.
    ///
    /// ```standalone_crate
    /// # use events_core::Event;
    /// # use events_std::{Integration, SyncItemEvent, SyncSession};
    /// # #[derive(Clone, Debug, Event)]
    /// # #[event(durable, name = "zendesk.ticket.synced", extends(SyncItemEvent))]
    /// # pub struct TicketSynced { pub ticket: u64 }
    /// # pollster::block_on(async {
    /// let (mut session, items) = SyncSession::capture(None);
    /// // zendesk.sync(&integration, &mut session).await?;
    /// session.item().external_id(35).checkpoint(1_767_225_600).dispatch(TicketSynced { ticket: 35 }).await?;
    ///
    /// items.assert_count(1);
    /// assert_eq!(items.of::<TicketSynced>()[0].ticket, 35);
    /// assert_eq!(items.all()[0].external_id.as_deref(), Some("35"));
    /// # Ok::<_, events_std::SessionError>(()) }).unwrap();
    /// ```
    #[must_use]
    pub fn capture(cursor: Option<Value>) -> (Self, CapturedItems) {
        let (captured, items) = CapturedItems::new();
        (Self::of(cursor, Sink::Test(captured)), items)
    }

    /// The stored cursor: what the last clean run came up to. None the first time.
    #[must_use]
    pub fn cursor(&self) -> Option<&Value> {
        self.cursor.as_ref()
    }

    /// The stored cursor as a `T`.
    ///
    /// # Errors
    ///
    /// If it is of another type.
    pub fn cursor_as<T: DeserializeOwned>(&self) -> Result<Option<T>, SessionError> {
        let cursor = self.cursor.as_ref().map(T::deserialize).transpose();
        cursor.map_err(SessionError::Cursor)
    }

    /// An item with a checkpoint, or an external id.
    #[must_use = "an item is handed over by `dispatch`"]
    pub fn item(&mut self) -> SyncItem<'_> {
        SyncItem {
            session: self,
            external_id: None,
            checkpoint: None,
        }
    }

    /// Hands over an item with neither a checkpoint nor an external id.
    ///
    /// # Errors
    ///
    /// As [`SyncItem::dispatch`].
    pub async fn dispatch<E: Durable + SyncItemEvent>(
        &mut self,
        event: E,
    ) -> Result<(), SessionError> {
        self.item().dispatch(event).await
    }

    async fn take(&mut self, item: NewItem, event: impl Event) -> Result<(), SessionError> {
        if let Sink::Test(captured) = &self.sink {
            Captured::take(captured, item, Box::new(event));
            return Ok(());
        }
        if let Sink::Store(sink) = &self.sink {
            sink.note_item();
        }
        if self.broken {
            return Err(SessionError::Broken);
        }
        if self.is_full() {
            self.end().await?;
            self.begin();
        }
        self.bytes += item.payload.len();
        self.waiting.push(item);
        let Sink::Store(sink) = &mut self.sink else {
            return Ok(());
        };
        if let Some(ended) = sink.ended() {
            self.broken = ended.is_err();
            ended?;
        }
        if sink.is_idle() && self.is_full() {
            self.begin();
        }
        Ok(())
    }

    /// Whether what waits is a chunk.
    fn is_full(&self) -> bool {
        self.waiting.len() >= CHUNK_ITEMS || self.bytes >= CHUNK_BYTES
    }

    /// Brings what waits to the store, all of it.
    pub(crate) async fn flush(&mut self) -> Result<(), SessionError> {
        if self.broken {
            return Err(SessionError::Broken);
        }
        self.end().await?;
        self.begin();
        self.end().await
    }

    /// Begins to store what waits, where nothing else is being stored.
    fn begin(&mut self) {
        let items = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        if let Sink::Store(sink) = &mut self.sink
            && !items.is_empty()
        {
            sink.begin(items);
        }
    }

    /// Waits for the chunk that is being stored, if one is.
    async fn end(&mut self) -> Result<(), SessionError> {
        if let Sink::Store(sink) = &mut self.sink {
            // Also where this future is dropped: the item that waits for it is not taken then, and the provider may go on.
            self.broken = true;
            sink.end().await?;
            self.broken = false;
        }
        Ok(())
    }
}

impl std::fmt::Debug for SyncSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SyncSession({} waiting)", self.waiting.len())
    }
}

/// An item that is about to be handed over: see [`SyncSession::item`].
#[must_use = "an item is handed over by `dispatch`"]
#[derive(Debug)]
pub struct SyncItem<'s> {
    session: &'s mut SyncSession,
    external_id: Option<String>,
    checkpoint: Option<Result<String, serde_json::Error>>,
}

impl SyncItem<'_> {
    /// The provider's id of the item: 500 characters at most. Two items of one event type and one id are one.
    pub fn external_id(mut self, id: impl ToString) -> Self {
        self.external_id = Some(id.to_string());
        self
    }

    /// How far the cursor may move when this item, and every other of the run, is done: a time, a sequence number, or
    /// whatever the provider counts by. `None`, or what JSON writes as `null`, is no checkpoint.
    pub fn checkpoint(mut self, value: impl Serialize) -> Self {
        self.checkpoint = Some(serde_json::to_string(&value));
        self
    }

    /// Hands the item over. Its listeners run later, in a worker, and are tried again there if one fails.
    ///
    /// # Errors
    ///
    /// If the event is too large, or cannot be written; or, now and then, if a chunk of items could not be stored.
    /// A sync that returns such an error fails, and starts over at its next turn. After a chunk that was not stored, or
    /// an item that was not taken because this future was dropped, nothing more is taken and the run fails, whatever
    /// the sync returns: the cursor must not pass items that are missing.
    pub async fn dispatch<E: Durable + SyncItemEvent>(self, event: E) -> Result<(), SessionError> {
        let erased: &dyn AnyEvent = &event;
        let (name, version) = (erased.name(), erased.version());
        let payload = erased.payload()?;
        if payload.len() > LARGEST_PAYLOAD {
            return Err(SessionError::TooLarge {
                event: name,
                size: payload.len(),
            });
        }
        if let Some(id) = &self.external_id {
            check_external_id(id)?;
        }
        let checkpoint = self
            .checkpoint
            .transpose()
            .map_err(SessionError::Checkpoint)?;
        let item = NewItem {
            event_name: name,
            version: version.ok_or(EncodeError::NotDurable(name))?,
            payload,
            external_id: self.external_id,
            checkpoint: checkpoint.filter(|json| json != "null"),
        };
        self.session.take(item, event).await
    }
}

/// Refuses what one of the databases could not store.
fn check_external_id(id: &str) -> Result<(), SessionError> {
    if id.contains('\0') {
        return Err(SessionError::Nul("external id"));
    }
    if id.len() > LONGEST_EXTERNAL_ID && id.chars().count() > LONGEST_EXTERNAL_ID {
        return Err(SessionError::LongExternalId {
            start: id.chars().take(40).collect(),
        });
    }
    Ok(())
}
