//! Lists of what is stored, and what is forgotten (section 3).

use std::time::Duration;

use chrono::TimeDelta;
use events_core::{Event, listener};
use events_std::{
    Direction, Integration, IntegrationLog, IntegrationRequest, OperationFilter, RequestFailed,
    RequestFilter, Scheduler, SyncItemEvent, SyncItemFailed,
};

use crate::desk::{DeskBench, Fate, execute};
use crate::kit::{Bench, on_both};
use crate::request::{RequestBench, answer, send};

/// The ids of the requests that are stored, the first one first.
async fn requests(bench: &RequestBench) -> Vec<i64> {
    let records = bench.records().await;
    records.iter().map(|record| record.id).collect()
}

async fn requests_are_listed_the_latest_first(url: String) {
    let bench = RequestBench::new(url).await;
    let other = bench.bench.integration().await;
    let answers = [answer(500, ""), answer(200, "{}")];
    send(bench.get(), answers).await.unwrap();
    send(bench.post(), [answer(404, "")]).await.unwrap_err();
    let request = bench.bench.engine.request(&other, "/", "GET");
    send(request, [answer(200, "{}")]).await.unwrap();
    let all = bench.records().await;
    let list = async |filter: RequestFilter| -> Vec<IntegrationRequest> {
        bench.bench.engine.requests(&filter).await.unwrap()
    };
    let of = |indices: &[usize]| -> Vec<_> { indices.iter().map(|at| all[*at].clone()).collect() };
    let filter = RequestFilter::new;
    assert_eq!(list(filter()).await, of(&[3, 2, 1, 0]));
    assert_eq!(list(filter().limit(2)).await, of(&[3, 2]));
    assert_eq!(list(filter().before(all[2].id)).await, of(&[1, 0]));
    assert_eq!(list(filter().integration(other.id)).await, of(&[3]));
    assert_eq!(list(filter().success(false)).await, of(&[2, 0]));
    let own = filter().integration(bench.integration.id).success(true);
    assert_eq!(list(own).await, of(&[1]));
    assert_eq!(list(filter().retries_of(all[0].id)).await, of(&[1]));
}

async fn operations_are_listed_the_latest_first(url: String) {
    let bench = Bench::new(url).await;
    let (one, other) = (bench.integration().await, bench.integration().await);
    let mut all: Vec<IntegrationLog> = Vec::new();
    for (integration, operation, status) in [
        (&one, "import", "processing"),
        (&one, "export", "failed"),
        (&other, "import", "failed"),
    ] {
        let parent_id = all.first().map(|log| log.id);
        let log = IntegrationLog::new(integration.id, operation, Direction::Inbound, status);
        let log = IntegrationLog { parent_id, ..log };
        all.push(bench.engine.log_operation(log).await.unwrap());
    }
    let list = async |filter: OperationFilter| bench.engine.operations(&filter).await.unwrap();
    let of = |indices: &[usize]| -> Vec<_> { indices.iter().map(|at| all[*at].clone()).collect() };
    let filter = OperationFilter::new;
    assert_eq!(list(filter()).await, of(&[2, 1, 0]));
    assert_eq!(list(filter().limit(1)).await, of(&[2]));
    assert_eq!(list(filter().before(all[2].id)).await, of(&[1, 0]));
    assert_eq!(list(filter().integration(one.id)).await, of(&[1, 0]));
    assert_eq!(list(filter().operation("import")).await, of(&[2, 0]));
    assert_eq!(
        list(filter().status("failed").integration(one.id)).await,
        of(&[1])
    );
    assert_eq!(list(filter().parts_of(all[0].id)).await, of(&[2, 1]));
}

mod pointed_at {
    use super::*;

    #[listener(RequestFailed, queue, handle = LATER)]
    fn later(_: &RequestFailed) {}

    #[listener(SyncItemFailed, queue, handle = ITEM_LATER)]
    pub(super) fn item_later(_: &SyncItemFailed) {}

    #[derive(Clone, Debug, Event)]
    #[event(durable, name = "retention.asked", extends(SyncItemEvent))]
    pub(super) struct Asked {
        #[event(model)]
        pub(super) integration: Integration,
        #[event(model)]
        pub(super) requests: Vec<IntegrationRequest>,
    }

    /// Section 3: requests are kept for a time, bounded by default, and longer while an unfinished job points at them: one
    /// that waits, one that is parked, an item that failed.
    pub(super) async fn requests_are_forgotten_unless_a_job_points_at_them(url: String) {
        let bench = RequestBench::with(url, |engine| engine, |events| events.register(LATER)).await;
        let engine = &bench.bench.engine;
        send(bench.get(), [answer(200, "{}")]).await.unwrap();
        send(bench.post(), [answer(404, "")]).await.unwrap_err();
        send(bench.post(), [answer(404, "")]).await.unwrap_err();
        send(bench.get(), [answer(200, "{}")]).await.unwrap();
        let ids = requests(&bench).await;
        execute(
            &bench.bench,
            "UPDATE events_jobs SET state = 3, reason = 'exhausted' WHERE id = (SELECT MAX(id) FROM events_jobs)",
        )
        .await;
        let day = TimeDelta::days(1);
        bench.bench.clock.advance(day * 30);
        assert_eq!(engine.prune_requests().await.unwrap(), 0);
        bench.bench.clock.advance(TimeDelta::seconds(1));
        send(bench.get(), [answer(200, "{}")]).await.unwrap();
        let latest = *requests(&bench).await.last().unwrap();
        assert_eq!(engine.prune_requests().await.unwrap(), 2);
        assert_eq!(requests(&bench).await, [ids[1], ids[2], latest]);
        bench.bench.work().await;
        assert_eq!(engine.prune_requests().await.unwrap(), 1);
        assert_eq!(requests(&bench).await, [ids[2], latest]);
        execute(&bench.bench, "UPDATE events_jobs SET state = 2").await;
        assert_eq!(engine.prune_requests().await.unwrap(), 1);
        assert_eq!(requests(&bench).await, [latest]);
    }
}
use pointed_at::requests_are_forgotten_unless_a_job_points_at_them;

/// Section 3: an item that failed, and one that waits, is a job that may still run: what its event carries stays.
async fn a_request_stays_while_an_item_carries_it(url: String) {
    let desk = DeskBench::new(url).await;
    let engine = &desk.bench.engine;
    desk.plan().set(1, [Fate::Fails]);
    desk.sync([1]).await;
    let request = engine.request(&desk.integration, "/", "GET");
    send(request, [answer(200, "{}")]).await.unwrap();
    let id = desk
        .bench
        .column::<i64>("SELECT id FROM events_requests")
        .await[0];
    // As `Asked` is written.
    let integration = desk.integration.id;
    let set = format!(
        r#"UPDATE events_sync_items SET event_name = 'retention.asked', payload =
           '{{"integration":{{"model":"integration","key":{integration}}},"requests":[{{"model":"integration_request","key":{id}}}]}}'"#
    );
    execute(&desk.bench, &set).await;
    desk.bench.clock.advance(TimeDelta::days(31));
    assert_eq!(engine.prune_requests().await.unwrap(), 0);
    execute(&desk.bench, "UPDATE events_sync_items SET state = 4").await;
    assert_eq!(engine.prune_requests().await.unwrap(), 1);
}

/// Section 3: so are entries of the operation log, that of a sync run as long as its run.
async fn operations_are_forgotten_unless_their_run_is_kept(url: String) {
    let desk = DeskBench::new(url).await;
    let engine = &desk.bench.engine;
    let log = IntegrationLog::new(desk.integration.id, "import", Direction::Inbound, "success");
    engine.log_operation(log).await.unwrap();
    desk.plan().set(1, [Fate::Fails]);
    let failed = desk.sync([1]).await;
    desk.bench.work().await;
    desk.bench.clock.advance(TimeDelta::days(31));
    assert_eq!(engine.prune_operations().await.unwrap(), 1);
    // The run has a failed item.
    assert_eq!(engine.prune_sync_runs().await.unwrap(), 0);
    assert!(
        engine
            .find_operation(failed.log_id)
            .await
            .unwrap()
            .is_some()
    );
    execute(&desk.bench, "UPDATE events_sync_items SET state = 4").await;
    // A scheduler forgets runs, and then what they kept.
    Scheduler::new(engine).run_due().await.unwrap();
    assert_eq!(engine.find_operation(failed.log_id).await.unwrap(), None);
}

async fn what_is_to_be_kept_for_ever_is_kept(url: String) {
    for (kept, forgotten) in [
        (None, 0),
        (Some(Duration::from_secs(u64::MAX)), 0),
        (Some(Duration::from_hours(1)), 1),
    ] {
        let build = |engine: events_std::IntegrationsBuilder| {
            engine.keep_requests_for(kept).keep_operations_for(kept)
        };
        let bench = RequestBench::with(url.clone(), build, |events| events).await;
        let engine = &bench.bench.engine;
        execute(&bench.bench, "DELETE FROM events_requests").await;
        execute(&bench.bench, "DELETE FROM events_operations").await;
        send(bench.get(), [answer(200, "{}")]).await.unwrap();
        let log = IntegrationLog::new(
            bench.integration.id,
            "import",
            Direction::Inbound,
            "success",
        );
        engine.log_operation(log).await.unwrap();
        bench.bench.clock.advance(TimeDelta::days(365));
        assert_eq!(engine.prune_requests().await.unwrap(), forgotten);
        assert_eq!(engine.prune_operations().await.unwrap(), forgotten);
    }
}

/// More rows than are deleted at once are forgotten all the same, and those that stay are not in the way.
async fn many_rows_are_forgotten_at_once(url: String) {
    let bench = RequestBench::with(url, |engine| engine, |events| events).await;
    let many = format!(
        "INSERT INTO events_requests (integration_id, endpoint, method, created_at, updated_at) \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500) \
         SELECT {}, '/', 'GET', 7, 7 FROM n",
        bench.integration.id
    );
    execute(&bench.bench, &many).await;
    assert_eq!(bench.bench.engine.prune_requests().await.unwrap(), 2_500);
    assert_eq!(bench.bench.count("events_requests").await, 0);
}

/// Section 3: a job that an operator may still retry finds the item that it is about.
async fn a_run_stays_while_a_job_points_at_its_item(url: String) {
    let desk = DeskBench::with(url, |events| events.register(pointed_at::ITEM_LATER)).await;
    let engine = &desk.bench.engine;
    desk.plan().set(1, [Fate::Fails]);
    let run = desk.sync([1]).await;
    engine.skip_item(desk.item(&run, 1).await.id).await.unwrap();
    engine.reconcile().await.unwrap();
    let parked = "UPDATE events_jobs SET state = 3, reason = 'exhausted'";
    execute(&desk.bench, parked).await;
    desk.bench.clock.advance(TimeDelta::days(31));
    assert_eq!(engine.prune_sync_runs().await.unwrap(), 0);
    assert_eq!(desk.items(&run).await.len(), 1);
    execute(&desk.bench, "UPDATE events_jobs SET state = 2").await;
    assert_eq!(engine.prune_sync_runs().await.unwrap(), 1);
}

async fn many_runs_are_forgotten_at_once(url: String) {
    let desk = DeskBench::new(url).await;
    let many = format!(
        "INSERT INTO events_sync_runs (integration_id, log_id, state, closed_at, created_at, updated_at) \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250) \
         SELECT {}, 0, 2, 7, 7, 7 FROM n",
        desk.integration.id
    );
    execute(&desk.bench, &many).await;
    assert_eq!(desk.bench.engine.prune_sync_runs().await.unwrap(), 250);
    assert_eq!(desk.bench.count("events_sync_runs").await, 0);
}

/// Nor are those that stay, however many they are.
async fn many_rows_that_stay_are_not_in_the_way(url: String) {
    let desk = DeskBench::new(url).await;
    let engine = &desk.bench.engine;
    desk.plan().set(1, [Fate::Fails]);
    desk.sync([1]).await;
    let integration = desk.integration.id;
    let many = format!(
        "INSERT INTO events_requests (integration_id, endpoint, method, created_at, updated_at) \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i <= 20000) \
         SELECT {integration}, '/', 'GET', 7, 7 FROM n"
    );
    execute(&desk.bench, &many).await;
    let ids: Vec<i64> = desk
        .bench
        .column("SELECT id FROM events_requests ORDER BY id LIMIT 20000")
        .await;
    let carried: Vec<_> = ids
        .iter()
        .map(|id| serde_json::json!({"model": "integration_request", "key": id}))
        .collect();
    let payload = serde_json::json!({
        "integration": {"model": "integration", "key": integration}, "requests": carried,
    });
    let set = format!(
        "UPDATE events_sync_items SET event_name = 'retention.asked', payload = '{payload}'"
    );
    execute(&desk.bench, &set).await;
    assert_eq!(engine.prune_requests().await.unwrap(), 1);
    assert_eq!(desk.bench.count("events_requests").await, 20_000);
}

on_both!(
    many_rows_that_stay_are_not_in_the_way,
    a_request_stays_while_an_item_carries_it,
    a_run_stays_while_a_job_points_at_its_item,
    many_runs_are_forgotten_at_once,
    many_rows_are_forgotten_at_once,
    operations_are_forgotten_unless_their_run_is_kept,
    operations_are_listed_the_latest_first,
    requests_are_forgotten_unless_a_job_points_at_them,
    requests_are_listed_the_latest_first,
    what_is_to_be_kept_for_ever_is_kept,
);
