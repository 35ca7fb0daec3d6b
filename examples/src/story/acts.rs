//! The plot.

use events_std::webhook::WebhookFilter;
use events_std::{HealthStatus, Integration, ItemFilter, ItemStatus};
use helpdesk_listeners::Desk;

use super::hooks::Hook;
use super::stage::Stage;
use crate::Error;

pub(super) async fn play(stage: &Stage) -> Result<(), Error> {
    let integrations = &stage.app.integrations;

    stage.at(
        9,
        0,
        "The account is connected, and the first sync finds all tickets",
    )?;
    stage.zendesk.write((1..=300).map(|number| match number {
        8 => ("support", "Urgent: the printer is on fire".to_owned()),
        21 => ("billing", "An invoice twice".to_owned()),
        34 => ("spam", "You have won".to_owned()),
        _ => ("support", format!("Question {number}")),
    }));
    stage.zendesk.refuse_comments(1);
    let support = stage.connect().await?;
    stage.run_due().await?;

    stage.at(
        9,
        25,
        "An operator looks at what failed: a group was missing, and spam is nobody's work",
    )?;
    let failed = ItemFilter::new()
        .integration(support.id)
        .status(ItemStatus::Failed);
    for item in integrations.sync_items(&failed).await? {
        let error = item.error.as_deref().unwrap_or_default();
        let ticket = item.external_id.as_deref().unwrap_or("?");
        if error.contains("spam") {
            stage.tell("operator", &format!("skips ticket {ticket}"))?;
            integrations.skip_item(item.id).await?;
        } else {
            stage.app.state::<Desk>()?.add_group("billing");
            stage.tell(
                "operator",
                &format!("adds the group, and retries ticket {ticket}"),
            )?;
            integrations.retry_item(item.id).await?;
        }
    }
    stage.work().await?;
    let cursor = integrations
        .find(support.id)
        .await?
        .and_then(|found| found.sync_cursor);
    let cursor = cursor.unwrap_or_default();
    stage.tell(
        "operator",
        &format!("nothing is unresolved: the cursor moves to {cursor}"),
    )?;

    stage.at(
        9,
        45,
        "Three new tickets: the next sync starts at the cursor",
    )?;
    stage
        .zendesk
        .write((1..=3).map(|number| ("returns", format!("Parcel {number}"))));
    stage.run_due().await?;

    stage.at(10, 5, "Zendesk is away for a moment")?;
    stage.zendesk.go_down();
    while stage.check(&support).await?.health_status == HealthStatus::Healthy {}
    stage.zendesk.come_back();
    stage.check(&support).await?;

    stage.at(11, 0, "Zendesk is away, and stays away")?;
    stage.zendesk.go_down();
    stage
        .zendesk
        .write([("support", "Is your site down?".to_owned())]);
    stage.run_due().await?;
    while stage.check(&support).await?.is_active {}

    stage.at(13, 0, "Zendesk is back, but what is disabled stays so")?;
    stage.zendesk.come_back();
    stage.run_due().await?;
    stage.check(&support).await?;

    stage.at(13, 10, "An operator enables the account")?;
    integrations.enable(support.id).await?;
    stage.check(&support).await?;
    stage.run_due().await?;
    tell_tickets(stage).await?;

    webhooks(stage, &support).await?;

    stage.at(17, 0, "Somebody disconnects the account")?;
    stage.browser.disconnect(support.id).await?;
    stage.work().await
}

async fn webhooks(stage: &Stage, support: &Integration) -> Result<(), Error> {
    stage.at(
        14,
        0,
        "Zendesk tells which tickets are solved, and three of its webhooks must change nothing",
    )?;
    let late = stage
        .zendesk
        .write([("returns", "The parcel is here".to_owned())]);
    for ticket in [1, 2, 3, late] {
        let what = format!("ticket {ticket} is solved");
        let hook = Hook::solved(ticket);
        stage.send(&hook, support, ("zendesk", &what)).await?;
    }
    let (again, other) = (Hook::solved(1), Hook::solved(4));
    for (hook, who, what) in [
        (again, "zendesk", "ticket 1 is solved, once more"),
        (other.clone().forged(), "somebody", "a forged signature"),
        (other.oversized(), "somebody", "a body of 2 MiB"),
    ] {
        stage.send(&hook, support, (who, what)).await?;
    }
    let integrations = &stage.app.integrations;
    for (reason, count) in integrations.webhook_refusals() {
        stage.tell("monitor", &format!("webhooks refused: {count} {reason}"))?;
    }
    stage.work().await?;

    stage.at(
        14,
        30,
        "The next sync brings the ticket that was not known, and an operator replays its webhook",
    )?;
    stage.run_due().await?;
    let early = Hook::solved(late).id;
    let received = WebhookFilter::new().integration(support.id);
    for webhook in integrations.list_webhooks(received).await? {
        if webhook.provider_delivery_id == early {
            let log = integrations.replay_webhook(webhook.id).await?;
            stage.tell("operator", &format!("replays {early}: {}", log.status))?;
        }
    }
    stage.work().await?;
    tell_tickets(stage).await
}

async fn tell_tickets(stage: &Stage) -> Result<(), Error> {
    let (tickets, solved) = Desk::tickets(&stage.app.store).await?;
    stage.tell(
        "helpdesk",
        &format!("has {tickets} tickets, {solved} solved"),
    )
}
