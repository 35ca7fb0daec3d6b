use events_core::listener;

trait Audited {}

#[listener(dyn Audited)]
fn count(event: &dyn Audited) {
    let _ = event;
}

fn main() {}
