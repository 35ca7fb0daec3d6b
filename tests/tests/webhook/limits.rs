//! Limits of size and time, over real connections too.

use std::io::ErrorKind;

use axum::body::{Body, Bytes};
use events_tests::Size;
use http::Request;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::hub::{HubBench, Sent, ask, over, queued, send};
use crate::kit::on_both;

/// A body that never ends, and counts what is taken of it.
fn endless(taken: std::sync::Arc<std::sync::atomic::AtomicUsize>) -> Body {
    let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
    Body::new(Endless { chunk, taken })
}

struct Endless {
    chunk: Bytes,
    taken: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl axum::body::HttpBody for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        self.taken
            .fetch_add(self.chunk.len(), std::sync::atomic::Ordering::Relaxed);
        std::task::Poll::Ready(Some(Ok(http_body::Frame::data(self.chunk.clone()))))
    }
}

/// Better: 413 before the body is buffered whole, whether or not its length is declared.
async fn a_large_body_is_not_read_to_its_end(url: String) {
    let hub = HubBench::new(url).await;
    let taken = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let request = Request::post("/hub/webhook").body(endless(taken.clone()));
    let (status, _) = ask(&hub.router, request.unwrap()).await;
    assert_eq!(status.as_u16(), 413);
    let read = taken.load(std::sync::atomic::Ordering::Relaxed);
    assert!(read <= 2 * 1024 * 1024, "{read}");
    // Where it is declared, nothing is read.
    taken.store(0, std::sync::atomic::Ordering::Relaxed);
    let declared = Request::post("/hub/webhook").header("content-length", 1024 * 1024 + 1);
    let declared = declared.body(endless(taken.clone())).unwrap();
    assert_eq!(ask(&hub.router, declared).await.0.as_u16(), 413);
    assert_eq!(taken.load(std::sync::atomic::Ordering::Relaxed), 0);
    // The largest there may be.
    let largest = "x".repeat(1024 * 1024);
    assert_eq!(hub.send("d-1", "push", &largest).await, queued());
}

/// Headers are stored too: too many, or too many bytes of them, are refused before anything is verified.
async fn too_many_headers_are_refused(url: String) {
    let hub = HubBench::new(url).await;
    let filled = |id: &str, more: usize, size: usize| {
        let mut sent = Sent::new(id, "push", "{}");
        for number in 0..more {
            let name = format!("x-{number:03}");
            sent = sent.with(&name, "x".repeat(size - name.len()));
        }
        sent
    };
    let own = filled("d-1", 0, 0);
    let room = 32 * 1024
        - own
            .headers
            .iter()
            .map(|(n, v)| n.len() + v.len())
            .sum::<usize>();
    for (sent, accepted) in [
        (filled("d-1", 96, 10), true),
        (filled("d-2", 97, 10), false),
        (filled("d-3", 1, room), true),
        (filled("d-4", 1, room + 1), false),
        (
            filled("d-5", 97, 10).with("x-hub-signature-256", "forged"),
            false,
        ),
    ] {
        let status = send(&hub.router, &sent).await.0.as_u16();
        assert_eq!(status, if accepted { 200 } else { 431 });
    }
    let refusals = hub.bench.engine.webhook_refusals();
    assert_eq!(refusals["headers_too_large"], 3);
    assert_eq!(refusals.len(), 1);
    assert_eq!(hub.bench.count("events_webhooks").await, 2);
}

/// A server of the routes on a port of its own.
async fn serve(hub: &HubBench) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = hub.router.clone();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// Half-open connections keep no good request waiting.
async fn half_open_connections_keep_nobody_waiting(url: String) {
    let many = match Size::of_run() {
        Size::Small => 100,
        Size::Ci | Size::Long => 1_000,
    };
    let hub = HubBench::new(url).await;
    let address = serve(&hub).await;
    let mut half = Vec::new();
    for number in 0..many {
        let mut connection = TcpStream::connect(address).await.unwrap();
        let begun: &[u8] = match number % 3 {
            0 => b"",
            1 => b"POST /hub/webhook HTTP/1.1\r\nhost: x\r\nx-half: ",
            _ => b"POST /hub/webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
        };
        connection.write_all(begun).await.unwrap();
        half.push(connection);
    }
    for number in 0..5 {
        let sent = Sent::new(&format!("d-{number}"), "push", "{}");
        let answer = over(address, &sent).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    // What was half-open stayed so: nobody's end let the others in.
    for mut connection in half {
        let nothing = connection.try_read(&mut [0; 64]);
        let waits = nothing.is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        assert!(waits, "a half-open connection was answered");
        connection.shutdown().await.unwrap();
    }
}

/// A body in chunks has no length before its end.
async fn a_body_in_chunks_is_accepted_up_to_the_limit(url: String) {
    let hub = HubBench::new(url).await;
    let address = serve(&hub).await;
    for (chunks, status) in [(16, "200"), (17, "413")] {
        let body = "x".repeat(chunks * 64 * 1024);
        let sent = Sent::new(&format!("d-{chunks}"), "push", &body);
        let mut connection = TcpStream::connect(address).await.unwrap();
        let headers = sent.headers.iter();
        let headers: Vec<String> = headers
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let head = format!(
            "POST /hub/webhook HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{}transfer-encoding: chunked\r\n\r\n",
            headers.concat()
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        for chunk in sent.body.chunks(64 * 1024) {
            let chunk = [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat();
            // Who has read enough does not read on.
            let _ = connection.write_all(&chunk).await;
        }
        let _ = connection.write_all(b"0\r\n\r\n").await;
        let mut answer = Vec::new();
        let _ = connection.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        // A connection with much unread may be reset before the answer is read.
        let expected = format!("HTTP/1.1 {status} ");
        assert!(
            answer.starts_with(&expected) || (chunks == 17 && answer.is_empty()),
            "{answer}"
        );
    }
    assert_eq!(hub.only_row().await.payload.len(), 1024 * 1024);
}

/// Bytes that are no delivery, over a connection: an answer or a closed connection, and no panic.
async fn noise_is_answered(url: String) {
    let hub = HubBench::new(url).await;
    let address = serve(&hub).await;
    for noise in [
        &b"\x00\xff\xfe\r\n\r\n"[..],
        b"POST /hub/webhook HTTP/1.1\r\nhost: x\r\ncontent-length: x\r\n\r\n",
        b"POST /%ff/webhook HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"POST /hub/%00/webhook HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"POST /hub/webhook HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-hub-signature-256: \xff\r\n\r\n",
        b"POST /hub/webhook HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET /hub/webhook?%ff=%&&&=;a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET /hub/-9223372036854775809/webhook HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ] {
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(noise).await.unwrap();
        connection.shutdown().await.unwrap();
        let mut answer = Vec::new();
        // A server may reset a connection that made no sense to it.
        let _ = connection.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(!answer.contains(" 200 ") && !answer.contains(" 500 "), "{answer}");
    }
    let answer = over(address, &Sent::new("d-1", "push", "{}"))
        .await
        .unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(hub.bench.count("events_webhooks").await, 1);
}

/// A body that does not come is given up after 10 s.
#[test]
fn a_slow_body_is_given_up() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let hub = HubBench::new("sqlite::memory:".to_owned()).await;
        tokio::time::pause();
        let began = tokio::time::Instant::now();
        let body = Body::new(Silent);
        let request = Request::post("/hub/webhook").body(body).unwrap();
        assert_eq!(ask(&hub.router, request).await.0.as_u16(), 408);
        assert_eq!(began.elapsed().as_secs(), 10);
        tokio::time::resume();
        assert_eq!(
            send(&hub.router, &Sent::new("d-1", "push", "{}")).await,
            queued()
        );
    });
}

/// A body of which nothing comes.
struct Silent;

impl axum::body::HttpBody for Silent {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

on_both!(
    a_body_in_chunks_is_accepted_up_to_the_limit,
    a_large_body_is_not_read_to_its_end,
    half_open_connections_keep_nobody_waiting,
    noise_is_answered,
    too_many_headers_are_refused,
);
