//! The table of operations.

use sea_orm::QueryResult;

use super::IntegrationLog;
use crate::store::{Columns, StoreError};

/// The columns that [`read`] reads, in its order.
pub(super) const COLUMNS: &str = "id, integration_id, parent_id, operation, direction, status, external_id, summary, \
                                  metadata, result_data, error, duration_ms, attempt, max_attempts, created_at, \
                                  updated_at";

pub(super) fn read(row: &QueryResult) -> Result<IntegrationLog, StoreError> {
    let mut columns = Columns::of(row);
    Ok(IntegrationLog {
        id: columns.next()?,
        integration_id: columns.next()?,
        parent_id: columns.next()?,
        operation: columns.next()?,
        direction: columns.word()?,
        status: columns.next()?,
        external_id: columns.next()?,
        summary: columns.next()?,
        metadata: columns.json_or_none()?,
        result_data: columns.json_or_none()?,
        error: columns.next()?,
        duration_ms: columns.number_or_none()?,
        attempt: columns.number_or_none()?,
        max_attempts: columns.number_or_none()?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
    })
}
