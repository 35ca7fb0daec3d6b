//! Integrations come, change, and get other keys.

use sea_orm::Value;
use serde_json::Value as Json;
use uuid::Uuid;

use super::credentials::unfit;
use super::due::span;
use super::{
    Credentials, Integration, IntegrationCreated, IntegrationError, IntegrationUpdate,
    Integrations, NewIntegration, Within, rows,
};
use crate::store::{self, EncryptionError};

/// What was encrypted anew in one transaction.
#[derive(Default)]
struct Rotated {
    count: u64,
    /// The last integration; none: there are no more.
    last: Option<i64>,
    /// Why one could not be decrypted: the first of them.
    failed: Option<IntegrationError>,
}

/// So many rows are encrypted anew in one transaction.
const ROTATED_AT_ONCE: i64 = 100;

fn check_interval(minutes: Option<u32>) -> Result<(), IntegrationError> {
    match minutes {
        Some(0) => Err(IntegrationError::NoInterval),
        _ => Ok(()),
    }
}

impl Within<'_> {
    /// As [`Integrations::create`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn create(self, new: NewIntegration) -> Result<Integration, IntegrationError> {
        if self.integrations.registry().get(&new.provider).is_none() {
            return Err(IntegrationError::UnknownProvider(new.provider));
        }
        self.check(
            &new.provider,
            new.credentials.as_ref(),
            new.metadata.as_ref(),
        )?;
        check_interval(new.sync_interval_minutes)?;
        let uid = Uuid::now_v7();
        let credentials = rows::seal(new.credentials.as_ref(), uid, self.integrations.keys())?;
        let (owner_type, owner_id) = new.owner.unzip();
        let sql = format!(
            "INSERT INTO events_integrations (uid, provider, name, credentials, metadata, sync_interval_minutes, \
             owner_type, owner_id, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) RETURNING {}",
            rows::COLUMNS
        );
        let values: [Value; 9] = [
            uid.into(),
            new.provider.into(),
            new.name.into(),
            credentials.into(),
            store::json_or_null(new.metadata.as_ref()),
            new.sync_interval_minutes.map(i64::from).into(),
            owner_type.into(),
            owner_id.into(),
            store::time(self.now()),
        ];
        let row = store::row(self.tx, sql, values).await?;
        let row = row.ok_or(sea_orm::DbErr::RecordNotInserted)?;
        let integration = self.integrations.read(&row)?;
        let event = IntegrationCreated { integration };
        self.fire(&event).await?;
        Ok(event.integration)
    }

    /// As [`Integrations::update`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn update(
        self,
        id: i64,
        update: IntegrationUpdate,
    ) -> Result<Integration, IntegrationError> {
        check_interval(update.sync_interval_minutes.flatten())?;
        let locked = self.lock_inspected(id).await?;
        let mut changed = match update.credentials {
            Some(_) => locked.integration,
            None => locked.whole()?,
        };
        let (credentials, metadata) = (&update.credentials, &update.metadata);
        let credentials = credentials.as_ref().and_then(Option::as_ref);
        let metadata = metadata.as_ref().and_then(Option::as_ref);
        self.check(&changed.provider, credentials, metadata)?;
        if let Some(minutes) = update.sync_interval_minutes {
            changed.sync_interval_minutes = minutes;
            // After a run with failures the time of the next is not the interval's.
            if changed.consecutive_sync_failures == 0 {
                let interval = self.integrations.effective_interval(&changed);
                let next = |last: chrono::DateTime<_>| last.checked_add_signed(span(interval?));
                changed.next_sync_at = changed.last_synced_at.and_then(next);
            }
        }
        if let Some(name) = update.name {
            changed.name = name;
        }
        let mut of_token = "";
        if let Some(credentials) = update.credentials {
            let stored = changed.credentials.as_ref();
            if credentials
                .as_ref()
                .is_some_and(|new| new.bring_token(stored))
            {
                changed.needs_authorization = false;
            }
            changed.credentials = credentials;
            // It was the one before that this is known of.
            of_token = ", token_lifetime = NULL";
        }
        if let Some(metadata) = update.metadata {
            changed.metadata = metadata;
        }
        if let Some(owner) = update.owner {
            (changed.owner_type, changed.owner_id) = owner.unzip();
        }
        let keys = self.integrations.keys();
        let credentials = rows::seal(changed.credentials.as_ref(), changed.uid, keys)?;
        let set = format!(
            "name = $3, credentials = $4, metadata = $5, sync_interval_minutes = $6, next_sync_at = $7, \
             owner_type = $8, owner_id = $9, needs_authorization = $10{of_token}"
        );
        let values: [Value; 8] = [
            changed.name.into(),
            credentials.into(),
            store::json_or_null(changed.metadata.as_ref()),
            changed.sync_interval_minutes.map(i64::from).into(),
            store::time_or_null(changed.next_sync_at),
            changed.owner_type.into(),
            changed.owner_id.into(),
            changed.needs_authorization.into(),
        ];
        self.set(id, &set, values).await
    }

    /// Whether what is to be stored can be read as the provider's own types, where the provider is known.
    pub(super) fn check(
        self,
        provider: &str,
        credentials: Option<&Credentials>,
        metadata: Option<&Json>,
    ) -> Result<(), IntegrationError> {
        let Some(provider) = self.integrations.registry().get(provider) else {
            return Ok(());
        };
        if let Some(credentials) = credentials {
            let read = credentials.check(provider.reads.credentials);
            read.map_err(|error| unfit(provider.type_name, &error))?;
        }
        if let Some(metadata) = metadata {
            let read = (provider.reads.metadata)(metadata);
            read.map_err(|error| IntegrationError::Metadata(error.to_string()))?;
        }
        Ok(())
    }

    /// Encrypts the credentials of the next integrations anew, but those that cannot be decrypted.
    async fn rotate_after(self, id: i64) -> Result<Rotated, IntegrationError> {
        let lock = store::for_update(self.tx);
        let sql = format!(
            "SELECT id, uid, credentials FROM events_integrations WHERE credentials IS NOT NULL AND id > $1 \
             ORDER BY id LIMIT $2{lock}"
        );
        let rows = store::rows(self.tx, sql, [id.into(), ROTATED_AT_ONCE.into()]).await?;
        let mut done = Rotated::default();
        for row in rows {
            let id: i64 = row.try_get_by_index(0)?;
            let (uid, sealed): (Uuid, Vec<u8>) =
                (row.try_get_by_index(1)?, row.try_get_by_index(2)?);
            done.last = Some(id);
            match rows::reseal(&sealed, uid, self.integrations.keys()) {
                Ok(Some(sealed)) => {
                    let set = "UPDATE events_integrations SET credentials = $2 WHERE id = $1";
                    done.count += store::execute(self.tx, set, [id.into(), sealed.into()]).await?;
                }
                Ok(None) => {}
                Err(error) => done.failed = done.failed.or(Some(error)),
            }
        }
        Ok(done)
    }
}

impl Integrations {
    /// Stores a new integration. Fires [`IntegrationCreated`].
    ///
    /// # Errors
    ///
    /// If the provider is not registered, credentials or metadata do not fit it, it is to be synced every 0 minutes, there
    /// is no encryption key for the credentials, or the database fails.
    pub async fn create(&self, new: NewIntegration) -> Result<Integration, IntegrationError> {
        self.transaction(async |tx| self.within(tx).create(new).await)
            .await
    }

    /// Changes an integration. Fires nothing. One whose credentials cannot be decrypted is changed only together with
    /// them. Credentials with another `access_token` or `refresh_token` than those stored are an authorization: the
    /// integration does not [need one](Integration::needs_authorization) any more.
    ///
    /// # Errors
    ///
    /// If there is no such integration, or as [`create`](Self::create).
    pub async fn update(
        &self,
        id: i64,
        update: IntegrationUpdate,
    ) -> Result<Integration, IntegrationError> {
        self.transaction(async |tx| self.within(tx).update(id, update).await)
            .await
    }

    /// Encrypts with the current key all credentials that were encrypted with an old one. How many there were. Safe to
    /// repeat, and to run while the application works. It has transactions of its own, some rows in each, and cannot
    /// join another.
    ///
    /// # Errors
    ///
    /// If some cannot be decrypted: their rows stay as they are, and all others are done; or if the database fails.
    pub async fn rotate_credentials(&self) -> Result<u64, IntegrationError> {
        if self.keys().current.is_none() {
            return Err(EncryptionError::NoKey.into());
        }
        let (mut after, mut rotated, mut failed) = (0, 0, None);
        loop {
            let done = self.transaction(async |tx| self.within(tx).rotate_after(after).await);
            let done = done.await?;
            rotated += done.count;
            failed = failed.or(done.failed);
            match done.last {
                Some(last) => after = last,
                None => return failed.map_or(Ok(rotated), Err),
            }
        }
    }
}
