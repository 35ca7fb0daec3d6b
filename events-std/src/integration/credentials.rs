//! What an integration knows the provider by.

use std::any::type_name;
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The names of the tokens of OAuth.
#[cfg(feature = "store")]
pub(crate) const ACCESS_TOKEN: &str = "access_token";
#[cfg(feature = "store")]
pub(crate) const REFRESH_TOKEN: &str = "refresh_token";

/// The secrets of one integration, by name: tokens, keys, passwords.
///
/// They leave the value only through [`get`](Self::get) and [`read`](Self::read): `Debug` shows nothing of them, and there is no `Serialize`,
/// so that no payload, log or error holds them by accident.
///
/// ```
/// use events_std::Credentials;
/// use serde_json::{Map, json};
///
/// let credentials = Credentials::new(Map::from_iter([("access_token".to_owned(), json!("hush"))]));
/// assert_eq!(credentials.get("access_token"), Some(&json!("hush")));
/// assert_eq!(format!("{credentials:?}"), "Credentials(..)");
/// ```
#[derive(Clone, PartialEq)]
pub struct Credentials(Map<String, Value>);

impl Credentials {
    /// Keeps these values from sight.
    #[must_use]
    pub fn new(values: Map<String, Value>) -> Self {
        Self(values)
    }

    /// The value of this name: the secret itself, which the caller keeps from sight.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All of them.
    #[cfg(all(feature = "oauth-loopback", feature = "store"))]
    pub(crate) fn values(&self) -> &Map<String, Value> {
        &self.0
    }

    /// Those that a value of the provider's type holds.
    ///
    /// # Errors
    ///
    /// If it is not a struct with named fields, or a map.
    pub fn of(typed: &impl Serialize) -> Result<Self, CredentialsError> {
        match serde_json::to_value(typed) {
            Ok(Value::Object(values)) => Ok(Self(values)),
            _ => Err(CredentialsError::NotAMap),
        }
    }

    /// As the provider's own type.
    ///
    /// # Errors
    ///
    /// If they do not fit it.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, CredentialsError> {
        T::deserialize(&Value::Object(self.0.clone()))
            .map_err(|error| unfit(type_name::<T>(), &error))
    }

    /// Whether a read of them succeeds.
    #[cfg(feature = "store")]
    pub(super) fn check(
        &self,
        read: fn(&Value) -> Result<(), serde_json::Error>,
    ) -> Result<(), serde_json::Error> {
        read(&Value::Object(self.0.clone()))
    }

    /// Whether they hold an access token or a refresh token of OAuth that is not stored yet.
    #[cfg(feature = "store")]
    pub(super) fn bring_token(&self, stored: Option<&Self>) -> bool {
        [ACCESS_TOKEN, REFRESH_TOKEN].into_iter().any(|name| {
            let token = self.get(name).filter(|token| token.is_string());
            token.is_some() && token != stored.and_then(|stored| stored.get(name))
        })
    }

    /// As text, for encryption alone.
    #[cfg(feature = "store")]
    pub(super) fn to_text(&self) -> secrecy::zeroize::Zeroizing<Vec<u8>> {
        serde_json::to_vec(&self.0).unwrap_or_default().into()
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// Why credentials do not fit. It tells nothing of their values.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// Credentials are values by name.
    #[error("credentials are a struct with named fields, or a map")]
    NotAMap,
    /// They are not what the type asks for.
    #[error("the credentials do not fit `{wanted}`: {reason}")]
    Unfit {
        /// The type.
        wanted: &'static str,
        /// What is wrong.
        reason: String,
    },
}

crate::error::debug_as_text!(CredentialsError);

/// The error of a read, without what it cites: serde's messages hold the values that they complain of.
pub(super) fn unfit(wanted: &'static str, error: &serde_json::Error) -> CredentialsError {
    let message = error.to_string();
    // The name of a field that is missing stands in the type, not in the secrets.
    let reason = if message.starts_with("missing field") {
        message
    } else {
        "a value is not of the type of its field".to_owned()
    };
    CredentialsError::Unfit { wanted, reason }
}
