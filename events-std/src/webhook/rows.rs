//! The table of deliveries.

use std::collections::BTreeMap;

use sea_orm::{DbErr, QueryResult};

use super::{IntegrationWebhook, WebhookStatus};
use crate::store::{Columns, StoreError};

/// The columns that [`read`] reads, in its order.
pub(super) const COLUMNS: &str = "id, integration_id, provider, provider_delivery_id, event_type, payload, headers, \
                                  status, error, attempts, processed_at, created_at, updated_at";

/// Where no job is left that will process a delivery, and it is not done: its job was parked without a word to the row, as
/// where no worker knew it, or somebody deleted it.
pub(super) const STRANDED: &str = "(events_webhooks.status IN ('pending', 'processing') AND NOT EXISTS \
    (SELECT 1 FROM events_jobs AS j WHERE j.state IN (0, 1) AND j.listener = 'events_std.webhook.process' \
    AND j.unique_key = events_webhooks.integration_id || '/' || events_webhooks.provider_delivery_id))";

/// What a stranded delivery says where its last attempt left no error.
const NO_JOB: &str = "no job will process it: it was parked or deleted";

/// What stands before `WHERE` for [`read_shown`].
pub(super) fn shown() -> String {
    format!("SELECT {COLUMNS}, {STRANDED} FROM events_webhooks")
}

/// Reads a row of [`shown`]: one that is stranded has failed.
pub(super) fn read_shown(row: &QueryResult) -> Result<IntegrationWebhook, StoreError> {
    let mut webhook = read(row)?;
    if row.try_get_by_index(COLUMNS.split(',').count())? {
        webhook.status = WebhookStatus::Failed;
        webhook.error.get_or_insert_with(|| NO_JOB.to_owned());
    }
    Ok(webhook)
}

pub(super) fn read(row: &QueryResult) -> Result<IntegrationWebhook, StoreError> {
    let mut columns = Columns::of(row);
    Ok(IntegrationWebhook {
        id: columns.next()?,
        integration_id: columns.next()?,
        provider: columns.next()?,
        provider_delivery_id: columns.next()?,
        event_type: columns.next()?,
        payload: columns.next()?,
        headers: headers(columns.next()?)?,
        status: columns.word()?,
        error: columns.next()?,
        attempts: columns.number()?,
        processed_at: columns.time_or_none()?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
    })
}

fn headers(text: String) -> Result<BTreeMap<String, Vec<String>>, DbErr> {
    let unfit = |_| DbErr::Type("the column `headers` does not hold lists of texts".to_owned());
    serde_json::from_str(&text).map_err(unfit)
}
