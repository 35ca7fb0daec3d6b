//! Webhooks, from the request to the handler, on SQLite and on Postgres alike. The Postgres half asks for
//! `EVENTS_TEST_POSTGRES_URL`, and skips visibly without it.

mod accept;
mod challenge;
mod command;
mod deliveries;
mod hub;
mod kill;
#[allow(dead_code, reason = "the engine's suite uses the rest")]
#[path = "../engine/kit.rs"]
mod kit;
mod limits;
mod log;
mod operate;
mod peers;
mod process;
mod race;
mod scheme;
mod strace;
mod testing;
