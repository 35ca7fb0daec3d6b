//! Integrations that were loaded a moment ago: thousands of items in a row belong to one, and each names it.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Integration, IntegrationError, Integrations};

/// How old what is remembered may be.
const FRESH: Duration = Duration::from_millis(100);

tokio::task_local! {
    static REMEMBERED: Remembered;
}

/// Integrations that were loaded a moment ago.
#[derive(Clone, Debug)]
pub(crate) struct Remembered {
    known: Arc<Mutex<HashMap<i64, Known>>>,
    fresh: Duration,
}

impl Default for Remembered {
    fn default() -> Self {
        Self {
            known: Arc::default(),
            fresh: FRESH,
        }
    }
}

/// What is known of an integration.
#[derive(Debug, Default)]
struct Known {
    /// Since when, at least.
    loaded: Option<(Instant, Integration)>,
    /// Held by the one that loads it.
    loading: Arc<tokio::sync::Mutex<()>>,
}

impl Known {
    /// If it was loaded within this time.
    fn loaded_within(&self, time: Duration) -> Option<&Integration> {
        let (at, integration) = self.loaded.as_ref()?;
        (at.elapsed() < time).then_some(integration)
    }
}

/// Whether a load may wait for another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    Wait,
    /// It holds a connection for which the other one may wait.
    Pass,
}

impl Remembered {
    /// Lets what is loaded meanwhile be at most a tenth of a second old.
    pub(crate) fn during<F: Future>(&self, loading: F) -> impl Future<Output = F::Output> {
        REMEMBERED.scope(self.clone(), loading)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<i64, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self, id: i64) -> Option<Integration> {
        self.lock().get(&id)?.loaded_within(self.fresh).cloned()
    }

    fn loading(&self, id: i64) -> Arc<tokio::sync::Mutex<()>> {
        self.lock().entry(id).or_default().loading.clone()
    }

    fn keep(&self, asked: Instant, integration: &Integration) {
        let mut remembered = self.lock();
        let is_loaded = |known: &Known| Arc::strong_count(&known.loading) > 1;
        remembered.retain(|_, known| known.loaded_within(self.fresh).is_some() || is_loaded(known));
        let known = remembered.entry(integration.id).or_default();
        known.loaded = Some((asked, integration.clone()));
    }

    /// What is remembered, else what `find` finds. Of those that ask at once one looks: a hundred items that run beside
    /// each other would each ask the database. If it finds nothing, or not in time, each looks for itself.
    async fn or_find<E>(
        &self,
        id: i64,
        others: Others,
        find: impl AsyncFnOnce() -> Result<Option<Integration>, E>,
    ) -> Result<Option<Integration>, E> {
        if let Some(integration) = self.get(id) {
            return Ok(Some(integration));
        }
        let loading = self.loading(id);
        let loads = loading.try_lock();
        if loads.is_err() && others == Others::Wait {
            drop(loading.lock().await);
            if let Some(integration) = self.get(id) {
                return Ok(Some(integration));
            }
        }
        let asked = Instant::now();
        let found = find().await?;
        if let Some(integration) = &found {
            self.keep(asked, integration);
        }
        drop(loads);
        Ok(found)
    }
}

/// The integration with this id, for an event that names it.
pub(super) async fn load(
    integrations: &Integrations,
    id: i64,
) -> Result<Option<Integration>, IntegrationError> {
    let Ok(remembered) = REMEMBERED.try_with(Clone::clone) else {
        return integrations.find(id).await;
    };
    let others = if integrations.store().is_open_here() {
        Others::Pass
    } else {
        Others::Wait
    };
    let find = async || integrations.find(id).await;
    remembered.or_find(id, others, find).await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::{Future as _, poll_fn};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::{Duration, Integration, Others, Remembered};

    type Found = Result<Option<Integration>, &'static str>;

    fn one() -> Integration {
        Integration {
            id: 7,
            ..Integration::new("desk", "Support")
        }
    }

    /// What came of the second of two who ask at once.
    #[derive(Debug, PartialEq)]
    struct Second {
        found: Result<Option<i64>, &'static str>,
        /// How often was looked for it, the first included.
        looks: u32,
        waited: bool,
    }

    /// The first look ends so, but not before the second has asked.
    fn second_of_two(first: Found, others: Others) -> Second {
        // The machine may stand still for a moment.
        let remembered = Remembered {
            fresh: Duration::from_hours(1),
            ..Remembered::default()
        };
        let (looks, may_end) = (Cell::new(0), Cell::new(false));
        let slow = async || {
            looks.set(looks.get() + 1);
            let ready = poll_fn(|_| {
                if may_end.get() {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            });
            ready.await;
            first
        };
        let quick = async || {
            looks.set(looks.get() + 1);
            Ok(Some(one()))
        };
        let task = &mut Context::from_waker(Waker::noop());
        let mut a = pin!(remembered.or_find(7, Others::Wait, slow));
        assert!(a.as_mut().poll(task).is_pending());
        let mut b = pin!(remembered.or_find(7, others, quick));
        let at_once = b.as_mut().poll(task);
        let waited = at_once.is_pending();
        may_end.set(true);
        assert!(a.as_mut().poll(task).is_ready());
        let ended = if waited {
            b.as_mut().poll(task)
        } else {
            at_once
        };
        let Poll::Ready(found) = ended else {
            panic!("the first has ended, and the second waits on");
        };
        Second {
            found: found.map(|found| found.map(|found| found.id)),
            looks: looks.get(),
            waited,
        }
    }

    #[test]
    fn of_two_who_ask_at_once_one_looks() {
        let second = second_of_two(Ok(Some(one())), Others::Wait);
        let expected = Second {
            found: Ok(Some(7)),
            looks: 1,
            waited: true,
        };
        assert_eq!(second, expected);
    }

    #[test]
    fn who_waited_for_nothing_looks_too() {
        for nothing in [Ok(None), Err("the database failed")] {
            let second = second_of_two(nothing, Others::Wait);
            let expected = Second {
                found: Ok(Some(7)),
                looks: 2,
                waited: true,
            };
            assert_eq!(second, expected);
        }
    }

    #[test]
    fn who_holds_a_connection_waits_for_nobody() {
        let second = second_of_two(Ok(Some(one())), Others::Pass);
        let expected = Second {
            found: Ok(Some(7)),
            looks: 2,
            waited: false,
        };
        assert_eq!(second, expected);
    }
}
