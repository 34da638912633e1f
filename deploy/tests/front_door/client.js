// ioredis against a server of which the first argument is the port, with its defaults (RESP2, ready check by INFO).
const assert = require("node:assert");
const Redis = require("ioredis");

// RESP2 has a flat list for a map.
const asMap = (reply) => Object.fromEntries(reply.flatMap((key, i) => (i % 2 ? [] : [[key, reply[i + 1]]])));

async function main() {
  const client = new Redis(Number(process.argv[2]));
  assert.equal(await client.ping(), "PONG");
  assert.equal(await client.call("Q.ZONE", "SET", "js", "LIMIT", "1"), "OK");
  assert.equal(asMap(await client.call("Q.JOIN", "js")).state, "admitted");
  const waiting = asMap(await client.call("Q.JOIN", "js"));
  assert.deepEqual([waiting.state, waiting.position], ["waiting", 1]);
  const pipeline = client.pipeline();
  for (let i = 0; i < 100; i += 1) pipeline.call("Q.POLL", "js", waiting.token);
  const polls = await pipeline.exec();
  assert.deepEqual(new Set(polls.map(([error, reply]) => error ?? asMap(reply).position)), new Set([1]));
  assert.equal(await client.call("Q.LEAVE", "js", waiting.token), 1);
  await assert.rejects(client.call("Q.POLL", "js", waiting.token), /^ReplyError: GONE/);
  await client.quit();
  console.log("checked");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
