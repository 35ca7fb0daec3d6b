//! What an operator does with stored deliveries: looks at them, replays them, queues those again that failed.

use std::fmt::Write;
use std::time::Duration;

use chrono::{DateTime, Utc};
use events_core::{Job, PushError};
use sea_orm::Value;

use super::process::{LISTENER, shortened, unique_key};
use super::{IntegrationWebhook, WebhookError, WebhookReceived, WebhookStatus, rows};
use crate::integration::{
    Chore, Integration, IntegrationError, Integrations, IntegrationsBuilder, Retention, Within,
};
use crate::operation::{Direction, IntegrationLog};
use crate::store::{self, StoreError};

/// Which deliveries are listed: all, unless something is named.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct WebhookFilter {
    integration: Option<i64>,
    status: Option<WebhookStatus>,
    event_type: Option<String>,
    before: Option<i64>,
    limit: Option<u32>,
}

impl WebhookFilter {
    /// All.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of this integration.
    pub fn integration(mut self, id: i64) -> Self {
        self.integration = Some(id);
        self
    }

    /// Whose processing stands so.
    pub fn status(mut self, status: WebhookStatus) -> Self {
        self.status = Some(status);
        self
    }

    /// Of this event type.
    pub fn event_type(mut self, event_type: impl Into<String>) -> Self {
        self.event_type = Some(event_type.into());
        self
    }

    /// With an id below this: the last of the page before.
    pub fn before(mut self, id: i64) -> Self {
        self.before = Some(id);
        self
    }

    /// So many at most.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The statement, and its values.
    fn statement(self) -> (String, Vec<Value>) {
        let mut sql = rows::shown();
        let values = store::wanted(
            &mut sql,
            [
                ("integration_id =", self.integration.map(Into::into)),
                ("event_type =", self.event_type.map(Into::into)),
                ("id <", self.before.map(Into::into)),
            ],
        );
        if let Some(status) = self.status {
            let stranded = rows::STRANDED;
            let word = if values.is_empty() { "WHERE" } else { "AND" };
            // A text takes all that is written, here and below.
            let _ = match status {
                WebhookStatus::Failed => write!(sql, " {word} (status = 'failed' OR {stranded})"),
                WebhookStatus::Processed => write!(sql, " {word} status = 'processed'"),
                _ => write!(sql, " {word} status = '{status}' AND NOT {stranded}"),
            };
        }
        sql += " ORDER BY id DESC";
        if let Some(limit) = self.limit {
            let _ = write!(sql, " LIMIT {limit}");
        }
        (sql, values)
    }
}

/// What is still good if it is sent once more is not forgotten before: a signed time may be as far ahead as behind.
const LEAST: Duration = Duration::from_hours(1);

inventory::submit! {
    Chore {
        order: 1,
        forget: |engine, now| Box::pin(async move { Ok(engine.forget_webhooks(now).await?) }),
    }
}

impl IntegrationsBuilder {
    /// How long deliveries are kept after they were processed or have failed, 30 days unless given; for ever with
    /// `None`. One whose job is parked stays. The routes, requests and schedulers forget them, once a minute at most.
    ///
    /// One that is forgotten is no duplicate any more, should the provider send it again, or somebody who has captured it.
    /// So they are kept for 1 hour at least, while a signed time of 5 minutes' tolerance is good; with a verifier of a
    /// larger tolerance, keep them for twice that.
    pub fn keep_webhooks_for(self, time: Option<Duration>) -> Self {
        let time = time.map(|time| time.max(LEAST));
        self.part(Retention::<IntegrationWebhook>::of(time))
    }
}

impl Integrations {
    /// The delivery with this id.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn webhook(&self, id: i64) -> Result<Option<IntegrationWebhook>, WebhookError> {
        let sql = format!("{} WHERE id = $1", rows::shown());
        let row = self.store().read_row(sql, [id.into()]).await?;
        Ok(row.as_ref().map(rows::read_shown).transpose()?)
    }

    /// The deliveries that fit, the latest first.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn list_webhooks(
        &self,
        filter: WebhookFilter,
    ) -> Result<Vec<IntegrationWebhook>, WebhookError> {
        let (sql, values) = filter.statement();
        let rows = self.store().read_rows(sql, values).await?;
        Ok(rows
            .iter()
            .map(rows::read_shown)
            .collect::<Result<_, _>>()?)
    }

    /// Lets the provider's handler have a stored delivery once more: the same bytes and all headers, of which those that
    /// look secret were masked. Fires no [`WebhookReceived`], changes no status, and writes an entry of the operation
    /// log, `webhook_replay`, which is given back: it tells whether the handler was successful.
    ///
    /// # Errors
    ///
    /// If there is no such delivery, the task has a transaction open, or the database fails. What the handler says is no
    /// error of this.
    pub async fn replay_webhook(&self, id: i64) -> Result<IntegrationLog, WebhookError> {
        if self.store().is_open_here() {
            return Err(StoreError::TransactionOpen.into());
        }
        let webhook = self.webhook(id).await?.ok_or(WebhookError::NotFound(id))?;
        let integration = self.integration_of(&webhook).await?;
        let began = self.events().now();
        let (delivery_id, event_type) = (
            webhook.provider_delivery_id.clone(),
            webhook.event_type.clone(),
        );
        let (engine, owner) = (self.with_events(&self.events()), integration.id);
        let handling = async move { engine.handle_webhook(integration, webhook, None).await };
        // A panic is the handler's failure.
        let handled = self.apart(handling).await;
        let handled = handled.unwrap_or_else(|panicked| Err(panicked.into()));
        let spent = (self.events().now() - began).num_milliseconds();
        let error = handled.err().map(|error| shortened(&error.to_string()));
        let status = if error.is_none() { "success" } else { "failed" };
        let log = IntegrationLog {
            external_id: Some(delivery_id),
            summary: event_type,
            error,
            duration_ms: u64::try_from(spent).ok(),
            ..IntegrationLog::new(owner, "webhook_replay", Direction::Inbound, status)
        };
        Ok(self.log_operation(log).await?)
    }

    async fn integration_of(
        &self,
        webhook: &IntegrationWebhook,
    ) -> Result<Integration, IntegrationError> {
        let id = webhook.integration_id;
        self.find(id).await?.ok_or(IntegrationError::NotFound(id))
    }

    /// Queues a delivery again whose processing failed, with all its attempts: it is pending then. Its parked job is
    /// deleted. One whose job was parked or deleted without an attempt has failed too. Fires no [`WebhookReceived`].
    ///
    /// # Errors
    ///
    /// If there is no such delivery, it is processed or its job waits or runs, or the database fails.
    pub async fn recover_webhook(&self, id: i64) -> Result<IntegrationWebhook, WebhookError> {
        self.transaction(async |tx| self.within(tx).recover_webhook(id).await)
            .await
    }

    /// As [`recover_webhook`](Self::recover_webhook), for all that failed, of one integration where it is named. How
    /// many they were; one that fails again meanwhile is left alone.
    ///
    /// # Errors
    ///
    /// If the database fails. What was queued until then stays so.
    pub async fn recover_webhooks(&self, integration: Option<i64>) -> Result<u64, WebhookError> {
        const SOME: u32 = 100;
        let (mut recovered, mut before) = (0, i64::MAX);
        loop {
            let mut filter = WebhookFilter::new()
                .status(WebhookStatus::Failed)
                .before(before)
                .limit(SOME);
            if let Some(id) = integration {
                filter = filter.integration(id);
            }
            let failed = self.list_webhooks(filter).await?;
            let Some(last) = failed.last() else {
                return Ok(recovered);
            };
            before = last.id;
            for webhook in failed {
                match self.recover_webhook(webhook.id).await {
                    Ok(_) => recovered += 1,
                    // Somebody else was faster.
                    Err(WebhookError::NotFailed { .. } | WebhookError::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Forgets deliveries that were processed, have failed, or lost their job, longer ago than the retention; how many. Those whose job
    /// waits, runs or is parked stay.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn prune_webhooks(&self) -> Result<u64, WebhookError> {
        self.forget_webhooks(self.events().now()).await
    }

    async fn forget_webhooks(&self, now: DateTime<Utc>) -> Result<u64, WebhookError> {
        const SOME: u64 = 1_000;
        let Some(before) = self.forgets_before::<IntegrationWebhook>(now) else {
            return Ok(0);
        };
        // A job that waits or runs needs its delivery, and so does a parked one: whoever retries it finds it. The states
        // are apart, since each has an index of its own.
        let no_job = |states: &str| {
            format!(
                "NOT EXISTS (SELECT 1 FROM events_jobs AS j WHERE j.state {states} AND j.listener = $2 \
                 AND j.unique_key = w.integration_id || '/' || w.provider_delivery_id)"
            )
        };
        let (live, parked) = (no_job("IN (0, 1)"), no_job("= 3"));
        let done = "updated_at < $1 AND status IN ('processed', 'failed')";
        // Those whose job was deleted have no index: of the oldest ids few have stayed.
        let stranded = "updated_at < $1 AND status IN ('pending', 'processing')";
        let oldest = "w.id < COALESCE((SELECT y.id FROM events_webhooks AS y WHERE y.created_at >= $1 \
                      ORDER BY y.id LIMIT 1), 9223372036854775807)";
        // Asked again of each row: another attempt may have started since they were chosen.
        let forget = |old: &str, more: &str| {
            format!(
                "DELETE FROM events_webhooks WHERE {old} AND id IN (SELECT w.id FROM events_webhooks AS w WHERE {old} \
                 AND {live} AND (w.status = 'processed' OR {parked}) {more} LIMIT {SOME})"
            )
        };
        let statements = [
            forget(done, "ORDER BY w.updated_at"),
            forget(stranded, &format!("AND {oldest} ORDER BY w.id")),
        ];
        let values: [Value; 2] = [store::time(before), LISTENER.into()];
        let mut forgotten = 0;
        for sql in statements {
            loop {
                let some = store::execute(self.store().writer(), &*sql, values.clone()).await?;
                forgotten += some;
                if some < SOME {
                    break;
                }
            }
        }
        Ok(forgotten)
    }
}

impl Within<'_> {
    /// As [`Integrations::recover_webhook`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn recover_webhook(&self, id: i64) -> Result<IntegrationWebhook, WebhookError> {
        let lock = store::for_update(self.tx());
        let sql = format!(
            "SELECT {} FROM events_webhooks WHERE id = $1{lock}",
            rows::COLUMNS
        );
        let row = store::row(self.tx(), sql, [id.into()]).await?;
        let webhook = rows::read(&row.ok_or(WebhookError::NotFound(id))?)?;
        let status = webhook.status;
        let key = unique_key(webhook.integration_id, &webhook.provider_delivery_id);
        let job: [Value; 2] = [LISTENER.into(), key.into()];
        let live = "SELECT id FROM events_jobs WHERE listener = $1 AND unique_key = $2 AND state IN (0, 1)";
        let lives = store::row(self.tx(), live, job.clone()).await?.is_some();
        if status == WebhookStatus::Processed || lives {
            return Err(WebhookError::NotFailed { id, status });
        }
        let parked =
            "DELETE FROM events_jobs WHERE state = 3 AND listener = $1 AND unique_key = $2";
        store::execute(self.tx(), parked, job).await?;
        let integration = self.integrations().integration_of(&webhook).await?;
        self.push_processing(WebhookReceived {
            integration,
            provider_key: webhook.provider,
            provider_delivery_id: webhook.provider_delivery_id,
            event_type: webhook.event_type,
        })
        .await?;
        let sql = format!(
            "UPDATE events_webhooks SET status = 'pending', attempts = 0, fence = fence + 1, updated_at = $2 \
             WHERE id = $1 RETURNING {}",
            rows::COLUMNS
        );
        let row = store::row(self.tx(), sql, [id.into(), store::time(self.now())]).await?;
        Ok(rows::read(&row.ok_or(WebhookError::NotFound(id))?)?)
    }

    /// Writes the processing job alone: the announcement and the jobs of the app's listeners were written once.
    async fn push_processing(&self, event: WebhookReceived) -> Result<(), IntegrationError> {
        let push = async |jobs: Vec<Job>| {
            let own: Vec<Job> = jobs
                .into_iter()
                .filter(|job| job.listener == LISTENER)
                .collect();
            if own.is_empty() {
                return Err(PushError::Failed(
                    "the dispatcher has no listener that processes webhooks".into(),
                ));
            }
            self.tx().push(own).await
        };
        self.tx().events().dispatch_jobs(&event, push).await?;
        Ok(())
    }
}
