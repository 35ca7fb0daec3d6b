//! The states of requests to authorize: of each stands the hash, for ten minutes, until it comes back once.

use chrono::TimeDelta;
use oauth2::PkceCodeChallenge;
use sea_orm::Value;
use sha2::{Digest, Sha256};

use super::Authorization;
use crate::integration::{IntegrationError, Integrations};
use crate::store::{self, Columns};

/// So long a state may take to come back.
const LASTS: TimeDelta = TimeDelta::minutes(10);
/// A state is 43 characters: whoever sends more knows none.
const LONGEST: usize = 64;

/// What is kept of a request to authorize.
pub(super) struct OAuthState {
    pub(super) integration_id: i64,
    /// The hash of the browser's session.
    pub(super) session: String,
    /// Where the person goes on to.
    pub(super) page: String,
    pub(super) verifier: String,
    pub(super) is_expired: bool,
}

pub(super) fn new_verifier() -> String {
    let (_, verifier) = PkceCodeChallenge::new_random_sha256();
    verifier.into_secret()
}

/// The hash of 256 random bits, which needs no salt. `of` keeps hashes of different things apart.
pub(super) fn hash(of: &str, secret: &str) -> String {
    let hash = Sha256::new()
        .chain_update(b"events oauth ")
        .chain_update(of)
        .chain_update(b"\0")
        .chain_update(secret);
    hex::encode(hash.finalize())
}

impl Integrations {
    /// Stores the state of a new request to authorize, and forgets those that have expired.
    pub(super) async fn store_state(
        &self,
        new: &Authorization,
        integration_id: i64,
        session: String,
        page: &str,
    ) -> Result<(), IntegrationError> {
        let hash = hash("state", &new.state);
        let sealed = self.seal(new.verifier.as_bytes(), hash.as_bytes())?;
        let now = self.events().now();
        let expired = "DELETE FROM events_oauth_states WHERE expires_at < $1";
        let insert = "INSERT INTO events_oauth_states (hash, integration_id, session, page, verifier, expires_at, \
                      created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let values: [Value; 7] = [
            hash.into(),
            integration_id.into(),
            session.into(),
            page.into(),
            sealed.into(),
            store::time(now + LASTS),
            store::time(now),
        ];
        self.transaction(async |tx| {
            store::execute(tx, expired, [store::time(now - LASTS)]).await?;
            store::execute(tx, insert, values).await?;
            Ok::<_, IntegrationError>(())
        })
        .await
    }

    /// Takes a state: of all who bring it, one gets it.
    pub(super) async fn take_state(
        &self,
        state: &str,
    ) -> Result<Option<OAuthState>, IntegrationError> {
        if state.len() > LONGEST {
            return Ok(None);
        }
        let hash = hash("state", state);
        let take = "DELETE FROM events_oauth_states WHERE hash = $1 \
                    RETURNING integration_id, session, page, verifier, expires_at";
        let taken = self.transaction(async |tx| {
            let row = store::row(tx, take, [hash.as_str().into()]).await?;
            Ok::<_, IntegrationError>(row)
        });
        let Some(row) = taken.await? else {
            return Ok(None);
        };
        let mut columns = Columns::of(&row);
        let (integration_id, session, page) = (columns.next()?, columns.next()?, columns.next()?);
        let sealed: Vec<u8> = columns.next()?;
        let verifier = self.unseal(&sealed, hash.as_bytes())?;
        Ok(Some(OAuthState {
            integration_id,
            session,
            page,
            verifier: String::from_utf8_lossy(&verifier).into_owned(),
            is_expired: columns.time()? < self.events().now(),
        }))
    }
}
