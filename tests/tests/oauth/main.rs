//! OAuth 2, from the first redirect to the revocation, on SQLite and on Postgres alike. The Postgres half asks for
//! `EVENTS_TEST_POSTGRES_URL`, and skips visibly without it.

mod authorize;
mod command;
mod desk;
#[allow(dead_code, reason = "the engine's suite uses the rest")]
#[path = "../engine/kit.rs"]
mod kit;
mod peer;
mod processes;
mod redirects;
mod refused;
mod revoke;
mod secrets;
mod server;
mod tokens;
