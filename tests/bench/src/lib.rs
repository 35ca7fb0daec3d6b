//! Benchmarks of the kernel.
//!
//! A [`Case`] is one kind of dispatch; [`prepare`](Case::prepare) builds its dispatcher and gives the loop that is
//! measured. The programs of this package run cases: `measure` for callgrind and the clock, `allocations` under a
//! counting allocator, `stores` for a trace of every store, and `report` runs those and prints the table.

#[macro_use]
mod repeat;
mod bare;
pub mod bounds;
mod case;
pub mod freeze;
mod ours;
#[cfg(feature = "peers")]
mod peers;
mod tally;

pub use case::{Case, LISTENERS, Run, all, find, shared_write};
pub use tally::Tally;
