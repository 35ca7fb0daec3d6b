//! Which names hold secrets.

/// A name that contains one of these, in lower case and without all but letters and digits, is secret.
const PARTS: &[&str] = &[
    "accesskey",
    "apikey",
    "assertion",
    "authkey",
    "authorization",
    "bearer",
    "cardnumber",
    "codeverifier",
    "cookie",
    "credential",
    "cvc",
    "cvv",
    "jwt",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "pwd",
    "secret",
    "session",
    "signature",
    "signingkey",
    "token",
];

/// Names that are secret, but stand in others that are not.
const WHOLE: &[&str] = &[
    "auth",
    "basicauth",
    "otp",
    "pass",
    "pin",
    "sid",
    "sig",
    "ssn",
];

/// A name as it is compared.
fn plain(name: &str) -> String {
    let kept = name.chars().filter(|c| c.is_alphanumeric());
    kept.flat_map(char::to_lowercase).collect()
}

/// Whether a name is one of the usual ones of secrets.
#[cfg(feature = "webhooks")]
pub(crate) fn is_secret_name(name: &str) -> bool {
    Names::with(&[]).is_secret(name)
}

/// The names whose values are secret.
pub(super) struct Names {
    added: Vec<String>,
}

impl Names {
    /// The usual ones and these.
    pub(super) fn with(added: &[&str]) -> Self {
        let added = added.iter().map(|name| plain(name));
        Self {
            added: added.filter(|name| !name.is_empty()).collect(),
        }
    }

    pub(super) fn is_secret(&self, name: &str) -> bool {
        let name = plain(name);
        WHOLE.contains(&&*name)
            || PARTS.iter().any(|part| name.contains(part))
            || self.added.iter().any(|part| name.contains(part))
    }
}
