//! The events of API requests.

use events_core::Event;

use super::IntegrationRequest;
use crate::integration::Integration;

/// One attempt of an API request succeeded.
///
/// Fires once for each attempt, so a call that succeeds at its second attempt fires [`RequestFailed`] and this.
#[derive(Clone, Debug, PartialEq, Event)]
#[event(durable, name = "request.completed", after_commit)]
pub struct RequestCompleted {
    /// The integration that asked.
    #[event(model)]
    pub integration: Integration,
    /// The attempt, with the provider's answer.
    #[event(model)]
    pub request: IntegrationRequest,
}

/// One attempt of an API request failed.
///
/// Fires once for each attempt, before any [`IntegrationDisabled`](crate::IntegrationDisabled) and
/// [`IntegrationHealthChanged`](crate::IntegrationHealthChanged) that it leads to.
#[derive(Clone, Debug, PartialEq, Event)]
#[event(durable, name = "request.failed", after_commit)]
pub struct RequestFailed {
    /// The integration that asked.
    #[event(model)]
    pub integration: Integration,
    /// The attempt, with its error and failure class.
    #[event(model)]
    pub request: IntegrationRequest,
}
