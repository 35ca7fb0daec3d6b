//! One turn: the ends of claims and the next claims, in one transaction.

use std::time::{Duration, Instant};

use sea_orm::DbBackend;

use super::claim::{self, ClaimTerms, ClaimableRun, ClaimedItem};
use super::end::{AllWell, EndedItem, write};
use crate::integration::Integrations;
use crate::store::{StoreError, Tx};
use crate::sync::SyncRunError;

/// For so long after failed items were seen, ends are written where they may supersede them.
const SUPERSEDING: Duration = Duration::from_secs(1);

/// What a turn does.
pub(super) struct Todo<'t> {
    pub(super) terms: ClaimTerms<'t>,
    /// Which runs it claims from.
    pub(super) runs: &'t [ClaimableRun],
    /// So many more items may run.
    pub(super) free: usize,
    pub(super) ended: &'t [EndedItem],
}

/// What a turn has done.
pub(super) struct Turned {
    pub(super) claimed: Vec<ClaimedItem>,
    /// Whether a run may have no item any more that has not ended.
    pub(super) complete: bool,
}

/// Ends claims and takes new ones. `superseding` is kept from turn to turn.
pub(super) async fn turn(
    integrations: &Integrations,
    todo: &Todo<'_>,
    superseding: &mut Option<Instant>,
) -> Result<Turned, StoreError> {
    match at_once(integrations, todo, superseding).await? {
        Some(turned) => Ok(turned),
        None => in_transaction(integrations, todo).await,
    }
}

async fn in_transaction(
    integrations: &Integrations,
    todo: &Todo<'_>,
) -> Result<Turned, StoreError> {
    let transaction = integrations.transaction(async |tx| {
        let claimed = claim_of(tx, &todo.terms, todo.runs, todo.free).await?;
        // Last in the transaction: from here on others who end items of the same run wait for it.
        let written = write(&integrations.within(tx), todo.ended).await?;
        Ok::<_, SyncRunError>(Turned {
            claimed,
            complete: written.complete,
        })
    });
    transaction.await.map_err(SyncRunError::into_store)
}

/// The turn by one statement, where Postgres can: then there is neither a begin nor a commit to wait for. None: it takes
/// several.
async fn at_once(
    integrations: &Integrations,
    todo: &Todo<'_>,
    superseding: &mut Option<Instant>,
) -> Result<Option<Turned>, StoreError> {
    let (store, free) = (integrations.store(), todo.free);
    let [run] = *todo.runs else { return Ok(None) };
    if store.backend() != DbBackend::Postgres {
        return Ok(None);
    }
    if todo.ended.is_empty() {
        let claimed = claim::claim(store.writer(), &todo.terms, run, false, free).await?;
        return Ok(Some(Turned {
            claimed,
            complete: false,
        }));
    }
    if superseding.is_some_and(|until| Instant::now() < until) {
        return Ok(None);
    }
    let Some(well) = AllWell::of(todo.ended) else {
        return Ok(None);
    };
    let done = claim::finish_and_claim(store.writer(), &todo.terms, &well, run, free).await?;
    let complete = if let Some(complete) = done.complete {
        complete
    } else {
        *superseding = Some(Instant::now() + SUPERSEDING);
        let transaction =
            integrations.transaction(async |tx| write(&integrations.within(tx), todo.ended).await);
        let written = transaction.await.map_err(SyncRunError::into_store)?;
        written.complete
    };
    Ok(Some(Turned {
        claimed: done.claimed,
        complete,
    }))
}

/// Takes at most `limit` items of these runs: of each its share, and what is left over of those that have more.
async fn claim_of(
    tx: &Tx,
    terms: &ClaimTerms<'_>,
    runs: &[ClaimableRun],
    limit: usize,
) -> Result<Vec<ClaimedItem>, StoreError> {
    let mut claimed = Vec::new();
    let share = limit.div_ceil(runs.len().max(1));
    let mut more = Vec::new();
    for run in runs {
        let wanted = share.min(limit - claimed.len());
        if wanted == 0 {
            return Ok(claimed);
        }
        let found = claim::claim(tx, terms, *run, false, wanted).await?;
        if found.len() == wanted {
            more.push(*run);
        }
        claimed.extend(found);
    }
    for run in more {
        let wanted = limit - claimed.len();
        if wanted > 0 {
            claimed.extend(claim::claim(tx, terms, run, false, wanted).await?);
        }
    }
    Ok(claimed)
}
