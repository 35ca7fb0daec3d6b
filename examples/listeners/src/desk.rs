//! The tickets as the helpdesk keeps them: a table of its own, in the same database.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use events_core::{Attempt, State, listener};
use events_std::{Store, Tx};
use helpdesk_zendesk::{ZendeskTicketStatusChanged, ZendeskTicketSynced};
use sea_orm::{ConnectionTrait, DbErr, Statement};

use crate::Teller;

/// What the helpdesk knows besides its tickets.
#[derive(Debug)]
pub struct Desk {
    groups: Mutex<BTreeSet<String>>,
}

/// Why a ticket was not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeskError {
    /// Its group is unknown.
    #[error("the group `{0}` is not known here")]
    UnknownGroup(String),
    /// The search index did not take it.
    #[error("the search index is busy")]
    IndexBusy,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] DbErr),
}

impl Desk {
    /// A desk of these groups.
    #[must_use]
    pub fn of(groups: impl IntoIterator<Item = &'static str>) -> Self {
        Self {
            groups: Mutex::new(groups.into_iter().map(str::to_owned).collect()),
        }
    }

    /// Makes the table of tickets anew.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn clear(store: &Store) -> Result<(), DbErr> {
        for sql in [
            "DROP TABLE IF EXISTS helpdesk_tickets",
            "CREATE TABLE helpdesk_tickets (id BIGINT PRIMARY KEY, subject TEXT NOT NULL, \
             team TEXT NOT NULL, changed_at BIGINT NOT NULL, status TEXT NOT NULL DEFAULT 'NEW')",
        ] {
            store.writer().execute_unprepared(sql).await?;
        }
        Ok(())
    }

    /// How many tickets there are, and how many of them are solved.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn tickets(store: &Store) -> Result<(i64, i64), DbErr> {
        let sql =
            "SELECT COUNT(*), COUNT(CASE WHEN status = 'SOLVED' THEN 1 END) FROM helpdesk_tickets";
        let statement = Statement::from_string(store.backend(), sql);
        let row = store.reader().query_one_raw(statement).await?;
        let row = row.ok_or_else(|| DbErr::RecordNotFound(sql.to_owned()))?;
        Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))
    }

    /// A group that is known from now on.
    pub fn add_group(&self, group: &str) {
        self.groups().insert(group.to_owned());
    }

    fn groups(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stores a ticket in the transaction in which its item ends: once, whatever crashes.
#[listener(ZendeskTicketSynced, priority = 10)]
async fn store_ticket(
    event: &ZendeskTicketSynced,
    desk: &State<Desk>,
    tx: &Tx,
) -> Result<(), DeskError> {
    let ticket = &event.ticket;
    if !desk.groups().contains(&ticket.group) {
        return Err(DeskError::UnknownGroup(ticket.group.clone()));
    }
    let id = number(ticket.id)?;
    tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        "INSERT INTO helpdesk_tickets (id, subject, team, changed_at) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (id) DO UPDATE SET subject = excluded.subject, team = excluded.team, \
         changed_at = excluded.changed_at",
        [
            id.into(),
            ticket.subject.as_str().into(),
            ticket.group.as_str().into(),
            ticket.generated_timestamp.into(),
        ],
    ))
    .await?;
    Ok(())
}

/// Writes a status in the transaction in which its job ends: once, as the tickets. One ticket's changes are written in
/// their order. A ticket that is not here yet comes with the next sync.
#[listener(ZendeskTicketStatusChanged, queue = "statuses", order_by = ticket)]
async fn write_status(
    event: &ZendeskTicketStatusChanged,
    tx: &Tx,
    teller: Teller<'_>,
) -> Result<(), DeskError> {
    let ZendeskTicketStatusChanged { ticket, status, .. } = event;
    let written = tx.execute_raw(Statement::from_sql_and_values(
        tx.get_database_backend(),
        "UPDATE helpdesk_tickets SET status = $2 WHERE id = $1",
        [number(*ticket)?.into(), status.as_str().into()],
    ));
    let what = match written.await?.rows_affected() {
        0 => format!("ticket {ticket} is not known here yet"),
        _ => format!("ticket {ticket} is {status}"),
    };
    teller.tell_of("helpdesk", &what);
    Ok(())
}

fn ticket(event: &ZendeskTicketStatusChanged) -> String {
    format!("{}/{}", event.integration.id, event.ticket)
}

fn number(ticket: u64) -> Result<i64, DbErr> {
    i64::try_from(ticket).map_err(|error| DbErr::Type(error.to_string()))
}

/// Makes a ticket be found. The index is busy with urgent ones, twice: the whole item is tried again, and what
/// `store_ticket` wrote meanwhile is rolled back.
#[listener(ZendeskTicketSynced)]
async fn index_ticket(event: &ZendeskTicketSynced, attempt: Attempt) -> Result<(), DeskError> {
    if event.ticket.subject.starts_with("Urgent") && attempt.number < 3 {
        return Err(DeskError::IndexBusy);
    }
    Ok(())
}
