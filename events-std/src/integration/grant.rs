//! What an authorization leaves with its integration: tokens among the credentials, and what is known of them.

use std::time::Duration;

use super::{Credentials, Integration, IntegrationError, Integrations, Within, rows};
use crate::store::{Columns, EncryptionError};

/// What is stored of an authorization beside its tokens.
pub(crate) struct Grant {
    /// Whether a person has to authorize the integration anew.
    pub(crate) needs_authorization: bool,
    /// How long the access token was good for when it was given, where that is known.
    pub(crate) token_lifetime: Option<Duration>,
}

impl Within<'_> {
    /// Whether credentials can be read as the provider's own type.
    pub(crate) fn fits(
        self,
        provider: &str,
        credentials: &Credentials,
    ) -> Result<(), IntegrationError> {
        self.check(provider, Some(credentials), None)
    }

    /// Writes the credentials of an integration that is [locked](Self::lock). Fires nothing.
    pub(crate) async fn set_credentials(
        self,
        integration: &Integration,
        credentials: &Credentials,
        grant: Grant,
    ) -> Result<Integration, IntegrationError> {
        let keys = self.integrations.keys();
        let sealed = rows::seal(Some(credentials), integration.uid, keys)?;
        let lifetime = grant.token_lifetime;
        let lifetime = lifetime.map(|time| i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        let set = "credentials = $3, needs_authorization = $4, token_lifetime = $5";
        let values = [
            sealed.into(),
            grant.needs_authorization.into(),
            lifetime.into(),
        ];
        self.set(integration.id, set, values).await
    }

    /// Records that a person has to authorize the integration anew. Fires nothing.
    pub(crate) async fn need_authorization(self, id: i64) -> Result<Integration, IntegrationError> {
        self.set(id, "needs_authorization = $3", [true.into()])
            .await
    }
}

impl Integrations {
    /// The integration, and how long its access token was good for when it was given, where that is known: of one look,
    /// so that the time is that token's and no later one's.
    pub(crate) async fn find_granted(
        &self,
        id: i64,
    ) -> Result<Option<(Integration, Option<Duration>)>, IntegrationError> {
        let columns = rows::COLUMNS;
        let sql =
            format!("SELECT {columns}, token_lifetime FROM events_integrations WHERE id = $1");
        let Some(row) = self.store().read_row(sql, [id.into()]).await? else {
            return Ok(None);
        };
        let mut beside = Columns::from(&row, rows::COLUMNS.split(',').count());
        let lifetime: Option<u64> = beside.number_or_none()?;
        Ok(Some((
            self.read(&row)?,
            lifetime.map(Duration::from_millis),
        )))
    }

    /// Encrypts what is decrypted only with the same `bound`.
    pub(crate) fn seal(&self, secret: &[u8], bound: &[u8]) -> Result<Vec<u8>, EncryptionError> {
        self.keys().seal(secret, bound)
    }

    /// Whether there is a key to encrypt with.
    pub(crate) fn can_seal(&self) -> bool {
        self.keys().current.is_some()
    }

    /// Decrypts it.
    pub(crate) fn unseal(
        &self,
        sealed: &[u8],
        bound: &[u8],
    ) -> Result<secrecy::zeroize::Zeroizing<Vec<u8>>, EncryptionError> {
        self.keys().open(sealed, bound)
    }
}
