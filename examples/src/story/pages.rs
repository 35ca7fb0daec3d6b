//! The application's own server: where people connect accounts, and where webhooks come in.

use std::future::pending;
use std::io;

use axum::Router;
use axum::http::request::Parts;
use events_std::oauth::{self, Authorizer, OAuthAction, OAuthSettings};
use events_std::{Integration, Integrations, webhook};
use tokio::net::TcpListener;

use crate::{Error, server};

/// Where the server is, at a port that is free.
pub(super) struct Pages {
    listener: TcpListener,
    pub(super) url: String,
}

impl Pages {
    pub(super) async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        Ok(Self { listener, url })
    }

    /// What the engine is told of them.
    pub(super) fn settings(&self) -> OAuthSettings {
        let callback = format!("{}/integrations/oauth/callback", self.url);
        OAuthSettings::new(callback, "/integrations")
    }

    /// Serves them until the program ends.
    pub(super) fn serve(self, integrations: &Integrations) -> Result<(), Error> {
        let routes = oauth::routes(integrations.clone(), Everybody)?;
        let routes = routes.merge(webhook::routes(integrations.clone())?);
        let app = Router::new().nest("/integrations", routes);
        tokio::spawn(server::serve(self.listener, app, pending()));
        Ok(())
    }
}

/// The story has one person. An application asks its own session who is there.
struct Everybody;

impl Authorizer for Everybody {
    async fn allows(&self, _: &Parts, _: &Integration, _: OAuthAction) -> bool {
        true
    }
}
