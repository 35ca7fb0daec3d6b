//! The connections: hyper by hand, for `axum::serve` gives a client all the time it wants for its headers.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

/// So long a client may take for the headers of a request.
const HEADERS: Duration = Duration::from_secs(10);
/// So long requests may take that have begun when the server is told to stop.
const LAST: Duration = Duration::from_secs(15);
/// Where no connection can be taken, as when the process has too many files open, so long is waited.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stopped`, and brings to their end the requests that have begun.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    stopped: impl Future<Output = ()>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS);
    let open = GracefulShutdown::new();
    let mut stopped = pin!(stopped);
    loop {
        let taken = tokio::select! {
            () = &mut stopped => break,
            taken = listener.accept() => taken,
        };
        let Ok((stream, _)) = taken else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = http.serve_connection(TokioIo::new(stream), service);
        let connection = open.watch(connection);
        tokio::spawn(async move {
            // A client that breaks off is its own affair.
            let _ = connection.await;
        });
    }
    drop(listener);
    let _ = tokio::time::timeout(LAST, open.shutdown()).await;
}
