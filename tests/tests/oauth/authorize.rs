//! The way there and back.

use chrono::{DateTime, TimeDelta};
use events_std::oauth::{OAuthSettings, RoutesError, routes};
use events_std::{IntegrationUpdate, Integrations};
use http::header;
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::desk::{CALLBACK, Desk, DeskBench};
use crate::kit::on_both;
use crate::server::{CANARY, Server};

/// Fires once, for inline and queued listeners; the stored keys stay, the given ones are put over them; the person goes on
/// to the configured page.
async fn it_connects(url: String) {
    let desk = DeskBench::new(url).await;
    let answer = desk.get(&desk.path("authorize"), None).await;
    let cookie = answer.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(cookie.starts_with("__Host-events-oauth="), "{cookie}");
    for part in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let query = desk.server.consent(answer.location());
    {
        let mut played = desk.server.played.lock().unwrap();
        played
            .beside
            .insert("instance_url".into(), json!("https://eu.example"));
        played.beside.insert("api_key".into(), json!("taken over"));
    }
    assert!(desk.bench.heard.names().is_empty());
    let back = format!("/integrations/oauth/callback?{query}");
    let ended = desk.get(&back, Some(&answer.cookie())).await;
    assert_eq!(ended.location(), "/integrations");
    assert_eq!(desk.bench.heard.names(), ["oauth.completed"]);
    let stored = desk.credentials().await;
    assert_eq!(stored.api_key, "stays");
    assert!(stored.access_token.unwrap().starts_with("access-"));
    assert!(stored.refresh_token.unwrap().starts_with("refresh-"));
    assert_eq!(stored.instance_url.as_deref(), Some("https://eu.example"));
    let at = DateTime::parse_from_rfc3339(&stored.token_expires_at.unwrap()).unwrap();
    assert_eq!(at, desk.bench.events.now() + TimeDelta::hours(1));
    assert_eq!(desk.bench.count("events_oauth_states").await, 0);
}

async fn the_page_that_is_asked_for_is_gone_to(url: String) {
    let desk = DeskBench::new(url).await;
    let path = desk.path("authorize?redirect=%2Fsettings%3Ftab%3D2");
    let answer = desk.get(&path, None).await;
    let back = desk.server.consent(answer.location());
    let back = format!("/integrations/oauth/callback?{back}");
    let ended = desk.get(&back, Some(&answer.cookie())).await;
    assert_eq!(ended.location(), "/settings?tab=2");
}

/// The job is written in the transaction that stores the tokens.
async fn queued_listeners_hear_of_it(url: String) {
    let server = Server::start().await;
    let provider = Desk {
        url: server.url.clone(),
        root: None,
    };
    let desk = DeskBench::of(url, server, provider, |events| {
        events.only_linked_in(module_path!().split("::").next().unwrap())
    })
    .await;
    desk.connected().await;
    let waiting = "events_jobs WHERE event = 'oauth.completed' AND state = 0";
    assert_eq!(desk.bench.count(waiting).await, 1);
    desk.bench.work().await;
    desk.revoke(Some(crate::desk::ORIGIN)).await.location();
    desk.bench.work().await;
    let done = "events_jobs WHERE state = 2";
    assert_eq!(desk.bench.count(done).await, 2);
}

/// An integration that had to be authorized anew need not be any more.
async fn it_reconnects(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(-10).await;
    desk.server.played.lock().unwrap().refresh = None;
    let engine = &desk.bench.engine;
    engine.access_token(desk.integration.id).await.unwrap_err();
    assert!(desk.stored().await.needs_authorization);
    desk.connected().await;
    assert!(!desk.stored().await.needs_authorization);
    engine.access_token(desk.integration.id).await.unwrap();
}

/// An app that gets its tokens otherwise stores them itself. Other changes, and the tokens that were refused, are none.
async fn other_tokens_that_are_stored_are_an_authorization(url: String) {
    let desk = DeskBench::new(url).await;
    desk.has_tokens(-10).await;
    desk.server.played.lock().unwrap().refresh = None;
    let (engine, id) = (&desk.bench.engine, desk.integration.id);
    engine.access_token(id).await.unwrap_err();
    let refused = desk.credentials().await;
    let at = desk.bench.events.now() + TimeDelta::hours(1);
    let credentials = |access: Option<&str>, refresh: Option<&str>| {
        json!({
            "api_key": "another", "access_token": access, "refresh_token": refresh,
            "token_expires_at": at.to_rfc3339(),
        })
    };
    let (access, refresh) = (
        refused.access_token.as_deref(),
        refused.refresh_token.as_deref(),
    );
    for (new, needs) in [
        (credentials(access, refresh), true),
        (credentials(None, refresh), true),
        (credentials(Some("another"), refresh), false),
        (credentials(access, Some("another")), false),
        (credentials(Some("another"), None), false),
    ] {
        let stored = IntegrationUpdate::new().credentials(&refused).unwrap();
        engine.update(id, stored).await.unwrap();
        let writer = desk.bench.store.writer();
        let flag = "UPDATE events_integrations SET needs_authorization = TRUE";
        writer.execute_unprepared(flag).await.unwrap();
        let renamed = engine.update(id, IntegrationUpdate::new().name("Other"));
        assert!(renamed.await.unwrap().needs_authorization);
        let update = IntegrationUpdate::new().credentials(&new).unwrap();
        let updated = engine.update(id, update).await.unwrap();
        assert_eq!(updated.needs_authorization, needs, "{new}");
        assert_eq!(desk.stored().await.needs_authorization, needs, "{new}");
        assert_eq!(engine.access_token(id).await.is_ok(), !needs, "{new}");
    }
    assert_eq!(desk.bench.heard.names(), [""; 0]);
}

/// Two tabs of one browser.
async fn two_at_once_end_both(url: String) {
    let desk = DeskBench::new(url).await;
    let (first, cookie) = desk.begun().await;
    let second = desk.get(&desk.path("authorize"), Some(&cookie)).await;
    assert_eq!(second.cookie(), cookie);
    let back = desk.server.consent(second.location());
    let second = format!("/integrations/oauth/callback?{back}");
    for back in [first, second] {
        desk.get(&back, Some(&cookie)).await.location();
    }
    assert_eq!(desk.bench.heard.names(), ["oauth.completed"; 2]);
}

/// Of many that bring one answer at once, one goes on, with one call and one event.
async fn of_one_answer_that_comes_ten_times_at_once_one_counts(url: String) {
    let desk = std::sync::Arc::new(DeskBench::new(url).await);
    let (back, cookie) = desk.begun().await;
    let mut coming = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let (desk, back, cookie) = (desk.clone(), back.clone(), cookie.clone());
        coming.spawn(async move { desk.get(&back, Some(&cookie)).await.status.as_u16() });
    }
    let mut answers = coming.join_all().await;
    answers.sort_unstable();
    assert_eq!(answers, [vec![302], vec![400; 9]].concat());
    assert_eq!(desk.server.asked(), ["authorization_code"]);
    assert_eq!(desk.bench.heard.names(), ["oauth.completed"]);
    assert_eq!(desk.bench.engine.oauth_refusals()["unknown_state"], 9);
}

/// Neither the state, the verifier nor the session stands in the database, in no column and in no byte of its file.
async fn the_row_of_a_state_tells_nothing(url: String) {
    let desk = DeskBench::new(url.clone()).await;
    let (back, cookie) = desk.begun().await;
    let rows = desk.bench.rows("SELECT * FROM events_oauth_states").await;
    assert_eq!(rows.len(), 1);
    let columns = rows[0].column_names();
    assert!(columns.iter().any(|name| name == "verifier"));
    let mut stored = Vec::new();
    for (column, name) in columns.iter().enumerate() {
        let bytes = rows[0].try_get_by_index::<Vec<u8>>(column);
        let bytes = bytes.or_else(|_| {
            let text = rows[0].try_get_by_index::<String>(column);
            text.map(String::into_bytes)
        });
        let bytes = bytes.or_else(|_| {
            let number = rows[0].try_get_by_index::<i64>(column);
            number.map(|number| number.to_string().into_bytes())
        });
        stored.push(bytes.unwrap_or_else(|error| panic!("{name}: {error}")));
    }
    if let Some(path) = url.strip_prefix("sqlite:") {
        let folder = std::path::Path::new(path).parent().unwrap();
        for entry in std::fs::read_dir(folder).unwrap() {
            stored.push(std::fs::read(entry.unwrap().path()).unwrap());
        }
    }
    desk.get(&back, Some(&cookie)).await.location();
    let verifier = desk.server.played.lock().unwrap().verifiers.remove(0);
    let (_, state) = back.split_once("state=").unwrap();
    let state = state.split('&').next().unwrap();
    let (_, session) = cookie.split_once('=').unwrap();
    let holds = |secret: &str| {
        let mut all = stored.iter();
        all.any(|bytes| {
            bytes
                .windows(secret.len())
                .any(|part| part == secret.as_bytes())
        })
    };
    assert!(holds("/integrations"), "the page stands there");
    for secret in [&*verifier, state, session] {
        assert_eq!(secret.len(), 43);
        assert!(!holds(secret), "{secret}");
    }
}

/// Whatever a request says of the host that it came to, at authorize and at the exchange, which the server compares.
async fn the_callback_is_the_configured_one(url: String) {
    let desk = DeskBench::new(url).await;
    let ask = async |path: &str, cookie: &str| {
        let mut request = http::Request::get(path).header(header::COOKIE, cookie);
        for name in ["host", "x-forwarded-host", "x-original-host"] {
            request = request.header(name, "evil.example");
        }
        let request = request.header("forwarded", "host=evil.example;proto=http");
        desk.ask(request.header("x-forwarded-proto", "http")).await
    };
    let answer = ask(&desk.path("authorize"), "").await;
    let location = answer.location();
    let (_, query) = location.split_once('?').unwrap();
    let sent: Vec<_> = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "redirect_uri")
        .collect();
    assert_eq!(sent, [("redirect_uri".into(), CALLBACK.into())]);
    assert!(!location.contains("evil"), "{location}");
    let back = desk.server.consent(location);
    let back = format!("/integrations/oauth/callback?{back}");
    let ended = ask(&back, &answer.cookie()).await;
    assert_eq!(ended.location(), "/integrations");
    assert_eq!(desk.server.asked(), ["authorization_code"]);
}

/// A state that never comes back is forgotten.
async fn states_are_forgotten(url: String) {
    let desk = DeskBench::new(url).await;
    desk.begun().await;
    desk.bench.clock.advance(TimeDelta::minutes(21));
    desk.begun().await;
    assert_eq!(desk.bench.count("events_oauth_states").await, 1);
}

/// Credentials that a person changed between the way there and the way back are kept.
async fn what_is_stored_at_the_end_counts(url: String) {
    let desk = DeskBench::new(url).await;
    let (back, cookie) = desk.begun().await;
    let update = IntegrationUpdate::new()
        .credentials(json!({ "api_key": "newer" }))
        .unwrap();
    desk.bench
        .engine
        .update(desk.integration.id, update)
        .await
        .unwrap();
    desk.get(&back, Some(&cookie)).await.location();
    let stored = desk.credentials().await;
    assert_eq!(stored.api_key, "newer");
    assert!(stored.access_token.unwrap().contains(CANARY));
}

/// RFC 9207, 2.4, leaves it to the client what to make of an issuer that was not announced.
async fn an_issuer_that_is_not_configured_is_not_asked_for(url: String) {
    let desk = DeskBench::new(url).await;
    desk.rename("of no issuer").await;
    for other in ["", "&iss=https://id.example/"] {
        let (back, cookie) = desk.begun().await;
        let (path, query) = back.split_once('?').unwrap();
        let kept: Vec<&str> = query
            .split('&')
            .filter(|pair| !pair.starts_with("iss="))
            .collect();
        let back = format!("{path}?{}{other}", kept.join("&"));
        desk.get(&back, Some(&cookie)).await.location();
    }
    assert_eq!(desk.bench.heard.names(), ["oauth.completed"; 2]);
}

async fn no_routes_that_could_do_nothing(url: String) {
    struct Nobody;
    impl events_std::oauth::Authorizer for Nobody {
        async fn allows(
            &self,
            _: &http::request::Parts,
            _: &events_std::Integration,
            _: events_std::oauth::OAuthAction,
        ) -> bool {
            false
        }
    }
    let store = events_std::Store::connect(&url).await.unwrap();
    let builder = || Integrations::builder(&store).without_linked();
    let engine = builder().build().unwrap();
    let error = routes::<()>(engine, Nobody).unwrap_err();
    assert_eq!(error, RoutesError::NoCallback);
    let settings = OAuthSettings::new(CALLBACK, "/integrations");
    let engine = builder().oauth(settings).build().unwrap();
    let error = routes::<()>(engine, Nobody).unwrap_err();
    assert_eq!(error, RoutesError::NoEncryptionKey);
}

on_both!(
    of_one_answer_that_comes_ten_times_at_once_one_counts,
    it_connects,
    the_page_that_is_asked_for_is_gone_to,
    queued_listeners_hear_of_it,
    it_reconnects,
    other_tokens_that_are_stored_are_an_authorization,
    two_at_once_end_both,
    the_row_of_a_state_tells_nothing,
    the_callback_is_the_configured_one,
    states_are_forgotten,
    what_is_stored_at_the_end_counts,
    no_routes_that_could_do_nothing,
    an_issuer_that_is_not_configured_is_not_asked_for,
);
