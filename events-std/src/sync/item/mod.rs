//! The work at items: an item's row is its own job, claimed, run and ended as the queue's jobs are.

mod claim;
mod end;
mod run;

pub(crate) use claim::{ClaimTerms, alone_waits, claim, claimable_runs};
pub(crate) use end::{EndedItem, ItemEnd, write};
pub(super) use end::{make_due, tell_failed};
pub(super) use run::superseding;
pub(crate) use run::{Work, run};
