//! API requests (section 5).

mod attempts;
mod health;
mod item;
mod limit;
mod redaction;

use std::future::ready;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use chrono::TimeDelta;
use events_core::{EventsBuilder, ManualClock};
use events_std::{
    ApiRequest, Integration, IntegrationRequest, IntegrationsBuilder, RequestAttempt, RequestError,
};
use http::Response;

use crate::kit::{Bench, Zendesk};

/// What a provider answers.
pub(crate) type Answer = Result<Response<String>, io::Error>;

pub(crate) fn answer(status: u16, body: &str) -> Answer {
    Ok(Response::builder()
        .status(status)
        .body(body.to_owned())
        .unwrap())
}

pub(crate) fn answer_with(status: u16, header: (&str, &str)) -> Answer {
    Ok(Response::builder()
        .status(status)
        .header(header.0, header.1)
        .body("{}".to_owned())
        .unwrap())
}

pub(crate) fn breaks(kind: ErrorKind) -> Answer {
    Err(io::Error::new(kind, "the line is dead"))
}

/// Answers as planned, one attempt after the other, and fails the test beyond that.
pub(crate) async fn send(
    request: ApiRequest<'_>,
    answers: impl IntoIterator<Item = Answer>,
) -> Result<Response<String>, RequestError> {
    let mut answers = answers.into_iter();
    let sent = request
        .send(|_: RequestAttempt| ready(answers.next().expect("one attempt too many")))
        .await;
    assert!(answers.next().is_none(), "an attempt was not made");
    sent
}

/// A clock that waits move, and how long they were.
#[derive(Clone, Default)]
pub(crate) struct Waits {
    clock: Arc<OnceLock<Arc<ManualClock>>>,
    passed: Arc<Mutex<Vec<Duration>>>,
}

impl Waits {
    fn pass(&self, wait: Duration) {
        self.passed.lock().unwrap().push(wait);
        let clock = self.clock.get().expect("the bench stands");
        clock.advance(TimeDelta::from_std(wait).unwrap());
    }

    /// The waits since the last call.
    pub(crate) fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut self.passed.lock().unwrap())
    }
}

/// A bench whose calls wait by moving its clock, and one integration.
pub(crate) struct RequestBench {
    pub(crate) bench: Bench,
    pub(crate) integration: Integration,
    pub(crate) waits: Waits,
}

impl RequestBench {
    pub(crate) async fn new(url: String) -> Self {
        Self::with(url, |engine| engine, |events| events).await
    }

    pub(crate) async fn with(
        url: String,
        engine: impl FnOnce(IntegrationsBuilder) -> IntegrationsBuilder,
        events: impl FnOnce(EventsBuilder) -> EventsBuilder,
    ) -> Self {
        let waits = Waits::default();
        let pass = waits.clone();
        let build = |builder: IntegrationsBuilder| {
            engine(builder.provider(Zendesk)).request_waits(move |wait| {
                pass.pass(wait);
                Box::pin(async {})
            })
        };
        let bench = Bench::with(url, build, events).await;
        waits.clock.set(bench.clock.clone()).unwrap();
        Self {
            integration: bench.integration().await,
            bench,
            waits,
        }
    }

    pub(crate) fn get(&self) -> ApiRequest<'_> {
        let engine = &self.bench.engine;
        engine.request(&self.integration, "/api/v2/tickets", "GET")
    }

    pub(crate) fn post(&self) -> ApiRequest<'_> {
        let engine = &self.bench.engine;
        engine.request(&self.integration, "/api/v2/tickets", "POST")
    }

    /// All records, the first one first.
    pub(crate) async fn records(&self) -> Vec<IntegrationRequest> {
        let ids = self
            .bench
            .column("SELECT id FROM events_requests ORDER BY id")
            .await;
        let mut records = Vec::new();
        for id in ids {
            let found = self.bench.engine.find_request(id).await.unwrap();
            records.push(found.expect("it was there"));
        }
        records
    }
}
