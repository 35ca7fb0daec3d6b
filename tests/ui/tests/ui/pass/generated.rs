//! Events and listeners that a `macro_rules!` writes: its fragments come in invisible groups.
#![forbid(unsafe_code)]
#![deny(warnings, missing_docs)]

use std::sync::atomic::{AtomicU32, Ordering};

use events_core::{AnyEvent, Event, Events, State, category, listener, listeners};

/// Categories.
pub mod kinds {
    use super::{AnyEvent, category};

    /// A category.
    #[category]
    pub trait Audited: AnyEvent {}
}

macro_rules! event {
    ($module:ident, $name:ident, $stored:literal, $category:path, $field:ty, $priority:expr) => {
        /// Written by a macro.
        #[derive(Event)]
        #[event(durable, name = $stored, extends($category))]
        pub struct $name($field);

        mod $module {
            use super::*;

            #[listener($name, priority = $priority)]
            fn typed(event: &$name, heard: &State<AtomicU32>) {
                count(event, heard);
            }

            #[listener(priority = -1)]
            fn inferred(event: &$name, heard: &State<AtomicU32>) {
                count(event, heard);
            }
        }
    };
}

fn count(_: &dyn AnyEvent, heard: &AtomicU32) {
    heard.fetch_add(1, Ordering::Relaxed);
}

event!(paid, OrderPaid, "order.paid", kinds::Audited, u64, 10);
event!(
    noted,
    OrderNoted,
    "order.noted",
    kinds::Audited,
    Option<Vec<String>>,
    -10
);

struct Counter;

macro_rules! counter {
    ($ty:ty, $event:ty, $name:ident, $body:block, $pattern:literal) => {
        #[listeners]
        impl $ty {
            #[listener($event)]
            fn $name(&self, _: &$event, _heard: &State<AtomicU32>) $body

            #[listener($pattern)]
            fn matched(&self, event: &dyn AnyEvent, heard: &State<AtomicU32>) {
                count(event, heard);
            }
        }
    };
}

counter!(
    Counter,
    OrderPaid,
    on_paid,
    {
        let _ = 1;
    },
    "order.*"
);

macro_rules! item {
    ($item:item) => {
        #[listener]
        $item
    };
}

item! {
    fn whole(event: &OrderPaid, heard: &State<AtomicU32>) {
        count(event, heard);
    }
}

pub(crate) fn main() {
    let events = Events::builder()
        .state(AtomicU32::new(0))
        .subscribe(Counter)
        .build()
        .unwrap();
    events.dispatch_sync(&OrderPaid(7)).unwrap();
    let heard = events.state::<AtomicU32>().unwrap();
    assert_eq!(heard.swap(0, Ordering::Relaxed), 4);
    events.dispatch_sync(&OrderNoted(None)).unwrap();
    assert_eq!(heard.load(Ordering::Relaxed), 3);
}
