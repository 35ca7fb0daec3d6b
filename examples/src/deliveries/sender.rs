//! Sends deliveries as GitHub does: signed, over HTTP, one after another.

use std::io::BufRead;
use std::net::SocketAddr;

use events_std::Integration;
use helpdesk_listeners::Timeline;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;

use super::line::Line;
use crate::sending::{self, Answer, sign};
use crate::{App, Error, github};

/// What became of the lines that were read.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) read: u32,
    /// The route has them: what they bring is dispatched, in this run or a later one.
    pub(super) dispatched: u32,
    /// As many of those as the route had already.
    pub(super) duplicates: u32,
}

pub(super) struct Sender<'a> {
    app: &'a App,
    timeline: &'a Timeline,
    client: Client,
    url: String,
    secret: String,
}

impl<'a> Sender<'a> {
    /// To the webhooks of this integration, at this address.
    pub(super) fn to(app: &'a App, hub: &Integration, address: SocketAddr) -> Result<Self, Error> {
        Ok(Self {
            app,
            timeline: app.state::<Timeline>()?,
            client: Client::builder().no_proxy().build()?,
            url: format!(
                "http://{address}/integrations/{}/{}/webhook",
                hub.provider, hub.id
            ),
            secret: github::secret_of(hub)?,
        })
    }

    /// Sends every line. One that is refused, here or by the route, is told with its number and stops no other.
    pub(super) async fn send_all(&self, input: impl BufRead) -> Result<Counts, Error> {
        let mut counts = Counts::default();
        for (number, line) in (1_u32..).zip(input.split(b'\n')) {
            let line = line.map_err(|error| format!("cannot read line {number}: {error}"))?;
            if line.trim_ascii().is_empty() {
                continue;
            }
            counts.read += 1;
            match self.deliver(number, &line).await {
                Ok(Answer::Queued) => counts.dispatched += 1,
                Ok(Answer::Duplicate) => {
                    counts.dispatched += 1;
                    counts.duplicates += 1;
                }
                Ok(refused) => eprintln!("line {number} was refused: {refused}"),
                Err(error) => eprintln!("line {number} was refused: {error}"),
            }
        }
        Ok(counts)
    }

    async fn deliver(&self, number: u32, line: &[u8]) -> Result<Answer, Error> {
        let line = Line::parse(line)?;
        let answer = self.send(&line).await?;
        if !matches!(answer, Answer::Refused(..)) {
            let what = format!("{} is sent: {answer}", line.kind());
            let now = self.app.events.now();
            self.timeline.line(now, &format!("line {number}"), &what);
        }
        Ok(answer)
    }

    async fn send(&self, line: &Line) -> Result<Answer, Error> {
        let signature = hex::encode(sign(&self.secret, &[line.body.as_bytes()])?);
        let request = self
            .client
            .post(&self.url)
            .headers(line.headers.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("x-hub-signature-256", format!("sha256={signature}"))
            .body(line.body.clone());
        sending::send(request).await
    }
}
