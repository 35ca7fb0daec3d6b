//! Health monitoring: somebody is paged when an integration gets worse.

use std::sync::atomic::{AtomicBool, Ordering};

use events_core::{Attempt, State, listener};
use events_std::{HealthStatus, IntegrationHealthChanged};

use crate::Teller;

/// Calls people. Its line is busy when it is called first.
#[derive(Debug, Default)]
pub struct Pager {
    called_before: AtomicBool,
}

/// Nobody could be called.
#[derive(Debug, thiserror::Error)]
#[error("the line is busy")]
pub(crate) struct Busy;

impl Pager {
    async fn call(&self) -> Result<(), Busy> {
        // A service would be asked here.
        let called_before = self.called_before.swap(true, Ordering::Relaxed);
        called_before.then_some(()).ok_or(Busy)
    }
}

/// Queued: its job is written in the transaction that changes the health, so that a crash loses no alert.
#[listener(IntegrationHealthChanged, queue = "alerts", tries = 5, backoff = ["10s", "1m"], timeout = "30s", when = is_worse)]
async fn page_on_call(
    event: &IntegrationHealthChanged,
    pager: &State<Pager>,
    attempt: Attempt,
    teller: Teller<'_>,
) -> Result<(), Busy> {
    let called = pager.call().await;
    let integration = &event.integration.name;
    let what = match &called {
        Ok(()) => format!("on call is paged: `{integration}` is {}", event.new_status),
        Err(busy) => format!("attempt {}: {busy}", attempt.number),
    };
    teller.tell_of("page_on_call", &what);
    called
}

fn is_worse(event: &IntegrationHealthChanged) -> bool {
    event.new_status != HealthStatus::Healthy
}
