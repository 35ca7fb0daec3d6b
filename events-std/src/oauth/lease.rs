//! The hold on an integration's grant: one worker of all processes refreshes or revokes it, while the others wait. Every
//! write that ends a hold matches its fence, which only grows.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::ConnectionTrait;

use crate::integration::Integrations;
use crate::store::{self, Columns, StoreError, Tx};

/// How long a hold lasts: longer than any call under it.
pub(super) const LEASE: Duration = Duration::from_mins(1);

/// A hold on the grant of an integration.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    pub(super) integration_id: i64,
    fence: i64,
}

/// What became of the wish to have one.
pub(super) enum Taken {
    Ours(Lease),
    /// Another worker has it: its fence.
    Held(i64),
}

fn name(integration_id: i64) -> String {
    format!("oauth/{integration_id}")
}

impl Lease {
    /// Takes the hold, if nobody has it or who has it was not heard of for too long.
    pub(super) async fn take(
        integrations: &Integrations,
        integration_id: i64,
    ) -> Result<Taken, StoreError> {
        let events = integrations.events();
        let store = integrations.store().with_events(&events);
        // In a transaction, so that the time is one after the wait for a connection: else the hold lapses that much sooner.
        let taking =
            store.transaction(async |tx| Self::take_in(tx, integration_id, events.now()).await);
        taking.await
    }

    async fn take_in(
        tx: &Tx,
        integration_id: i64,
        now: DateTime<Utc>,
    ) -> Result<Taken, StoreError> {
        let now = store::time_of_leases(tx, now).await?;
        let holder = format!("{}/{}", crate::queue::host(), std::process::id());
        let take = "INSERT INTO events_leases (name, holder, expires_at, fence, integration_id) \
                    SELECT $1, $2, $3, 1, id FROM events_integrations WHERE id = $5 \
                    ON CONFLICT (name) DO UPDATE SET holder = $2, expires_at = $3, fence = events_leases.fence + 1, \
                    outcome = NULL, integration_id = $5 WHERE events_leases.expires_at < $4 RETURNING fence";
        let values = [
            name(integration_id).into(),
            holder.into(),
            store::time(now + LEASE),
            store::time(now),
            integration_id.into(),
        ];
        if let Some(row) = store::row(tx, take, values).await? {
            let fence = Columns::of(&row).next()?;
            return Ok(Taken::Ours(Self {
                integration_id,
                fence,
            }));
        }
        let held = "SELECT fence FROM events_leases WHERE name = $1";
        let row = store::row(tx, held, [name(integration_id).into()]).await?;
        Ok(Taken::Held(match row {
            Some(row) => Columns::of(&row).next()?,
            None => 0,
        }))
    }

    /// Ends the hold, and tells those who wait what came of it: nothing, where it is good. Whether it still stood.
    pub(super) async fn end(
        self,
        connection: &impl ConnectionTrait,
        outcome: Option<&str>,
    ) -> Result<bool, StoreError> {
        let end = "UPDATE events_leases SET expires_at = 0, outcome = $3 \
                   WHERE name = $1 AND fence = $2 AND expires_at > 0";
        let values = [
            name(self.integration_id).into(),
            self.fence.into(),
            outcome.map(str::to_owned).into(),
        ];
        Ok(store::execute(connection, end, values).await? == 1)
    }
}

/// Waits until the hold with this fence has ended, or has lapsed: what its holder told of a failure.
pub(super) async fn ended(
    integrations: &Integrations,
    integration_id: i64,
    fence: i64,
) -> Result<Option<String>, StoreError> {
    const OFTEN: Duration = Duration::from_millis(20);
    const SELDOM: Duration = Duration::from_millis(250);
    let look = "SELECT fence, expires_at, outcome FROM events_leases WHERE name = $1";
    let mut pause = OFTEN;
    loop {
        let reader = integrations.store().reader();
        let Some(row) = store::row(reader, look, [name(integration_id).into()]).await? else {
            return Ok(None);
        };
        let mut columns = Columns::of(&row);
        let (now_held, until): (i64, DateTime<Utc>) = (columns.next()?, columns.time()?);
        if now_held != fence {
            return Ok(None);
        }
        if until < store::time_of_leases(reader, integrations.events().now()).await? {
            return Ok(columns.next()?);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(SELDOM);
    }
}
