// Waits in a zone and verifies the pass. npm install ioredis jose
//
//     node room.mjs 127.0.0.1 7379 http://127.0.0.1:7380 shop
import Redis from "ioredis";
import { createRemoteJWKSet, jwtVerify } from "jose";

const [host, port, url, zone] = process.argv.slice(2);

// ioredis speaks RESP2: maps come as flat arrays.
const fields = (flat) => Object.fromEntries(flat.flatMap((name, at) => (at % 2 ? [] : [[name, flat[at + 1]]])));
const later = (ms) => new Promise((done) => setTimeout(done, ms));

// The user: take a place, and come back when told to.
const room = new Redis(Number(port), host);
let place = fields(await room.call("Q.JOIN", zone));
while (place.state !== "admitted") {
  console.log("position", place.position, "wait", place.eta_ms, "ms");
  await later(place.poll_ms);
  place = fields(await room.call("Q.POLL", zone, place.token));
}

// The service that is protected: nobody is asked whether a pass is good. Keys are fetched once, and again when a new one is met.
const keys = createRemoteJWKSet(new URL(`${url}/.well-known/jwks.json`));
const { payload } = await jwtVerify(place.pass, keys, {
  algorithms: ["EdDSA"],
  clockTolerance: 30,
  requiredClaims: ["iss", "sub", "zone", "iat", "exp", "jti"],
});
if (payload.zone !== zone) throw new Error("a pass of another zone");

// Passes that were taken back. A service that is busy reads on in the background (XREAD BLOCK), and not for each request.
const revoked = new Set();
let last = "0-0";
for (const [id, entry] of await room.xrange("sluice:revoked-passes", `(${last}`, "+")) {
  revoked.add(fields(entry).jti);
  last = id;
}
if (revoked.has(payload.jti)) throw new Error("a pass that was revoked");
room.disconnect();
console.log("entered", payload.zone);
