//! What a provider knows of its own secrets.

use std::sync::Arc;

use serde_json::Value;

use crate::integration::{Capability, Provider};

/// A provider that names what else must not be stored of its requests: `#[provider(Redact)]` registers it. It adds to
/// what is redacted for every provider, and takes nothing from it.
///
/// ```
/// use events_std::{NoCredentials, NoMetadata, Provider, Redact, provider};
/// use serde_json::{Value, json};
///
/// #[derive(Default)]
/// struct Payroll;
///
/// #[provider(Redact)]
/// impl Provider for Payroll {
///     const KEY: &'static str = "payroll";
///     const NAME: &'static str = "Payroll";
///     type Credentials = NoCredentials;
///     type Metadata = NoMetadata;
/// }
///
/// impl Redact for Payroll {
///     fn secret_names(&self) -> &[&str] {
///         &["iban", "salary"]
///     }
///
///     fn redact(&self, endpoint: &str, body: &mut Value) {
///         if endpoint.starts_with("/people") {
///             body["notes"] = json!("[left out]");
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` names no secrets",
    label = "not a `Redact`",
    note = "implement `events_std::Redact` for it, or remove `Redact` from `#[provider(..)]`"
)]
pub trait Redact: Provider {
    /// Names whose values are secret, beside the usual ones: a name that contains one of these, upper and lower case
    /// and all but letters and digits aside, is secret.
    fn secret_names(&self) -> &[&str] {
        &[]
    }

    /// Takes out of a body, of a request or of an answer, what no name tells. It is asked before the rest is redacted,
    /// about JSON and about forms, which are objects of texts. If it panics, the body is not stored.
    fn redact(&self, endpoint: &str, body: &mut Value) {
        let _ = (endpoint, body);
    }
}

/// [`Redact`] where the provider's type is not known.
#[cfg_attr(
    not(feature = "store"),
    allow(dead_code, reason = "the engine asks it, and it needs a database")
)]
pub(crate) trait ErasedRedact: Send + Sync {
    /// As [`Redact::secret_names`].
    fn secret_names(&self) -> &[&str];

    /// As [`Redact::redact`].
    fn redact(&self, endpoint: &str, body: &mut Value);
}

impl<P: Redact> ErasedRedact for P {
    fn secret_names(&self) -> &[&str] {
        Redact::secret_names(self)
    }

    fn redact(&self, endpoint: &str, body: &mut Value) {
        Redact::redact(self, endpoint, body);
    }
}

/// The capability of a provider that names secrets. Called by what `#[provider(Redact)]` writes.
pub fn redact<P: Redact>(provider: &Arc<P>) -> Capability {
    Capability::new::<dyn ErasedRedact>(provider.clone())
}
