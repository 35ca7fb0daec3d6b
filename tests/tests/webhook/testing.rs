//! Deliveries of the testing kit, and what their assertions say in vain.

use std::panic::{AssertUnwindSafe, catch_unwind};

use events_std::webhook::{GitHub, StandardWebhooks, WebhookFilter};
use events_std::{
    Integrations, IntegrationsBuilder, NewIntegration, TestDelivery, TestEngine, TestReceived,
};

use crate::hub::{Fate, Hub, HubCredentials, SECRET};

/// The engine, the provider and an integration.
async fn engine() -> (TestEngine, Hub, i64) {
    let hub = Hub::default();
    let engine = Integrations::for_tests()
        .engine(IntegrationsBuilder::without_linked)
        .provider(hub.clone())
        .events(|events| events.only_linked_in("events_std"))
        .await;
    let credentials = HubCredentials {
        secret: SECRET.to_owned(),
    };
    let new = NewIntegration::of::<Hub>("Support").credentials(credentials);
    let id = engine.create(new.unwrap()).await.unwrap().id;
    (engine, hub, id)
}

fn push(id: &str) -> TestDelivery {
    TestDelivery::new("{}")
        .header("x-github-delivery", id)
        .header("x-github-event", "push")
        .signed(GitHub::new(SECRET))
}

/// What an assertion says when it fails.
fn said(received: &TestReceived, assertion: impl Fn(&TestReceived)) -> String {
    let ended = catch_unwind(AssertUnwindSafe(|| assertion(received)));
    let panic = ended.expect_err("the assertion fails");
    *panic.downcast::<String>().expect("a text")
}

#[tokio::test]
async fn a_delivery_is_processed_with_its_retries() {
    let (engine, hub, id) = engine().await;
    hub.will([Fate::Fails]);
    let received = engine.deliver_to_end(id, &push("d-1")).await;
    received.assert_processed();
    assert_eq!(hub.calls(), [("push", Some(1)), ("push", Some(2))]);
    let text = said(&received, TestReceived::assert_duplicate);
    assert_eq!(
        text,
        "the delivery is no duplicate: delivery `d-1` is processed"
    );

    let again = engine.deliver_to_end(id, &push("d-1")).await;
    again.assert_duplicate();
    let text = said(&again, TestReceived::assert_processed);
    assert_eq!(text, "the delivery was not processed: it was stored before");
    assert_eq!(hub.calls(), []);
}

#[tokio::test]
async fn a_handler_that_fails_for_good_is_told() {
    let (engine, hub, id) = engine().await;
    hub.will([Fate::Fails; 3]);
    let received = engine.deliver_to_end(id, &push("d-1")).await;
    received.assert_failed("not well");
    let text = said(&received, |received| received.assert_failed("away"));
    assert!(
        text.ends_with("contains `away`: delivery `d-1` is failed, the handler is not well"),
        "{text}"
    );
}

#[tokio::test]
async fn what_is_refused_is_told_with_its_reason() {
    let (engine, _, id) = engine().await;
    let large = TestDelivery::new(vec![b'x'; 1024 * 1024 + 1]);
    for (delivery, status, reason) in [
        (
            push("d-1").signed(GitHub::new("a guess")),
            403,
            "wrong_signature",
        ),
        (TestDelivery::json(&[1]), 403, "missing_header"),
        (large, 413, "too_large"),
    ] {
        let received = engine.deliver_to_end(id, &delivery).await;
        received.assert_refused(reason);
        let text = said(&received, |received| received.assert_refused("ambiguous"));
        let told = format!("it was refused with {status}, {reason}");
        assert!(text.ends_with(&told), "{text}");
    }
    engine.disable(id).await.unwrap();
    let received = engine.deliver_to_end(id, &push("d-1")).await;
    received.assert_refused("unknown_integration");
    assert_eq!(
        engine.list_webhooks(WebhookFilter::new()).await.unwrap(),
        []
    );
}

#[tokio::test]
#[should_panic(expected = "it cannot be signed: the header `webhook-id` is missing")]
async fn what_cannot_be_signed_is_told() {
    let (engine, _, id) = engine().await;
    let secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let unnamed = TestDelivery::new("{}").signed(StandardWebhooks::new(secret));
    engine.deliver_to_end(id, &unnamed).await;
}
