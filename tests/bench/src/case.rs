//! The kinds of dispatch that are measured.

use crate::tally::Tally;
use crate::{bare, ours};

/// The numbers of listeners that each case is measured with.
pub const LISTENERS: [usize; 4] = [0, 1, 10, 100];

/// Runs a prepared dispatch this many times.
pub type Run = Box<dyn FnMut(u64)>;

/// One kind of dispatch.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What the programs and the report call it.
    pub name: &'static str,
    /// Builds its dispatcher for one of [`LISTENERS`]. Each listener then adds 1 to the tally.
    pub prepare: fn(usize, Tally) -> Run,
}

/// Every case, in the order of the report.
#[must_use]
pub fn all() -> Vec<Case> {
    let case = |name, prepare| Case { name, prepare };
    #[cfg_attr(not(feature = "peers"), expect(unused_mut))]
    let mut cases = vec![
        case("bare", bare::prepare),
        case("sync", ours::unit::prepare),
        case("sync-result", ours::result::prepare),
        case("sync-state", ours::state::prepare),
        case("async", ours::ready::prepare),
        case("async-mixed", ours::mixed::prepare),
        case("async-of-sync", ours::unit::prepare_async),
    ];
    #[cfg(feature = "peers")]
    cases.extend([
        case("mod-events", crate::peers::mod_events::prepare),
        case(
            "mod-events-result",
            crate::peers::mod_events::prepare_result,
        ),
        case("evenio", crate::peers::evenio::prepare),
        case("bevy_ecs", crate::peers::bevy::prepare),
    ]);
    cases
}

/// A dispatch that writes shared memory, by which a check for such writes shows that it can see one.
#[must_use]
pub fn shared_write() -> Case {
    Case {
        name: "shared-write",
        prepare: ours::unit::prepare_cloned,
    }
}

/// The case of this name.
#[must_use]
pub fn find(name: &str) -> Option<Case> {
    all()
        .into_iter()
        .chain([shared_write()])
        .find(|case| case.name == name)
}
