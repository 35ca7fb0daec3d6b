//! Claims that end together, as a statement names them: the rows of these ids that still have this fence and run. Jobs
//! and whatever else a worker claims have these columns, and share this.
//!
//! Claims of one fence go in one statement, of which there are few: a fence counts a row's claims. A list of pairs would
//! be a join, for which Postgres, once it plans for any list, compares each pair with each row.

use std::collections::BTreeMap;

use sea_orm::{DbBackend, Value};

use super::claim::Hold;

/// Claims that have one fence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Held {
    fence: i64,
    ids: Vec<i64>,
}

impl Held {
    /// These claims by their fences.
    pub(crate) fn of(holds: impl IntoIterator<Item = Hold>) -> Vec<Self> {
        let mut fences: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        for Hold { id, fence } in holds {
            fences.entry(fence).or_default().push(id);
        }
        let held = fences.into_iter();
        held.map(|(fence, ids)| Self { fence, ids }).collect()
    }

    /// What is true of the rows of the claims that are still held. The parameter of this number has the ids, the next one
    /// the fence: see [`values`](Self::values).
    pub(crate) fn rows(backend: DbBackend, parameter: u8) -> String {
        let fence = parameter + 1;
        let ids = if backend == DbBackend::Postgres {
            format!("id = ANY(${parameter}::text::bigint[])")
        } else {
            format!("id IN (SELECT value FROM json_each(${parameter}))")
        };
        format!("{ids} AND fence = ${fence} AND state = 1")
    }

    /// The ids, as each database takes a list apart, and the fence.
    pub(crate) fn values(&self, backend: DbBackend) -> [Value; 2] {
        let ids: Vec<String> = self.ids.iter().map(i64::to_string).collect();
        let ids = ids.join(",");
        let list = if backend == DbBackend::Postgres {
            format!("{{{ids}}}")
        } else {
            format!("[{ids}]")
        };
        [list.into(), self.fence.into()]
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::DbBackend;

    use super::{Held, Hold};

    #[test]
    fn claims_of_one_fence_go_together() {
        let of = |id, fence| Hold { id, fence };
        let held = Held::of([of(7, 1), of(8, 2), of(9, 1), of(7, 2)]);
        let lists = held.iter().map(|held| held.values(DbBackend::Postgres));
        let expected = [
            ["{7,9}".into(), 1_i64.into()],
            ["{8,7}".into(), 2_i64.into()],
        ];
        assert_eq!(lists.collect::<Vec<_>>(), expected);
        assert_eq!(
            held[0].values(DbBackend::Sqlite),
            ["[7,9]".into(), 1_i64.into()]
        );
    }
}
