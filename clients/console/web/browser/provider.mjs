// An identity provider to try the login with: node browser/provider.mjs CONSOLE_ORIGIN ACCESS_TOKEN_SECONDS
// Lets everybody in whose name is given, whatever the password. Says on its output where it is, as JSON.
import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";

import Provider from "oidc-provider";

const [consoleOrigin, seconds] = process.argv.slice(2);
const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });
const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients: [
      {
        client_id: "medmesh-console",
        grant_types: ["authorization_code", "refresh_token"],
        token_endpoint_auth_method: "none",
        redirect_uris: [`${consoleOrigin}/login/callback`],
        post_logout_redirect_uris: [`${consoleOrigin}/`],
      },
    ],
    jwks: { keys: [{ ...key, kid: "key", use: "sig", alg: "RS256" }] },
    cookies: { keys: ["of-no-worth"] },
    pkce: { required: () => true },
    claims: { openid: ["sub"], profile: ["name"] },
    conformIdTokenClaims: false,
    findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, name: `Dr. ${id}` }) }),
    extraTokenClaims: () => ({ roles: ["medmesh-physician"] }),
    issueRefreshToken: () => true,
    ttl: { AccessToken: Number(seconds) },
    features: {
      devInteractions: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, resource) => ({
          audience: resource.replace("urn:", ""),
          scope: "",
          accessTokenTTL: Number(seconds),
          accessTokenFormat: "jwt",
          jwt: { sign: { alg: "RS256" } },
        }),
        useGrantedResource: () => true,
      },
    },
  });
  server.on("request", provider.callback());
  console.log(JSON.stringify({ issuer }));
});
