//! The accepted programs once more, so that `cargo clippy` reads what the macros make of them.
#![deny(warnings, clippy::pedantic, unused_qualifications)]
// The programs are written for their signatures, and as crates of their own.
#![allow(clippy::unnecessary_wraps, unreachable_pub)]

#[path = "ui/pass/durable.rs"]
mod durable;
#[path = "ui/pass/generated.rs"]
mod generated;
#[path = "ui/pass/listeners.rs"]
mod listeners;
#[path = "ui/pass/plain.rs"]
mod plain;
#[path = "ui/pass/queued.rs"]
mod queued;

/// Each program runs in `ui`, alone: here their listeners would hear one another's events.
const _: [fn(); 5] = [
    durable::main,
    generated::main,
    listeners::main,
    plain::main,
    queued::main,
];
