//! Agents are told, below the ticket itself, when it did not arrive.

use events_core::{Attempt, State, listener};
use events_std::{Direction, IntegrationError, IntegrationLog, Integrations, SyncItemFailed};
use helpdesk_zendesk::{Zendesk, ZendeskError};

/// Why a ticket has no comment.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommentError {
    /// The item is not a ticket's.
    #[error("the item has no ticket number")]
    NoTicket,
    /// Zendesk did not take it.
    #[error(transparent)]
    Zendesk(#[from] ZendeskError),
    /// It could not be logged.
    #[error(transparent)]
    Log(#[from] IntegrationError),
}

/// Queued, and so tried again while Zendesk is away. Each attempt is an entry of the operation log.
#[listener(SyncItemFailed, queue = "comments", tries = 5, backoff = ["10s", "1m"], timeout = "1m")]
async fn comment_on_ticket(
    event: &SyncItemFailed,
    zendesk: &State<Zendesk>,
    integrations: Integrations,
    attempt: Attempt,
) -> Result<(), CommentError> {
    let id = event.item.external_id.as_deref();
    let ticket = id.and_then(|id| id.parse().ok());
    let ticket = ticket.ok_or(CommentError::NoTicket)?;
    let text = format!("This ticket did not reach the helpdesk: {}", event.error);
    let sent = zendesk
        .client(&integrations, &event.integration)?
        .comment(ticket, &text)
        .await;

    let status = if sent.is_ok() { "success" } else { "failed" };
    let log = IntegrationLog {
        external_id: Some(ticket.to_string()),
        error: sent.as_ref().err().map(ToString::to_string),
        attempt: Some(attempt.number),
        max_attempts: attempt.max,
        ..IntegrationLog::new(event.integration.id, "comment", Direction::Outbound, status)
    };
    integrations.log_operation(log).await?;
    Ok(sent?)
}
