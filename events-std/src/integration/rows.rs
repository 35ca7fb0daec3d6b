//! The table of integrations.

use sea_orm::QueryResult;
use uuid::Uuid;

use super::{Credentials, InspectedIntegration, Integration, IntegrationError};
use crate::store::{Columns, EncryptionError, Keyring, StoreError};

/// The columns that [`read`] reads, in its order.
pub(super) const COLUMNS: &str = "id, uid, provider, name, credentials, metadata, is_active, health_status, consecutive_failures, \
                                  last_error_at, last_synced_at, sync_interval_minutes, next_sync_at, sync_cursor, \
                                  owner_type, owner_id, consecutive_sync_failures, needs_authorization, created_at, \
                                  updated_at";

pub(super) fn read(row: &QueryResult, keys: &Keyring) -> Result<InspectedIntegration, StoreError> {
    let mut columns = Columns::of(row);
    let id = columns.next()?;
    let uid = columns.next()?;
    let mut credentials_error = None;
    let integration = Integration {
        id,
        uid,
        provider: columns.next()?,
        name: columns.next()?,
        credentials: match columns.next::<Option<Vec<u8>>>()? {
            Some(sealed) => open(&sealed, uid, keys)
                .map_err(|error| credentials_error = Some(error))
                .ok(),
            None => None,
        },
        metadata: columns.json_or_none()?,
        is_active: columns.next()?,
        health_status: columns.word()?,
        consecutive_failures: columns.number()?,
        last_error_at: columns.time_or_none()?,
        last_synced_at: columns.time_or_none()?,
        sync_interval_minutes: columns.number_or_none()?,
        next_sync_at: columns.time_or_none()?,
        sync_cursor: columns.json_or_none()?,
        owner_type: columns.next()?,
        owner_id: columns.next()?,
        consecutive_sync_failures: columns.number()?,
        needs_authorization: columns.next()?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
    };
    Ok(InspectedIntegration {
        integration,
        credentials_error,
    })
}

/// What credentials are bound to: those of one integration cannot be read as another's.
fn bound(uid: Uuid) -> [u8; 16] {
    uid.into_bytes()
}

fn open(sealed: &[u8], uid: Uuid, keys: &Keyring) -> Result<Credentials, EncryptionError> {
    let text = keys.open(sealed, &bound(uid))?;
    let values = serde_json::from_slice(&text).map_err(|_| EncryptionError::UnknownForm)?;
    Ok(Credentials::new(values))
}

/// Credentials as they are stored.
pub(super) fn seal(
    credentials: Option<&Credentials>,
    uid: Uuid,
    keys: &Keyring,
) -> Result<Option<Vec<u8>>, IntegrationError> {
    let Some(credentials) = credentials else {
        return Ok(None);
    };
    Ok(Some(keys.seal(&credentials.to_text(), &bound(uid))?))
}

/// The same credentials, encrypted with the current key; none if they are so already.
pub(super) fn reseal(
    sealed: &[u8],
    uid: Uuid,
    keys: &Keyring,
) -> Result<Option<Vec<u8>>, IntegrationError> {
    let text = keys.open(sealed, &bound(uid))?;
    if keys.is_current(sealed) {
        return Ok(None);
    }
    Ok(Some(keys.seal(&text, &bound(uid))?))
}
