// An authorization server of `oidc-provider`, over TLS, until its input ends. The first line of the input is its key,
// its certificate and its client; the first line of the output its address; then each grant that it served is a line.

import { createServer } from "node:https";
import { createInterface } from "node:readline";
import { Provider } from "oidc-provider";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { key, cert, client, secret, callback } = JSON.parse((await lines.next()).value);
const server = createServer({ key, cert });
await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
const issuer = `https://127.0.0.1:${server.address().port}`;
const provider = new Provider(issuer, {
  clients: [
    {
      client_id: client,
      client_secret: secret,
      redirect_uris: [callback],
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
    },
  ],
  cookies: { keys: ["of this run alone"] },
  features: {
    devInteractions: { enabled: true },
    revocation: { enabled: true, allowedPolicy: (_, client, token) => token.clientId === client.clientId },
  },
  issueRefreshToken: () => true,
  rotateRefreshToken: true,
  pkce: { required: () => true },
  ttl: { AccessToken: 3600, Grant: 86400, IdToken: 3600, Interaction: 3600, RefreshToken: 86400, Session: 86400 },
});
provider.on("grant.success", (ctx) => console.log(`granted ${ctx.oidc.params.grant_type}`));
provider.on("grant.error", (ctx, error) => console.log(`refused ${error.error}`));
server.on("request", provider.callback());
console.log(issuer);
await lines.next();
process.exit(0);
