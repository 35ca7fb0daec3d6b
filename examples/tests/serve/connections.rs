//! Connections that are slow, or open when the server is told to stop; and the store on Postgres.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, Database};
use sha2::Sha256;

use super::{SECRET, Server, sqlite};

const BODY: &str = r#"{"action":"opened","issue":{"number":8,"title":"It hums"},"repository":{"full_name":"ada/lamp"},"sender":{"login":"ada"}}"#;

/// Longer than anything here takes: a test that fails does not wait for ever.
const DEADLINE: Duration = Duration::from_mins(1);

fn signature() -> String {
    use hmac::{Hmac, KeyInit, Mac};

    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("a key");
    mac.update(BODY.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

/// The head of a genuine delivery, whose body is to follow.
fn head() -> String {
    format!(
        "POST /integrations/github/webhook HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         x-github-event: issues\r\nx-github-delivery: 8\r\nx-hub-signature-256: sha256={}\r\n\
         content-length: {}\r\nexpect: 100-continue\r\n\r\n",
        signature(),
        BODY.len()
    )
}

impl Server {
    fn address(&self) -> SocketAddr {
        let address = self.url.strip_prefix("http://").expect("over HTTP");
        address.parse().expect("an address")
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address()).expect("it listens");
        stream.set_read_timeout(Some(DEADLINE)).expect("a timeout");
        stream
    }

    /// Begins a delivery: the server waits for its body.
    fn begin(&self) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(head().as_bytes()).expect("it listens");
        let mut interim = [0; 25];
        stream.read_exact(&mut interim).expect("it asks for more");
        assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream
    }
}

/// Sends the body; the answer.
fn finish(mut stream: TcpStream) -> String {
    stream.write_all(BODY.as_bytes()).expect("it is read");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn a_client_that_never_ends_its_headers_is_hung_up_on() {
    let server = Server::start(&sqlite("slow_headers.db"));
    let mut slow = server.connect();
    slow.write_all(b"POST /integrations/github/webhook HTTP/1.1\r\nhost: loc")
        .expect("it listens");
    // Others are served meanwhile.
    let answer = finish(server.begin());
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // Without a limit this ends at the deadline, with an error.
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).expect("it is hung up on");
    let answer = String::from_utf8_lossy(&answer);
    assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
}

#[cfg(unix)]
#[test]
fn a_request_in_flight_at_sigterm_is_answered_before_the_server_ends() {
    let server = Server::start(&sqlite("in_flight.db"));
    let (address, begun) = (server.address(), server.begin());
    let stopping = thread::spawn(move || server.stop());
    // It has heard the signal when it listens no more.
    let deadline = Instant::now() + DEADLINE;
    while TcpStream::connect(address).is_ok() {
        assert!(Instant::now() < deadline, "it listens still");
        thread::sleep(Duration::from_millis(5));
    }
    let answer = finish(begun);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with(r#"{"status":"queued"}"#), "{answer}");
    let (status, _, said) = stopping.join().expect("it ends");
    assert!(status.success(), "{status}: {said}");
}

#[test]
fn deliveries_become_events_on_postgres() {
    let Ok(postgres) = std::env::var("EVENTS_TEST_POSTGRES_URL") else {
        return events_tests::skip("serving on Postgres: EVENTS_TEST_POSTGRES_URL is not set");
    };
    let name = format!("events_serve_{}", std::process::id());
    let administer = |statement: String| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async {
            let admin = Database::connect(&postgres)
                .await
                .expect("Postgres answers");
            let done = admin.execute_unprepared(&statement).await;
            done.expect("a database of its own");
        });
    };
    administer(format!("CREATE DATABASE {name}"));
    let (base, _) = postgres
        .rsplit_once('/')
        .expect("a database in the address");
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let server = Server::start(&format!("{base}/{name}"));
        let answer = finish(server.begin());
        assert!(answer.ends_with(r#"{"status":"queued"}"#), "{answer}");
        let received = server.hear("webhook.received");
        assert_eq!(server.hear("github.issue")["cause"], received["id"]);
        let answer = finish(server.begin());
        assert!(answer.ends_with(r#"{"status":"duplicate"}"#), "{answer}");
        let (status, _, said) = server.stop();
        assert!(status.success(), "{status}: {said}");
    }));
    administer(format!("DROP DATABASE {name} WITH (FORCE)"));
    if let Err(panic) = ended {
        resume_unwind(panic);
    }
}
