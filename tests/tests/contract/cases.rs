//! What every engine promises.

use std::sync::atomic::{AtomicU32, Ordering};

use events_core::{
    Attempt, Delivery, Event, Job, JobFailure, Model, Permanent, PushError, Queue, State, listener,
    model,
};
use uuid::Uuid;

use crate::engine::{Bench, Engine, Log, Unknown};

#[derive(Clone, Debug, Event)]
#[event(durable, name = "contract.work")]
struct Work {
    fail: u32,
}

#[listener(Work, queue, tries = 4, backoff = ["10s", "1m"])]
async fn works(event: &Work, attempt: Attempt, log: &State<Log>) -> Result<(), String> {
    log.write(format!(
        "attempt {} of {}",
        attempt.number,
        attempt.max.unwrap_or_default()
    ));
    if attempt.number > event.fail {
        return Ok(());
    }
    Err(format!("failure {}", attempt.number))
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "contract.heard")]
struct Heard(u8);

#[listener(Heard, queue = "one")]
async fn first(event: &Heard, log: &State<Log>) {
    log.write(format!("first {}", event.0));
}

#[listener(Heard, queue = "two")]
fn second(event: &Heard, delivery: Delivery, log: &State<Log>) {
    assert_eq!(delivery.correlation_id, delivery.id);
    log.write(format!("second {}", event.0));
}

fn bench<E: Engine>(engine: &E) -> Bench<'_, E> {
    Bench::new(engine, module_path!())
}

/// A job as a dispatch would push it.
pub(crate) fn job<E: Engine>(
    bench: &Bench<'_, E>,
    event: &str,
    listener: &str,
    payload: &str,
) -> Job {
    let id = Uuid::now_v7();
    Job {
        id,
        queue: "one".to_owned(),
        event: event.to_owned(),
        version: 1,
        payload: payload.into(),
        listener: format!("{}::{listener}", module_path!()),
        delivery: Delivery {
            id,
            at: bench.now(),
            correlation_id: id,
            causation_id: None,
        },
        run_at: bench.now(),
        expires_at: None,
        unique_key: None,
        unique_until: None,
        order_key: None,
        formerly: &[],
        trace: None,
        attempts: 0,
    }
}

/// A push keeps every job or none.
pub(crate) async fn all_or_none<E: Engine>(engine: &E) {
    let bench = bench(engine);
    let job = job(&bench, "contract.heard", "first", "9");
    let refused = engine.queue().push(E::refused(job)).await;
    assert!(
        matches!(refused, Err(PushError::Full { .. } | PushError::Failed(_))),
        "{refused:?}"
    );
    assert_eq!(engine.open_jobs().await, 0);
    for number in 1..=2 {
        let pushed = bench.events.dispatch(&Heard(number)).await.unwrap();
        assert_eq!(pushed.jobs(), 2);
    }
    assert_eq!(engine.open_jobs().await, 4);
    bench.run().await;
    assert_eq!(
        bench.log_sorted(),
        ["first 1", "first 2", "second 1", "second 2"]
    );
    assert_eq!(engine.open_jobs().await, 0);
}

/// An attempt that failed is followed by the next after its wait, by the dispatcher's clock; the last wait repeats.
pub(crate) async fn attempts_and_backoff<E: Engine>(engine: &E) {
    let bench = bench(engine);
    bench.events.dispatch(&Work { fail: 3 }).await.unwrap();
    bench.run().await;
    assert_eq!(bench.log(), ["attempt 1 of 4"]);
    for (seconds, line) in [(10, 2), (60, 3), (60, 4)] {
        bench.run_after(seconds - 1).await;
        assert_eq!(bench.log(), [""; 0]);
        bench.run_after(1).await;
        assert_eq!(bench.log(), [format!("attempt {line} of 4")]);
    }
    assert_eq!(engine.open_jobs().await, 0);
    assert!(engine.parked().await.is_empty());
}

/// After the last attempt the job is kept with its reason, and can have all its attempts again.
pub(crate) async fn parked_and_retried<E: Engine>(engine: &E) {
    let bench = bench(engine);
    bench.events.dispatch(&Work { fail: 4 }).await.unwrap();
    for _ in 0..5 {
        bench.run_after(60).await;
    }
    assert_eq!(bench.log().len(), 4);
    let parked = engine.parked().await;
    let [parked] = &parked[..] else {
        panic!("{parked:?}");
    };
    assert_eq!(
        (&*parked.reason, &*parked.message),
        ("exhausted", "failure 4")
    );
    assert_eq!(engine.open_jobs().await, 0);
    engine.retry(&bench.events, parked.id).await;
    bench.run().await;
    assert_eq!(bench.log(), ["attempt 1 of 4"]);
    assert!(engine.parked().await.is_empty());
    assert_eq!(engine.open_jobs().await, 1);
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "contract.hopeless")]
struct Hopeless;

#[listener(Hopeless, queue, tries = 1, failed = gave_up)]
fn panics(_: &Hopeless) {
    panic!("no hope");
}

fn gave_up(_: &Hopeless, failure: &JobFailure, log: &State<Log>) {
    log.write(format!("gave up: {failure}"));
}

/// The hook runs once the job has failed for good; a panic is a failure.
pub(crate) async fn failed_hook<E: Engine>(engine: &E) {
    let bench = bench(engine);
    bench.events.dispatch(&Hopeless).await.unwrap();
    bench.run().await;
    assert_eq!(bench.log(), ["gave up: exhausted: panicked: no hope"]);
    assert_eq!(engine.parked().await.len(), 1);
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "contract.permanent")]
struct Stolen;

#[listener(Stolen, queue, tries = 5, failed = gave_card_up)]
fn charges(_: &Stolen, log: &State<Log>) -> Result<(), Permanent> {
    log.write("charges");
    Err(Permanent::new("the card is stolen"))
}

fn gave_card_up(_: &Stolen, failure: &JobFailure, log: &State<Log>) {
    log.write(format!("gave up: {failure}"));
}

/// Where the listener says that no further attempt would help there is none, and the hook runs.
pub(crate) async fn permanent<E: Engine>(engine: &E) {
    let bench = bench(engine);
    bench.events.dispatch(&Stolen).await.unwrap();
    bench.run().await;
    let gave_up = "gave up: permanent: the card is stolen";
    assert_eq!(bench.log(), ["charges", gave_up]);
    let [parked] = &engine.parked().await[..] else {
        panic!("it is parked");
    };
    assert_eq!(parked.reason, "permanent");
    engine.retry(&bench.events, parked.id).await;
    bench.run().await;
    assert_eq!(bench.log(), ["charges", gave_up]);
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "contract.later")]
struct Later;

#[listener(Later, queue, delay = "5m")]
fn delayed(_: &Later, log: &State<Log>) {
    log.write("delayed");
}

/// The first attempt waits.
pub(crate) async fn delay<E: Engine>(engine: &E) {
    let bench = bench(engine);
    bench.events.dispatch(&Later).await.unwrap();
    bench.run_after(299).await;
    assert_eq!(bench.log(), [""; 0]);
    bench.run_after(1).await;
    assert_eq!(bench.log(), ["delayed"]);
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "contract.limited")]
struct Limited;

#[listener(Limited, queue, retry_for = "25s", backoff = "10s")]
fn limited(_: &Limited, attempt: Attempt, log: &State<Log>) -> Result<(), String> {
    log.write(format!("{} {}", attempt.number, attempt.likely_final));
    Err("no".to_owned())
}

/// Attempts start for a time, not up to a number.
pub(crate) async fn retry_for<E: Engine>(engine: &E) {
    let bench = bench(engine);
    bench.events.dispatch(&Limited).await.unwrap();
    for _ in 0..5 {
        bench.run().await;
        bench.run_after(10).await;
    }
    assert_eq!(bench.log(), ["1 false", "2 false", "3 true"]);
    assert_eq!(engine.parked().await[0].reason, "expired");
}

#[derive(Clone, Debug)]
struct Gone(u8);

impl Model for Gone {
    const NAME: &'static str = "contract_gone";
    type Key = u8;

    fn key(&self) -> u8 {
        self.0
    }
}

#[model]
async fn load(key: u8) -> Result<Option<Gone>, String> {
    Ok((key < 10).then_some(Gone(key)))
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "contract.about")]
struct About {
    #[event(model)]
    gone: Gone,
}

#[listener(About, queue, on_missing = "discard")]
fn discards(event: &About, log: &State<Log>) {
    log.write(format!("discards {}", event.gone.0));
}

#[listener(About, queue)]
fn keeps(event: &About, log: &State<Log>) {
    log.write(format!("keeps {}", event.gone.0));
}

/// A model that is gone fails the job, or discards it where the listener says so.
pub(crate) async fn missing_model<E: Engine>(engine: &E) {
    let bench = bench(engine);
    for key in [1, 11] {
        let about = About { gone: Gone(key) };
        bench.events.dispatch(&about).await.unwrap();
    }
    bench.run().await;
    assert_eq!(bench.log_sorted(), ["discards 1", "keeps 1"]);
    let parked = engine.parked().await;
    assert_eq!(parked.len(), 1, "{parked:?}");
    assert_eq!(parked[0].reason, "missing_model");
    assert!(parked[0].listener.ends_with("::keeps"));
    assert_eq!(engine.open_jobs().await, 0);
}

/// A payload that cannot be read parks its own job alone.
pub(crate) async fn undecodable<E: Engine>(engine: &E) {
    let bench = bench(engine);
    let jobs = ["1", "{", "2", r#""x""#, "3"]
        .map(|payload| job(&bench, "contract.heard", "first", payload));
    engine.queue().push(jobs.into()).await.unwrap();
    bench.run().await;
    assert_eq!(bench.log_sorted(), ["first 1", "first 2", "first 3"]);
    let parked = engine.parked().await;
    assert_eq!(parked.len(), 2, "{parked:?}");
    for parked in parked {
        assert_eq!(parked.reason, "undecodable");
    }
}

/// What this program does not know is never dropped, and holds nobody up.
pub(crate) async fn unknown<E: Engine>(engine: &E) {
    let bench = bench(engine);
    let newer = Job {
        version: 2,
        ..job(&bench, "contract.heard", "first", "7")
    };
    let jobs = vec![
        job(&bench, "contract.nothing", "first", "7"),
        job(&bench, "contract.heard", "nobody", "7"),
        newer,
        job(&bench, "contract.heard", "first", "1"),
    ];
    engine.queue().push(jobs).await.unwrap();
    bench.run().await;
    assert_eq!(bench.log(), ["first 1"]);
    let mut reasons: Vec<_> = engine
        .parked()
        .await
        .into_iter()
        .map(|p| p.reason)
        .collect();
    reasons.sort();
    match E::UNKNOWN {
        Unknown::Parked => assert_eq!(
            reasons,
            ["unknown_event", "unknown_listener", "unknown_version"]
        ),
        Unknown::Waits => {
            assert_eq!(reasons, [""; 0]);
            assert_eq!(engine.open_jobs().await, 3);
        }
    }
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "contract.many")]
struct Many(u32);

static RUNS: [AtomicU32; 200] = [const { AtomicU32::new(0) }; 200];
const BITS: u32 = 1 << 16;

#[listener(Many, queue)]
async fn one_at_a_time(event: &Many, log: &State<Log>) {
    // The upper half counts the runs of this moment, the lower one all.
    let runs = &RUNS[event.0 as usize];
    if runs.fetch_add(BITS + 1, Ordering::SeqCst) >= BITS {
        log.write(format!("{} runs twice at once", event.0));
    }
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    runs.fetch_sub(BITS, Ordering::SeqCst);
}

/// Two workers share the jobs, and run none twice.
pub(crate) async fn two_workers<E: Engine>(engine: &E) {
    // The counters are the program's: engines take turns.
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _turn = TURN.lock().await;
    for runs in &RUNS {
        runs.store(0, Ordering::SeqCst);
    }
    let bench = bench(engine);
    for number in 0..200 {
        bench.events.dispatch(&Many(number)).await.unwrap();
    }
    tokio::join!(bench.run(), bench.run());
    assert_eq!(bench.log(), [""; 0]);
    let runs: Vec<_> = RUNS
        .iter()
        .map(|runs| runs.load(Ordering::SeqCst))
        .collect();
    assert_eq!(runs, vec![1; 200]);
    assert_eq!(engine.open_jobs().await, 0);
}

#[derive(Clone, Debug, Event)]
#[event(durable, name = "contract.endless")]
struct Endless;

#[listener(Endless, queue, tries = 2)]
async fn waits_for_ever(_: &Endless, attempt: Attempt, log: &State<Log>) {
    log.write(format!("starts {}", attempt.number));
    if attempt.number == 1 && STOPS.fetch_add(1, Ordering::SeqCst) == 0 {
        std::future::pending::<()>().await;
    }
}

static STOPS: AtomicU32 = AtomicU32::new(0);

/// A run that is stopped half-way leaves its job to the next.
pub(crate) async fn cancelled<E: Engine>(engine: &E) {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _turn = TURN.lock().await;
    STOPS.store(0, Ordering::SeqCst);
    let bench = bench(engine);
    bench.events.dispatch(&Endless).await.unwrap();
    let started = crate::kit::until("it runs", async || STOPS.load(Ordering::SeqCst) == 1);
    engine.work(&bench.events, started).await;
    assert_eq!(engine.open_jobs().await, 1);
    bench.run().await;
    let again = if E::GIVES_ATTEMPT_BACK { 1 } else { 2 };
    assert_eq!(
        bench.log(),
        ["starts 1".to_owned(), format!("starts {again}")]
    );
    assert_eq!(engine.open_jobs().await, 0);
}
