//! Access tokens that are fresh.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use events_core::Clock;
use events_std::oauth::{AccessToken, OAuthError};
use events_std::{IntegrationError, IntegrationUpdate, RequestFilter, StoreError, Tx};
use http::{Response, StatusCode};
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::desk::{Desk, DeskBench};
use crate::kit::on_both;
use crate::server::{CANARY, Server};

impl DeskBench {
    async fn token(&self) -> Result<String, OAuthError> {
        let token = self.bench.engine.access_token(self.integration.id).await;
        token.map(|token| token.secret().to_owned())
    }
}

fn old() -> String {
    format!("access-0-{CANARY}")
}

/// 300 s before its expiry, and no sooner; no event.
async fn a_token_is_refreshed_when_it_is_about_to_expire(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(400).await;
    desk.bench.clock.advance(TimeDelta::seconds(99));
    assert_eq!(desk.token().await.unwrap(), old());
    assert_eq!(desk.server.asked(), [""; 0]);
    desk.bench.clock.advance(TimeDelta::seconds(1));
    let fresh = desk.token().await.unwrap();
    assert_ne!(fresh, old());
    assert_eq!(desk.token().await.unwrap(), fresh);
    assert_eq!(desk.server.asked(), ["refresh_token"]);
    let stored = desk.credentials().await;
    assert_eq!(stored.access_token.unwrap(), fresh);
    assert_eq!(stored.api_key, "stays");
    assert_eq!(
        stored.refresh_token,
        desk.server.played.lock().unwrap().refresh,
        "the next one is kept"
    );
    assert_eq!(desk.bench.heard.names(), [""; 0]);
}

/// Tokens that are good for less than 300 s in the first place: who waited takes what another got, and asks for no more.
async fn those_who_wait_take_a_token_of_short_life_too(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(60).await;
    desk.server.played.lock().unwrap().expires_in = Some(60);
    desk.server.close_gate();
    let asking: Vec<_> = (0..10)
        .map(|_| {
            let (engine, id) = (desk.bench.engine.clone(), desk.integration.id);
            tokio::spawn(async move { engine.access_token(id).await.unwrap() })
        })
        .collect();
    let waiting = async || desk.server.played.lock().unwrap().asked.is_empty();
    while waiting().await {
        tokio::task::yield_now().await;
    }
    let held = "events_leases WHERE expires_at > 0";
    assert_eq!(desk.bench.count(held).await, 1);
    desk.server.open_gate();
    for one in asking {
        assert_ne!(one.await.unwrap().secret(), old());
    }
    assert!(desk.server.asked().len() < 3, "not one call for each");
}

/// Who looks while another stores its token takes the old one with its own lifetime, not with that of the new one, after
/// which the old one would be good for another while.
async fn a_look_beside_a_refresh_takes_one_token_for_what_it_is(url: String) {
    let desk = DeskBench::new(url).await;
    desk.server.played.lock().unwrap().expires_in = Some(60);
    for _ in 0..20 {
        desk.has_tokens(60).await;
        let ask = || {
            let (engine, id) = (desk.bench.engine.clone(), desk.integration.id);
            tokio::spawn(async move { engine.access_token(id).await.unwrap() })
        };
        let first = ask();
        let mut others = Vec::new();
        while !first.is_finished() {
            others.push(ask());
            tokio::time::sleep(Duration::from_micros(100)).await;
        }
        for one in others {
            assert_ne!(one.await.unwrap().secret(), old());
        }
    }
}

/// A token that is good for less than 300 s in the first place is used for half of its life.
async fn a_token_of_short_life_is_not_refreshed_at_every_call(url: String) {
    let desk = DeskBench::new(url).await;
    desk.server.played.lock().unwrap().expires_in = Some(60);
    desk.connected().await;
    let first = desk.token().await.unwrap();
    desk.bench.clock.advance(TimeDelta::seconds(29));
    assert_eq!(desk.token().await.unwrap(), first);
    assert_eq!(desk.server.asked(), [""; 0]);
    desk.bench.clock.advance(TimeDelta::seconds(1));
    let second = desk.token().await.unwrap();
    assert_ne!(second, first);
    desk.bench.clock.advance(TimeDelta::seconds(29));
    assert_eq!(desk.token().await.unwrap(), second);
    assert_eq!(desk.server.asked(), ["refresh_token"]);
    // Of tokens that the app stores itself nothing is known but their expiry.
    desk.has_tokens(299).await;
    assert_ne!(desk.token().await.unwrap(), old());
}

/// Section 3: deleting an integration deletes what it owns.
async fn a_deleted_integration_leaves_no_lease(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(60).await;
    desk.token().await.unwrap();
    desk.begun().await;
    let (leases, states) = ("events_leases", "events_oauth_states");
    let left = async || {
        (
            desk.bench.count(leases).await,
            desk.bench.count(states).await,
        )
    };
    assert_eq!(left().await, (1, 1));
    let id = desk.integration.id;
    desk.bench.engine.delete(id).await.unwrap();
    assert_eq!(left().await, (0, 0));
    let error = desk.token().await.unwrap_err();
    assert!(
        matches!(
            error,
            OAuthError::Integration(IntegrationError::NotFound(_))
        ),
        "{error}"
    );
    assert_eq!(left().await, (0, 0));
}

async fn a_refused_grant_is_recorded_and_not_asked_for_again(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(60).await;
    desk.server.played.lock().unwrap().refresh = None;
    let before = desk.stored().await;
    for _ in 0..3 {
        let error = desk.token().await.unwrap_err();
        assert!(
            matches!(error, OAuthError::NeedsAuthorization(_)),
            "{error}"
        );
    }
    assert_eq!(desk.server.asked(), ["refresh_token"]);
    let after = desk.stored().await;
    assert!(after.needs_authorization && !before.needs_authorization);
    assert_eq!(after.credentials, before.credentials);
    assert_eq!(desk.bench.heard.names(), [""; 0]);
}

/// A clock that stands still, and knows how often it was read.
#[derive(Clone, Default)]
struct Looks(Arc<AtomicUsize>);

impl Clock for Looks {
    fn now(&self) -> DateTime<Utc> {
        self.0.fetch_add(1, Ordering::SeqCst);
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000)
    }
}

/// Those whose token is refused together, and whose grant is over, are all told so: also those who wait for another's call.
async fn all_who_are_refused_together_are_told_why(url: String) {
    let server = Server::start().await;
    let provider = Desk {
        url: server.url.clone(),
        root: None,
    };
    let looks = Looks::default();
    let clock = Arc::new(looks.clone());
    let desk = DeskBench::of(url, server, provider, |events| events.clock(clock)).await;
    desk.has_tokens(3_600).await;
    desk.server.played.lock().unwrap().refresh = None;
    desk.server.close_gate();
    let replacing = || {
        let (engine, id) = (desk.bench.engine.clone(), desk.integration.id);
        tokio::spawn(async move { engine.replace_access_token(id, &old()).await })
    };
    let mut all = vec![replacing()];
    while desk.server.played.lock().unwrap().asked.is_empty() {
        tokio::task::yield_now().await;
    }
    all.extend([replacing(), replacing(), replacing()]);
    // Only who waits for another's call looks at the clock again and again.
    let before = looks.0.load(Ordering::SeqCst);
    while looks.0.load(Ordering::SeqCst) < before + 50 {
        tokio::task::yield_now().await;
    }
    desk.server.open_gate();
    for one in all {
        let error = one.await.unwrap().unwrap_err();
        assert!(
            matches!(error, OAuthError::NeedsAuthorization(_)),
            "{error}"
        );
    }
    assert_eq!(desk.server.asked(), ["refresh_token"]);
}

/// The token that is good still is used; afterwards it is an error, until the provider is well again.
async fn a_provider_that_is_down_is_waited_out(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(60).await;
    let down = json!({ "message": format!("down, {CANARY}") });
    desk.server.will(StatusCode::SERVICE_UNAVAILABLE, &down);
    assert_eq!(desk.token().await.unwrap(), old());
    desk.bench.clock.advance(TimeDelta::seconds(60));
    desk.server.will(StatusCode::SERVICE_UNAVAILABLE, &down);
    let error = desk.token().await.unwrap_err();
    assert!(matches!(error, OAuthError::Provider(_)), "{error}");
    assert!(error.to_string().contains("503"), "{error}");
    assert!(!desk.stored().await.needs_authorization);
    assert_ne!(desk.token().await.unwrap(), old());
    assert_eq!(desk.server.asked(), ["refresh_token"; 3]);
}

impl DeskBench {
    /// Somebody asks for a token, and waits at the closed gate of the server.
    async fn asking(&self) -> tokio::task::JoinHandle<Result<AccessToken, OAuthError>> {
        let (engine, id) = (self.bench.engine.clone(), self.integration.id);
        let asking = tokio::spawn(async move { engine.access_token(id).await });
        while self.server.asked().is_empty() {
            tokio::task::yield_now().await;
        }
        asking
    }
}

/// The provider takes so long to fail that the token has expired.
async fn a_token_that_expires_meanwhile_is_not_given(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(10).await;
    desk.server.close_gate();
    let down = json!({ "message": "down" });
    desk.server.will(StatusCode::SERVICE_UNAVAILABLE, &down);
    let asking = desk.asking().await;
    desk.bench.clock.advance(TimeDelta::seconds(10));
    desk.server.open_gate();
    let error = asking.await.unwrap().unwrap_err();
    assert!(matches!(error, OAuthError::Provider(_)), "{error}");
}

/// The provider accepts no other tokens any more, so that they are stored though another worker has the hold by now;
/// that worker, whom the provider refuses, takes them.
async fn tokens_of_a_hold_that_lapsed_are_kept(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(200).await;
    desk.server.close_gate();
    let first = desk.asking().await;
    desk.bench.clock.advance(TimeDelta::seconds(61));
    let lapse = "UPDATE events_leases SET expires_at = 1 WHERE expires_at > 0";
    let writer = desk.bench.store.writer();
    writer.execute_unprepared(lapse).await.unwrap();
    let second = desk.asking().await;
    // The refusal comes when the tokens are stored: else the second is told what the provider says, that the grant is over.
    desk.server.let_one_through();
    let first = first.await.unwrap().unwrap();
    desk.server.open_gate();
    assert_ne!(first.secret(), old());
    assert_eq!(second.await.unwrap().unwrap(), first);
    let stored = desk.stored().await;
    assert!(!stored.needs_authorization);
    assert_eq!(
        desk.credentials().await.refresh_token,
        desk.server.played.lock().unwrap().refresh,
        "the one that the provider accepts"
    );
}

/// A person authorized anew, with the refresh token that was, while a refresh was under way that the provider refuses.
async fn a_grant_that_was_renewed_meanwhile_is_not_marked(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(60).await;
    desk.server.close_gate();
    let asking = desk.asking().await;
    let mut renewed = desk.credentials().await;
    renewed.access_token = Some("renewed".to_owned());
    let at = desk.bench.events.now() + TimeDelta::hours(1);
    let update = IntegrationUpdate::new().credentials(json!({
        "api_key": "stays", "access_token": "renewed", "refresh_token": renewed.refresh_token,
        "token_expires_at": at.to_rfc3339(),
    }));
    let id = desk.integration.id;
    desk.bench.engine.update(id, update.unwrap()).await.unwrap();
    desk.server.played.lock().unwrap().refresh = None;
    desk.server.open_gate();
    assert_eq!(asking.await.unwrap().unwrap().secret(), "renewed");
    assert!(!desk.stored().await.needs_authorization);
}

/// Those whose token the provider has refused get another by one call, though one comes later.
async fn a_refused_token_is_replaced_once(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(3_600).await;
    let replace = async |refused: &str| {
        let id = desk.integration.id;
        let replaced = desk.bench.engine.replace_access_token(id, refused).await;
        replaced.unwrap().secret().to_owned()
    };
    let fresh = replace(&old()).await;
    assert_ne!(fresh, old());
    assert_eq!(replace(&old()).await, fresh);
    assert_eq!(desk.server.asked(), ["refresh_token"]);
    // One that has expired by then is none to take.
    desk.has_tokens(3_600).await;
    desk.bench.clock.advance(TimeDelta::hours(2));
    assert_ne!(replace("another").await, old());
    assert_eq!(desk.server.asked(), ["refresh_token"]);
}

async fn a_refresh_can_be_asked_for(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(3_600).await;
    let id = desk.integration.id;
    let fresh = desk.bench.engine.refresh_access_token(id).await.unwrap();
    assert_ne!(fresh.secret(), old());
    assert_eq!(desk.token().await.unwrap(), fresh.secret());
    assert_eq!(desk.server.asked(), ["refresh_token"]);
}

async fn what_is_missing_is_told(url: String) {
    let desk = DeskBench::new(url).await;
    let error = desk.token().await.unwrap_err();
    assert!(matches!(error, OAuthError::NotAuthorized(_)), "{error}");
    let at = desk.bench.events.now() + TimeDelta::seconds(10);
    let update = IntegrationUpdate::new().credentials(json!({
        "api_key": "k", "access_token": "alone", "token_expires_at": at.to_rfc3339(),
    }));
    let id = desk.integration.id;
    desk.bench.engine.update(id, update.unwrap()).await.unwrap();
    assert_eq!(desk.token().await.unwrap(), "alone");
    desk.bench.clock.advance(TimeDelta::seconds(10));
    let error = desk.token().await.unwrap_err();
    assert!(matches!(error, OAuthError::NoRefreshToken(_)), "{error}");
    let store = desk.bench.store.with_events(&desk.bench.events);
    let asked = store.transaction(async |_: &Tx| {
        let error = desk.token().await.unwrap_err();
        assert!(matches!(error, OAuthError::TransactionOpen), "{error}");
        Ok::<_, StoreError>(())
    });
    asked.await.unwrap();
}

/// A caller that stops waiting loses no token.
async fn a_refresh_comes_to_its_end(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(60).await;
    desk.server.close_gate();
    let asking = desk.asking().await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    desk.server.open_gate();
    assert_ne!(desk.token().await.unwrap(), old());
    assert_eq!(desk.server.asked(), [""; 0], "no second call");
}

/// A new authorization that is stored while an old grant is refreshed stays.
async fn a_refresh_that_is_overtaken_writes_nothing(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(60).await;
    desk.server.close_gate();
    let asking = desk.asking().await;
    desk.connected().await;
    let newest = desk.credentials().await;
    let refresh = format!("refresh-0-{CANARY}");
    desk.server.played.lock().unwrap().refresh = Some(refresh);
    desk.server.open_gate();
    let token = asking.await.unwrap().unwrap();
    assert_eq!(Some(token.secret()), newest.access_token.as_deref());
    assert_eq!(desk.credentials().await, newest);
}

/// An answer without a refresh token, or with an empty one, leaves the one that is stored.
async fn a_refresh_token_that_is_not_given_stays(url: String) {
    for given in [json!({}), json!({ "refresh_token": "" })] {
        let desk = DeskBench::new(url.clone()).await;
        desk.has_tokens(60).await;
        let before = desk.credentials().await.refresh_token;
        let mut answer = json!({ "access_token": "next", "token_type": "bearer" });
        let given = given.as_object().unwrap().clone();
        answer.as_object_mut().unwrap().extend(given);
        desk.server.will(StatusCode::OK, &answer);
        assert_eq!(desk.token().await.unwrap(), "next");
        assert_eq!(desk.credentials().await.refresh_token, before);
    }
}

/// Neither the record, the event nor the error has it, though the provider repeats it: the integration at hand is the one
/// of before the refresh.
async fn requests_carry_a_fresh_token(url: String) {
    for status in [200, 422, 0] {
        let desk = DeskBench::new(url.clone()).await;
        desk.has_tokens(60).await;
        let integration = desk.stored().await;
        let mut sent = String::new();
        let request = desk.bench.engine.request(&integration, "/tickets", "POST");
        let authorized = request.authorized().await.unwrap();
        let answered = authorized.send(|attempt| {
            assert!(!format!("{attempt:?}").contains(CANARY));
            attempt.access_token().unwrap().clone_into(&mut sent);
            let answer = if status == 0 {
                Err(std::io::Error::other(format!("broken off: {sent}")))
            } else {
                let body = json!({ "seen": sent, "all": [format!("it is {sent}!")] });
                let answer = Response::builder().status(status);
                let answer = answer.header("x-request-id", &sent);
                Ok(answer.body(body.to_string().into_bytes()).unwrap())
            };
            async { answer }
        });
        let mut told = match answered.await {
            Ok(_) => String::new(),
            Err(error) => format!("{error} {error:?} {:?}", error.failed().unwrap().request()),
        };
        assert_eq!(sent, desk.token().await.unwrap());
        assert_ne!(sent, old());
        assert_eq!(told.is_empty(), status == 200);
        for (name, event) in desk.bench.heard.take() {
            assert!(name.starts_with("request."), "{name}");
            told.push_str(&event);
        }
        let stored = desk.bench.engine.requests(&RequestFilter::new()).await;
        let _ = write!(told, "{:?}", stored.unwrap());
        assert!(!told.contains(&sent), "{told}");
        assert!(
            told.contains("[redacted]"),
            "what came back is stored: {told}"
        );
    }
}

on_both!(
    a_deleted_integration_leaves_no_lease,
    a_token_of_short_life_is_not_refreshed_at_every_call,
    a_refresh_token_that_is_not_given_stays,
    a_token_is_refreshed_when_it_is_about_to_expire,
    those_who_wait_take_a_token_of_short_life_too,
    a_look_beside_a_refresh_takes_one_token_for_what_it_is,
    a_refused_grant_is_recorded_and_not_asked_for_again,
    a_grant_that_was_renewed_meanwhile_is_not_marked,
    all_who_are_refused_together_are_told_why,
    a_provider_that_is_down_is_waited_out,
    a_refused_token_is_replaced_once,
    a_token_that_expires_meanwhile_is_not_given,
    tokens_of_a_hold_that_lapsed_are_kept,
    a_refresh_can_be_asked_for,
    what_is_missing_is_told,
    a_refresh_comes_to_its_end,
    a_refresh_that_is_overtaken_writes_nothing,
    requests_carry_a_fresh_token,
);
