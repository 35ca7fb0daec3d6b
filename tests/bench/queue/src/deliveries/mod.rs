//! Webhooks a second, from the request to the commit, through the routes that an app mounts; beside a bare axum handler
//! that checks the same signature and inserts the same rows into the same tables, in the same transaction. And how long a
//! delivery takes while a thousand connections are half-open.

mod bare;
mod client;
mod ours;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use hmac::{Hmac, KeyInit, Mac};
use sea_orm::{ConnectionTrait, Statement};
use sha2::Sha256;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::base::{Base, Setting};
use crate::figures::{keep, line};
use crate::{Error, percentiles};
use client::{Client, Delivery};

/// The secret of both sides.
const SECRET: &str = "a-shared-secret-of-24-bytes-or-more";
/// So many connections deliver at once, each one delivery after the other.
const CONNECTIONS: u32 = 16;
/// Deliveries of each side in a run.
const DELIVERIES: u32 = 8_000;
/// The sides take turns, so many in a run: a disk is not equally fast all the time.
const TURNS: u32 = 10;
/// Each figure is the best of so many runs: noise only ever slows.
const RUNS: usize = 3;
const BOUND: f64 = 0.7;

/// Connections on which nothing more comes.
const HALF_OPEN: usize = 1_000;
/// Deliveries beside them.
const BESIDE: u32 = 100;

/// A server of a router, on loopback.
struct Server {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(router: Router) -> Result<Self, Error> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the server failed: {error}");
            }
        });
        Ok(Self { address, serving })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// `sha256=` and the code of a body.
fn signature(body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes());
    let mut mac = mac.expect("a key of any length");
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

/// Both sides on one database.
struct Sides {
    base: Base,
    path: String,
    servers: [Server; 2],
    sent: u32,
}

impl Sides {
    async fn new(setting: &Setting) -> Result<Self, Error> {
        let base = Base::new(setting).await?;
        let (router, integration) = ours::router(&base.store).await?;
        let servers = [
            Server::start(router).await?,
            Server::start(bare::router(&base.store, integration)).await?,
        ];
        Ok(Self {
            base,
            path: format!("/{}/{integration}/webhook", ours::PROVIDER),
            servers,
            sent: 0,
        })
    }

    /// Delivers to one side, over all connections at once: how long it took.
    async fn deliver(&mut self, side: usize, deliveries: u32) -> Result<Duration, Error> {
        let (first, each) = (self.sent, deliveries / CONNECTIONS);
        self.sent += each * CONNECTIONS;
        let path: Arc<str> = self.path.as_str().into();
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(Client::connect(self.servers[side].address).await?);
        }
        let began = Instant::now();
        let mut delivering = JoinSet::new();
        for (place, mut client) in (0..).zip(clients) {
            let path = path.clone();
            delivering.spawn(async move {
                for number in 0..each {
                    let number = first + place * each + number;
                    client.deliver(&Delivery::new(&path, number)).await?;
                }
                Ok::<_, Error>(())
            });
        }
        while let Some(ended) = delivering.join_next().await {
            ended??;
        }
        Ok(began.elapsed())
    }

    /// Fails unless each delivery has its row and its two jobs.
    async fn expect_stored(&self) -> Result<(), Error> {
        let store = &self.base.store;
        for (rows, number) in [
            ("events_webhooks", self.sent),
            ("events_jobs", 2 * self.sent),
        ] {
            let count = format!("SELECT COUNT(*) FROM {rows}");
            let count = Statement::from_string(store.backend(), count);
            let row = store.writer().query_one_raw(count).await?.ok_or("a row")?;
            let stored: i64 = row.try_get_by_index(0)?;
            if stored != i64::from(number) {
                return Err(format!("{stored} rows in {rows}, not {number}").into());
            }
        }
        Ok(())
    }

    async fn remove(self) -> Result<(), Error> {
        drop(self.servers);
        self.base.remove().await
    }
}

/// Measures one database.
pub async fn report(setting: &Setting) -> Result<(), Error> {
    let mut rates = [0.0; 2];
    for _ in 0..RUNS {
        let mut sides = Sides::new(setting).await?;
        let mut took = [Duration::ZERO; 2];
        for turn in 0..=TURNS {
            for (side, took) in took.iter_mut().enumerate() {
                let spent = sides.deliver(side, DELIVERIES / TURNS).await?;
                // The first opens connections and prepares statements.
                if turn > 0 {
                    *took += spent;
                }
            }
        }
        sides.expect_stored().await?;
        for (rate, took) in rates.iter_mut().zip(took) {
            keep(rate, DELIVERIES, took);
        }
        sides.remove().await?;
    }
    line(setting, "webhooks, stored and enqueued", rates, Some(BOUND));
    half_open(setting).await
}

/// Prints how long a delivery takes, over a connection of its own, while others are half-open.
async fn half_open(setting: &Setting) -> Result<(), Error> {
    let sides = Sides::new(setting).await?;
    let address = sides.servers[0].address;
    let mut half = Vec::new();
    for number in 0..HALF_OPEN {
        let mut connection = TcpStream::connect(address).await?;
        let begun: &[u8] = match number % 3 {
            0 => b"",
            1 => b"POST /hub/1/webhook HTTP/1.1\r\nhost: x\r\nx-half: ",
            _ => b"POST /hub/1/webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{",
        };
        connection.write_all(begun).await?;
        half.push(connection);
    }
    let mut times = Vec::new();
    for number in 0..BESIDE {
        let delivery = Delivery::new(&sides.path, number);
        let began = Instant::now();
        let mut client = Client::connect(address).await?;
        client.deliver(&delivery).await?;
        times.push(began.elapsed());
    }
    drop(half);
    sides.remove().await?;
    let (median, late) = percentiles(times);
    println!(
        "{:<16} a webhook beside {HALF_OPEN} half-open connections: median {median:.2} ms, 99th percentile {late:.2} ms (bound 100)",
        setting.name()
    );
    Ok(())
}
