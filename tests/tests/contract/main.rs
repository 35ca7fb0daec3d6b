//! What every engine of the queue port promises, run on each of them. A further engine is one line.

mod cases;
mod engine;
#[path = "../worker/kit.rs"]
mod kit;
mod memory;
mod options;
mod store;
mod upgrade;

/// Runs every case on every engine. A case takes an engine that is fresh.
macro_rules! engines {
    ($($engine:ident: $open:expr;)*) => {
        $(mod $engine {
            engines!(@cases $open;
                cases: all_or_none, attempts_and_backoff, parked_and_retried, permanent, failed_hook, delay,
                    retry_for, missing_model, undecodable, unknown, two_workers, cancelled;
                options: times_out, jitter, unique, unique_until_start, in_order, long_keys;
                upgrade: upgrade;
            );
        })*
    };
    (@cases $open:expr; $($file:ident: $($case:ident),*;)*) => {
        $($(
            #[test]
            fn $case() {
                crate::kit::runtime().block_on(async {
                    if let Some(engine) = $open.await {
                        crate::$file::$case(&engine).await;
                        crate::engine::Engine::close(engine).await;
                    }
                });
            }
        )*)*
    };
}

engines! {
    in_memory: crate::memory::Memory::open();
    on_sqlite: crate::store::Stored::open(crate::kit::Kind::Sqlite);
    on_postgres: crate::store::Stored::open(crate::kit::Kind::Postgres);
}
