//! The capability of a provider that sends webhooks.

use std::future::{Future, ready};
use std::sync::Arc;

use events_core::{BoxError, BoxFuture};

use super::{Answer, Challenge, Delivery, Handlers, Request, Verifier};
use crate::integration::{Capability, Integration, Provider};

/// A provider that sends webhooks: `#[provider(Webhooks)]` registers it.
///
/// ```
/// use std::sync::Arc;
///
/// use events_core::BoxError;
/// use events_std::webhook::{Delivery, GitHub, Handlers, Verifier};
/// use events_std::{Integration, NoMetadata, Provider, Webhooks, provider};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Credentials {
///     webhook_secret: String,
///     /// While GitHub still signs with it.
///     old_webhook_secret: Option<String>,
/// }
///
/// #[derive(Default)]
/// struct Hub;
///
/// #[provider(Webhooks)]
/// impl Provider for Hub {
///     const KEY: &'static str = "github";
///     const NAME: &'static str = "GitHub";
///     type Credentials = Credentials;
///     type Metadata = NoMetadata;
/// }
///
/// impl Webhooks for Hub {
///     fn verifier(&self, integration: &Integration) -> Result<impl Verifier, BoxError> {
///         let secrets: Credentials = integration.credentials_of::<Self>()?;
///         Ok(GitHub::new(secrets.webhook_secret).also(secrets.old_webhook_secret))
///     }
///
///     fn handlers(&self) -> Handlers<Self> {
///         Handlers::new().on("push", Self::pushed)
///     }
/// }
///
/// impl Hub {
///     async fn pushed(self: Arc<Self>, delivery: Delivery) -> Result<(), BoxError> {
///         let push: serde_json::Value = delivery.json()?;
///         println!("{} in {}", push["ref"], delivery.integration.name);
///         Ok(())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` sends no webhooks",
    label = "not a `Webhooks`",
    note = "implement `events_std::Webhooks` for it, or remove `Webhooks` from `#[provider(..)]`"
)]
pub trait Webhooks: Provider {
    /// What proves that a delivery is this integration's: made from its credentials, for each delivery.
    ///
    /// # Errors
    ///
    /// If the credentials do not fit. Nothing is accepted for the integration then.
    fn verifier(&self, integration: &Integration) -> Result<impl Verifier, BoxError>;

    /// The provider's id of a delivery that is genuine, asked for where the verifier does not know it: of two ids, what the
    /// scheme knows of, and may have signed, tells duplicates apart.
    fn delivery_id(&self, request: &Request<'_>) -> Option<String> {
        let _ = request;
        None
    }

    /// What a delivery that is genuine says has happened. None: what the verifier finds, which may be a guess, as the `type`
    /// at the top of the body.
    fn event_type(&self, request: &Request<'_>) -> Option<String> {
        let _ = request;
        None
    }

    /// The handlers, by event type. Asked for once.
    fn handlers(&self) -> Handlers<Self>
    where
        Self: Sized,
    {
        Handlers::new()
    }

    /// Handles every delivery, where there are no [`handlers`](Self::handlers). It runs in a job, at least once: a second
    /// time if its process dies. Does nothing unless given, as where the listeners of
    /// [`WebhookReceived`](crate::WebhookReceived) do it all.
    ///
    /// # Errors
    ///
    /// An error is tried again, by the default tries.
    fn handle(&self, delivery: Delivery) -> impl Future<Output = Result<(), BoxError>> + Send {
        let _ = delivery;
        ready(Ok(()))
    }

    /// Answers a challenge, a `GET` at the address of the webhooks; none: it is refused. Nobody has proven who asks, so
    /// compare in constant time what is secret. Where the address names no integration, each active one is asked, and
    /// the first answer is given; where there is none at all, this is asked once without.
    fn challenge(
        &self,
        integration: Option<&Integration>,
        challenge: &Challenge,
    ) -> impl Future<Output = Option<Answer>> + Send {
        let _ = (integration, challenge);
        ready(None)
    }
}

/// [`Webhooks`] where the provider's type is not known.
#[cfg_attr(
    not(feature = "store"),
    allow(dead_code, reason = "the engine calls it, and it needs a database")
)]
pub(crate) trait ErasedWebhooks: Send + Sync {
    /// As [`Webhooks::verifier`].
    fn verifier<'a>(
        &'a self,
        integration: &'a Integration,
    ) -> Result<Box<dyn Verifier + 'a>, BoxError>;

    /// As [`Webhooks::delivery_id`].
    fn delivery_id(&self, request: &Request<'_>) -> Option<String>;

    /// As [`Webhooks::event_type`].
    fn event_type(&self, request: &Request<'_>) -> Option<String>;

    /// Lets the handler of the delivery's type have it, else [`Webhooks::handle`]; or ignores it.
    fn process(&self, delivery: Delivery) -> BoxFuture<'_, Result<(), BoxError>>;

    /// As [`Webhooks::challenge`].
    fn challenge<'a>(
        &'a self,
        integration: Option<&'a Integration>,
        challenge: &'a Challenge,
    ) -> BoxFuture<'a, Option<Answer>>;
}

struct Linked<P> {
    provider: Arc<P>,
    handlers: Handlers<P>,
}

impl<P: Webhooks> ErasedWebhooks for Linked<P> {
    fn verifier<'a>(
        &'a self,
        integration: &'a Integration,
    ) -> Result<Box<dyn Verifier + 'a>, BoxError> {
        Ok(Box::new(self.provider.verifier(integration)?))
    }

    fn delivery_id(&self, request: &Request<'_>) -> Option<String> {
        self.provider.delivery_id(request)
    }

    fn event_type(&self, request: &Request<'_>) -> Option<String> {
        self.provider.event_type(request)
    }

    fn process(&self, delivery: Delivery) -> BoxFuture<'_, Result<(), BoxError>> {
        if self.handlers.is_empty() {
            return Box::pin(self.provider.handle(delivery));
        }
        let handler = delivery.event_type().and_then(|of| self.handlers.get(of));
        match handler {
            Some(handler) => handler(self.provider.clone(), delivery),
            None => Box::pin(ready(Ok(()))),
        }
    }

    fn challenge<'a>(
        &'a self,
        integration: Option<&'a Integration>,
        challenge: &'a Challenge,
    ) -> BoxFuture<'a, Option<Answer>> {
        Box::pin(self.provider.challenge(integration, challenge))
    }
}

/// The capability of a provider that sends webhooks.
#[must_use]
pub fn webhooks<P: Webhooks>(provider: &Arc<P>) -> Capability {
    Capability::new::<dyn ErasedWebhooks>(Arc::new(Linked {
        handlers: provider.handlers(),
        provider: provider.clone(),
    }))
}
