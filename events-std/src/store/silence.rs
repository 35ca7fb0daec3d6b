//! A database that accepted what it was sent and never answered, as where a machine between fell away: connections that
//! were opened before then may wait for ever, so that none of them is used again.

use std::time::{Duration, Instant};

use tokio::sync::watch;

/// When the database was last found silent.
#[derive(Default)]
pub(super) struct Silence(watch::Sender<Option<Instant>>);

impl Silence {
    /// It is silent now.
    pub(super) fn note(&self) {
        self.0.send_replace(Some(Instant::now()));
    }

    /// Waits until it is found silent again.
    pub(super) fn is_noted(&self) -> impl Future<Output = ()> + use<> {
        let mut noted = self.0.subscribe();
        async move {
            if noted.changed().await.is_err() {
                // The store is gone, and so is whoever asks it.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Whether a connection of this age was opened before the silence.
    pub(super) fn is_younger_than(&self, connection: Duration) -> bool {
        let noted = *self.0.borrow();
        noted.is_some_and(|noted| noted.elapsed() < connection)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Silence;

    #[test]
    fn only_connections_from_before_it_are_not_trusted() {
        let silence = Silence::default();
        assert!(!silence.is_younger_than(Duration::MAX), "there was none");
        silence.note();
        assert!(silence.is_younger_than(Duration::from_hours(1)));
        assert!(!silence.is_younger_than(Duration::ZERO));
    }
}
