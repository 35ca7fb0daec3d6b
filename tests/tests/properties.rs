//! What holds whatever the input: order, patterns, attempts.

use std::cmp::Reverse;
use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use events_core::{AnyEvent, Event, Events, ManualClock, MemoryQueue, listener};
use pollster::block_on;
use proptest::prelude::*;

#[derive(Clone, Debug, Event)]
#[event(name = "aab.ab.b")]
struct Named;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "properties.work")]
struct Work {
    fail: u32,
}

#[listener(Work, queue, tries = 5, backoff = ["1s", "3s", "9s"], handle = WORKS)]
fn works(event: &Work, attempt: events_core::Attempt) -> Result<(), String> {
    if attempt.number <= event.fail {
        return Err(format!("attempt {}", attempt.number));
    }
    Ok(())
}

/// What a pattern means, said as plainly as possible.
fn means(pattern: &[u8], name: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, rest) => rest.is_none(),
        (Some((b'*', rest)), None) => means(rest, name),
        (Some((b'*', rest)), Some((_, shorter))) => means(rest, name) || means(pattern, shorter),
        (Some(_), None) => false,
        (Some((wanted, rest)), Some((found, shorter))) => wanted == found && means(rest, shorter),
    }
}

proptest! {
    #[test]
    fn a_pattern_matches_what_it_means(pattern in "[ab.*]{0,10}") {
        let heard = Arc::new(Mutex::new(false));
        let hears = heard.clone();
        let events = Events::builder()
            .without_linked()
            .listen_pattern("by pattern", &pattern, move |_: &dyn AnyEvent| {
                *hears.lock().unwrap() = true;
            })
            .build()
            .unwrap();
        events.dispatch_sync(&Named).unwrap();
        prop_assert_eq!(*heard.lock().unwrap(), means(pattern.as_bytes(), b"aab.ab.b"));
    }

    #[test]
    fn listeners_run_by_rank_then_name_however_they_came(
        names in proptest::collection::hash_set("[a-d]{1,4}", 0..20),
        kinds in proptest::collection::vec(any::<bool>(), 20),
    ) {
        let ran = Arc::new(Mutex::new(Vec::new()));
        let mut builder = Events::builder().without_linked();
        let mut expected = Vec::new();
        for (name, exact) in names.iter().zip(kinds) {
            let (log, own) = (ran.clone(), name.clone());
            expected.push((Reverse(exact), name.clone()));
            builder = if exact {
                builder.listen(name, move |_: &Named| log.lock().unwrap().push(own.clone()))
            } else {
                builder.listen_pattern(name, "*", move |_: &dyn AnyEvent| {
                    log.lock().unwrap().push(own.clone());
                })
            };
        }
        expected.sort();
        let events = builder.build().unwrap();
        events.dispatch_sync(&Named).unwrap();
        let expected: Vec<String> = expected.into_iter().map(|(_, name)| name).collect();
        prop_assert_eq!(&*ran.lock().unwrap(), &expected);
    }

    #[test]
    fn a_job_runs_at_its_times_until_it_succeeds_or_its_tries_are_spent(fail in 0_u32..8) {
        let (queue, clock) = (MemoryQueue::new(), Arc::new(ManualClock::default()));
        let events = Events::builder()
            .without_linked()
            .register(WORKS)
            .queue(queue.clone())
            .clock(clock.clone())
            .build()
            .unwrap();
        block_on(events.dispatch(&Work { fail })).unwrap();
        let mut waits = Vec::new();
        loop {
            block_on(queue.drain(&events));
            let Some(due) = queue.next_due() else { break };
            let wait = due - events.now();
            waits.push(wait.num_seconds());
            clock.advance(wait - TimeDelta::milliseconds(1));
            prop_assert_eq!(block_on(queue.drain(&events)).waiting, 1);
            clock.advance(TimeDelta::milliseconds(1));
        }
        let retries = usize::try_from(fail.min(4)).unwrap();
        prop_assert_eq!(&waits[..], &[1, 3, 9, 9][..retries]);
        prop_assert_eq!(queue.parked().len(), usize::from(fail >= 5));
    }
}
