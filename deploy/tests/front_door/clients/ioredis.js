// ioredis against the server whose port is the argument: its defaults (RESP2, ready when INFO says so), and its options.
const assert = require("node:assert");
const Redis = require("ioredis");

const port = Number(process.argv[2]);

// RESP2 has a flat list for a map.
const asMap = (reply) => Object.fromEntries(reply.flatMap((key, i) => (i % 2 ? [] : [[key, reply[i + 1]]])));

async function useTheRoom(zone, options) {
  const client = new Redis({ port, ...options });
  const ask = async (...words) => client.call(...words);
  assert.equal(await client.ping(), "PONG");
  assert.match(await client.info(), /redis_version:/);
  assert.equal(await ask("Q.ZONE", "SET", zone, "LIMIT", "1"), "OK");
  const admitted = asMap(await ask("Q.JOIN", zone));
  assert.equal(admitted.state, "admitted");
  assert.deepEqual(asMap(await ask("Q.POLL", zone, admitted.token)), admitted);
  const waiting = asMap(await ask("Q.JOIN", zone, "USER", "u1"));
  assert.deepEqual([waiting.state, waiting.position], ["waiting", 1]);
  const pipeline = client.pipeline();
  for (let i = 0; i < 100; i += 1) pipeline.call("Q.POLL", zone, waiting.token);
  const polls = await pipeline.exec();
  assert.deepEqual(polls.map(([error, reply]) => error ?? asMap(reply).position), Array(100).fill(1));
  const atOnce = await Promise.all(Array.from({ length: 200 }, () => ask("Q.POLL", zone, waiting.token)));
  assert.deepEqual(atOnce.map((reply) => asMap(reply).position), Array(200).fill(1));
  assert.equal(asMap(await ask("Q.STATS", zone)).waiting, 1);
  assert.equal(await ask("Q.LEAVE", zone, waiting.token), 1);
  await assert.rejects(ask("Q.POLL", zone, waiting.token), /^ReplyError: GONE /);
  await assert.rejects(ask("Q.JOIN", "nowhere"), /^ReplyError: NOZONE /);
  await client.quit();
}

async function keepAName() {
  const client = new Redis({ port, connectionName: "front" });
  assert.equal(await client.client("GETNAME"), "front");
  assert.match(await client.client("LIST"), / name=front .*lib-name=ioredis/);
  client.disconnect();
}

async function comeBackAfterALostConnection() {
  const [client, watcher] = [new Redis(port), new Redis(port)];
  const lost = await client.client("ID");
  const closed = new Promise((resolve) => client.once("close", resolve));
  assert.equal(await watcher.client("KILL", "ID", lost), 1);
  await closed;
  assert.notEqual(await client.client("ID"), lost);
  await Promise.all([client.quit(), watcher.quit()]);
}

async function main() {
  await useTheRoom("default", {});
  await useTheRoom("alive", { keepAlive: 30000 });
  await useTheRoom("pipelining", { enableAutoPipelining: true });
  await keepAName();
  await comeBackAfterALostConnection();
  console.log("checked");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
