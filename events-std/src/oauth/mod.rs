//! OAuth 2: the events of an authorization that is given or taken back.

mod events;

pub use events::{OAuthCompleted, OAuthRevoked};
