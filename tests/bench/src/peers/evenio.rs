//! `evenio`: global events.

use std::hint::black_box;

use evenio::prelude::*;

use crate::case::Run;
use crate::tally::Tally;

#[derive(GlobalEvent)]
struct Event(Tally);

#[expect(clippy::needless_pass_by_value)]
fn count(event: Receiver<Event>) {
    event.event.0.add();
}

pub(crate) fn prepare(listeners: usize, tally: Tally) -> Run {
    let mut world = World::new();
    for _ in 0..listeners {
        // Without it, the second handler of this function would be the first again.
        world.add_handler(count.no_type_id());
    }
    Box::new(move |times| {
        let world = black_box(&mut world);
        for _ in 0..times {
            world.send(Event(black_box(tally)));
        }
    })
}
