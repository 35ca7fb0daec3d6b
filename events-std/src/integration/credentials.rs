//! What an integration knows the provider by.

use std::fmt;

use serde_json::{Map, Value};

/// The secrets of one integration, by name: tokens, keys, passwords.
///
/// They leave the value only through [`get`](Self::get): `Debug` shows nothing of them, and there is no `Serialize`,
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
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}
