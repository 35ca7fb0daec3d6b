//! The tables of runs and items.

use sea_orm::QueryResult;

use super::{IntegrationSyncItem, ItemStatus, RunLease, RunState, SyncRun};
use crate::store::{Columns, StoreError};

/// The columns that [`read_run`] reads, in its order.
pub(super) const RUN: &str = "id, integration_id, log_id, state, lease_holder, lease_until, lease_fence, starting_cursor, \
                              reconcile_due, enumerated, duplicates, finished, opened_at, closed_at, created_at, updated_at";

pub(super) fn read_run(row: &QueryResult) -> Result<SyncRun, StoreError> {
    let mut columns = Columns::of(row);
    Ok(SyncRun {
        id: columns.next()?,
        integration_id: columns.next()?,
        log_id: columns.next()?,
        state: {
            let state = columns.next()?;
            RunState::of(state).ok_or_else(|| unknown("run", state))?
        },
        lease: {
            let (holder, until, fence) =
                (columns.next()?, columns.time_or_none()?, columns.next()?);
            match (holder, until) {
                (Some(holder), Some(until)) => Some(RunLease {
                    holder,
                    until,
                    fence,
                }),
                _ => None,
            }
        },
        starting_cursor: columns.json_or_none()?,
        reconcile_due: columns.next()?,
        enumerated: columns.number()?,
        duplicates: columns.number()?,
        finished: columns.number()?,
        opened_at: columns.time_or_none()?,
        closed_at: columns.time_or_none()?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
    })
}

/// The columns that [`read_item`] reads, in its order.
pub(super) const ITEM: &str = "id, integration_id, run_id, event_name, version, payload, external_id, checkpoint_value, \
                               state, error, attempts, completed_at, superseded_by, created_at, changed_at";

/// Items that something else has damaged are read too, since they are told of and shown: what cannot be read of them is
/// empty, or zero.
pub(super) fn read_item(row: &QueryResult) -> Result<IntegrationSyncItem, StoreError> {
    let mut columns = Columns::of(row);
    Ok(IntegrationSyncItem {
        id: columns.next()?,
        integration_id: columns.next()?,
        run_id: columns.next()?,
        event_name: columns.next().unwrap_or_default(),
        version: columns.next::<i32>().unwrap_or_default().unsigned_abs(),
        payload: columns.next().unwrap_or_default(),
        external_id: columns.next().unwrap_or_default(),
        checkpoint_value: columns.json_or_none().unwrap_or_default(),
        status: {
            let state = columns.next()?;
            ItemStatus::of(state).ok_or_else(|| unknown("item", state))?
        },
        error: columns.next().unwrap_or_default(),
        attempts: columns.next::<i32>().unwrap_or_default().unsigned_abs(),
        completed_at: columns.time_or_none().unwrap_or_default(),
        superseded_by: columns.next().unwrap_or_default(),
        created_at: columns.time().unwrap_or_default(),
        updated_at: columns.time().unwrap_or_default(),
    })
}

fn unknown(what: &str, state: i16) -> StoreError {
    sea_orm::DbErr::Type(format!(
        "a sync {what} has the state {state}, which is none"
    ))
    .into()
}
