//! A claim of items on SQLite, as one text: see [`crate::queue::packed`] for why.

use chrono::{DateTime, Utc};
use events_core::Delivery;
use sea_orm::{ConnectionTrait, Value};
use serde::Deserialize;
use uuid::Uuid;

use super::claim::{ClaimTerms, ClaimableRun, ClaimedItem};
use crate::queue::{Hold, packed};
use crate::store::StoreError;

/// What is asked of an item `i` on SQLite, for [`Row`] to read, by one text for all: see [`packed`](crate::queue::packed).
pub(super) const ITEM: &str = "json_array(i.id, i.fence + 1, CAST(i.event_name AS TEXT), i.version, CAST(i.payload AS TEXT), \
                      CAST(i.external_id AS TEXT), i.attempts + 1, CAST(i.error_kind AS TEXT), i.expires_at, \
                      hex(i.delivery_id), i.created_at, CAST(i.trace AS TEXT)) AS job";

/// An item as one text has it, after it is taken.
#[derive(Deserialize)]
struct Row {
    id: i64,
    fence: i64,
    event_name: String,
    version: u32,
    payload: String,
    external_id: Option<String>,
    attempts: u32,
    error_kind: Option<String>,
    expires_at: Option<i64>,
    delivery_id: Uuid,
    created_at: i64,
    trace: Option<String>,
}

impl Row {
    /// None: a time is none.
    fn item(self, run: ClaimableRun) -> Option<ClaimedItem> {
        let (id, fence) = (self.id, self.fence);
        let expires_at = match self.expires_at {
            Some(at) => DateTime::from_timestamp_millis(at)?,
            None => DateTime::<Utc>::MAX_UTC,
        };
        Some(ClaimedItem {
            event_name: self.event_name,
            version: self.version,
            payload: self.payload,
            external_id: self.external_id,
            attempts: self.attempts,
            crashed: self.error_kind.is_some(),
            expires_at,
            delivery: Delivery {
                id: self.delivery_id,
                at: DateTime::from_timestamp_millis(self.created_at)?,
                correlation_id: self.delivery_id,
                causation_id: None,
            },
            trace: self.trace,
            ..ClaimedItem::unread(run, Hold { id, fence })
        })
    }
}

/// Takes what a query chooses, which asks for [`ITEM`]. None: not all of it can be read, and none was taken.
pub(super) async fn take(
    connection: &impl ConnectionTrait,
    choose: &str,
    values: &[Value],
    terms: &ClaimTerms<'_>,
    run: ClaimableRun,
) -> Result<Option<Vec<ClaimedItem>>, StoreError> {
    let Some(text) = packed::chosen(connection, choose, values).await? else {
        return Ok(None);
    };
    let Ok(rows) = serde_json::from_str::<Vec<Row>>(&text) else {
        return Ok(None);
    };
    let items = rows.into_iter().map(|row| row.item(run));
    let Some(items) = items.collect::<Option<Vec<ClaimedItem>>>() else {
        return Ok(None);
    };
    let ids = items.iter().map(|item| item.hold.id).collect();
    packed::mark(
        connection,
        "events_sync_items",
        terms.worker,
        terms.now,
        ids,
    )
    .await?;
    Ok(Some(items))
}
