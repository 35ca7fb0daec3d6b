//! `bevy_ecs`: observers of an event without a target.

use std::hint::black_box;

use bevy_ecs::prelude::*;

use crate::case::Run;
use crate::tally::Tally;

#[derive(Event)]
struct Happened(Tally);

fn count(event: On<Happened>) {
    event.0.add();
}

pub(crate) fn prepare(listeners: usize, tally: Tally) -> Run {
    let mut world = World::new();
    for _ in 0..listeners {
        world.add_observer(count);
    }
    Box::new(move |times| {
        let world = black_box(&mut world);
        for _ in 0..times {
            world.trigger(Happened(black_box(tally)));
        }
    })
}
