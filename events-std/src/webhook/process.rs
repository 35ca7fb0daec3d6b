//! The processing of a stored delivery: a queued listener of its event, so that its job is claimed, fenced, tried again
//! and taken over as any other. The row mirrors it.

use events_core::{
    Attempt, BoxError, Context, Events, FromContext, JobFailure, Needs, State, listener,
};
use sea_orm::Value;

use super::provider::ErasedWebhooks;
use super::{Delivery, IntegrationWebhook, WebhookError, WebhookReceived, WebhookStatus, rows};
use crate::integration::{Integration, IntegrationError, Integrations, Within};
use crate::operation::{Direction, IntegrationLog};
use crate::store::{self, Tx};

/// The stored name of the listener that processes deliveries.
pub(super) const LISTENER: &str = "events_std.webhook.process";

/// What is kept of an error's text, in characters.
const ERROR_LENGTH: usize = 1_000;

/// The engine, in programs that have one: others do without the listener.
struct Engine(Integrations);

impl<'a> FromContext<'a> for Engine {
    fn needs(needs: &mut Needs) {
        needs.state_or_absent::<Integrations>();
    }

    fn from_context(cx: &Context<'a>) -> Result<Self, BoxError> {
        let engine: &State<Integrations> =
            cx.state().ok_or("the dispatcher has no `Integrations`")?;
        Ok(Self(engine.with_events(&cx.events())))
    }
}

/// Whether a dispatcher has the listener that processes deliveries.
pub(super) fn is_processed_by(events: &Events) -> bool {
    let claimable = events.claimable();
    claimable.iter().any(|one| one.listener == LISTENER)
}

/// What makes one job of a delivery equal to another: there is one at a time.
pub(super) fn key(event: &WebhookReceived) -> String {
    unique_key(event.integration.id, &event.provider_delivery_id)
}

pub(super) fn unique_key(integration_id: i64, delivery_id: &str) -> String {
    format!("{integration_id}/{delivery_id}")
}

#[listener(
    WebhookReceived,
    queue,
    name = "events_std.webhook.process",
    unique = key,
    on_missing = "discard",
    failed = give_up,
    crate = ::events_core
)]
async fn process(
    event: &WebhookReceived,
    Engine(engine): Engine,
    attempt: Attempt,
) -> Result<(), BoxError> {
    let integration = &event.integration;
    let found = engine.webhook_of(integration.id, &event.provider_delivery_id);
    let Some(webhook) = found.await? else {
        // Deleted meanwhile.
        return Ok(());
    };
    let Some((webhook, fence)) = engine.start_webhook(webhook.id, attempt).await? else {
        // An attempt before this one was successful, and its end could not be written.
        return Ok(());
    };
    let (id, began) = (webhook.id, engine.events().now());
    let handled = engine
        .handle_webhook(integration.clone(), webhook, Some(attempt))
        .await;
    let log = engine.webhook_log(event, began, &handled, attempt);
    match handled {
        Ok(()) => engine.end_webhook(id, fence, log).await,
        Err(error) => {
            engine.put_off_webhook(id, fence, &error).await?;
            Err(error)
        }
    }
}

/// The last attempt failed: in the transaction in which its job is parked.
async fn give_up(
    event: &WebhookReceived,
    failure: &JobFailure,
    Engine(engine): Engine,
    attempt: Attempt,
    tx: &Tx,
) -> Result<(), BoxError> {
    let within = engine.within(tx);
    let sql = "UPDATE events_webhooks SET status = 'failed', error = $3, attempts = $4, fence = fence + 1, updated_at = $5 \
               WHERE integration_id = $1 AND provider_delivery_id = $2 AND status <> 'processed'";
    let values = [
        event.integration.id.into(),
        event.provider_delivery_id.as_str().into(),
        shortened(failure.message()).into(),
        i64::from(attempt.number).into(),
        store::time(within.now()),
    ];
    if store::execute(tx, sql, values).await? == 0 {
        return Ok(());
    }
    let handled = Err(failure.message().into());
    let mut log = engine.webhook_log(event, within.now(), &handled, attempt);
    log.duration_ms = None;
    within.log_operation(log).await?;
    Ok(())
}

/// The text of an error as it is stored.
pub(super) fn shortened(text: &str) -> String {
    let kept = text.chars().filter(|character| *character != '\0');
    kept.take(ERROR_LENGTH).collect()
}

impl Integrations {
    pub(super) async fn webhook_of(
        &self,
        integration_id: i64,
        delivery_id: &str,
    ) -> Result<Option<IntegrationWebhook>, WebhookError> {
        let sql = format!(
            "SELECT {} FROM events_webhooks WHERE integration_id = $1 AND provider_delivery_id = $2",
            rows::COLUMNS
        );
        let values = [integration_id.into(), delivery_id.into()];
        let row = self.store().read_row(sql, values).await?;
        Ok(row.as_ref().map(rows::read).transpose()?)
    }

    /// Writes that an attempt starts, unless the delivery is processed already. Whoever starts after this one has a
    /// higher fence, and this one can write no end any more.
    async fn start_webhook(
        &self,
        id: i64,
        attempt: Attempt,
    ) -> Result<Option<(IntegrationWebhook, i64)>, WebhookError> {
        let sql = format!(
            "UPDATE events_webhooks SET status = 'processing', attempts = $2, fence = fence + 1, updated_at = $3 \
             WHERE id = $1 AND status <> 'processed' RETURNING {}, fence",
            rows::COLUMNS
        );
        let now = store::time(self.events().now());
        let values = [id.into(), i64::from(attempt.number).into(), now];
        let Some(row) = store::row(self.store().writer(), sql, values).await? else {
            return Ok(None);
        };
        Ok(Some((rows::read(&row)?, row.try_get("", "fence")?)))
    }

    /// Lets the provider's handler have a delivery. No transaction is open meanwhile.
    pub(super) async fn handle_webhook(
        &self,
        integration: Integration,
        webhook: IntegrationWebhook,
        attempt: Option<Attempt>,
    ) -> Result<(), BoxError> {
        let webhooks = self.capability::<dyn ErasedWebhooks>(&integration.provider);
        let webhooks = webhooks.ok_or_else(|| IntegrationError::Incapable {
            provider: integration.provider.clone(),
            capability: "Webhooks",
        })?;
        let delivery = Delivery {
            integration,
            webhook,
            attempt,
            events: self.events(),
        };
        // So the provider finds the service: `Integrations::current`.
        self.events().scope(webhooks.process(delivery)).await
    }

    /// Writes that a delivery is processed, and the entry of the operation log.
    async fn end_webhook(&self, id: i64, fence: i64, log: IntegrationLog) -> Result<(), BoxError> {
        let ended = self.transaction(async |tx| {
            let within = self.within(tx);
            let set = "status = 'processed', error = NULL, processed_at = $3";
            if !within.set_webhook(id, fence, set, None).await? {
                return Ok(false);
            }
            within.log_operation(log).await?;
            Ok::<_, IntegrationError>(true)
        });
        if ended.await? {
            return Ok(());
        }
        // Its job decides which of the two counts.
        Err("another attempt has started meanwhile, or the delivery was deleted".into())
    }

    /// Writes why an attempt failed, after which there may be another.
    async fn put_off_webhook(
        &self,
        id: i64,
        fence: i64,
        error: &BoxError,
    ) -> Result<(), IntegrationError> {
        let text = shortened(&error.to_string());
        self.transaction(async |tx| {
            let set = "status = 'pending', error = $4";
            let within = self.within(tx);
            within.set_webhook(id, fence, set, Some(text)).await
        })
        .await?;
        Ok(())
    }

    /// The entry of the operation log about one processing.
    pub(super) fn webhook_log(
        &self,
        event: &WebhookReceived,
        began: chrono::DateTime<chrono::Utc>,
        handled: &Result<(), BoxError>,
        attempt: Attempt,
    ) -> IntegrationLog {
        let status = if handled.is_ok() { "success" } else { "failed" };
        let spent = (self.events().now() - began).num_milliseconds();
        let id = event.integration.id;
        IntegrationLog {
            external_id: Some(event.provider_delivery_id.clone()),
            summary: event.event_type.clone(),
            error: handled
                .as_ref()
                .err()
                .map(|error| shortened(&error.to_string())),
            duration_ms: u64::try_from(spent).ok(),
            attempt: Some(attempt.number),
            max_attempts: attempt.max,
            ..IntegrationLog::new(id, "webhook", Direction::Inbound, status)
        }
    }
}

impl Within<'_> {
    /// Writes the end of an attempt, if none has started after it.
    async fn set_webhook(
        self,
        id: i64,
        fence: i64,
        set: &str,
        error: Option<String>,
    ) -> Result<bool, IntegrationError> {
        let sql = format!(
            "UPDATE events_webhooks SET {set}, updated_at = $3 WHERE id = $1 AND fence = $2 AND status = '{}'",
            WebhookStatus::Processing
        );
        let mut values: Vec<Value> = vec![id.into(), fence.into(), store::time(self.now())];
        values.extend(error.map(Value::from));
        Ok(store::execute(self.tx(), sql, values).await? > 0)
    }
}
