//! What a subscriber sees of dispatches, listeners and jobs. The whole program has one, which keeps all there is; each
//! test looks for the spans of its own events.

mod capture;
mod credentials;
mod items;
mod jobs;
#[path = "../worker/kit.rs"]
mod kit;
mod secrets;
mod spans;
