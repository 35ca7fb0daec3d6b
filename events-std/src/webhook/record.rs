//! The record of one delivery.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};

use crate::error::UnknownWord;

/// One delivery that was verified and stored.
#[derive(Clone, PartialEq, Eq)]
pub struct IntegrationWebhook {
    /// The row's id.
    pub id: i64,
    /// The integration to which it was delivered.
    pub integration_id: i64,
    /// The provider's key.
    pub provider: String,
    /// The provider's id of the delivery; a hash of its body where the provider gives none. An integration has it once.
    pub provider_delivery_id: String,
    /// What the provider says has happened, where it says so.
    pub event_type: Option<String>,
    /// The body: the bytes that were signed.
    pub payload: Vec<u8>,
    /// All headers by name, in lower case, with the values of those that look secret masked.
    pub headers: BTreeMap<String, Vec<String>>,
    /// How its processing stands.
    pub status: WebhookStatus,
    /// Why the last attempt failed.
    pub error: Option<String>,
    /// How many attempts have started since it was last queued.
    pub attempts: u32,
    /// When it was processed.
    pub processed_at: Option<DateTime<Utc>>,
    /// When it was stored.
    pub created_at: DateTime<Utc>,
    /// When the row was last changed.
    pub updated_at: DateTime<Utc>,
}

impl IntegrationWebhook {
    /// The value of a header, by its name in any case; the first, where it came more than once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.headers.get(&name.to_ascii_lowercase())?;
        values.first().map(String::as_str)
    }
}

impl fmt::Debug for IntegrationWebhook {
    /// Of payload and headers only how much there is: they are the provider's data, and may be large.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntegrationWebhook")
            .field("id", &self.id)
            .field("integration_id", &self.integration_id)
            .field("provider", &self.provider)
            .field("provider_delivery_id", &self.provider_delivery_id)
            .field("event_type", &self.event_type)
            .field("payload", &format_args!("{} bytes", self.payload.len()))
            .field("headers", &format_args!("{}", self.headers.len()))
            .field("status", &self.status)
            .field("error", &self.error)
            .field("attempts", &self.attempts)
            .finish_non_exhaustive()
    }
}

/// How the processing of a delivery stands: a mirror of its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WebhookStatus {
    /// It waits for its first attempt or for the next.
    Pending,
    /// An attempt has started. Also until the next one starts, if its process died.
    Processing,
    /// A handler succeeded, or none is meant for it.
    Processed,
    /// The last attempt failed; or there is no job any more that would process it, as where no worker knew it for 7 days
    /// and it was parked, or somebody deleted it.
    Failed,
}

impl WebhookStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Pending,
        Self::Processing,
        Self::Processed,
        Self::Failed,
    ];
}

impl fmt::Display for WebhookStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Processed => "processed",
            Self::Failed => "failed",
        })
    }
}

impl FromStr for WebhookStatus {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        UnknownWord::or_one_of(Self::ALL, word)
    }
}
