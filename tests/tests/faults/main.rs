//! What survives when processes die, stop or hang, and when the database does. The processes are this program again.
//!
//! The sizes are small here. `EVENTS_FAULTS=ci` asks for those of continuous integration, `EVENTS_FAULTS=long` for
//! those of a longer run; `EVENTS_FAULTS_SEED` repeats the random choices of a run.

mod alive;
mod database;
mod hang;
mod hook;
mod kill;
#[path = "../worker/kit.rs"]
mod kit;
mod lapse;
mod order;
mod pair;
mod poison;
mod postgres;
mod process;
mod proxy;
mod share;
mod silent;
mod stop;
mod strace;
mod syncs;
mod unanswered;
