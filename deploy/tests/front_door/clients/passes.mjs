// Verifies passes with jose against the published keys; arguments: URL of the server, zone, pass, another server's pass.
import assert from "node:assert";
import { createRequire } from "node:module";

// Where NODE_PATH says: imports do not look there.
const { SignJWT, UnsecuredJWT, createRemoteJWKSet, decodeProtectedHeader, jwtVerify } =
  await import(createRequire(import.meta.url).resolve("jose"));
const [url, zone, good, foreign] = process.argv.slice(2);
const keys = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`));

async function verify(pass, { ofZone = zone, ...options } = {}) {
  const { payload } = await jwtVerify(pass, keys, {
    algorithms: ["EdDSA"],
    requiredClaims: ["iss", "sub", "zone", "iat", "exp", "jti"],
    ...options,
  });
  if (payload.zone !== ofZone) throw new Error("a pass of another zone");
  return payload;
}

const claims = await verify(good);
assert.equal(claims.exp - claims.iat, 600);
assert.ok(Math.abs(claims.iat - Date.now() / 1000) < 120);

const [head, body, signature] = good.split(".");
const encode = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");
const { kid } = decodeProtectedHeader(good);
const published = await (await fetch(`${url}/.well-known/jwks.json`)).json();
const secret = Buffer.from(published.keys[0].x, "base64url");
for (const [what, attempt] of [
  ["another zone's pass", () => verify(good, { ofZone: "another" })],
  ["an expired pass", () => verify(good, { currentDate: new Date((claims.exp + 1) * 1000) })],
  ["a longer life", () => verify([head, encode({ ...claims, exp: claims.exp + 1000 }), signature].join("."))],
  ["no algorithm", () => verify(new UnsecuredJWT(claims).encode())],
  ["HS256 with the public key", async () =>
    verify(await new SignJWT(claims).setProtectedHeader({ alg: "HS256", kid }).sign(secret))],
  ["another server's pass", () => verify(foreign)],
  ["half a signature", () => verify([head, body, signature.slice(0, 40)].join("."))],
]) {
  await assert.rejects(attempt, undefined, `${what} was taken`);
}
console.log("checked");
