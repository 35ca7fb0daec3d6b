//! Whatever stands in the headers of a delivery, no verifier panics, and none accepts what nobody signed.
//!
//! The input is a line for each of up to three headers, their values, and then the body.

#![no_main]

use chrono::DateTime;
use events_std::webhook::{
    GitHub, HmacSha256, Request, StandardWebhooks, Stripe, Verifier, Zendesk,
};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::{Corpus, fuzz_target};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fuzz_target!(|input: &[u8]| -> Corpus {
    let schemes: [(Box<dyn Verifier>, [&'static str; 3]); 7] = [
        (
            Box::new(GitHub::new(SECRET)),
            ["x-hub-signature-256", "x-github-delivery", "x-github-event"],
        ),
        (
            Box::new(Stripe::new(SECRET)),
            ["stripe-signature", "stripe-signature", "x-other"],
        ),
        (
            Box::new(Zendesk::new(SECRET)),
            [
                "x-zendesk-webhook-signature",
                "x-zendesk-webhook-signature-timestamp",
                "x-zendesk-webhook-invocation-id",
            ],
        ),
        (
            Box::new(StandardWebhooks::new(SECRET)),
            ["webhook-signature", "webhook-timestamp", "webhook-id"],
        ),
        (
            Box::new(StandardWebhooks::svix(SECRET)),
            ["svix-signature", "svix-timestamp", "svix-id"],
        ),
        (
            Box::new(
                HmacSha256::new("signature", SECRET)
                    .prefix("v1=")
                    .timestamp("timestamp", ".")
                    .delivery_id("id"),
            ),
            ["signature", "timestamp", "id"],
        ),
        (
            Box::new(
                HmacSha256::new("signature", SECRET)
                    .base64()
                    .event_type("type"),
            ),
            ["signature", "type", "id"],
        ),
    ];
    let mut lines = input.splitn(4, |byte| *byte == b'\n');
    let values = [lines.next(), lines.next(), lines.next()];
    let body = lines.next().unwrap_or_default();
    for (verifier, names) in schemes {
        let mut headers = HeaderMap::new();
        for (name, value) in names.into_iter().zip(values) {
            // What is no header never reaches a verifier.
            let Some(Ok(value)) = value.map(HeaderValue::from_bytes) else {
                continue;
            };
            headers.append(name, value);
        }
        for seconds in [0, 1_700_000_000] {
            let now = DateTime::from_timestamp(seconds, 0).expect("a time");
            let request = Request::new(&headers, body, now);
            assert!(verifier.verify(&request).is_err(), "nobody signed it");
            let _ = (
                verifier.delivery_id(&request),
                verifier.event_type(&request),
            );
        }
    }
    Corpus::Keep
});
