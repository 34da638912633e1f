// node-redis against the server whose port is the argument: its defaults, RESP2 and RESP3.
const assert = require("node:assert");
const { createClient } = require("redis");

const url = `redis://127.0.0.1:${process.argv[2]}`;

// RESP2 has a flat list for a map; RESP3 has an object, or a Map.
const asMap = (reply) => {
  if (reply instanceof Map) return Object.fromEntries(reply);
  if (!Array.isArray(reply)) return reply;
  return Object.fromEntries(reply.flatMap((key, i) => (i % 2 ? [] : [[key, reply[i + 1]]])));
};

async function useTheRoom(zone, options) {
  const client = createClient({ url, name: zone, ...options });
  client.on("error", (error) => {
    throw error;
  });
  await client.connect();
  const ask = (...words) => client.sendCommand(words);
  assert.equal(await client.ping(), "PONG");
  assert.equal(await client.clientGetName(), zone);
  assert.equal(await ask("Q.ZONE", "SET", zone, "LIMIT", "1"), "OK");
  const first = await ask("Q.JOIN", zone);
  if (options.RESP) assert.equal(Array.isArray(first), options.RESP === 2);
  assert.equal(asMap(first).state, "admitted");
  const waiting = asMap(await ask("Q.JOIN", zone));
  assert.deepEqual([waiting.state, waiting.position], ["waiting", 1]);
  // Commands of one turn of the event loop share a write.
  const polls = await Promise.all(Array.from({ length: 200 }, () => ask("Q.POLL", zone, waiting.token)));
  assert.deepEqual(polls.map((reply) => asMap(reply).position), Array(200).fill(1));
  assert.equal(await ask("Q.LEAVE", zone, waiting.token), 1);
  await assert.rejects(ask("Q.POLL", zone, waiting.token), /GONE /);
  await client.close();
}

async function main() {
  await useTheRoom("default", {});
  await useTheRoom("resp2", { RESP: 2 });
  await useTheRoom("resp3", { RESP: 3 });
  console.log("checked");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
