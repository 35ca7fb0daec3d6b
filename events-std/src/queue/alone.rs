//! Jobs that must run alone, as their process died while they ran: the worker takes one where nothing else runs.

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};

use super::claim::{Claimed, IN_ORDER, LIVES, Terms, is_known, take};

/// What is asked of a job that must run alone, of any of these queues (a JSON list).
fn waiting_alone(backend: DbBackend, terms: &Terms<'_>, what: &str) -> String {
    let (known, in_order) = (is_known(backend), terms.in_order);
    let queues = if backend == DbBackend::Postgres {
        "SELECT json_array_elements_text($3::json)"
    } else {
        "SELECT value FROM json_each($3)"
    };
    format!(
        "SELECT {what} FROM events_jobs AS j WHERE j.state = 0 AND j.alone AND j.run_at <= $2 AND j.queue IN ({queues}) \
         AND {known} AND {IN_ORDER} {in_order} AND {LIVES} ORDER BY j.run_at, j.id LIMIT 1"
    )
}

fn terms_alone(terms: &Terms<'_>, queues: &str) -> [Value; 4] {
    [
        terms.worker.into(),
        terms.now.timestamp_millis().into(),
        queues.into(),
        terms.known.into(),
    ]
}

/// Takes one job that must run alone, of any of these queues (a JSON list).
pub(super) async fn claim(
    connection: &impl ConnectionTrait,
    terms: &Terms<'_>,
    queues: &str,
) -> Result<Vec<Claimed>, DbErr> {
    let backend = connection.get_database_backend();
    let values = terms_alone(terms, queues).to_vec();
    take(
        connection,
        |what| waiting_alone(backend, terms, what),
        values,
        terms,
    )
    .await
}

/// Whether a job waits that must run alone and was due at the time of the terms.
pub(super) async fn waits(
    connection: &impl ConnectionTrait,
    terms: &Terms<'_>,
    queues: &str,
) -> Result<bool, DbErr> {
    let backend = connection.get_database_backend();
    let row = connection
        .query_one_raw(Statement::from_sql_and_values(
            backend,
            waiting_alone(backend, terms, "j.id"),
            terms_alone(terms, queues),
        ))
        .await?;
    Ok(row.is_some())
}
