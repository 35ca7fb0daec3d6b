//! The table of integrations.

use sea_orm::QueryResult;

use super::{Integration, IntegrationError};
use crate::store::Columns;

/// The columns that [`read`] reads, in its order.
pub(super) const COLUMNS: &str = "id, uid, provider, name, metadata, is_active, health_status, consecutive_failures, \
                                  last_error_at, last_synced_at, sync_interval_minutes, next_sync_at, sync_cursor, \
                                  owner_type, owner_id, consecutive_sync_failures, needs_authorization, created_at, \
                                  updated_at";

pub(super) fn read(row: &QueryResult) -> Result<Integration, IntegrationError> {
    let mut columns = Columns::of(row);
    Ok(Integration {
        id: columns.next()?,
        uid: columns.next()?,
        provider: columns.next()?,
        name: columns.next()?,
        credentials: None,
        metadata: columns.json_or_none()?,
        is_active: columns.next()?,
        health_status: columns.word()?,
        consecutive_failures: columns.number()?,
        last_error_at: columns.time_or_none()?,
        last_synced_at: columns.time_or_none()?,
        sync_interval_minutes: columns.number_or_none()?,
        next_sync_at: columns.time_or_none()?,
        sync_cursor: columns.json_or_none()?,
        owner_type: columns.next()?,
        owner_id: columns.next()?,
        consecutive_sync_failures: columns.number()?,
        needs_authorization: columns.next()?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
    })
}
