//! A Postgres that accepts what it is sent, and never answers: behind a proxy of the test that stops forwarding.

use std::time::{Duration, Instant};

use events_core::{Event, State, listener};
use events_std::{Store, Worker, WorkerError};
use events_tests::Effects;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::kill::{dispatch_all, number, workers};
use crate::kit::{Base, Kind, runtime, states, until};
use crate::process::events;

#[derive(Clone, Debug, Event)]
#[event(durable, name = "faults.unheard")]
struct Unheard(usize);

#[listener(Unheard, queue)]
async fn takes_its_time(event: &Unheard, effects: &State<Effects>) {
    effects.write(&event.0.to_string());
    while !effects.is_marked("go") {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Forwards to a server until it falls silent. Connections are counted as they come.
struct Proxy {
    url: String,
    seen: watch::Sender<usize>,
    /// Those up to this number are silent, for good.
    silent: watch::Sender<usize>,
}

impl Proxy {
    /// Before the server of this address, `postgres://user@host:port/database`.
    async fn before(url: &str) -> Self {
        let (user, rest) = url.split_once('@').expect("a user in the address");
        let (server, database) = rest.split_once('/').expect("a database in the address");
        let server = if server.contains(':') {
            server.to_owned()
        } else {
            format!("{server}:5432")
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (seen, silent) = (watch::Sender::new(0), watch::Sender::new(0));
        let (counts, silences) = (seen.clone(), silent.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                counts.send_modify(|seen| *seen += 1);
                let number = *counts.borrow();
                let server = TcpStream::connect(&server).await.expect("the server");
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(forward(
                    number,
                    from_client,
                    to_server,
                    silences.subscribe(),
                ));
                tokio::spawn(forward(
                    number,
                    from_server,
                    to_client,
                    silences.subscribe(),
                ));
            }
        });
        Self {
            url: format!("{user}@{address}/{database}"),
            seen,
            silent,
        }
    }

    fn falls_silent(&self) {
        self.silent.send_replace(usize::MAX);
    }

    /// Only connections that are still to come are forwarded: those that there were hear nothing any more.
    fn lets_new_ones_through(&self) {
        self.silent.send_replace(*self.seen.borrow());
    }
}

async fn forward(
    number: usize,
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut silent: watch::Receiver<usize>,
) {
    let mut bytes = [0; 4096];
    while let Ok(read) = from.read(&mut bytes).await {
        let goes_on = silent.wait_for(|silent| *silent < number).await.is_ok();
        if read == 0 || !goes_on || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}

/// Beyond the grace time, as the worker's documentation says.
const BOUND: Duration = Duration::from_secs(10);

#[test]
fn it_does_not_keep_a_worker_that_is_to_stop() {
    runtime().block_on(async {
        let Some(base) = Base::of(Kind::Postgres).await else {
            return;
        };
        let store = base.store().await;
        let events_here = events(module_path!(), &store, &base);
        let proxy = Proxy::before(&base.url).await;
        let far = Store::connect(&proxy.url).await.unwrap();
        let events_far = events(module_path!(), &far, &base);
        let late = Store::connect(&proxy.url).await.unwrap();
        dispatch_all(&store, &events_here, (0..3).map(Unheard)).await;
        let effects = Effects::of(&base.folder);
        let stopped = watch::Sender::new(None);
        let silence = async {
            until("all run", async || effects.lines().len() == 3).await;
            proxy.falls_silent();
            stopped.send_replace(Some(Instant::now()));
        };
        let works = Worker::new(&events_far, &far)
            .grace(Duration::from_millis(100))
            .run_until(silence);
        // These find it silent when they start: one is told to stop, one is to give up by itself.
        let starts = async |worker: Worker, told: bool| {
            let _ = stopped.subscribe().wait_for(Option::is_some).await;
            let stop = async {
                if !told {
                    std::future::pending::<()>().await;
                }
            };
            let ended = worker.run_until(stop).await;
            let since = stopped.borrow().unwrap().elapsed();
            assert!(since < BOUND, "{since:?}");
            ended
        };
        let stops = starts(Worker::new(&events_far, &late), true);
        let short = Duration::from_secs(1);
        let gives_up = starts(Worker::new(&events_far, &late).start_within(short), false);
        let (left, idle, failed) = tokio::join!(works, stops, gives_up);
        let since = stopped.borrow().unwrap().elapsed();
        assert!(since < BOUND + Duration::from_millis(100), "{since:?}");
        let left = left.unwrap();
        assert_eq!((left.ended, left.released, left.held), (0, 0, 3));
        assert_eq!(idle.unwrap(), events_std::Left::default());
        let said = failed.unwrap_err();
        assert!(matches!(said, WorkerError::Start(_)));
        assert!(said.to_string().contains("has not answered for"), "{said}");
        // Nothing is lost: whoever finds it dead takes over.
        assert_eq!(states(&store).await, [0, 3, 0, 0]);
        effects.mark("go");
        Worker::new(&events_here, &store).drain().await.unwrap();
        assert_eq!(states(&store).await, [0, 0, number(3), 0]);
        assert_eq!(workers(&store).await, 0);
        base.remove().await;
    });
}

/// As where a machine between falls away and another takes its place.
#[test]
fn a_running_worker_does_not_wait_for_it_for_ever() {
    runtime().block_on(async {
        let Some(base) = Base::of(Kind::Postgres).await else {
            return;
        };
        let store = base.store().await;
        let events_here = events(module_path!(), &store, &base);
        let proxy = Proxy::before(&base.url).await;
        let far = Store::connect(&proxy.url).await.unwrap();
        let events_far = events(module_path!(), &far, &base);
        let effects = Effects::of(&base.folder);
        let test = async {
            dispatch_all(&store, &events_here, (0..2).map(Unheard)).await;
            until("both run", async || effects.lines().len() == 2).await;
            proxy.falls_silent();
            let before = *proxy.seen.borrow();
            // It wants to write how these ended, and to claim others.
            effects.mark("go");
            dispatch_all(&store, &events_here, (2..5).map(Unheard)).await;
            // Whatever it waits for: a claim, the ends of jobs, being told of pushes.
            until("it tries new connections again and again", async || {
                *proxy.seen.borrow() >= before + 6
            })
            .await;
            assert_eq!(states(&store).await, [3, 2, 0, 0]);
            proxy.lets_new_ones_through();
            until("all is done", async || states(&store).await[2] == 5).await;
        };
        let worker = Worker::new(&events_far, &far).answer_within(Duration::from_secs(1));
        let left = worker.run_until(test).await.unwrap();
        assert_eq!((left.ended, left.released, left.held), (5, 0, 0));
        // Each has run once.
        assert_eq!(effects.lines().len(), 5);
        assert_eq!(workers(&store).await, 0);
        base.remove().await;
    });
}
