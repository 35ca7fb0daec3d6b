//! The event of the linkage tests, which every program here names, and what the programs do with it.

use std::sync::Mutex;

use events_core::{Event, Events};

/// What listeners in other crates may or may not hear.
#[derive(Debug, Event)]
#[event(name = "linkage.signal")]
pub struct Signal;

static HEARD: Mutex<Vec<&str>> = Mutex::new(Vec::new());

/// Notes that a listener heard the signal.
///
/// # Panics
///
/// If another thread panicked meanwhile.
pub fn hear(listener: &'static str) {
    HEARD.lock().expect("no panic").push(listener);
}

/// Dispatches a signal and gives the listeners that heard it.
///
/// # Panics
///
/// If a listener fails.
#[must_use]
pub fn heard() -> Vec<&'static str> {
    Signal.dispatch_sync().expect("the listeners are fine");
    std::mem::take(&mut HEARD.lock().expect("no panic"))
}

/// What the check says to a program that expects both crates' listeners.
#[must_use]
pub fn checked() -> String {
    match Events::builder()
        .expect_listeners_from("linkage-listeners")
        .expect_listeners_from("linkage-app")
        .build()
    {
        Ok(_) => "all there".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// What the committed contract says to a program: its difference, or nothing.
#[must_use]
pub fn compared() -> String {
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/events.lock");
    match Events::current().catalog().check(lock) {
        Ok(()) => String::new(),
        Err(error) => error.to_string(),
    }
}

/// Prints both, for the tests to read.
pub fn report() {
    println!("{}\n{}", heard().join(" "), checked());
}
