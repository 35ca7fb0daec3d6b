//! A proxy before Postgres that stops forwarding, so that the server accepts what it is sent and never answers.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Forwards to a server until it falls silent. Connections are counted as they come.
pub(crate) struct Proxy {
    pub(crate) url: String,
    seen: watch::Sender<usize>,
    line: Line,
    trap: Arc<Mutex<Option<Trap>>>,
}

/// What connections look at before they forward.
#[derive(Clone)]
struct Line {
    /// Those up to this number are silent, for good.
    silent: watch::Sender<usize>,
    /// Those up to this number are closed.
    closed: watch::Sender<usize>,
}

/// Lets it fall silent when a client sends this.
struct Trap {
    text: &'static str,
    /// Whether the server still gets it.
    delivers: bool,
}

impl Proxy {
    /// Before the server of this address, `postgres://user@host:port/database`.
    pub(crate) async fn before(url: &str) -> Self {
        let (user, rest) = url.split_once('@').expect("a user in the address");
        let (server, database) = rest.split_once('/').expect("a database in the address");
        let server = if server.contains(':') {
            server.to_owned()
        } else {
            format!("{server}:5432")
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let proxy = Self {
            url: format!("{user}@{address}/{database}"),
            seen: watch::Sender::new(0),
            line: Line {
                silent: watch::Sender::new(0),
                closed: watch::Sender::new(0),
            },
            trap: Arc::default(),
        };
        let (seen, line, trap) = (proxy.seen.clone(), proxy.line.clone(), proxy.trap.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                seen.send_modify(|seen| *seen += 1);
                let number = *seen.borrow();
                let server = TcpStream::connect(&server).await.expect("the server");
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let trap = Some(trap.clone());
                tokio::spawn(line.clone().forward(number, from_client, to_server, trap));
                tokio::spawn(line.clone().forward(number, from_server, to_client, None));
            }
        });
        proxy
    }

    /// How many connections there have been.
    pub(crate) fn seen(&self) -> usize {
        *self.seen.borrow()
    }

    pub(crate) fn falls_silent(&self) {
        self.line.silent.send_replace(usize::MAX);
    }

    /// Falls silent when the next client sends this text, which the server gets or not.
    pub(crate) fn falls_silent_at(&self, text: &'static str, delivers: bool) {
        *self.trap.lock().unwrap_or_else(PoisonError::into_inner) = Some(Trap { text, delivers });
    }

    pub(crate) fn is_silent(&self) -> bool {
        *self.line.silent.borrow() == usize::MAX
    }

    /// Only connections that are still to come are forwarded: those that there were hear nothing any more.
    pub(crate) fn lets_new_ones_through(&self) {
        self.line.silent.send_replace(self.seen());
    }

    /// Lets the server notice that nobody is there any more behind the connections that are silent.
    pub(crate) fn closes_silent_ones(&self) {
        self.line.closed.send_replace(*self.line.silent.borrow());
    }
}

impl Line {
    async fn forward(
        self,
        number: usize,
        from: impl AsyncRead + Unpin,
        to: impl AsyncWrite + Unpin,
        trap: Option<Arc<Mutex<Option<Trap>>>>,
    ) {
        let mut closed = self.closed.subscribe();
        tokio::select! {
            () = self.forward_all(number, from, to, trap) => {}
            _ = closed.wait_for(|closed| *closed >= number) => {}
        }
    }

    async fn forward_all(
        &self,
        number: usize,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
        trap: Option<Arc<Mutex<Option<Trap>>>>,
    ) {
        let mut silent = self.silent.subscribe();
        let mut bytes = [0; 4096];
        while let Ok(read) = from.read(&mut bytes).await {
            let sprung = trap.as_ref().and_then(|trap| {
                let mut trap = trap.lock().unwrap_or_else(PoisonError::into_inner);
                let holds = |trap: &mut Trap| {
                    let text = trap.text.as_bytes();
                    bytes[..read].windows(text.len()).any(|part| part == text)
                };
                trap.take_if(holds)
            });
            if sprung.is_some() {
                self.silent.send_replace(usize::MAX);
            }
            let delivers = sprung.is_some_and(|trap| trap.delivers);
            let goes_on = delivers || silent.wait_for(|silent| *silent < number).await.is_ok();
            if read == 0 || !goes_on || to.write_all(&bytes[..read]).await.is_err() {
                return;
            }
        }
    }
}
