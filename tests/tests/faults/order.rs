//! Jobs that must keep their order, while processes die.

use std::collections::HashMap;

use events_core::{Event, State, listener};
use events_tests::{Dice, Effects, Size};

use crate::kill::{dispatch_all, number};
use crate::kit::{Base, on_every_database, states, until};
use crate::process::{Process, events};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.step")]
struct Step {
    key: usize,
    number: usize,
}

fn key(step: &Step) -> usize {
    step.key
}

#[listener(Step, queue, order_by = key)]
async fn step(event: &Step, effects: &State<Effects>) {
    let Step { key, number } = event;
    effects.write(&format!("{key} {number} starts"));
    tokio::task::yield_now().await;
    effects.write(&format!("{key} {number} ends"));
}

#[test]
fn the_jobs_of_a_key_run_in_order_and_never_two_at_once() {
    let (keys, steps, workers, kills) = match Size::of_run() {
        Size::Small => (100, 4, 4, 3),
        Size::Ci => (1_000, 5, 8, 10),
        Size::Long => (1_000, 10, 8, 50),
    };
    on_every_database(async |base: Base| {
        let mut dice = Dice::new();
        let store = base.store().await;
        let events = events(module_path!(), &store, &base);
        let all = (0..steps).flat_map(|number| (0..keys).map(move |key| Step { key, number }));
        dispatch_all(&store, &events, all).await;
        let start = || Process::start(&base, module_path!(), 8);
        let mut processes: Vec<_> = (0..workers).map(|_| start()).collect();
        let mut points: Vec<_> = (0..kills).map(|_| dice.below(keys * steps)).collect();
        points.sort_unstable();
        for point in points {
            until("the next point is reached", async || {
                states(&store).await[2] >= number(point)
            })
            .await;
            processes.swap_remove(dice.below(workers)).kill();
            processes.push(start());
        }
        until("all is done", async || {
            states(&store).await == [0, 0, number(keys * steps), 0]
        })
        .await;
        drop(processes);
        assert_eq!(inversions(&Effects::of(&base.folder).lines()), [""; 0]);
    });
}

/// Where a step starts before the one before it has ended, or after a later one has started.
fn inversions(lines: &[String]) -> Vec<String> {
    let mut reached: HashMap<&str, (usize, bool)> = HashMap::new();
    let mut found = Vec::new();
    for line in lines {
        let mut words = line.split(' ');
        let (key, number) = (words.next().unwrap(), words.next().unwrap());
        let number: usize = number.parse().unwrap();
        let ends = words.next() == Some("ends");
        match reached.insert(key, (number, ends)) {
            None if number == 0 && !ends => {}
            // A process died: the step starts once more.
            Some((before, _)) if before == number => {}
            Some((before, true)) if before + 1 == number && !ends => {}
            before => found.push(format!("{line} after {before:?}")),
        }
    }
    found
}
