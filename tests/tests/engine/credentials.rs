//! Credentials at rest: encrypted, bound to their integration, and readable with the right key alone (section 3). That
//! they are never seen elsewhere is searched for in the suite of telemetry.

use events_std::{
    Credentials, EncryptionError, EncryptionKey, Integration, IntegrationError, IntegrationFilter,
    IntegrationUpdate, Integrations, IntegrationsBuilder, NewIntegration, Store,
};

use crate::desk::execute;
use crate::kit::{Bench, Zendesk, ZendeskCredentials, on_both};

fn key(byte: u8) -> EncryptionKey {
    EncryptionKey::from_bytes([byte; 32])
}

fn token(token: &str) -> ZendeskCredentials {
    ZendeskCredentials {
        token: token.to_owned(),
    }
}

/// An integration with a token, encrypted with the bench's key, which is 1.
async fn with_token(bench: &Bench, name: &str, text: &str) -> Integration {
    let new = NewIntegration::of::<Zendesk>(name).credentials(token(text));
    bench.engine.create(new.unwrap()).await.unwrap()
}

/// The same database, with other keys.
async fn engine(
    bench: &Bench,
    keys: impl FnOnce(IntegrationsBuilder) -> IntegrationsBuilder,
) -> Integrations {
    let store = Store::connect(&bench.url).await.unwrap();
    let builder = Integrations::builder(&store).without_linked();
    let engine = keys(builder.provider(Zendesk)).build().unwrap();
    engine.with_events(&bench.events)
}

async fn sealed(bench: &Bench) -> Vec<Option<Vec<u8>>> {
    bench
        .column("SELECT credentials FROM events_integrations ORDER BY id")
        .await
}

fn read(integration: &Integration) -> String {
    integration.credentials_of::<Zendesk>().unwrap().token
}

async fn credentials_are_read_as_they_were_written(url: String) {
    let bench = Bench::new(url).await;
    let (with, without) = (
        with_token(&bench, "one", "hush").await,
        bench.integration().await,
    );
    assert_eq!(read(&with), "hush");
    assert_eq!(read(&bench.stored(&with).await), "hush");
    assert_eq!(bench.stored(&without).await.credentials, None);
    assert_eq!(bench.stored(&with).await, with);
    let stored = sealed(&bench).await;
    let text = stored[0].as_ref().unwrap();
    assert!(!text.windows(4).any(|part| part == b"hush"));
    assert_eq!(stored[1], None);
}

/// A wrong key is an error, and leaves the row as it is.
async fn a_wrong_key_is_an_error_and_leaves_the_row(url: String) {
    let bench = Bench::new(url).await;
    let id = with_token(&bench, "one", "hush").await.id;
    let before = sealed(&bench).await;
    let (wrong, none) = (
        engine(&bench, |engine| engine.encryption_key(key(2))).await,
        engine(&bench, |engine| engine).await,
    );
    for engine in [&wrong, &none] {
        let name = IntegrationUpdate::new().name("renamed");
        let errors = [
            engine.find(id).await.map(drop),
            engine.list(IntegrationFilter::new()).await.map(drop),
            engine.update(id, name).await.map(drop),
            engine.record_success(id).await.map(drop),
            engine.rotate_credentials().await.map(drop),
        ];
        for error in errors {
            let error = error.unwrap_err();
            assert!(matches!(error, IntegrationError::Encryption(_)), "{error}");
        }
    }
    let error = wrong.find(id).await.unwrap_err();
    assert!(
        matches!(
            &error,
            IntegrationError::Encryption(EncryptionError::UnknownKey(_))
        ),
        "{error}"
    );
    assert!(
        error.to_string().contains(".old_encryption_key(..)"),
        "{error}"
    );
    let new = NewIntegration::of::<Zendesk>("two").credentials(token("hush"));
    let error = none.create(new.unwrap()).await.unwrap_err();
    assert!(
        matches!(error, IntegrationError::Encryption(EncryptionError::NoKey)),
        "{error}"
    );
    assert_eq!(sealed(&bench).await, before);
    let stored = bench.engine.find(id).await.unwrap().unwrap();
    assert_eq!((&*stored.name, &*read(&stored)), ("one", "hush"));
}

/// An operator sees an integration whose credentials cannot be decrypted, with the reason, and switches it off and on;
/// the credentials stay as they are.
async fn operators_see_and_switch_what_cannot_be_decrypted(url: String) {
    let bench = Bench::new(url).await;
    let (one, two) = (
        with_token(&bench, "one", "hush").await,
        bench.integration().await,
    );
    let before = sealed(&bench).await;
    let engine = engine(&bench, |engine| engine.encryption_key(key(2))).await;
    let seen = engine.inspect_all(IntegrationFilter::new()).await.unwrap();
    let whole: Vec<_> = seen
        .iter()
        .map(|one| one.credentials_error.is_none())
        .collect();
    assert_eq!(whole, [false, true]);
    assert_eq!(seen[1].integration, two);
    let seen = engine.inspect(one.id).await.unwrap().unwrap();
    assert!(
        matches!(seen.credentials_error, Some(EncryptionError::UnknownKey(_))),
        "{seen:?}"
    );
    let without = Integration {
        credentials: None,
        ..one.clone()
    };
    assert_eq!(seen.integration, without);
    let off = engine.disable(one.id).await.unwrap();
    assert!(!off.integration.is_active);
    assert_eq!(off.credentials_error, seen.credentials_error);
    let on = engine.enable(one.id).await.unwrap();
    assert!(on.integration.is_active);
    assert_eq!(engine.inspect(99).await.unwrap(), None);

    assert_eq!(sealed(&bench).await, before);
    let whole = bench.engine.inspect(one.id).await.unwrap().unwrap();
    assert_eq!(whole.credentials_error, None);
    assert_eq!(read(&whole.integration), "hush");

    // Nobody needs what is lost to replace it.
    let update = IntegrationUpdate::new().credentials(token("fresh"));
    let replaced = engine.update(one.id, update.unwrap()).await.unwrap();
    assert_eq!(read(&replaced), "fresh");
    assert_eq!(read(&engine.find(one.id).await.unwrap().unwrap()), "fresh");
}

/// One that cannot be decrypted keeps no other from its new key.
async fn keys_are_rotated_past_what_is_damaged(url: String) {
    let bench = Bench::new(url).await;
    let (damaged, other) = (
        with_token(&bench, "one", "hush").await.id,
        with_token(&bench, "two", "hear").await.id,
    );
    let bytes = match bench.store.backend() {
        sea_orm::DbBackend::Postgres => r"'\x00'",
        _ => "x'00'",
    };
    let damage =
        format!("UPDATE events_integrations SET credentials = {bytes} WHERE id = {damaged}");
    execute(&bench, &damage).await;
    let both = engine(&bench, |engine| {
        engine.encryption_key(key(2)).old_encryption_key(key(1))
    })
    .await;
    let error = both.rotate_credentials().await.unwrap_err();
    assert!(matches!(error, IntegrationError::Encryption(_)), "{error}");
    assert_eq!(sealed(&bench).await[0], Some(vec![0]), "it is left");
    let new = engine(&bench, |engine| engine.encryption_key(key(2))).await;
    assert_eq!(read(&new.find(other).await.unwrap().unwrap()), "hear");
}

/// Keys are rotated while the application works: the old one reads, the new one writes, and afterwards the old one is
/// superfluous. Rows whose key is lost stay as they are.
async fn keys_are_rotated(url: String) {
    let bench = Bench::new(url).await;
    let mut ids = Vec::new();
    for number in 0..150 {
        ids.push(
            with_token(&bench, "one", &format!("hush {number}"))
                .await
                .id,
        );
    }
    let without = bench.integration().await;
    let both = engine(&bench, |engine| {
        engine.encryption_key(key(2)).old_encryption_key(key(1))
    })
    .await;
    assert_eq!(read(&both.find(ids[3]).await.unwrap().unwrap()), "hush 3");
    // One that is written meanwhile has the new key already.
    let update = IntegrationUpdate::new()
        .credentials(token("fresh"))
        .unwrap();
    both.update(ids[4], update).await.unwrap();
    let updated_at: Vec<i64> = bench
        .column("SELECT updated_at FROM events_integrations ORDER BY id")
        .await;
    bench.clock.advance(chrono::TimeDelta::seconds(1));
    assert_eq!(both.rotate_credentials().await.unwrap(), 149);
    assert_eq!(
        both.rotate_credentials().await.unwrap(),
        0,
        "safe to repeat"
    );
    let new = engine(&bench, |engine| engine.encryption_key(key(2))).await;
    for (number, id) in ids.iter().enumerate() {
        let expected = if number == 4 {
            "fresh".to_owned()
        } else {
            format!("hush {number}")
        };
        assert_eq!(read(&new.find(*id).await.unwrap().unwrap()), expected);
    }
    assert_eq!(bench.stored(&without).await.credentials, None);
    let after: Vec<i64> = bench
        .column("SELECT updated_at FROM events_integrations ORDER BY id")
        .await;
    assert_eq!(after, updated_at, "nobody changed the integration");

    let third = engine(&bench, |engine| engine.encryption_key(key(3))).await;
    let before = sealed(&bench).await;
    let error = third.rotate_credentials().await.unwrap_err();
    assert!(matches!(error, IntegrationError::Encryption(_)), "{error}");
    assert_eq!(sealed(&bench).await, before);
}

/// Credentials are bound to the integration's uid: a row's, copied to another, are of no use there.
async fn credentials_of_another_row_cannot_be_read(url: String) {
    let bench = Bench::new(url).await;
    let one = with_token(&bench, "one", "hush").await;
    let two = with_token(&bench, "two", "hear").await;
    let copy = format!(
        "UPDATE events_integrations SET credentials = (SELECT credentials FROM events_integrations WHERE id = {}) \
         WHERE id = {}",
        one.id, two.id
    );
    execute(&bench, &copy).await;
    let error = bench.engine.find(two.id).await.unwrap_err();
    assert!(
        matches!(
            error,
            IntegrationError::Encryption(EncryptionError::Altered)
        ),
        "{error}"
    );
    assert_eq!(read(&bench.stored(&one).await), "hush");
}

/// What was altered is noticed, and told of without a word of what it is.
async fn altered_credentials_are_noticed(url: String) {
    let bench = Bench::new(url).await;
    let one = with_token(&bench, "one", "hush").await;
    for sealed in ["x'00'", "x''", "x'0102030405060708090a'"] {
        let bytes = match bench.store.backend() {
            sea_orm::DbBackend::Postgres => {
                format!("decode('{}', 'hex')", sealed.trim_matches(['x', '\'']))
            }
            _ => sealed.to_owned(),
        };
        let alter = format!("UPDATE events_integrations SET credentials = {bytes}");
        execute(&bench, &alter).await;
        let error = bench.engine.find(one.id).await.unwrap_err();
        assert!(
            matches!(
                error,
                IntegrationError::Encryption(EncryptionError::UnknownForm)
            ),
            "{error}"
        );
    }
}

/// A credential that the provider's type does not know is kept: an update of the type must not lose it.
async fn credentials_keep_what_the_type_does_not_name(url: String) {
    let bench = Bench::new(url).await;
    let all = serde_json::json!({"token": "hush", "region": "eu"});
    let new = NewIntegration::of::<Zendesk>("one")
        .credentials(&all)
        .unwrap();
    let stored = bench.engine.create(new).await.unwrap();
    let region = stored
        .credentials
        .as_ref()
        .map(|credentials| credentials.get("region"));
    assert_eq!(region, Some(Some(&"eu".into())));
    assert_eq!(read(&stored), "hush");
    let expected = Credentials::new(all.as_object().unwrap().clone());
    assert_eq!(bench.stored(&stored).await.credentials, Some(expected));
}

on_both!(
    a_wrong_key_is_an_error_and_leaves_the_row,
    altered_credentials_are_noticed,
    credentials_are_read_as_they_were_written,
    credentials_keep_what_the_type_does_not_name,
    credentials_of_another_row_cannot_be_read,
    keys_are_rotated,
    keys_are_rotated_past_what_is_damaged,
    operators_see_and_switch_what_cannot_be_decrypted,
);
