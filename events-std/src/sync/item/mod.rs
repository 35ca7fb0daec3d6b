//! The work at items: an item's row is its own job, claimed, run and ended as the queue's jobs are.

mod chores;
mod claim;
mod end;
mod later;
mod packed;
mod run;
mod source;
mod timeout;
mod turn;

pub(crate) use claim::{ClaimTerms, claim, claimable_runs, runs_alone};
pub(crate) use end::{EndedItem, ItemEnd, write};
pub(super) use end::{make_due, tell_failed, text as kept_error};
pub(super) use later::{supersede_failed, superseding};
pub(crate) use run::{Work, run};
