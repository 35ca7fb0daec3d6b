//! The table of requests.

use events_core::{State, model};
use sea_orm::{DbErr, QueryResult, Value};

use super::{IntegrationRequest, RequestFailure};
use crate::integration::{IntegrationError, Integrations, Within};
use crate::store::{self, Columns, StoreError, text, text_or_null};

/// The columns that [`read`] reads, in its order.
pub(super) const COLUMNS: &str = "id, integration_id, endpoint, method, request_data, idempotency_key, \
                                  provider_request_id, retry_of, response_code, response_data, response_success, \
                                  error_kind, error_message, duration_ms, failure_class, created_at, updated_at";

pub(super) fn read(row: &QueryResult) -> Result<IntegrationRequest, StoreError> {
    let mut columns = Columns::of(row);
    Ok(IntegrationRequest {
        id: columns.next()?,
        integration_id: columns.next()?,
        endpoint: columns.next()?,
        method: columns.next()?,
        request_data: columns.next()?,
        idempotency_key: columns.next()?,
        provider_request_id: columns.next()?,
        retry_of: columns.next()?,
        response_code: columns.number_or_none()?,
        response_data: columns.next()?,
        response_success: columns.next()?,
        error: {
            let (kind, message): (Option<String>, Option<String>) =
                (columns.next()?, columns.next()?);
            kind.zip(message)
                .map(|(kind, message)| RequestFailure { kind, message })
        },
        duration_ms: columns.number_or_none()?,
        failure_class: columns.word_or_none()?,
        created_at: columns.time()?,
        updated_at: columns.time()?,
    })
}

impl Within<'_> {
    /// Inserts an attempt that has ended, as it is stored then.
    pub(super) async fn insert_request(
        self,
        request: IntegrationRequest,
    ) -> Result<IntegrationRequest, IntegrationError> {
        let sql = format!(
            "INSERT INTO events_requests (integration_id, endpoint, method, request_data, idempotency_key, \
             provider_request_id, retry_of, response_code, response_data, response_success, error_kind, \
             error_message, duration_ms, failure_class, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15) RETURNING {COLUMNS}"
        );
        let (kind, message) = request
            .error
            .map(|error| (error.kind, error.message))
            .unzip();
        let duration = request.duration_ms.map(i64::try_from);
        let values: [Value; 15] = [
            request.integration_id.into(),
            text(request.endpoint),
            text(request.method),
            text_or_null(request.request_data),
            text_or_null(request.idempotency_key),
            text_or_null(request.provider_request_id),
            request.retry_of.into(),
            request.response_code.map(i64::from).into(),
            text_or_null(request.response_data),
            request.response_success.into(),
            kind.into(),
            text_or_null(message),
            duration.map(|spent| spent.unwrap_or(i64::MAX)).into(),
            request.failure_class.map(|class| class.to_string()).into(),
            store::time(self.now()),
        ];
        let row = store::row(self.tx(), sql, values).await?;
        Ok(read(&row.ok_or(DbErr::RecordNotInserted)?)?)
    }
}

impl Integrations {
    /// The attempt with this id.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find_request(
        &self,
        id: i64,
    ) -> Result<Option<IntegrationRequest>, IntegrationError> {
        let sql = format!("SELECT {COLUMNS} FROM events_requests WHERE id = $1");
        let row = self.store().read_row(sql, [id.into()]).await?;
        Ok(row.as_ref().map(read).transpose()?)
    }
}

#[model]
async fn load_request(
    id: i64,
    integrations: &State<Integrations>,
) -> Result<Option<IntegrationRequest>, IntegrationError> {
    integrations.find_request(id).await
}
