//! Finding integrations.

use std::fmt::Write;

use sea_orm::Value;
use uuid::Uuid;

use super::{
    HealthStatus, InspectedIntegration, Integration, IntegrationError, Integrations, rows,
};
use crate::store;

/// Which integrations are listed: all, unless something is named.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct IntegrationFilter {
    provider: Option<String>,
    owner: Option<(String, String)>,
    health: Option<HealthStatus>,
    active: Option<bool>,
    after: Option<i64>,
    limit: Option<u32>,
}

impl IntegrationFilter {
    /// All.
    pub fn new() -> Self {
        Self::default()
    }

    /// Of the provider with this key.
    pub fn provider(mut self, key: impl Into<String>) -> Self {
        self.provider = Some(key.into());
        self
    }

    /// Of this record of the application: its kind, and which of that kind.
    pub fn owner(mut self, kind: impl Into<String>, id: impl Into<String>) -> Self {
        self.owner = Some((kind.into(), id.into()));
        self
    }

    /// Of this health.
    pub fn health(mut self, status: HealthStatus) -> Self {
        self.health = Some(status);
        self
    }

    /// Those that may be used, or those that may not.
    pub fn active(mut self, active: bool) -> Self {
        self.active = Some(active);
        self
    }

    /// With an id above this: the last of the page before.
    pub fn after(mut self, id: i64) -> Self {
        self.after = Some(id);
        self
    }

    /// So many at most.
    pub fn limit(mut self, limit: u32) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The statement, and its values.
    pub(super) fn statement(self) -> (String, Vec<Value>) {
        let (owner_type, owner_id) = self.owner.unzip();
        let mut sql = format!("SELECT {} FROM events_integrations", rows::COLUMNS);
        let mut values = store::wanted(
            &mut sql,
            [
                ("provider =", self.provider.map(Value::from)),
                ("owner_type =", owner_type.map(Value::from)),
                ("owner_id =", owner_id.map(Value::from)),
                (
                    "health_status =",
                    self.health.map(|health| health.to_string().into()),
                ),
                ("is_active =", self.active.map(Value::from)),
                ("id >", self.after.map(Value::from)),
            ],
        );
        sql += " ORDER BY id";
        if let Some(limit) = self.limit {
            values.push(i64::from(limit).into());
            let _ = write!(sql, " LIMIT ${}", values.len());
        }
        (sql, values)
    }
}

impl Integrations {
    /// The integration with this id.
    ///
    /// # Errors
    ///
    /// If the database fails, or the credentials cannot be decrypted.
    pub async fn find(&self, id: i64) -> Result<Option<Integration>, IntegrationError> {
        self.find_by("id", id.into()).await
    }

    /// The integration with this uid.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    pub async fn find_by_uid(&self, uid: Uuid) -> Result<Option<Integration>, IntegrationError> {
        self.find_by("uid", uid.into()).await
    }

    async fn find_by(
        &self,
        column: &str,
        value: Value,
    ) -> Result<Option<Integration>, IntegrationError> {
        let columns = rows::COLUMNS;
        let sql = format!("SELECT {columns} FROM events_integrations WHERE {column} = $1");
        let row = self.store().read_row(sql, [value]).await?;
        row.map(|row| self.read(&row)).transpose()
    }

    /// The integrations that fit, in the order of their ids.
    ///
    /// # Errors
    ///
    /// If the database fails, or the credentials of one cannot be decrypted: see [`inspect_all`](Self::inspect_all).
    pub async fn list(
        &self,
        filter: IntegrationFilter,
    ) -> Result<Vec<Integration>, IntegrationError> {
        let found = self.inspect_all(filter).await?;
        found.into_iter().map(InspectedIntegration::whole).collect()
    }
}
