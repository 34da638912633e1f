// Publish and subscribe with ioredis and node-redis against the server whose port is the argument.
const assert = require("node:assert");
const Redis = require("ioredis");
const { createClient } = require("redis");

const port = Number(process.argv[2]);
const MESSAGES = 200;
const numbers = Array.from({ length: MESSAGES }, (_, number) => String(number));

// Collects what is heard; `all` is kept once there is as much as is expected.
function ear(expected) {
  const heard = [];
  let done;
  const all = new Promise((resolve) => (done = resolve));
  const hear = (...what) => {
    heard.push(what);
    if (heard.length === expected) done(heard);
  };
  return { hear, all };
}

async function withIoredis() {
  const [listener, publisher] = [new Redis(port), new Redis(port)];
  assert.equal(await listener.subscribe("io.a", "io.b"), 2);
  assert.equal(await listener.psubscribe("io.*"), 3);
  const [named, matched] = [ear(MESSAGES), ear(MESSAGES)];
  listener.on("message", named.hear);
  listener.on("pmessage", matched.hear);
  const sent = await Promise.all(numbers.map((number) => publisher.publish("io.a", number)));
  assert.deepEqual(sent, Array(MESSAGES).fill(2));
  assert.deepEqual(await named.all, numbers.map((number) => ["io.a", number]));
  assert.deepEqual(await matched.all, numbers.map((number) => ["io.*", "io.a", number]));
  assert.deepEqual(await publisher.pubsub("NUMSUB", "io.a", "io.c"), ["io.a", 1, "io.c", 0]);
  await assert.rejects(listener.get("x"), /subscriber mode/);
  assert.equal(await listener.unsubscribe("io.a", "io.b"), 1);
  assert.equal(await listener.punsubscribe("io.*"), 0);
  assert.equal(await listener.ping(), "PONG", "it may ask anything again");
  await Promise.all([listener.quit(), publisher.quit()]);
}

async function withNodeRedis(name, options) {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, ...options });
  client.on("error", (error) => {
    throw error;
  });
  await client.connect();
  const publisher = await client.duplicate().connect();
  const [named, matched] = [ear(MESSAGES), ear(MESSAGES)];
  await client.subscribe(name, (message, channel) => named.hear(channel, message));
  await client.pSubscribe(`${name}*`, (message, channel) => matched.hear(channel, message));
  const sent = await Promise.all(numbers.map((number) => publisher.publish(name, number)));
  assert.deepEqual(sent, Array(MESSAGES).fill(2));
  const expected = numbers.map((number) => [name, number]);
  assert.deepEqual([await named.all, await matched.all], [expected, expected]);
  assert.deepEqual(await publisher.pubSubChannels(`${name}*`), [name]);
  assert.equal(await publisher.pubSubNumPat(), 1);
  await client.unsubscribe(name);
  await client.pUnsubscribe(`${name}*`);
  assert.equal(await publisher.publish(name, "gone"), 0);
  assert.equal(await client.ping(), "PONG");
  await Promise.all([client.close(), publisher.close()]);
}

async function main() {
  await withIoredis();
  await withNodeRedis("default", {});
  await withNodeRedis("resp2", { RESP: 2 });
  await withNodeRedis("resp3", { RESP: 3 });
  console.log("checked");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
