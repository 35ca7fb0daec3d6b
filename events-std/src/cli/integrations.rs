//! `integrations`: which there are, and how well they work. Secrets are never shown.

use std::fmt::Write as _;
use std::io::Write;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::text::{Column, age, counted, on_one_line, table};
use super::{CommandError, write_json};
use crate::integration::{
    HealthStatus, InspectedIntegration, IntegrationError, IntegrationFilter, Integrations,
};

#[derive(Clone, Debug, Subcommand)]
pub(super) enum IntegrationsCommand {
    /// List them, in the order of their ids
    List(ListArgs),
    /// Show one with all that is known, but no secret
    Show {
        /// Its id
        #[arg(value_name = "INTEGRATION")]
        id: i64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// See how well they work, or ask a provider about one
    Health(HealthArgs),
}

#[derive(Args, Clone, Debug)]
pub(super) struct ListArgs {
    /// Only those of this provider, by its key
    #[arg(long, value_name = "KEY")]
    provider: Option<String>,
    /// Only those of this health: healthy, degraded, failing, disabled
    #[arg(long, value_name = "STATUS")]
    health: Option<HealthStatus>,
    /// Only those of this record of the application: its kind and which, as team/7
    #[arg(long, value_name = "KIND/ID", value_parser = owner)]
    owner: Option<(String, String)>,
    /// How many to list at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
    /// Go on behind this one, the last of the page before
    #[arg(long, value_name = "INTEGRATION")]
    after: Option<i64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct HealthArgs {
    /// Only this one
    #[arg(value_name = "INTEGRATION")]
    id: Option<i64>,
    /// Ask its provider whether it works, and record the answer
    #[arg(long, requires = "id")]
    check: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn owner(text: &str) -> Result<(String, String), String> {
    let parts = text.split_once('/');
    let (kind, id) = parts.ok_or("an owner is a kind and an id with a `/` between, as team/7")?;
    Ok((kind.to_owned(), id.to_owned()))
}

/// What is shown of an integration: everything but what its credentials are.
#[derive(Serialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the record has as many, and none decides anything here"
)]
struct Shown<'i> {
    id: i64,
    uid: String,
    provider: &'i str,
    provider_known: bool,
    name: &'i str,
    owner_type: Option<&'i str>,
    owner_id: Option<&'i str>,
    is_active: bool,
    health_status: HealthStatus,
    consecutive_failures: u32,
    last_error_at: Option<DateTime<Utc>>,
    has_credentials: bool,
    /// Why they cannot be decrypted.
    credentials_error: Option<String>,
    needs_authorization: bool,
    metadata: Option<&'i serde_json::Value>,
    sync_interval_seconds: Option<u64>,
    last_synced_at: Option<DateTime<Utc>>,
    next_sync_at: Option<DateTime<Utc>>,
    sync_cursor: Option<&'i serde_json::Value>,
    consecutive_sync_failures: u32,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl<'i> Shown<'i> {
    fn of(inspected: &'i InspectedIntegration, integrations: &Integrations) -> Self {
        let integration = &inspected.integration;
        let error = inspected.credentials_error.as_ref();
        let interval = integrations.effective_interval(integration);
        let mut known = integrations.providers();
        Self {
            id: integration.id,
            uid: integration.uid.to_string(),
            provider: &integration.provider,
            provider_known: known.any(|(key, _)| key == integration.provider),
            name: &integration.name,
            owner_type: integration.owner_type.as_deref(),
            owner_id: integration.owner_id.as_deref(),
            is_active: integration.is_active,
            health_status: integration.health_status,
            consecutive_failures: integration.consecutive_failures,
            last_error_at: integration.last_error_at,
            has_credentials: integration.credentials.is_some() || error.is_some(),
            credentials_error: error.map(ToString::to_string),
            needs_authorization: integration.needs_authorization,
            metadata: integration.metadata.as_ref(),
            sync_interval_seconds: interval.map(|interval| interval.as_secs()),
            last_synced_at: integration.last_synced_at,
            next_sync_at: integration.next_sync_at,
            sync_cursor: integration.sync_cursor.as_ref(),
            consecutive_sync_failures: integration.consecutive_sync_failures,
            created_at: integration.created_at,
            updated_at: integration.updated_at,
        }
    }
}

impl IntegrationsCommand {
    pub(super) async fn run(
        self,
        integrations: &Integrations,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        match self {
            Self::List(args) => args.run(integrations, output).await,
            Self::Show { id, json } => {
                let found = find(integrations, id).await?;
                let shown = Shown::of(&found, integrations);
                if json {
                    return write_json(output, &shown);
                }
                let text = shown_text(&shown, integrations.events().now());
                output.write_all(text.as_bytes())?;
                Ok(())
            }
            Self::Health(args) => args.run(integrations, output).await,
        }
    }
}

/// The integration with this id.
pub(super) async fn find(
    integrations: &Integrations,
    id: i64,
) -> Result<InspectedIntegration, IntegrationError> {
    let found = integrations.inspect(id).await?;
    found.ok_or(IntegrationError::NotFound(id))
}

/// What stands below a table of integrations whose credentials cannot be decrypted.
pub(super) fn unreadable<'e>(errors: impl IntoIterator<Item = (i64, Option<&'e str>)>) -> String {
    let mut text = String::new();
    for (id, error) in errors {
        if let Some(error) = error {
            let gap = if text.is_empty() { "\n" } else { "" };
            let _ = writeln!(
                text,
                "{gap}integration {id}: its credentials cannot be decrypted: {error}"
            );
        }
    }
    text
}

/// How long ago something was; a hyphen if it never was.
pub(super) fn since(at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| age(now - at))
}

fn yes_or_no(yes: bool) -> String {
    if yes { "yes" } else { "no" }.to_owned()
}

impl ListArgs {
    async fn run(
        self,
        integrations: &Integrations,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let mut filter = IntegrationFilter::new().limit(self.limit);
        if let Some(provider) = self.provider {
            filter = filter.provider(provider);
        }
        if let Some(health) = self.health {
            filter = filter.health(health);
        }
        if let Some((kind, id)) = self.owner {
            filter = filter.owner(kind, id);
        }
        if let Some(after) = self.after {
            filter = filter.after(after);
        }
        let found = integrations.inspect_all(filter).await?;
        let shown: Vec<_> = found
            .iter()
            .map(|one| Shown::of(one, integrations))
            .collect();
        if self.json {
            return write_json(output, &shown);
        }
        let mut text = listed_text(&shown, integrations.events().now());
        if let Some(last) = shown.last()
            && u32::try_from(shown.len()).is_ok_and(|shown| shown == self.limit)
        {
            let _ = writeln!(text, "\nmore: --after {}", last.id);
        }
        output.write_all(text.as_bytes())?;
        Ok(())
    }
}

fn listed_text(shown: &[Shown<'_>], now: DateTime<Utc>) -> String {
    if shown.is_empty() {
        return "no integrations\n".to_owned();
    }
    let rows = shown.iter().map(|one| {
        [
            one.id.to_string(),
            one.provider.to_owned(),
            one.name.to_owned(),
            match (one.owner_type, one.owner_id) {
                (Some(kind), Some(id)) => format!("{kind}/{id}"),
                _ => "-".to_owned(),
            },
            yes_or_no(one.is_active),
            one.health_status.to_string(),
            since(one.last_synced_at, now),
        ]
    });
    let listed = table(
        [
            Column::Number("ID"),
            Column::Text("PROVIDER"),
            Column::Text("NAME"),
            Column::Text("OWNER"),
            Column::Text("ACTIVE"),
            Column::Text("HEALTH"),
            Column::Number("SYNCED"),
        ],
        rows,
    );
    let errors = shown
        .iter()
        .map(|one| (one.id, one.credentials_error.as_deref()));
    listed + &unreadable(errors)
}

fn shown_text(shown: &Shown<'_>, now: DateTime<Utc>) -> String {
    let at = |time: DateTime<Utc>| time.format("%Y-%m-%d %H:%M:%S UTC").to_string();
    let ago = |time: Option<DateTime<Utc>>| {
        time.map(|time| format!("{}, {} ago", at(time), age(now - time)))
    };
    let optional = [
        (
            "owner",
            shown
                .owner_type
                .zip(shown.owner_id)
                .map(|(kind, id)| format!("{kind}/{id}")),
        ),
        ("failed", ago(shown.last_error_at)),
        ("metadata", shown.metadata.map(ToString::to_string)),
        ("synced", ago(shown.last_synced_at)),
        ("next sync", shown.next_sync_at.map(at)),
        ("cursor", shown.sync_cursor.map(ToString::to_string)),
    ];
    let provider = if shown.provider_known {
        ""
    } else {
        ", which this program does not know"
    };
    let credentials = match &shown.credentials_error {
        Some(error) => format!("cannot be decrypted: {error}"),
        None if shown.has_credentials => "stored".to_owned(),
        None => "none".to_owned(),
    };
    let authorization = if shown.needs_authorization {
        ", and a person has to authorize it again"
    } else {
        ""
    };
    let failures = counted(shown.consecutive_failures.into(), "failure");
    let interval = shown.sync_interval_seconds.map_or_else(
        || "by hand only".to_owned(),
        |seconds| {
            let interval = std::time::Duration::from_secs(seconds);
            let failed = counted(shown.consecutive_sync_failures.into(), "run");
            format!(
                "every {}, {failed} with failures in a row",
                humantime::format_duration(interval)
            )
        },
    );
    let rows = [
        ("name", shown.name.to_owned()),
        ("uid", shown.uid.clone()),
        ("provider", format!("{}{provider}", shown.provider)),
        ("active", yes_or_no(shown.is_active)),
        (
            "health",
            format!("{}, {failures} in a row", shown.health_status),
        ),
        ("credentials", format!("{credentials}{authorization}")),
        ("syncs", interval),
        ("created", at(shown.created_at)),
        ("changed", at(shown.updated_at)),
    ];
    let optional = optional
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    let mut text = format!("integration {}\n", shown.id);
    for (name, value) in rows.into_iter().chain(optional) {
        let _ = writeln!(text, "  {name:<13}{}", on_one_line(&value));
    }
    text
}

/// How well an integration works, as `--json` prints it.
#[derive(Serialize)]
struct Condition<'i> {
    id: i64,
    provider: &'i str,
    name: &'i str,
    is_active: bool,
    health_status: HealthStatus,
    consecutive_failures: u32,
    last_error_at: Option<DateTime<Utc>>,
    /// Why its credentials cannot be decrypted.
    credentials_error: Option<String>,
    /// What the provider said, where it was asked: nothing if it is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    checked: Option<Result<(), String>>,
}

impl HealthArgs {
    async fn run(
        self,
        integrations: &Integrations,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let (found, said) = match self.id {
            Some(id) if self.check => {
                let (found, said) = integrations.check_health(id).await?;
                let said = said.map_err(|failure| format!("{}: {failure}", failure.class));
                let found = InspectedIntegration {
                    integration: found,
                    credentials_error: None,
                };
                (vec![found], Some(said))
            }
            Some(id) => (vec![find(integrations, id).await?], None),
            None => (
                integrations.inspect_all(IntegrationFilter::new()).await?,
                None,
            ),
        };
        let mut health: Vec<_> = found
            .iter()
            .map(
                |InspectedIntegration {
                     integration: one,
                     credentials_error,
                     ..
                 }| Condition {
                    id: one.id,
                    provider: &one.provider,
                    name: &one.name,
                    is_active: one.is_active,
                    health_status: one.health_status,
                    consecutive_failures: one.consecutive_failures,
                    last_error_at: one.last_error_at,
                    credentials_error: credentials_error.as_ref().map(ToString::to_string),
                    checked: said.clone(),
                },
            )
            .collect();
        // The troubled ones first.
        health.sort_by_key(|one| {
            let is_readable = one.credentials_error.is_none();
            let trouble = trouble(one.health_status);
            (is_readable, std::cmp::Reverse(trouble), one.id)
        });
        if self.json {
            write_json(output, &health)?;
        } else {
            let text = health_text(&health, integrations.events().now());
            output.write_all(text.as_bytes())?;
            if said == Some(Ok(())) {
                writeln!(output, "\nits provider says that it works")?;
            }
        }
        match said {
            Some(Err(text)) => Err(CommandError::NotWell(on_one_line(&text))),
            _ => Ok(()),
        }
    }
}

fn trouble(health: HealthStatus) -> u8 {
    match health {
        HealthStatus::Healthy => 0,
        HealthStatus::Degraded => 1,
        HealthStatus::Failing => 2,
        HealthStatus::Disabled => 3,
    }
}

fn health_text(health: &[Condition<'_>], now: DateTime<Utc>) -> String {
    if health.is_empty() {
        return "no integrations\n".to_owned();
    }
    let rows = health.iter().map(|one| {
        [
            one.id.to_string(),
            one.provider.to_owned(),
            one.name.to_owned(),
            yes_or_no(one.is_active),
            one.health_status.to_string(),
            one.consecutive_failures.to_string(),
            since(one.last_error_at, now),
        ]
    });
    let listed = table(
        [
            Column::Number("ID"),
            Column::Text("PROVIDER"),
            Column::Text("NAME"),
            Column::Text("ACTIVE"),
            Column::Text("HEALTH"),
            Column::Number("FAILURES"),
            Column::Number("LAST FAILED"),
        ],
        rows,
    );
    let errors = health
        .iter()
        .map(|one| (one.id, one.credentials_error.as_deref()));
    listed + &unreadable(errors)
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_owner_is_a_kind_and_an_id() {
        let owner = |text| super::owner(text).ok();
        assert_eq!(owner("team/7"), Some(("team".into(), "7".into())));
        assert_eq!(owner("team/a/b"), Some(("team".into(), "a/b".into())));
        assert_eq!(owner("team"), None);
    }
}
