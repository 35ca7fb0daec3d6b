//! From a request to a stored delivery: whose it is, whether it is genuine, and the transaction that stores it together
//! with its announcement and its processing job.

use http::HeaderMap;
use sha2::{Digest, Sha256};

use super::provider::ErasedWebhooks;
use super::refusal::Refusal;
use super::{Request, Verifier, WebhookReceived, headers};
use crate::integration::{Integration, IntegrationError, IntegrationFilter, Integrations, Within};
use crate::store;

/// Of so many integrations the secrets are tried at most, where the path names none.
const CANDIDATES: u32 = 16;
/// A longer id or event type is none: an index holds no more.
const LONGEST: usize = 255;

/// What became of a genuine delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepted {
    Queued,
    /// It is stored already.
    Duplicate,
}

/// What stands of a delivery in the columns that others look for.
struct Told {
    delivery_id: String,
    event_type: Option<String>,
    /// The headers in which its proof stands.
    proof: Vec<String>,
}

/// The provider's capability.
pub(super) fn capability(
    integrations: &Integrations,
    provider: &str,
) -> Result<std::sync::Arc<dyn ErasedWebhooks>, Refusal> {
    if !integrations.providers().any(|(key, _)| key == provider) {
        return Err(Refusal::UnknownProvider);
    }
    integrations
        .capability::<dyn ErasedWebhooks>(provider)
        .ok_or(Refusal::Incapable)
}

/// The active integrations that can be meant.
pub(super) struct Candidates {
    pub(super) integrations: Vec<Integration>,
    /// Why one of them is not there: its credentials cannot be decrypted. It may be the one that is meant.
    pub(super) left_out: Option<IntegrationError>,
}

/// Finds them.
pub(super) async fn candidates(
    integrations: &Integrations,
    provider: &str,
    id: Option<&str>,
) -> Result<Candidates, Refusal> {
    let Some(id) = id else {
        let filter = IntegrationFilter::new()
            .provider(provider)
            .active(true)
            .limit(CANDIDATES + 1);
        let candidates = integrations.inspect_all(filter).await?;
        if candidates.len() > usize::try_from(CANDIDATES).unwrap_or(usize::MAX) {
            return Err(Refusal::TooManyCandidates);
        }
        let (mut integrations, mut left_out) = (Vec::new(), None);
        for candidate in candidates {
            match candidate.whole() {
                Ok(integration) => integrations.push(integration),
                Err(error) => left_out = Some(error),
            }
        }
        return Ok(Candidates {
            integrations,
            left_out,
        });
    };
    let id = id.parse().map_err(|_| Refusal::UnknownIntegration)?;
    match integrations.find(id).await? {
        Some(found) if found.provider == provider && found.is_active => Ok(Candidates {
            integrations: vec![found],
            left_out: None,
        }),
        _ => Err(Refusal::UnknownIntegration),
    }
}

/// Verifies a delivery, and stores it if it is genuine and new.
pub(super) async fn accept(
    integrations: &Integrations,
    provider: &str,
    id: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Accepted, Refusal> {
    let webhooks = capability(integrations, provider)?;
    let candidates = candidates(integrations, provider, id).await?;
    let request = Request::new(headers, body, integrations.events().now());
    let verified = verified(&*webhooks, &candidates.integrations, &request);
    let (integration, told) = match (verified, candidates.left_out) {
        (Err(Refusal::Ambiguous), _) => return Err(Refusal::Ambiguous),
        (Err(_), Some(error)) => return Err(error.into()),
        (verified, _) => verified?,
    };
    let stored = integrations.transaction(async |tx| {
        let within = integrations.within(tx);
        within.receive(integration, told, &request).await
    });
    if !stored.await? {
        return Ok(Accepted::Duplicate);
    }
    integrations.forget_now_and_then();
    Ok(Accepted::Queued)
}

/// The one integration whose secret verifies the delivery, and what the delivery says of itself. Every candidate is
/// tried: how long it takes does not tell which one it is.
fn verified<'c>(
    webhooks: &dyn ErasedWebhooks,
    candidates: &'c [Integration],
    request: &Request<'_>,
) -> Result<(&'c Integration, Told), Refusal> {
    let (mut found, mut refusal) = (None, Refusal::UnknownIntegration);
    for candidate in candidates {
        let verifier = match webhooks.verifier(candidate) {
            Ok(verifier) => verifier,
            Err(error) => {
                refusal = Refusal::NoVerifier(error);
                continue;
            }
        };
        match verifier.verify(request) {
            Ok(()) if found.is_some() => return Err(Refusal::Ambiguous),
            Ok(()) => found = Some((candidate, told(webhooks, &*verifier, request))),
            Err(refused) => refusal = Refusal::NotGenuine(refused),
        }
    }
    found.ok_or(refusal)
}

fn told(webhooks: &dyn ErasedWebhooks, verifier: &dyn Verifier, request: &Request<'_>) -> Told {
    let fits = |text: &String| !text.is_empty() && text.len() <= LONGEST && !text.contains('\0');
    // The verifier's may be signed: no other stands for it.
    let delivery_id = verifier.delivery_id(request);
    let delivery_id = delivery_id.or_else(|| webhooks.delivery_id(request));
    let event_type = webhooks.event_type(request);
    Told {
        delivery_id: delivery_id
            .filter(fits)
            .unwrap_or_else(|| format!("sha256:{}", hex::encode(Sha256::digest(request.body())))),
        event_type: event_type
            .or_else(|| verifier.event_type(request))
            .filter(fits),
        proof: verifier.proof_headers(),
    }
}

impl Within<'_> {
    /// Stores a genuine delivery; false: it is stored already.
    async fn receive(
        self,
        integration: &Integration,
        told: Told,
        request: &Request<'_>,
    ) -> Result<bool, IntegrationError> {
        let sql = "INSERT INTO events_webhooks (integration_id, provider, provider_delivery_id, event_type, payload, \
                   headers, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7) \
                   ON CONFLICT (integration_id, provider_delivery_id) DO NOTHING";
        let headers = serde_json::json!(headers::stored(request.headers(), &told.proof));
        let values = [
            integration.id.into(),
            integration.provider.as_str().into(),
            told.delivery_id.as_str().into(),
            told.event_type.clone().into(),
            request.body().to_vec().into(),
            headers.to_string().into(),
            store::time(self.now()),
        ];
        if store::execute(self.tx(), sql, values).await? == 0 {
            return Ok(false);
        }
        self.fire(&WebhookReceived {
            integration: integration.clone(),
            provider_key: integration.provider.clone(),
            provider_delivery_id: told.delivery_id,
            event_type: told.event_type,
        })
        .await?;
        Ok(true)
    }
}
