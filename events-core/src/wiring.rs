//! All listeners of one dispatcher, found by what they hear.

use std::any::TypeId;
use std::collections::HashMap;

use crate::durable::{ModelRecord, Upcasters};
use crate::event::EventMeta;
use crate::listener::Hears;
use crate::table::{Rank, Wired, rank_for};

/// All listeners of one dispatcher but those added while the program runs, the events and the model loaders that
/// it knows.
#[derive(Default)]
pub(crate) struct Wiring {
    wired: Vec<Wired>,
    by_type: HashMap<TypeId, Vec<usize>>,
    by_category: HashMap<TypeId, Vec<usize>>,
    by_pattern: Vec<usize>,
    events: Vec<&'static EventMeta>,
    models: HashMap<TypeId, &'static ModelRecord>,
    loaders: Vec<&'static ModelRecord>,
    upcasters: Upcasters,
}

impl Wiring {
    pub(crate) fn new(
        wired: Vec<Wired>,
        events: Vec<&'static EventMeta>,
        loaders: Vec<&'static ModelRecord>,
        upcasters: Upcasters,
    ) -> Self {
        let mut wiring = Self {
            events,
            upcasters,
            ..Self::default()
        };
        for loader in &loaders {
            wiring.models.entry(loader.type_id()).or_insert(loader);
        }
        wiring.loaders = loaders;
        for (index, wired) in wired.iter().enumerate() {
            match &wired.record.hears {
                Hears::Types(types) => {
                    for meta in types.iter() {
                        let heard = wiring.by_type.entry(meta().type_id).or_default();
                        if heard.last() != Some(&index) {
                            heard.push(index);
                        }
                    }
                }
                Hears::Category(category) => wiring
                    .by_category
                    .entry(category().type_id)
                    .or_default()
                    .push(index),
                Hears::Pattern(_) => wiring.by_pattern.push(index),
            }
        }
        wiring.wired = wired;
        wiring
    }

    /// Every listener.
    pub(crate) fn all(&self) -> &[Wired] {
        &self.wired
    }

    /// Every event it knows, in the order of their paths.
    pub(crate) fn events(&self) -> &[&'static EventMeta] {
        &self.events
    }

    /// The durable event with this stored name.
    pub(crate) fn event_named(&self, name: &str) -> Option<&'static EventMeta> {
        self.events
            .iter()
            .find(|meta| meta.name == Some(name))
            .copied()
    }

    /// Every loader of a model.
    pub(crate) fn loaders(&self) -> &[&'static ModelRecord] {
        &self.loaders
    }

    /// Every upcaster.
    pub(crate) fn upcasters(&self) -> &Upcasters {
        &self.upcasters
    }

    /// The loader of a model's type.
    pub(crate) fn model(&self, id: TypeId) -> Option<&'static ModelRecord> {
        self.models.get(&id).copied()
    }

    /// The listeners that hear the event, in no order.
    pub(crate) fn hearing(&self, meta: &'static EventMeta) -> impl Iterator<Item = (&Wired, Rank)> {
        let exact = self.by_type.get(&meta.type_id).into_iter().flatten();
        let category = meta.categories.iter().flat_map(|membership| {
            let id = (membership.category)().type_id;
            self.by_category.get(&id).into_iter().flatten()
        });
        let pattern = self
            .by_pattern
            .iter()
            .filter(|index| rank_for(&self.wired[**index].record, meta).is_some());
        let ranked = |rank: Rank| move |index: &usize| (&self.wired[*index], rank);
        exact
            .map(ranked(Rank::Exact))
            .chain(category.map(ranked(Rank::Category)))
            .chain(pattern.map(ranked(Rank::Pattern)))
    }
}
