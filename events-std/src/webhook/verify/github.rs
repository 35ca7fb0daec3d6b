//! GitHub's signatures.

use super::keys::{Keys, from_hex};
use super::{Refused, Signer, Verifier};
use crate::webhook::Request;

const SIGNATURE: &str = "x-hub-signature-256";

/// GitHub: HMAC-SHA256 over the body, in `x-hub-signature-256`.
///
/// GitHub signs neither the time nor the delivery's id: whoever can read a delivery on its way can send it again under
/// another id. Only TLS keeps it from being read. Under its own id it fires again when its row is forgotten, after
/// [`keep_webhooks_for`](crate::IntegrationsBuilder::keep_webhooks_for), 30 days unless given.
///
/// ```
/// use events_std::webhook::GitHub;
///
/// # let old_secret: Option<String> = None;
/// let verifier = GitHub::new("It's a Secret to Everybody").also(old_secret);
/// ```
pub struct GitHub(Keys);

impl GitHub {
    /// With this secret, as it was typed into GitHub.
    #[must_use]
    pub fn new(secret: impl AsRef<[u8]>) -> Self {
        Self(Keys::new(secret))
    }

    /// These secrets too, as long as one replaces another.
    #[must_use]
    pub fn also<S: AsRef<[u8]>>(mut self, secrets: impl IntoIterator<Item = S>) -> Self {
        secrets.into_iter().for_each(|secret| self.0.add(secret));
        self
    }
}

impl Verifier for GitHub {
    fn verify(&self, request: &Request<'_>) -> Result<(), Refused> {
        let header = request.only(SIGNATURE)?;
        let claimed = header.strip_prefix("sha256=").and_then(from_hex);
        let claimed = claimed.ok_or_else(|| Refused::Malformed(SIGNATURE.to_owned()))?;
        self.0.check(&[request.body()], &[claimed])
    }

    fn delivery_id(&self, request: &Request<'_>) -> Option<String> {
        request.header("x-github-delivery").map(str::to_owned)
    }

    fn event_type(&self, request: &Request<'_>) -> Option<String> {
        request.header("x-github-event").map(str::to_owned)
    }
}

impl Signer for GitHub {
    fn sign(&self, request: &Request<'_>) -> Result<Vec<(String, String)>, Refused> {
        let code = self.0.sign(&[request.body()])?;
        let value = format!("sha256={}", hex::encode(code));
        Ok(vec![(SIGNATURE.to_owned(), value)])
    }
}
