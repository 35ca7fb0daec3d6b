//! The floor: a loop over function pointers, without order, failures or anything else.

use std::hint::black_box;

use crate::case::Run;
use crate::tally::Tally;

struct Event(Tally);

fn count(event: &Event) {
    event.0.add();
}

pub(crate) fn prepare(listeners: usize, tally: Tally) -> Run {
    let calls: Vec<fn(&Event)> = vec![count; listeners];
    let event = Event(tally);
    Box::new(move |times| {
        for _ in 0..times {
            let event = black_box(&event);
            for call in black_box(&*calls) {
                call(event);
            }
        }
    })
}
