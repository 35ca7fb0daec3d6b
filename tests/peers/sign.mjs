// Signs deliveries as the providers' own packages do. Each line of the input is one: the scheme, the secret, the
// delivery's id, the time in seconds since 1970 and the body; each line of the output has the headers of one.

import { createInterface } from "node:readline";
import { sign as signGitHub } from "@octokit/webhooks-methods";
import { Webhook as StandardWebhook } from "standardwebhooks";
import { Stripe } from "stripe";
import { Webhook as SvixWebhook } from "svix";

const stripe = new Stripe("sk_test_nothing_is_called");

const schemes = {
  async github({ secret, id, body }) {
    return { "x-hub-signature-256": await signGitHub(secret, body), "x-github-delivery": id };
  },
  standard({ secret, id, time, body }) {
    const signature = new StandardWebhook(secret).sign(id, new Date(time * 1000), body);
    return { "webhook-id": id, "webhook-timestamp": `${time}`, "webhook-signature": signature };
  },
  svix({ secret, id, time, body }) {
    const signature = new SvixWebhook(secret).sign(id, new Date(time * 1000), body);
    return { "svix-id": id, "svix-timestamp": `${time}`, "svix-signature": signature };
  },
  stripe({ secret, time, body }) {
    const header = stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp: time });
    return { "stripe-signature": header };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const delivery = JSON.parse(line);
  console.log(JSON.stringify(await schemes[delivery.scheme](delivery)));
}
