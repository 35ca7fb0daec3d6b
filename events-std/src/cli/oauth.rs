//! `oauth`: how the authorizations of integrations stand.

use std::io::Write;

use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use serde::Serialize;

use super::integrations::{find, unreadable};
use super::text::{Column, age, table};
use super::{CommandError, write_json};
use crate::integration::{InspectedIntegration, IntegrationFilter, Integrations};
use crate::oauth::{OAuthStatus, Revoked};

#[derive(Clone, Debug, Subcommand)]
pub(super) enum OAuthCommand {
    /// Show how the authorizations stand, without tokens
    Status(StatusArgs),
    /// Refresh the access token of an integration now
    Refresh(OneArgs),
    /// Take the authorization of an integration back: at its provider, then here
    Revoke(OneArgs),
}

#[derive(Args, Clone, Debug)]
pub(super) struct StatusArgs {
    /// Only this integration; otherwise all whose provider has OAuth
    #[arg(value_name = "ID")]
    id: Option<i64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
pub(super) struct OneArgs {
    /// The integration's id
    #[arg(value_name = "ID")]
    id: i64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An authorization as `--json` prints it.
#[derive(Serialize)]
struct Listed<'i> {
    id: i64,
    provider: &'i str,
    name: &'i str,
    state: &'static str,
    expires_at: Option<DateTime<Utc>>,
    refreshable: bool,
    /// Why nothing can be said of its tokens.
    credentials_error: Option<String>,
}

impl<'i> Listed<'i> {
    fn of(inspected: &'i InspectedIntegration, status: OAuthStatus, now: DateTime<Utc>) -> Self {
        let integration = &inspected.integration;
        let error = inspected.credentials_error.as_ref();
        Self {
            id: integration.id,
            provider: &integration.provider,
            name: &integration.name,
            state: if error.is_some() {
                "unreadable"
            } else if status.needs_authorization {
                "needs_authorization"
            } else if !status.is_authorized {
                "not_authorized"
            } else if status.expires_at.is_some_and(|at| at <= now) {
                "expired"
            } else {
                "authorized"
            },
            expires_at: status.expires_at,
            refreshable: status.is_refreshable,
            credentials_error: error.map(ToString::to_string),
        }
    }

    fn row(&self, now: DateTime<Utc>) -> [String; 6] {
        let expires = self.expires_at.map(|at| {
            if at <= now {
                format!("{} ago", age(now - at))
            } else {
                format!("in {}", age(at - now))
            }
        });
        [
            self.id.to_string(),
            self.provider.to_owned(),
            self.name.to_owned(),
            self.state.replace('_', " "),
            expires.unwrap_or_default(),
            if self.refreshable { "yes" } else { "no" }.to_owned(),
        ]
    }
}

impl OAuthCommand {
    pub(super) async fn run(
        self,
        integrations: &Integrations,
        now: DateTime<Utc>,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        match self {
            Self::Status(args) => args.run(integrations, now, output).await,
            Self::Refresh(args) => {
                integrations.refresh_access_token(args.id).await?;
                args.done(integrations, now, "refreshed", output).await
            }
            Self::Revoke(args) => {
                let (_, what) = integrations.revoke_and_tell(args.id).await?;
                let what = match what {
                    Revoked::Everywhere => "revoked",
                    Revoked::HereAlone => {
                        "removed here alone: its provider has no address at which tokens are revoked, and may accept them on"
                    }
                    Revoked::Nothing => "not there: there was nothing to revoke",
                };
                args.done(integrations, now, what, output).await
            }
        }
    }
}

impl StatusArgs {
    async fn run(
        self,
        integrations: &Integrations,
        now: DateTime<Utc>,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        let mut all = Vec::new();
        if let Some(id) = self.id {
            let found = find(integrations, id).await?;
            let status = integrations.oauth_status(&found.integration)?;
            all.push((found, status));
        } else {
            for one in integrations.inspect_all(IntegrationFilter::new()).await? {
                // Of the others there is nothing to say.
                if let Ok(status) = integrations.oauth_status(&one.integration) {
                    all.push((one, status));
                }
            }
        }
        let all = all.iter().map(|(of, status)| Listed::of(of, *status, now));
        let all: Vec<_> = all.collect();
        if self.json {
            return write_json(output, &serde_json::json!({ "authorizations": all }));
        }
        if all.is_empty() {
            writeln!(output, "no integrations with OAuth")?;
            return Ok(());
        }
        let columns = [
            Column::Number("ID"),
            Column::Text("PROVIDER"),
            Column::Text("NAME"),
            Column::Text("STATE"),
            Column::Text("EXPIRES"),
            Column::Text("REFRESHABLE"),
        ];
        let rows = all.iter().map(|one| one.row(now));
        let text = table(columns, rows)
            + &unreadable(
                all.iter()
                    .map(|one| (one.id, one.credentials_error.as_deref())),
            );
        output.write_all(text.as_bytes())?;
        Ok(())
    }
}

impl OneArgs {
    /// Tells how the authorization stands after what was done.
    async fn done(
        self,
        integrations: &Integrations,
        now: DateTime<Utc>,
        what: &str,
        output: &mut impl Write,
    ) -> Result<(), CommandError> {
        if self.json {
            let found = find(integrations, self.id).await?;
            let status = integrations.oauth_status(&found.integration)?;
            return write_json(output, &Listed::of(&found, status, now));
        }
        writeln!(
            output,
            "the authorization of the integration {} was {what}",
            self.id
        )?;
        Ok(())
    }
}
