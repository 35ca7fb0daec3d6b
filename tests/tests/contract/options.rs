//! What engines promise that offer more.

use events_core::Capability;

use crate::engine::{Bench, Engine};

mod timeout {
    use events_core::{Event, JobFailure, State, listener};

    use crate::engine::Log;

    #[derive(Clone, Debug, Event)]
    #[event(durable, name = "contract.slow")]
    pub(super) struct Slow;

    #[listener(Slow, queue, tries = 1, timeout = "20ms", failed = too_slow)]
    async fn never_ends(_: &Slow) {
        std::future::pending::<()>().await;
    }

    fn too_slow(_: &Slow, failure: &JobFailure, log: &State<Log>) {
        log.write(failure.reason().to_string());
    }
}

/// An attempt that takes too long is stopped, and is a failure.
pub(crate) async fn times_out<E: Engine>(engine: &E) {
    if !Bench::offers(engine, Capability::Timeout) {
        return;
    }
    let bench = Bench::new(engine, concat!(module_path!(), "::timeout"));
    bench.events.dispatch(&timeout::Slow).await.unwrap();
    bench.run().await;
    assert_eq!(bench.log(), ["timed out"]);
    assert_eq!(engine.parked().await[0].reason, "timed_out");
}

mod once {
    use events_core::{Event, State, listener};

    use crate::engine::Log;

    #[derive(Clone, Debug, Event)]
    #[event(durable, name = "contract.once")]
    pub(super) struct Once(pub(super) u8, pub(super) u8);

    fn key(event: &Once) -> String {
        event.0.to_string()
    }

    #[listener(Once, queue, unique = key, unique_for = "1m", delay = "10s")]
    fn once(event: &Once, log: &State<Log>) {
        log.write(format!("{}.{}", event.0, event.1));
    }
}

/// A job keeps equal ones away until it ends, or its time is over.
pub(crate) async fn unique<E: Engine>(engine: &E) {
    use once::Once;
    if !Bench::offers(engine, Capability::Unique) {
        return;
    }
    let bench = Bench::new(engine, concat!(module_path!(), "::once"));
    for event in [Once(1, 1), Once(1, 2), Once(2, 1)] {
        bench.events.dispatch(&event).await.unwrap();
    }
    assert_eq!(engine.open_jobs().await, 2);
    bench.run_after(10).await;
    assert_eq!(bench.log_sorted(), ["1.1", "2.1"]);
    bench.events.dispatch(&Once(1, 3)).await.unwrap();
    bench.clock.advance(chrono::TimeDelta::seconds(60));
    bench.events.dispatch(&Once(1, 4)).await.unwrap();
    assert_eq!(engine.open_jobs().await, 2);
    bench.run_after(10).await;
    assert_eq!(bench.log_sorted(), ["1.3", "1.4"]);
}

mod until_start {
    use events_core::{Event, Events, State, listener};

    use crate::engine::Log;

    #[derive(Clone, Debug, Event)]
    #[event(durable, name = "contract.until_start")]
    pub(super) struct Refresh(pub(super) u8);

    fn key(_: &Refresh) -> &'static str {
        "the one"
    }

    #[listener(Refresh, queue, unique = key, unique_until_start)]
    async fn refresh(event: &Refresh, events: Events, log: &State<Log>) {
        log.write(format!("refresh {}", event.0));
        if event.0 == 1 {
            events.dispatch(&Refresh(3)).await.unwrap();
        }
    }
}

/// A job keeps equal ones away until it starts: what happens while it runs gets a job of its own.
pub(crate) async fn unique_until_start<E: Engine>(engine: &E) {
    use until_start::Refresh;
    if !Bench::offers(engine, Capability::UniqueUntilStart) {
        return;
    }
    let bench = Bench::new(engine, concat!(module_path!(), "::until_start"));
    for number in [1, 2] {
        bench.events.dispatch(&Refresh(number)).await.unwrap();
    }
    assert_eq!(engine.open_jobs().await, 1);
    bench.run().await;
    assert_eq!(bench.log(), ["refresh 1", "refresh 3"]);
}

mod ordered {
    use events_core::{Attempt, Event, State, listener};

    use crate::engine::Log;

    #[derive(Clone, Debug, Event)]
    #[event(durable, name = "contract.step")]
    pub(super) struct Step {
        pub(super) key: u8,
        pub(super) number: u8,
    }

    fn key(event: &Step) -> u8 {
        event.key
    }

    #[listener(Step, queue, order_by = key, tries = 2, backoff = "1ms")]
    async fn step(event: &Step, attempt: Attempt, log: &State<Log>) -> Result<(), &'static str> {
        let Step { key, number } = event;
        if attempt.number == 1 && number % 4 == 0 {
            return Err("again");
        }
        log.write(format!("{key} begins {number:02}"));
        tokio::task::yield_now().await;
        log.write(format!("{key} ends {number:02}"));
        Ok(())
    }
}

/// Jobs of one key run in the order in which they were dispatched, never two at once, even if one is tried again.
pub(crate) async fn in_order<E: Engine>(engine: &E) {
    use ordered::Step;
    if !Bench::offers(engine, Capability::OrderBy) {
        return;
    }
    let bench = Bench::new(engine, concat!(module_path!(), "::ordered"));
    for number in 0..12 {
        for key in 0..3 {
            bench.events.dispatch(&Step { key, number }).await.unwrap();
        }
    }
    // A job that waits for its next attempt keeps those behind it waiting: the clock has to go on.
    let running = async { tokio::join!(bench.run(), bench.run()) };
    let ticking = async {
        loop {
            bench.clock.advance(chrono::TimeDelta::milliseconds(1));
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        _ = running => {}
        () = ticking => {}
    }
    while engine.open_jobs().await > 0 {
        bench.run_after(1).await;
    }
    let log = bench.log();
    for key in 0..3 {
        let own: Vec<_> = log
            .iter()
            .filter(|line| line.starts_with(&format!("{key} ")))
            .cloned()
            .collect();
        let expected: Vec<_> = (0..12)
            .flat_map(|n| [format!("{key} begins {n:02}"), format!("{key} ends {n:02}")])
            .collect();
        assert_eq!(own, expected);
    }
}

mod long {
    use events_core::{Event, State, listener};

    use crate::engine::Log;

    #[derive(Clone, Debug, Event)]
    #[event(durable, name = "contract.long")]
    pub(super) struct Long {
        pub(super) text: String,
        pub(super) number: u8,
    }

    fn key(event: &Long) -> String {
        event.text.clone()
    }

    #[listener(Long, queue, unique = key, unique_for = "1m", order_by = key)]
    fn long(event: &Long, log: &State<Log>) {
        log.write(format!("{}", event.number));
    }
}

/// Keys may be as long as a payload, also such as no database compresses.
pub(crate) async fn long_keys<E: Engine>(engine: &E) {
    use long::Long;
    if !Bench::offers(engine, Capability::Unique) || !Bench::offers(engine, Capability::OrderBy) {
        return;
    }
    let bench = Bench::new(engine, concat!(module_path!(), "::long"));
    // The last digits of a version 7 UUID are random.
    let random = |_| uuid::Uuid::now_v7().simple().to_string().split_off(16);
    let long: String = (0..800).map(random).collect();
    // They differ in their last letter alone.
    let (one, other) = (format!("{long}1"), format!("{long}2"));
    for (number, text) in (1..).zip([&one, &one, &other]) {
        let text = text.clone();
        bench.events.dispatch(&Long { text, number }).await.unwrap();
    }
    assert_eq!(engine.open_jobs().await, 2);
    bench.run().await;
    assert_eq!(bench.log_sorted(), ["1", "3"]);
    bench.clock.advance(chrono::TimeDelta::seconds(60));
    let (text, number) = (one, 4);
    bench.events.dispatch(&Long { text, number }).await.unwrap();
    bench.run().await;
    assert_eq!(bench.log(), ["4"]);
}

mod scattered {
    use events_core::{Event, State, listener};

    use crate::engine::Log;

    #[derive(Clone, Debug, Event)]
    #[event(durable, name = "contract.scattered")]
    pub(super) struct Scattered(pub(super) u8);

    #[listener(Scattered, queue, tries = 2, backoff = "100s", jitter)]
    async fn fails(_: &Scattered, log: &State<Log>) -> Result<(), &'static str> {
        log.write("ran");
        Err("no")
    }
}

/// What failed together is not tried again together, but within the second half of the wait.
pub(crate) async fn jitter<E: Engine>(engine: &E) {
    use scattered::Scattered;
    if !Bench::offers(engine, Capability::Jitter) {
        return;
    }
    let bench = Bench::new(engine, concat!(module_path!(), "::scattered"));
    for number in 0..30 {
        bench.events.dispatch(&Scattered(number)).await.unwrap();
    }
    bench.run().await;
    assert_eq!(bench.log().len(), 30);
    bench.run_after(49).await;
    assert_eq!(bench.log(), [""; 0]);
    bench.run_after(26).await;
    let early = bench.log().len();
    assert!((1..30).contains(&early), "{early} of 30 in the first half");
    bench.run_after(25).await;
    assert_eq!(bench.log().len(), 30 - early);
}
