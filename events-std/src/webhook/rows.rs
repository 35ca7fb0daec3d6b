//! The table of deliveries.

use std::collections::BTreeMap;

use sea_orm::{DbErr, QueryResult};

use super::IntegrationWebhook;
use crate::store::{Columns, StoreError};

/// The columns that [`read`] reads, in its order.
pub(super) const COLUMNS: &str = "id, integration_id, provider, provider_delivery_id, event_type, payload, headers, \
                                  status, error, attempts, processed_at, created_at, updated_at";

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
