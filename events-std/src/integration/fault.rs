//! What is wrong with an engine before it starts.

use std::fmt;
use std::time::Duration;

/// Everything that is wrong with an engine: see [`IntegrationsBuilder::build`](crate::IntegrationsBuilder::build).
#[derive(Clone, PartialEq, Eq)]
pub struct StartError(Vec<StartFault>);

crate::error::debug_as_text!(StartError);

impl StartError {
    pub(super) fn unless_empty(faults: Vec<StartFault>) -> Result<(), Self> {
        if faults.is_empty() {
            return Ok(());
        }
        Err(Self(faults))
    }

    /// Each fault.
    #[must_use]
    pub fn faults(&self) -> &[StartFault] {
        &self.0
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the engine cannot start:")?;
        self.0.iter().try_for_each(|fault| write!(f, "\n- {fault}"))
    }
}

impl std::error::Error for StartError {}

/// One thing that is wrong with an engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StartFault {
    /// Two providers have one key.
    #[error(
        "two providers have the key `{key}`: {first} and {second}; give one of them another `KEY`"
    )]
    TwoProviders {
        /// The key.
        key: &'static str,
        /// The one.
        first: String,
        /// The other.
        second: String,
    },
    /// A linked provider has no `Default`, and the builder was given none.
    #[error(
        "the provider `{key}` ({place}) is made by the application: give it to the builder, `.provider(..)`"
    )]
    NoInstance {
        /// Its key.
        key: &'static str,
        /// Where it is written.
        place: String,
    },
    /// The thresholds of health do not rise.
    #[error(
        "the thresholds of health must rise from degraded over failing to disabled, but they are {0}"
    )]
    Thresholds(String),
    /// A factor of health is none.
    #[error("a factor of health must be from 1 to 10,000, but one is {0}")]
    Factor(u32),
    /// A provider that is expected is not there.
    #[error(
        "there is no provider `{0}`, which is expected: link the crate of its adapter (`use that_crate as _;`), or give \
         the provider to the builder"
    )]
    Missing(String),
    /// A provider's interval is too short.
    #[error("the provider `{key}` is to be synced every {interval:?}: a second is the least")]
    Interval {
        /// The provider's key.
        key: &'static str,
        /// Its interval.
        interval: Duration,
    },
    /// Two encryption keys are the same.
    #[error("two encryption keys are the same: give the current one once, and each old one once")]
    TwoKeys,
    /// There is an old encryption key and no current one.
    #[error(
        "there is an old encryption key, but no current one: give it to the builder, `.encryption_key(..)`"
    )]
    OldKeyAlone,
}
