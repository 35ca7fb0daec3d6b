//! Several queues that one worker serves.

use std::sync::Mutex;

use events_core::{Event, Events, State, listener};
use events_std::Worker;

use crate::kit::{Base, on_every_database};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "worker.either")]
struct Either {
    number: u32,
}

type Order = Mutex<Vec<(&'static str, u32)>>;

#[listener(Either, queue = "first")]
async fn hears_first(event: &Either, order: &State<Order>) {
    order.lock().unwrap().push(("first", event.number));
}

#[listener(Either, queue = "second")]
async fn hears_second(event: &Either, order: &State<Order>) {
    order.lock().unwrap().push(("second", event.number));
}

#[test]
fn jobs_of_the_queue_that_is_named_first_come_first() {
    on_every_database(async |base: Base| {
        let store = base.store().await;
        let events = Events::builder()
            .only_linked_in(module_path!())
            .state(Order::default())
            .queue(store.queue())
            .build()
            .unwrap();
        for number in 0..3 {
            events.dispatch(&Either { number }).await.unwrap();
        }
        Worker::new(&events, &store)
            .queues(["second", "first"])
            .concurrency(1)
            .drain()
            .await
            .unwrap();
        let of = |queue| (0..3).map(move |number| (queue, number));
        let expected: Vec<_> = of("second").chain(of("first")).collect();
        let order = events.state::<Order>().unwrap();
        assert_eq!(*order.lock().unwrap(), expected);
    });
}
