//! What a listener can ask for.

use events_core::{
    Attempt, BoxError, Context, Delivery, Event, Events, FromContext, Needs, State, listener,
};
use pollster::block_on;

use crate::{Log, builder, log};

#[derive(Clone, Debug, Event)]
#[event(name = "arguments.parent")]
struct Parent;

#[derive(Clone, Debug, Event)]
#[event(name = "arguments.child")]
struct Child;

struct Tenants(Vec<&'static str>);

struct Tenant<'a>(&'a str);

impl<'a> FromContext<'a> for Tenant<'a> {
    fn needs(needs: &mut Needs) {
        needs.state::<Tenants>();
    }

    fn from_context(cx: &Context<'a>) -> Result<Self, BoxError> {
        let tenants: &State<Tenants> = cx.state().ok_or("no tenants")?;
        Ok(Self(tenants.0.first().ok_or("no tenant is known")?))
    }
}

#[listener(Parent)]
async fn dispatches_on(
    _: &Parent,
    events: Events,
    delivery: Delivery,
    attempt: Attempt,
    log: &State<Log>,
) -> Result<(), BoxError> {
    assert_eq!(
        (attempt.number, attempt.max.unwrap(), attempt.likely_final),
        (1, 1, true)
    );
    assert_eq!(delivery.correlation_id, delivery.id);
    assert_eq!(delivery.causation_id, None);
    log.write(format!("parent {}", delivery.id));
    events.dispatch(&Child).await?;
    Ok(())
}

#[listener(Parent, priority = -1)]
fn sees_the_same_delivery(_: &Parent, delivery: Delivery, log: &State<Log>) {
    log.write(format!("same {}", delivery.id));
}

#[listener(Child)]
fn child(_: &Child, delivery: Delivery, tenant: Tenant<'_>, log: &State<Log>) {
    assert_eq!(delivery.causation_id, Some(delivery.correlation_id));
    assert_ne!(delivery.id, delivery.correlation_id);
    log.write(format!(
        "child of {} for {}",
        delivery.correlation_id, tenant.0
    ));
}

#[test]
fn deliveries_form_a_chain() {
    let events = builder(module_path!())
        .state(Tenants(vec!["acme"]))
        .build()
        .unwrap();
    block_on(events.dispatch(&Parent)).unwrap();
    let log = log(&events);
    let id = log[0].strip_prefix("parent ").unwrap();
    assert_eq!(
        log,
        [
            format!("parent {id}"),
            format!("child of {id} for acme"),
            format!("same {id}")
        ]
    );
}

#[test]
fn what_a_users_own_argument_needs_is_checked() {
    let error = builder(module_path!()).build().unwrap_err();
    assert_eq!(error.faults().len(), 1);
    assert!(error.to_string().contains("arguments::Tenants`"), "{error}");
}

#[test]
fn an_argument_that_cannot_be_made_is_the_listeners_failure() {
    let events = builder(module_path!())
        .state(Tenants(vec![]))
        .build()
        .unwrap();
    let error = events.dispatch_sync(&Child).unwrap_err();
    assert!(error.to_string().contains("no tenant is known"), "{error}");
    assert!(log(&events).is_empty());
}
