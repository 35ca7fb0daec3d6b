//! What the kernel does without looking twice, with what was not meant for it.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use events_core::__private::{
    CategoryMembership, CategoryMeta, EventMeta, Handle, Hears, ListenerRecord, Meta, Source,
    SyncListener,
};
use events_core::{Category, Event, Events, Extends, FaultKind, Refusal};
use pollster::block_on;

#[derive(Clone, Debug, Event)]
struct Plain;

/// A future with an alignment above that of a dispatch's own room, and without a size.
#[repr(align(64))]
struct Aligned;

impl Future for Aligned {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        assert_eq!(std::ptr::from_ref(&*self).addr() % 64, 0);
        Poll::Ready(())
    }
}

#[test]
fn a_future_without_a_size_may_have_any_alignment() {
    let events = Events::builder()
        .without_linked()
        .listen("aligned", |_: &Plain| Aligned)
        .build()
        .unwrap();
    block_on(events.dispatch(&Plain)).unwrap();
}

#[derive(Debug, Event)]
struct Told(String);

/// An event that calls another event its category.
struct Forged([usize; 3]);

impl Category for Told {
    type Queueing = events_core::__private::Allowed;

    fn category() -> &'static CategoryMeta {
        static META: CategoryMeta = CategoryMeta::new::<Told>("Told", "", "");
        &META
    }
}

impl Extends<Told> for Forged {
    fn upcast(&self) -> &Told {
        unreachable!("{:?}", self.0)
    }
}

impl Event for Forged {
    type Response = ();
    type Queueing = events_core::__private::Allowed;

    fn meta() -> &'static Meta<Self> {
        static CATEGORIES: [CategoryMembership; 1] = [CategoryMembership::new::<Forged, Told>(
            Told::category,
            false,
        )];
        static META: Meta<Forged> = Meta::new({
            let mut meta = EventMeta::new("Forged", "", "", 1);
            meta.categories = &CATEGORIES;
            meta
        });
        &META
    }
}

struct Reads;

impl SyncListener for Reads {
    type Event = Told;
    type Args<'a> = ();
    type Return = ();

    fn call(event: &Told, (): ()) {
        panic!("reads {}", event.0);
    }
}

#[test]
fn a_listener_whose_cast_is_not_to_the_event_does_not_run() {
    for hears in [
        Hears::Category(Told::category),
        Hears::Types(Cow::Borrowed(&[events_core::__private::meta_of::<Forged>])),
    ] {
        let record = ListenerRecord::sync::<Reads>("reads", hears, Source::new("", "", 1));
        let record: &'static ListenerRecord = Box::leak(Box::new(record));
        let events = Events::builder()
            .without_linked()
            .register(Handle::new(record))
            .build()
            .unwrap();
        let error = events.dispatch_sync(&Forged([0; 3])).unwrap_err();
        let Some(Refusal::Unwired(faults)) = error.refusal() else {
            panic!("{error}");
        };
        assert_eq!(faults[0].kind(), FaultKind::Mismatched);
    }
}
