//! The integration engine, on SQLite and on Postgres alike. The Postgres half asks for `EVENTS_TEST_POSTGRES_URL`, and
//! skips visibly without it.

mod announced;
mod credentials;
mod damaged;
mod desk;
mod health;
mod integration;
mod item;
mod kit;
mod late;
mod operation;
mod patience;
mod provider;
mod reconcile;
mod recovery;
mod request;
mod retention;
mod rules;
mod run;
mod schedule;
mod session;
mod start;
mod testing;
mod texts;
mod worker;
