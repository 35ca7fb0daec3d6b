//! What delivers: one connection that is kept, and HTTP/1.1 written by hand, so that little of what is measured is the
//! client's.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::signature;
use crate::Error;

/// A delivery, as it is sent.
pub struct Delivery(String);

impl Delivery {
    /// Of about two kibibytes, with the headers that GitHub sends.
    pub fn new(path: &str, number: u32) -> Self {
        let body = format!(
            r#"{{"ref":"refs/heads/main","after":"{number:040x}","commits":[{{"message":"{}"}}]}}"#,
            "a commit that tells what it changes, and why; ".repeat(40)
        );
        Self(format!(
            "POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: */*\r\ncontent-type: application/json\r\n\
             user-agent: GitHub-Hookshot/ede37db\r\nx-github-delivery: {number:08x}-0d0d-11ef-8a1c-5a4f0c5d7a11\r\n\
             x-github-event: push\r\nx-github-hook-id: 292430182\r\nx-github-hook-installation-target-id: 79929171\r\n\
             x-github-hook-installation-target-type: repository\r\nx-hub-signature-256: {}\r\n\
             content-length: {}\r\n\r\n{body}",
            signature(&body),
            body.len()
        ))
    }
}

/// A connection.
pub struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Client {
    /// To a server.
    pub async fn connect(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            answer: vec![0; 4_096],
        })
    }

    /// Delivers, and fails unless it is told that the delivery is queued.
    pub async fn deliver(&mut self, delivery: &Delivery) -> Result<(), Error> {
        self.stream.write_all(delivery.0.as_bytes()).await?;
        let mut read = 0;
        // The body is the last, and of one form.
        while !self.answer[..read].ends_with(b"}") {
            let more = self.stream.read(&mut self.answer[read..]).await?;
            if more == 0 {
                break;
            }
            read += more;
        }
        let answer = &self.answer[..read];
        if answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(br#"{"status":"queued"}"#) {
            return Ok(());
        }
        Err(String::from_utf8_lossy(answer).into())
    }
}
