// ioredis and node-redis log in at the server whose port is the argument, where `app` may join and not administer.
const assert = require("node:assert");
const Redis = require("ioredis");
const { createClient } = require("redis");

const port = Number(process.argv[2]);
const login = { username: "app", password: "letmein" };

async function ioredis() {
  const app = new Redis({ port, ...login });
  assert.equal((await app.call("Q.JOIN", "shop"))[0], "state");
  await assert.rejects(app.call("Q.ZONE", "SET", "shop", "LIMIT", "9"), /^ReplyError: NOPERM /);
  await app.quit();
  const stranger = new Redis({ port, ...login, password: "guess", retryStrategy: null });
  const complaint = new Promise((resolve) => stranger.once("error", resolve));
  assert.match(String(await complaint), /WRONGPASS/);
  stranger.disconnect();
}

async function nodeRedis(RESP) {
  const options = { RESP, ...login, socket: { port, reconnectStrategy: false } };
  const app = createClient(options);
  await app.connect();
  await app.sendCommand(["Q.JOIN", "shop"]);
  await assert.rejects(app.sendCommand(["Q.ZONE", "SET", "shop", "LIMIT", "9"]), /NOPERM /);
  await app.close();
  const stranger = createClient({ ...options, password: "guess" });
  stranger.on("error", () => {});
  await assert.rejects(stranger.connect(), /WRONGPASS/);
}

async function main() {
  await ioredis();
  await nodeRedis(2);
  await nodeRedis(3);
  console.log("checked");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
