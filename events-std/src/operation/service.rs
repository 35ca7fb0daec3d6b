//! The operation log of a store.

use events_core::{State, model};
use sea_orm::{DbErr, Value};

use super::{IntegrationLog, OperationCompleted, OperationFailed, OperationStarted, rows};
use crate::integration::{Integration, IntegrationError, Integrations, Within};
use crate::store::{self, text, text_or_null};

impl Integrations {
    /// Stores an entry of the operation log, and fires by its status: [`OperationStarted`] for `processing`,
    /// [`OperationCompleted`] for `success`, [`OperationFailed`] for `failed`, nothing for any other. The entry as it is
    /// stored.
    ///
    /// # Errors
    ///
    /// If there is no such integration, or the database fails.
    pub async fn log_operation(
        &self,
        log: IntegrationLog,
    ) -> Result<IntegrationLog, IntegrationError> {
        self.transaction(async |tx| self.within(tx).log_operation(log).await)
            .await
    }

    /// Changes an entry, by its id; its integration, its operation and its direction stay. Fires nothing. The entry as
    /// it is stored; none if it is gone.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn update_operation(
        &self,
        log: IntegrationLog,
    ) -> Result<Option<IntegrationLog>, IntegrationError> {
        self.transaction(async |tx| self.within(tx).update_operation(log).await)
            .await
    }

    /// The entry of the operation log with this id.
    ///
    /// # Errors
    ///
    /// If the database fails.
    pub async fn find_operation(
        &self,
        id: i64,
    ) -> Result<Option<IntegrationLog>, IntegrationError> {
        let sql = format!(
            "SELECT {} FROM events_operations WHERE id = $1",
            rows::COLUMNS
        );
        let row = self.store().read_row(sql, [id.into()]).await?;
        Ok(row.as_ref().map(rows::read).transpose()?)
    }
}

/// What may change of an entry, in the order of its columns.
const CHANGES: [&str; 10] = [
    "parent_id",
    "status",
    "external_id",
    "summary",
    "metadata",
    "result_data",
    "error",
    "duration_ms",
    "attempt",
    "max_attempts",
];

fn changes(log: IntegrationLog) -> [Value; 10] {
    [
        log.parent_id.into(),
        text(log.status),
        text_or_null(log.external_id),
        text_or_null(log.summary),
        store::json_or_null(log.metadata.as_ref()),
        store::json_or_null(log.result_data.as_ref()),
        text_or_null(log.error),
        log.duration_ms
            .map(|spent| i64::try_from(spent).unwrap_or(i64::MAX))
            .into(),
        log.attempt.map(i64::from).into(),
        log.max_attempts.map(i64::from).into(),
    ]
}

impl Within<'_> {
    /// As [`Integrations::log_operation`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn log_operation(
        &self,
        log: IntegrationLog,
    ) -> Result<IntegrationLog, IntegrationError> {
        let id = log.integration_id;
        let integration = self.integrations().find(id).await?;
        let integration = integration.ok_or(IntegrationError::NotFound(id))?;
        let places: Vec<String> = (5..5 + CHANGES.len()).map(|at| format!("${at}")).collect();
        let sql = format!(
            "INSERT INTO events_operations (integration_id, operation, direction, created_at, updated_at, {}) \
             VALUES ($1, $2, $3, $4, $4, {}) RETURNING {}",
            CHANGES.join(", "),
            places.join(", "),
            rows::COLUMNS
        );
        let mut values: Vec<Value> = vec![
            id.into(),
            text(log.operation.clone()),
            log.direction.to_string().into(),
            store::time(self.now()),
        ];
        values.extend(changes(log));
        let row = store::row(self.tx(), sql, values).await?;
        let log = rows::read(&row.ok_or(DbErr::RecordNotInserted)?)?;
        self.tell_operation(integration, &log).await?;
        Ok(log)
    }

    async fn tell_operation(
        &self,
        integration: Integration,
        log: &IntegrationLog,
    ) -> Result<(), IntegrationError> {
        let log = log.clone();
        match &*log.status {
            "processing" => self.fire(&OperationStarted { integration, log }).await,
            "success" => self.fire(&OperationCompleted { integration, log }).await,
            "failed" => self.fire(&OperationFailed { integration, log }).await,
            _ => Ok(()),
        }
    }

    /// The entry of the operation log with this id, which nobody else changes until the transaction ends.
    pub(crate) async fn lock_operation(
        &self,
        id: i64,
    ) -> Result<Option<IntegrationLog>, IntegrationError> {
        let sql = format!(
            "SELECT {} FROM events_operations WHERE id = $1{}",
            rows::COLUMNS,
            store::for_update(self.tx())
        );
        let row = store::row(self.tx(), sql, [id.into()]).await?;
        Ok(row.as_ref().map(rows::read).transpose()?)
    }

    /// As [`Integrations::update_operation`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn update_operation(
        &self,
        log: IntegrationLog,
    ) -> Result<Option<IntegrationLog>, IntegrationError> {
        let set: Vec<String> = CHANGES
            .iter()
            .zip(3..)
            .map(|(column, at)| format!("{column} = ${at}"))
            .collect();
        let sql = format!(
            "UPDATE events_operations SET {}, updated_at = $2 WHERE id = $1 RETURNING {}",
            set.join(", "),
            rows::COLUMNS
        );
        let mut values: Vec<Value> = vec![log.id.into(), store::time(self.now())];
        values.extend(changes(log));
        let row = store::row(self.tx(), sql, values).await?;
        Ok(row.as_ref().map(rows::read).transpose()?)
    }
}

#[model]
async fn load_log(
    id: i64,
    integrations: &State<Integrations>,
) -> Result<Option<IntegrationLog>, IntegrationError> {
    integrations.find_operation(id).await
}
