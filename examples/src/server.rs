//! The program's own server: hyper by hand, for `axum::serve` gives a client all the time it wants for its headers. And
//! the worker inside it.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use events_std::{Worker, webhook};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::{App, Error};

/// So long a client may take for the headers of a request.
const HEADERS: Duration = Duration::from_secs(10);
/// So long requests may take that have begun when the server is told to stop.
const LAST: Duration = Duration::from_secs(15);
/// Where no connection can be taken, as when the process has too many files open, so long is waited.
const PAUSE: Duration = Duration::from_millis(100);

/// Receives webhooks, and works at what comes of them, until `stopped`. Then no connection is taken any more, those that
/// are open may end, and after them the worker ends the jobs that it runs. Jobs that wait are rows of the store.
pub(crate) async fn receive(
    app: &App,
    listener: TcpListener,
    stopped: impl Future<Output = ()>,
) -> Result<(), Error> {
    let webhooks = webhook::routes(app.integrations.clone())?;
    let router = Router::new().nest("/integrations", webhooks);
    let (served, all_served) = oneshot::channel();
    let serving = async {
        serve(listener, router, stopped).await;
        // The worker may have ended already, with an error.
        let _ = served.send(());
        Ok::<_, Error>(())
    };
    let working = async {
        let worker = Worker::new(&app.events, &app.store).sync_items(&app.integrations);
        let until = async {
            let _ = all_served.await;
        };
        Ok(worker.run_until(until).await?)
    };
    tokio::try_join!(serving, working)?;
    Ok(())
}

/// Serves until `stopped`, and brings to their end the requests that have begun.
pub(crate) async fn serve(
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
