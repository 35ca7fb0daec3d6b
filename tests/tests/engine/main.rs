//! The integration engine, on SQLite and on Postgres alike. The Postgres half asks for `EVENTS_TEST_POSTGRES_URL`, and
//! skips visibly without it.

mod integration;
mod kit;
mod operation;
