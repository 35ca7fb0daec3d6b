//! The tables, as the steps that made them.

/// The steps from an empty database to today's tables, each a list of statements. Steps are only ever added.
/// `{id}`, `{uuid}`, `{bool}`, `{true}`, `{false}` and `{bytes}` stand for what the databases call differently; a statement
/// that begins with `{postgres}` is for Postgres alone.
pub(super) const STEPS: &[&[&str]] = &[
    JOBS, ENGINE, WEBHOOKS, OAUTH, PROCESSES, OLD_RUNS, GRANTS, UNKNOWN, ROOM, WALKED, BEHIND,
];

const JOBS: &[&str] = &[
    "CREATE TABLE events_jobs (
        id {id},
        uid {uuid} NOT NULL,
        queue TEXT NOT NULL,
        event TEXT NOT NULL,
        version INTEGER NOT NULL,
        listener TEXT NOT NULL,
        payload TEXT NOT NULL,
        state SMALLINT NOT NULL DEFAULT 0,
        run_at BIGINT NOT NULL,
        expires_at BIGINT,
        attempts INTEGER NOT NULL DEFAULT 0,
        fence BIGINT NOT NULL DEFAULT 0,
        worker BIGINT,
        alone {bool} NOT NULL DEFAULT {false},
        delivery_id {uuid} NOT NULL,
        dispatched_at BIGINT NOT NULL,
        correlation_id {uuid} NOT NULL,
        causation_id {uuid},
        unique_key TEXT,
        unique_until BIGINT,
        order_key TEXT,
        trace TEXT,
        reason TEXT,
        error TEXT,
        changed_at BIGINT NOT NULL
    )",
    "CREATE INDEX events_jobs_ready ON events_jobs (queue, run_at, id) WHERE state = 0",
    "CREATE INDEX events_jobs_alone ON events_jobs (run_at) WHERE state = 0 AND alone",
    "CREATE INDEX events_jobs_running ON events_jobs (id) WHERE state = 1",
    "CREATE INDEX events_jobs_parked ON events_jobs (id) WHERE state = 3",
    "CREATE INDEX events_jobs_done ON events_jobs (changed_at) WHERE state = 2",
    "CREATE UNIQUE INDEX events_jobs_unique ON events_jobs (listener, unique_key)
        WHERE unique_key IS NOT NULL AND state IN (0, 1)",
    "CREATE INDEX events_jobs_order ON events_jobs (listener, order_key, id)
        WHERE order_key IS NOT NULL AND state IN (0, 1)",
    // Also where a claim cannot see another that is not committed: one of the two waits, fails, and is made anew.
    "CREATE UNIQUE INDEX events_jobs_one_of_key ON events_jobs (listener, order_key)
        WHERE order_key IS NOT NULL AND state = 1 AND worker IS NOT NULL",
    "CREATE TABLE events_workers (
        id {id},
        name TEXT NOT NULL,
        host TEXT NOT NULL,
        boot TEXT NOT NULL,
        process BIGINT NOT NULL,
        lock_path TEXT,
        lock_device BIGINT,
        lock_inode BIGINT,
        claims TEXT NOT NULL,
        queues TEXT NOT NULL DEFAULT '[]',
        lapse BIGINT NOT NULL DEFAULT 60000,
        started_at BIGINT NOT NULL,
        heartbeat_at BIGINT NOT NULL
    )",
];

/// The integration engine. Times are milliseconds since the Unix epoch, JSON is text.
const ENGINE: &[&str] = &[
    "CREATE TABLE events_integrations (
        id {id},
        uid {uuid} NOT NULL UNIQUE,
        provider TEXT NOT NULL,
        name TEXT NOT NULL,
        credentials {bytes},
        metadata TEXT,
        is_active {bool} NOT NULL DEFAULT {true},
        health_status TEXT NOT NULL DEFAULT 'healthy',
        consecutive_failures BIGINT NOT NULL DEFAULT 0,
        last_error_at BIGINT,
        last_synced_at BIGINT,
        sync_interval_minutes BIGINT,
        next_sync_at BIGINT,
        sync_cursor TEXT,
        owner_type TEXT,
        owner_id TEXT,
        consecutive_sync_failures BIGINT NOT NULL DEFAULT 0,
        needs_authorization {bool} NOT NULL DEFAULT {false},
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL
    )",
    "CREATE INDEX events_integrations_owner ON events_integrations (owner_type, owner_id)",
    "CREATE INDEX events_integrations_provider ON events_integrations (provider)",
    "CREATE INDEX events_integrations_due ON events_integrations (next_sync_at) WHERE is_active",
    "CREATE TABLE events_requests (
        id {id},
        integration_id BIGINT NOT NULL REFERENCES events_integrations (id) ON DELETE CASCADE,
        endpoint TEXT NOT NULL,
        method TEXT NOT NULL,
        request_data TEXT,
        idempotency_key TEXT,
        provider_request_id TEXT,
        retry_of BIGINT,
        response_code BIGINT,
        response_data TEXT,
        response_success {bool} NOT NULL DEFAULT {false},
        error_kind TEXT,
        error_message TEXT,
        duration_ms BIGINT,
        failure_class TEXT,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL
    )",
    "CREATE INDEX events_requests_integration ON events_requests (integration_id, id)",
    "CREATE INDEX events_requests_created ON events_requests (created_at)",
    "CREATE TABLE events_operations (
        id {id},
        integration_id BIGINT NOT NULL REFERENCES events_integrations (id) ON DELETE CASCADE,
        parent_id BIGINT,
        operation TEXT NOT NULL,
        direction TEXT NOT NULL,
        status TEXT NOT NULL,
        external_id TEXT,
        summary TEXT,
        metadata TEXT,
        result_data TEXT,
        error TEXT,
        duration_ms BIGINT,
        attempt BIGINT,
        max_attempts BIGINT,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL
    )",
    "CREATE INDEX events_operations_integration ON events_operations (integration_id, id)",
    "CREATE INDEX events_operations_created ON events_operations (created_at)",
    // State: 0 enumerating, 1 open, 2 closed.
    "CREATE TABLE events_sync_runs (
        id {id},
        integration_id BIGINT NOT NULL REFERENCES events_integrations (id) ON DELETE CASCADE,
        log_id BIGINT NOT NULL,
        state SMALLINT NOT NULL DEFAULT 0,
        lease_holder TEXT,
        lease_until BIGINT,
        lease_fence BIGINT NOT NULL DEFAULT 0,
        starting_cursor TEXT,
        reconcile_due {bool} NOT NULL DEFAULT {false},
        enumerated BIGINT NOT NULL DEFAULT 0,
        duplicates BIGINT NOT NULL DEFAULT 0,
        finished BIGINT NOT NULL DEFAULT 0,
        opened_at BIGINT,
        closed_at BIGINT,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL
    )",
    "CREATE UNIQUE INDEX events_sync_runs_one ON events_sync_runs (integration_id) WHERE state <> 2",
    "CREATE INDEX events_sync_runs_integration ON events_sync_runs (integration_id, id)",
    "CREATE INDEX events_sync_runs_reconcile ON events_sync_runs (id) WHERE reconcile_due",
    // State: 0 pending, 1 processing, 2 success, 3 failed, 4 skipped. The row is its own job: what a job has is named
    // as in `events_jobs`.
    "CREATE TABLE events_sync_items (
        id {id},
        integration_id BIGINT NOT NULL,
        run_id BIGINT NOT NULL REFERENCES events_sync_runs (id) ON DELETE CASCADE,
        event_name TEXT NOT NULL,
        version INTEGER NOT NULL,
        payload TEXT NOT NULL,
        external_id TEXT,
        checkpoint_value TEXT,
        state SMALLINT NOT NULL DEFAULT 0,
        run_at BIGINT NOT NULL,
        expires_at BIGINT,
        attempts INTEGER NOT NULL DEFAULT 0,
        fence BIGINT NOT NULL DEFAULT 0,
        worker BIGINT,
        alone {bool} NOT NULL DEFAULT {false},
        delivery_id {uuid} NOT NULL,
        trace TEXT,
        error TEXT,
        error_kind TEXT,
        completed_at BIGINT,
        superseded_by BIGINT,
        created_at BIGINT NOT NULL,
        changed_at BIGINT NOT NULL
    )",
    // Rows without an external id are never equal here, and are found by their run all the same.
    "CREATE UNIQUE INDEX events_sync_items_once ON events_sync_items (run_id, event_name, external_id)",
    "CREATE INDEX events_sync_items_ready ON events_sync_items (run_id, run_at, id) WHERE state = 0",
    "CREATE INDEX events_sync_items_alone ON events_sync_items (run_id) WHERE state = 0 AND alone",
    "CREATE INDEX events_sync_items_running ON events_sync_items (id) WHERE state = 1",
    "CREATE INDEX events_sync_items_failed ON events_sync_items (run_id) WHERE state = 3",
    "CREATE INDEX events_sync_items_superseded ON events_sync_items (integration_id, event_name, external_id)
        WHERE state = 3",
    "CREATE TABLE events_leases (
        name TEXT PRIMARY KEY,
        holder TEXT NOT NULL,
        expires_at BIGINT NOT NULL,
        fence BIGINT NOT NULL
    )",
];

/// Deliveries. `fence` grows with each attempt that starts: who started before can write no end any more.
const WEBHOOKS: &[&str] = &[
    "CREATE TABLE events_webhooks (
        id {id},
        integration_id BIGINT NOT NULL REFERENCES events_integrations (id) ON DELETE CASCADE,
        provider TEXT NOT NULL,
        provider_delivery_id TEXT NOT NULL,
        event_type TEXT,
        payload {bytes} NOT NULL,
        headers TEXT NOT NULL,
        status TEXT NOT NULL DEFAULT 'pending',
        error TEXT,
        attempts BIGINT NOT NULL DEFAULT 0,
        fence BIGINT NOT NULL DEFAULT 0,
        processed_at BIGINT,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL
    )",
    "CREATE UNIQUE INDEX events_webhooks_once ON events_webhooks (integration_id, provider_delivery_id)",
    "CREATE INDEX events_webhooks_integration ON events_webhooks (integration_id, id)",
    "CREATE INDEX events_webhooks_failed ON events_webhooks (id) WHERE status = 'failed'",
    "CREATE INDEX events_webhooks_old ON events_webhooks (updated_at) WHERE status IN ('processed', 'failed')",
];

/// Requests to authorize that have not come back yet: neither the state nor the browser's session stands here, only their
/// hashes. `outcome` tells those who wait for a lease how its work ended.
const OAUTH: &[&str] = &[
    "CREATE TABLE events_oauth_states (
        hash TEXT PRIMARY KEY,
        integration_id BIGINT NOT NULL REFERENCES events_integrations (id) ON DELETE CASCADE,
        session TEXT NOT NULL,
        page TEXT NOT NULL,
        verifier {bytes} NOT NULL,
        expires_at BIGINT NOT NULL,
        created_at BIGINT NOT NULL
    )",
    "CREATE INDEX events_oauth_states_integration ON events_oauth_states (integration_id)",
    "CREATE INDEX events_oauth_states_expires ON events_oauth_states (expires_at)",
    "ALTER TABLE events_leases ADD COLUMN outcome TEXT",
];

/// What tells a worker's process from all others. Host, start of the machine and number do not: a container that starts
/// anew has those of the one that died. None: the worker is of a program that did not write it yet.
const PROCESSES: &[&str] = &["ALTER TABLE events_workers ADD COLUMN process_uid {uuid}"];

/// Without it each look for runs that are too old reads all of them.
const OLD_RUNS: &[&str] =
    &["CREATE INDEX events_sync_runs_closed ON events_sync_runs (closed_at, id) WHERE state = 2"];

/// A hold goes with its integration. `token_lifetime`, in milliseconds, is how long the access token was good for when it
/// was given.
const GRANTS: &[&str] = &[
    "ALTER TABLE events_leases ADD COLUMN integration_id BIGINT REFERENCES events_integrations (id) ON DELETE CASCADE",
    "DELETE FROM events_leases
        WHERE NOT EXISTS (SELECT 1 FROM events_integrations AS i WHERE events_leases.name = 'oauth/' || i.id)",
    "UPDATE events_leases SET integration_id = CAST(SUBSTR(name, 7) AS BIGINT)",
    "CREATE INDEX events_leases_integration ON events_leases (integration_id)",
    "ALTER TABLE events_integrations ADD COLUMN token_lifetime BIGINT",
];

/// Keys of jobs that no live worker knew at the last look, and for how long so far, in milliseconds.
const UNKNOWN: &[&str] = &["CREATE TABLE events_unknown (
        name TEXT PRIMARY KEY,
        unknown_for BIGINT NOT NULL,
        seen_at BIGINT NOT NULL
    )"];

/// A job's row is written anew when it is claimed and when it ends. Where its page has room, the new version takes the
/// place of one that nobody sees any more, without a vacuum; else it goes to the end of the table, which grows.
const ROOM: &[&str] = &["{postgres}ALTER TABLE events_jobs SET (fillfactor = 50)"];

/// Jobs that are done are found by a walk: see `queue::done`.
const WALKED: &[&str] = &["DROP INDEX IF EXISTS events_jobs_done"];

/// Jobs that wait behind many others of their key are not among those that claims look at: see `queue::behind`.
const BEHIND: &[&str] = &[
    "ALTER TABLE events_jobs ADD COLUMN behind {bool} NOT NULL DEFAULT {false}",
    "DROP INDEX events_jobs_ready",
    "CREATE INDEX events_jobs_ready ON events_jobs (queue, behind, run_at, id) WHERE state = 0",
    "CREATE INDEX events_jobs_behind ON events_jobs (listener, order_key, id) WHERE state = 0 AND behind",
];
