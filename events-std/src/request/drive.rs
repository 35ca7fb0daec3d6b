//! The attempts of a call, one after the other: made, judged, recorded, and followed by the next.

use std::future::Future;
use std::time::Duration;

use events_core::AfterCommit;

use super::answer::Answer;
use super::attempt::{Asked, RequestAttempt};
use super::call::{ApiRequest, Ended};
use super::classify::{Classifier, Fault};
use super::error::{FailedRequest, RequestError};
use super::redact::Redactor;
use super::wait::{UNSAID, Waiting, backoff, retry_after};
use super::{IntegrationRequest, RequestCompleted, RequestFailed, RequestFailure};
use crate::error::RateLimited;
use crate::integration::{FailureClass, IntegrationError, Integrations};

/// An attempt that has ended.
pub(super) struct Attempted<T> {
    pub(super) answer: Answer,
    pub(super) outcome: Result<T, Ended>,
}

/// What is kept of an error's text, in characters.
const ERROR_LENGTH: usize = 1_000;

impl ApiRequest<'_> {
    pub(super) async fn drive<T, F: Future<Output = Attempted<T>>>(
        mut self,
        mut attempt: impl FnMut(RequestAttempt) -> F,
    ) -> Result<T, RequestError> {
        let (engine, integration) = (self.engine, self.integration);
        if engine.store().is_open_here() || AfterCommit::is_open(&engine.events()) {
            return Err(RequestError::TransactionOpen);
        }
        let asked = self.ready()?;
        let patience = self.patience;
        let permitted = engine.permit(integration, patience).await;
        permitted.map_err(RequestError::Limited)?;
        let mut redactor = Redactor::of(engine, integration, &asked.endpoint);
        if let Some(token) = &asked.access_token {
            redactor.hide(token);
        }
        let blank = record_of(&asked, integration.id, &redactor);
        let classifiers = [self.classifier, (*engine.part::<Classifier>()).clone()];
        let waiting = engine.part::<Waiting>();
        let mut waits = backoff(self.attempts, patience);
        let mut first = None;
        let mut number = 1;
        loop {
            let began = engine.events().now();
            let told = RequestAttempt {
                number,
                max: self.attempts,
                asked: asked.clone(),
            };
            let Attempted { answer, outcome } = attempt(told).await;
            let now = engine.events().now();
            let outcome = outcome.map_err(|ended| match ended {
                Ended::Fault(fault) => fault,
                Ended::Error(error) => Fault::of_error(error, &classifiers),
            });
            let asked_for = wait_asked_for(&answer, outcome.as_ref().err(), now);
            let mut record = IntegrationRequest {
                retry_of: first,
                duration_ms: u64::try_from((now - began).num_milliseconds()).ok(),
                ..blank.clone()
            };
            fill(&mut record, &answer, outcome.as_ref().err(), &redactor);
            let succeeded = outcome.is_ok();
            let record = engine
                .record_request(record)
                .await
                .map_err(|source| RequestError::NotRecorded { succeeded, source })?;
            let fault = match outcome {
                Ok(value) => return Ok(value),
                Err(fault) => fault,
            };
            let again = matches!(fault.class, FailureClass::Upstream | FailureClass::Throttle)
                && number < self.attempts;
            let wait = again.then(|| waits.next()).flatten();
            let wait = wait.map(|wait| wait.max(asked_for.unwrap_or_default()));
            let Some(wait) = wait.filter(|wait| *wait <= patience) else {
                return Err(failed(record, number, asked_for, fault, answer.body));
            };
            first = first.or(Some(record.id));
            number += 1;
            waiting.pass(wait).await;
            if let Err(limited) = engine.permit(integration, patience).await {
                let asked_for = Some(limited.wait());
                return Err(failed(record, number - 1, asked_for, fault, answer.body));
            }
        }
    }
}

fn failed(
    request: IntegrationRequest,
    attempts: u32,
    asked_for: Option<Duration>,
    fault: Fault,
    body: Option<Vec<u8>>,
) -> RequestError {
    let throttled = fault.class == FailureClass::Throttle;
    let limited = throttled.then(|| RateLimited::retry_after(asked_for.unwrap_or(UNSAID)));
    let failed = FailedRequest {
        request,
        attempts,
        retry_after: asked_for.or(limited.map(|limited| limited.wait())),
        limited,
        cause: fault.cause,
        body,
    };
    Box::new(failed).into()
}

/// The wait that a failed attempt's answer, or its error, asks for.
fn wait_asked_for(
    answer: &Answer,
    fault: Option<&Fault>,
    now: chrono::DateTime<chrono::Utc>,
) -> Option<Duration> {
    let fault = fault?;
    if let Some(value) = &answer.retry_after {
        return retry_after(value, now);
    }
    let cause = fault.cause.as_deref()?;
    RateLimited::find(cause).map(RateLimited::wait)
}

/// What all attempts of a call have in common.
fn record_of(asked: &Asked, integration_id: i64, redactor: &Redactor) -> IntegrationRequest {
    let body = asked.body.as_deref();
    IntegrationRequest {
        request_data: body.and_then(|body| redactor.body(asked.content_type.as_deref(), body)),
        idempotency_key: asked.idempotency_key.clone(),
        ..IntegrationRequest::new(
            integration_id,
            &asked.method,
            redactor.endpoint(&asked.endpoint),
        )
    }
}

/// What one attempt came to.
fn fill(
    record: &mut IntegrationRequest,
    answer: &Answer,
    fault: Option<&Fault>,
    redactor: &Redactor,
) {
    let body = answer.body.as_deref();
    record.response_code = answer.status;
    record.provider_request_id = answer.request_id.as_deref().map(|id| redactor.text(id));
    record.response_data =
        body.and_then(|body| redactor.body(answer.content_type.as_deref(), body));
    record.response_success = fault.is_none();
    record.failure_class = fault.map(|fault| fault.class);
    record.error = fault.map(|fault| {
        let message = redactor.text(&fault.message);
        RequestFailure {
            kind: fault.kind.to_owned(),
            message: message.chars().take(ERROR_LENGTH).collect(),
        }
    });
}

impl Integrations {
    /// Stores an attempt together with what it changes of the integration's health, and fires its event before theirs.
    async fn record_request(
        &self,
        request: IntegrationRequest,
    ) -> Result<IntegrationRequest, IntegrationError> {
        let recorded = self.transaction(async |tx| {
            let within = self.within(tx);
            let id = request.integration_id;
            let change = match request.failure_class {
                None => within.count_success(id).await?,
                Some(class) => within.count_failure(id, class).await?,
            };
            let request = within.insert_request(request).await?;
            let (integration, record) = (change.integration.clone(), request.clone());
            if request.response_success {
                let request = record;
                within
                    .fire(&RequestCompleted {
                        integration,
                        request,
                    })
                    .await?;
            } else {
                let request = record;
                within
                    .fire(&RequestFailed {
                        integration,
                        request,
                    })
                    .await?;
            }
            within.announce(change).await?;
            Ok::<_, IntegrationError>(request)
        });
        let recorded = recorded.await?;
        self.forget_now_and_then();
        Ok(recorded)
    }
}
