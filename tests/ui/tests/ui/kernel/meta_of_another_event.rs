//! A dispatch takes an event's description at its word: it can be that of no other event.

use events_core::Event;
use events_core::__private as private;

#[derive(Debug, Event)]
struct Good(String);

struct Forged([usize; 3]);

impl Event for Forged {
    type Response = ();
    type Queueing = private::Allowed;

    fn meta() -> &'static private::Meta<Self> {
        <Good as Event>::meta()
    }
}

fn main() {
    let mut description = private::EventMeta::new("Good", "", "", 1);
    description.type_id = std::any::TypeId::of::<Good>();
    let _ = (Forged([0; 3]), Good(String::new()).0);
}
