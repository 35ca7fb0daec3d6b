//! Which test holds the engine to which line of its specification: to each line that is better than the reference
//! system's behaviour, and to each event, where it fires and where it does not.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use events_core::Events;
use events_std as _;

/// The beginning of a line or what it is about, by section; the tests, each by its file below `tests/tests` or its crate.
type Line = (&'static str, &'static [(&'static str, &'static str)]);

const BETTER: &[Line] = &[
    (
        "1.1 an event waits for the outermost commit, and is dropped on rollback",
        &[
            ("engine/rules.rs", "events_wait_for_the_outermost_commit"),
            ("engine/rules.rs", "rows_are_committed_before_listeners_run"),
            (
                "engine/integration.rs",
                "creating_within_a_transaction_waits_for_its_end",
            ),
        ],
    ),
    (
        "1.2 a listener that fails changes nothing, and the error hook is told",
        &[
            ("engine/rules.rs", "listeners_that_fail_change_nothing"),
            (
                "engine/request/health.rs",
                "listeners_change_nothing_and_queued_ones_load_the_rows",
            ),
        ],
    ),
    (
        "1.3 records travel to queued listeners by key, and are loaded again",
        &[
            ("engine/rules.rs", "a_queued_listener_sees_todays_row"),
            (
                "engine/rules.rs",
                "the_job_of_a_failed_item_finds_its_row_failed",
            ),
            (
                "engine/integration.rs",
                "a_queued_listener_loads_the_record_again",
            ),
        ],
    ),
    (
        "1.3 inline listeners see the record fully populated",
        &[
            ("engine/rules.rs", "rows_are_committed_before_listeners_run"),
            ("engine/operation.rs", "an_entry_fires_by_its_status"),
        ],
    ),
    (
        "1.4 jobs are written in the transaction of the row they speak of",
        &[("engine/rules.rs", "jobs_stand_or_fall_with_their_row")],
    ),
    (
        "1.5 announcements reach inline listeners across a crash, at least once, under one delivery",
        &[
            (
                "engine/announced.rs",
                "sync_completed_reaches_inline_listeners_across_a_crash",
            ),
            (
                "engine/announced.rs",
                "an_announcement_that_fails_is_parked_after_the_default_tries",
            ),
            (
                "worker/announced.rs",
                "a_listener_that_fails_has_the_whole_announcement_tried_again_under_the_same_delivery",
            ),
        ],
    ),
    (
        "1.7 nothing holds a transaction open across a call to the outside",
        &[
            (
                "engine/session.rs",
                "items_are_stored_in_chunks_while_the_provider_enumerates",
            ),
            (
                "engine/request/attempts.rs",
                "a_request_refuses_to_run_in_a_transaction",
            ),
        ],
    ),
    (
        "3 a run is a row of its own, under a lease while it is enumerating",
        &[
            (
                "engine/run.rs",
                "a_run_starts_with_its_log_and_ends_with_sync_completed",
            ),
            (
                "engine/run.rs",
                "a_holder_that_was_taken_for_dead_writes_nothing",
            ),
        ],
    ),
    (
        "4 a success is decided from the row, and cannot overwrite `disabled`",
        &[("engine/health.rs", "a_stale_copy_cannot_overwrite_disabled")],
    ),
    (
        "4 only an operator re-enables; neither fires a health event",
        &[
            (
                "engine/health.rs",
                "an_operator_enables_and_disables_in_silence",
            ),
            (
                "engine/health.rs",
                "nothing_but_an_operator_moves_what_is_disabled",
            ),
        ],
    ),
    (
        "4 the effective interval is the integration's, else the provider's, else it is never due",
        &[
            (
                "engine/schedule.rs",
                "the_providers_interval_counts_where_there_is_no_other",
            ),
            (
                "engine/schedule.rs",
                "without_any_interval_nothing_is_due_by_itself",
            ),
        ],
    ),
    (
        "5 an answer of 400 and above is a failure",
        &[(
            "engine/request/attempts.rs",
            "an_answer_of_500_is_a_failure_and_is_tried_again",
        )],
    ),
    (
        "5 row and health change commit together, and the events come in one order",
        &[
            (
                "engine/request/health.rs",
                "the_row_and_the_health_change_commit_together",
            ),
            (
                "engine/request/health.rs",
                "the_request_event_comes_before_those_of_health",
            ),
        ],
    ),
    (
        "5 bodies are stored up to a limit and redacted; what cannot be parsed is not stored",
        &[
            (
                "engine/request/redaction.rs",
                "bodies_are_kept_up_to_the_applications_limit",
            ),
            ("engine/request/redaction.rs", "no_secret_is_stored_or_told"),
            (
                "engine/request/redaction.rs",
                "what_cannot_be_parsed_is_not_stored",
            ),
        ],
    ),
    (
        "7.1 items stream to the store in chunks",
        &[(
            "engine/session.rs",
            "items_are_stored_in_chunks_while_the_provider_enumerates",
        )],
    ),
    (
        "7.2 a failed enumeration, or one whose process died, leaves nothing, is told, and starts over",
        &[
            (
                "engine/run.rs",
                "an_enumeration_that_fails_leaves_nothing_and_starts_over",
            ),
            (
                "engine/run.rs",
                "a_run_whose_process_died_is_closed_by_another",
            ),
        ],
    ),
    (
        "7.3 success and skipped are final: a late duplicate never reopens them",
        &[(
            "engine/item.rs",
            "a_late_end_changes_nothing_that_has_ended",
        )],
    ),
    (
        "7.3 a queued listener on a per-item event is refused",
        &[(
            "engine/item.rs",
            "an_item_that_a_queued_listener_hears_is_refused",
        )],
    ),
    (
        "7.4 two workers that end the last two items at once cannot both miss it",
        &[
            (
                "engine/reconcile.rs",
                "what_ended_is_reconciled_by_whoever_comes_next",
            ),
            (
                "engine/reconcile.rs",
                "of_many_that_reconcile_at_once_one_does",
            ),
        ],
    ),
    (
        "7.4 the end of a run is decided exactly once, whatever crashes",
        &[
            (
                "faults/syncs.rs",
                "every_run_ends_once_and_no_cursor_passes_an_item_that_has_not",
            ),
            (
                "engine/reconcile.rs",
                "of_many_that_reconcile_at_once_one_does",
            ),
            ("engine/reconcile.rs", "the_cursor_keeps_its_promises"),
        ],
    ),
    (
        "7.4 the last retry or skip of a closed run moves the cursor; `SyncCompleted` does not fire again",
        &[
            (
                "engine/reconcile.rs",
                "the_last_retry_of_a_closed_run_moves_the_cursor",
            ),
            (
                "engine/reconcile.rs",
                "the_last_skip_of_a_closed_run_moves_the_cursor",
            ),
        ],
    ),
    (
        "7.4 a later success supersedes an older failure",
        &[
            (
                "engine/reconcile.rs",
                "a_later_success_supersedes_an_older_failure",
            ),
            (
                "engine/reconcile.rs",
                "a_retry_that_a_later_success_overtakes_does_not_run",
            ),
        ],
    ),
    (
        "8 nobody connects or disconnects without the app's authorizer",
        &[
            ("oauth/refused.rs", "on_the_way_there"),
            ("oauth/refused.rs", "revocations"),
        ],
    ),
    (
        "8 a state is good once, for ten minutes, in the browser that began; nothing of it stands in the database",
        &[
            ("oauth/refused.rs", "on_the_way_back"),
            ("oauth/refused.rs", "of_a_state_that_came_back_wrongly"),
            (
                "oauth/authorize.rs",
                "of_one_answer_that_comes_ten_times_at_once_one_counts",
            ),
            ("oauth/authorize.rs", "the_row_of_a_state_tells_nothing"),
        ],
    ),
    (
        "8 PKCE S256 always, and the issuer where it is announced",
        &[
            ("oauth/authorize.rs", "it_connects"),
            ("oauth/refused.rs", "of_a_state_that_came_back_wrongly"),
            ("oauth/refused.rs", "a_provider_that_fails"),
        ],
    ),
    (
        "8 a failure of the provider is a 502, stores nothing and fires nothing",
        &[("oauth/refused.rs", "a_provider_that_fails")],
    ),
    (
        "9 GET reaches only a provider's challenge handler, and stores nothing",
        &[(
            "webhook/challenge.rs",
            "a_challenge_is_answered_by_its_integration",
        )],
    ),
    (
        "9 what is too large is refused before its body is read",
        &[("webhook/limits.rs", "a_large_body_is_not_read_to_its_end")],
    ),
    (
        "9 a sender waits for the commit alone, and a listener that fails is tried again",
        &[(
            "webhook/process.rs",
            "announcement_and_processing_are_apart",
        )],
    ),
    (
        "9 a replay runs the handler on what was stored, with all headers",
        &[(
            "webhook/operate.rs",
            "a_replay_runs_the_handler_on_what_was_stored",
        )],
    ),
];

/// Each event: a test in which it fires, and one in which it does not though it might.
const EVENTS: &[Line] = &[
    (
        "integration.created",
        &[
            ("engine/integration.rs", "creating_stores_a_row_and_fires"),
            (
                "engine/integration.rs",
                "an_update_changes_what_it_names_and_fires_nothing",
            ),
        ],
    ),
    (
        "integration.synced",
        &[
            (
                "engine/health.rs",
                "being_synced_is_recorded_with_the_time_of_the_next",
            ),
            (
                "engine/reconcile.rs",
                "a_run_with_failures_keeps_the_cursor_and_backs_off",
            ),
        ],
    ),
    (
        "integration.health_changed",
        &[
            (
                "engine/health.rs",
                "failures_move_the_health_once_per_transition",
            ),
            (
                "engine/health.rs",
                "other_failures_than_upstream_change_nothing",
            ),
        ],
    ),
    (
        "integration.disabled",
        &[
            (
                "engine/health.rs",
                "failures_move_the_health_once_per_transition",
            ),
            (
                "engine/health.rs",
                "without_a_threshold_nothing_is_disabled",
            ),
        ],
    ),
    (
        "request.completed",
        &[
            (
                "engine/request/attempts.rs",
                "a_request_that_succeeds_is_one_row_and_one_event",
            ),
            (
                "engine/request/attempts.rs",
                "an_answer_that_does_not_fit_is_a_failure",
            ),
        ],
    ),
    (
        "request.failed",
        &[
            (
                "engine/request/attempts.rs",
                "an_answer_of_500_is_a_failure_and_is_tried_again",
            ),
            (
                "engine/request/attempts.rs",
                "a_request_that_succeeds_is_one_row_and_one_event",
            ),
        ],
    ),
    (
        "operation.started",
        &[
            (
                "engine/run.rs",
                "a_run_starts_with_its_log_and_ends_with_sync_completed",
            ),
            ("engine/operation.rs", "a_change_of_an_entry_fires_nothing"),
        ],
    ),
    (
        "operation.completed",
        &[
            ("engine/operation.rs", "an_entry_fires_by_its_status"),
            ("engine/operation.rs", "a_change_of_an_entry_fires_nothing"),
        ],
    ),
    (
        "operation.failed",
        &[
            ("engine/operation.rs", "an_entry_fires_by_its_status"),
            ("engine/operation.rs", "a_change_of_an_entry_fires_nothing"),
        ],
    ),
    (
        "sync.completed",
        &[
            ("engine/run.rs", "a_run_without_items_is_clean"),
            (
                "engine/reconcile.rs",
                "the_last_retry_of_a_closed_run_moves_the_cursor",
            ),
        ],
    ),
    (
        "sync.item_failed",
        &[
            (
                "engine/item.rs",
                "a_failed_item_is_told_of_once_with_its_row_failed",
            ),
            (
                "engine/item.rs",
                "a_late_end_changes_nothing_that_has_ended",
            ),
        ],
    ),
    (
        "oauth.completed",
        &[
            ("oauth/authorize.rs", "it_connects"),
            ("oauth/refused.rs", "a_provider_that_fails"),
            (
                "oauth/tokens.rs",
                "a_token_is_refreshed_when_it_is_about_to_expire",
            ),
        ],
    ),
    (
        "oauth.revoked",
        &[
            ("oauth/revoke.rs", "three_keys_go_and_it_fires_once"),
            ("oauth/refused.rs", "revocations"),
        ],
    ),
    (
        "webhook.received",
        &[
            (
                "webhook/accept.rs",
                "a_genuine_delivery_is_stored_announced_and_processed",
            ),
            ("webhook/accept.rs", "a_duplicate_is_told_and_nothing_else"),
            (
                "webhook/strace.rs",
                "a_death_at_any_call_that_writes_loses_no_delivery",
            ),
        ],
    ),
];

/// Whether a file has a test of this name: marked as one, or in the list of those that run on both databases.
fn has(text: &str, name: &str) -> bool {
    let words = |line: &str| -> Vec<String> {
        let words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        words.map(str::to_owned).collect()
    };
    let named = |line: &str| words(line).iter().any(|word| word == name);
    let mut lists = text.split("on_both!(").skip(1);
    let listed = lists.any(|list| list.split(')').next().is_some_and(named));
    let mut marked = text.split("test]\n").skip(1);
    let marked = marked.any(|code| code.lines().next().is_some_and(named));
    let written = text.lines().any(|line| line.contains("fn ") && named(line));
    written && (listed || marked)
}

fn missing(lines: &[Line]) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut missing = Vec::new();
    for (line, tests) in lines {
        assert!(!tests.is_empty(), "{line}");
        for (file, test) in *tests {
            let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
            if !has(&text, test) {
                missing.push(format!("{line}: {file} has no test {test}"));
            }
        }
    }
    missing
}

#[test]
fn every_better_line_has_a_test() {
    assert_eq!(missing(BETTER), [""; 0]);
}

#[test]
fn every_event_is_seen_to_fire_and_not_to_fire() {
    assert_eq!(missing(EVENTS), [""; 0]);
    assert!(EVENTS.iter().all(|(_, tests)| tests.len() >= 2));
    let events = Events::builder().only_linked_in("events_std").build();
    let linked = events.unwrap().catalog().events;
    let linked: BTreeSet<String> = linked.into_iter().filter_map(|event| event.name).collect();
    let listed: BTreeSet<String> = EVENTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(listed, linked);
}

#[test]
fn a_test_that_is_not_run_is_none() {
    let text = "#[test]\nfn one() {}\nasync fn two() {}\nasync fn three() {}\non_both!(two,\n);\n";
    assert!(has(text, "one") && has(text, "two"));
    assert!(!has(text, "three") && !has(text, "thr") && !has(text, "four"));
}
