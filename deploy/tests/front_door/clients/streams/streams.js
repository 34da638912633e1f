// A worker and its readers with ioredis and node-redis: what they see, told line by line.
//
// Arguments: the port, and which client, `ioredis` or `node-redis`. Says `restart` where the server is to be restarted, and
// goes on when it is answered. Nothing that differs from run to run is told: ids of the clock, idle times, waits.
const assert = require("node:assert");
const readline = require("node:readline");
const Redis = require("ioredis");
const { createClient } = require("redis");

const [port, kind] = [Number(process.argv[2]), process.argv[3]];
const STEPS = 120;
const KEPT = 50;

const tell = (...what) => console.log(what.map((each) => (typeof each === "string" ? each : JSON.stringify(each))).join(" "));

// Both clients ask by words, with their defaults; what differs between them is how they connect, pipeline and give up.
class Client {
  static async connect() {
    const client = new Client();
    if (kind === "ioredis") {
      client.inner = new Redis(port);
    } else {
      client.inner = createClient({ url: `redis://127.0.0.1:${port}` });
      await client.inner.connect();
    }
    client.inner.on("error", () => {}); // Told by the call that fails.
    return client;
  }

  ask(...words) {
    const texts = words.map(String);
    return kind === "ioredis" ? this.inner.call(...texts) : this.inner.sendCommand(texts);
  }

  // XADD and EXPIRE in one transaction.
  async append(key, step) {
    if (kind === "ioredis") {
      const replies = await this.inner.multi().xadd(key, "MAXLEN", "~", KEPT, "*", "step", step, "state", "scan").expire(key, 3600).exec();
      return replies.map(([error, reply]) => { if (error) throw error; return reply; });
    }
    const trim = { strategy: "MAXLEN", strategyModifier: "~", threshold: KEPT };
    return this.inner.multi().xAdd(key, "*", { step: String(step), state: "scan" }, { TRIM: trim }).expire(key, 3600).exec();
  }

  // The client's own call; entries as [id, fields].
  async read(block, ...pairs) {
    const [keys, ids] = [pairs.map(([key]) => key), pairs.map(([, id]) => id)];
    if (kind === "ioredis") return streams(await this.inner.xread("COUNT", 100, "BLOCK", block, "STREAMS", ...keys, ...ids));
    const reply = await this.inner.xRead(pairs.map(([key, id]) => ({ key, id })), { COUNT: 100, BLOCK: block });
    return reply && reply.map(({ name, messages }) => [name, messages.map(({ id, message }) => [id, { ...message }])]);
  }

  close() { return kind === "ioredis" ? this.inner.disconnect() : this.inner.destroy(); }
}

function streams(reply) {
  return reply && (Array.isArray(reply) ? reply : Object.entries(reply)).map(([key, entries]) => [key, entries.map(entryOf)]);
}

function entryOf([id, flat]) {
  const fields = {};
  for (let at = 0; at < flat.length; at += 2) fields[flat[at]] = flat[at + 1];
  return [id, fields];
}

// Returns when as many clients wait: what comes after this was not there before.
async function blocked(client, count) {
  while (!(await client.ask("INFO", "clients")).includes(`blocked_clients:${count}\r`));
}

async function aWorkerAndAReader() {
  const [worker, reader] = [await Client.connect(), await Client.connect()];
  // Reads until the end of the work; the steps are dense, so nothing was missed.
  const follow = async () => {
    const seen = [];
    for (let after = "0"; !seen.includes(STEPS - 1);) {
      for (const [, entries] of (await reader.read(3000, ["scan:1", after])) || []) {
        for (const [id, fields] of entries) { after = id; seen.push(Number(fields.step)); }
      }
    }
    return seen;
  };
  const following = follow();
  await blocked(worker, 1);
  for (let step = 0; step < STEPS; step += 1) {
    const [id, expires] = await worker.append("scan:1", step);
    assert.match(id, /^\d{13}-\d+$/);
    assert.equal(Number(expires), 1);
  }
  const seen = await following;
  assert.deepEqual(seen, [...seen].sort((one, other) => one - other));
  tell("followed", seen.length, new Set(seen).size);
  const kept = (await worker.ask("XREVRANGE", "scan:1", "+", "-", "COUNT", KEPT)).map(entryOf);
  tell("kept", kept.map(([, fields]) => fields));
  const ttl = Number(await worker.ask("TTL", "scan:1"));
  tell("ttl", ttl > 3590 && ttl <= 3600);
  [worker, reader].forEach((client) => client.close());
}

async function readersThatWait() {
  const worker = await Client.connect();
  const readers = await Promise.all([0, 1, 2].map(() => Client.connect()));
  const waits = readers.map((reader) => reader.read(0, ["new:1", "$"], ["new:2", "$"], ["new:3", "0"]));
  await blocked(worker, 3);
  await worker.ask("XADD", "new:2", "5-1", "a", 1);
  for (const wait of waits) tell("woken", await wait);
  await worker.ask("XADD", "new:1", "6-1", "b", 2);
  tell("there already", await readers[0].read(0, ["new:1", "0"], ["new:2", "5-0"], ["nowhere", "0"]));
  const done = [];
  const inVain = async (reader, block) => done.push([block, await reader.read(block, ["new:1", "$"])]);
  await Promise.all(readers.map((reader, at) => inVain(reader, [50, 700, 1400][at])));
  tell("in vain", done);
  [worker, ...readers].forEach((client) => client.close());
}

async function groups() {
  const [boss, first, second] = [await Client.connect(), await Client.connect(), await Client.connect()];
  tell("created", await boss.ask("XGROUP", "CREATE", "jobs", "crew", "$", "MKSTREAM"));
  tell("again", (await boss.ask("XGROUP", "CREATE", "jobs", "crew", "$").catch((error) => error)).message);
  const take = (client, name, ...words) => client.ask("XREADGROUP", "GROUP", "crew", name, ...words, "STREAMS", "jobs", ">").then(streams);
  const waits = take(first, "one", "COUNT", 2, "BLOCK", 0);
  await blocked(boss, 1);
  for (let number = 1; number <= 6; number += 1) {
    await boss.ask("XADD", "jobs", `1-${number}`, "job", number);
    if (number === 1) tell("woken", await waits);
  }
  tell("next", await take(first, "one", "COUNT", 2));
  tell("other", await take(second, "two", "COUNT", 2, "BLOCK", 3000));
  tell("acked", await first.ask("XACK", "jobs", "crew", "1-1", "1-4", "9-9"));
  tell("pending", await boss.ask("XPENDING", "jobs", "crew"));
  const each = await boss.ask("XPENDING", "jobs", "crew", "-", "+", 10);
  tell("each", each.map(([id, consumer, , deliveries]) => [id, consumer, deliveries]));
  first.close(); // It dies with what it had.
  tell("claimed", await second.ask("XAUTOCLAIM", "jobs", "crew", "two", 0, "0", "COUNT", 1));
  tell("more", await second.ask("XAUTOCLAIM", "jobs", "crew", "two", 0, "1-2"));
  tell("pending", await boss.ask("XPENDING", "jobs", "crew"));
  tell("rest", await take(second, "two"), await take(second, "two", "BLOCK", 20));
  tell("groups", await boss.ask("XINFO", "GROUPS", "jobs"));
  [boss, second].forEach((client) => client.close());
}

async function aRestart() {
  const [worker, reader] = [await Client.connect(), await Client.connect()];
  await worker.ask("XGROUP", "CREATE", "kept", "crew", "0", "MKSTREAM");
  for (let step = 0; step < 3; step += 1) await worker.ask("XADD", "kept", `1-${step}`, "step", step);
  await worker.ask("XREADGROUP", "GROUP", "crew", "one", "COUNT", 2, "STREAMS", "kept", ">");
  // ioredis asks again by itself when it is connected again; node-redis says that the connection was lost.
  const follow = async () => {
    const seen = [];
    for (let after = "0"; seen.length < 4;) {
      const reply = await reader.read(0, ["kept", after]).catch(() => null);
      for (const [id] of reply ? reply[0][1] : []) { after = id; seen.push(id); }
    }
    return seen;
  };
  const following = follow();
  await blocked(worker, 1);
  tell("restart");
  for await (const _ of readline.createInterface({ input: process.stdin })) break;
  // What was asked while the connection was lost may be refused.
  let kept;
  while (!kept) kept = await worker.ask("XRANGE", "kept", "-", "+").catch(() => null);
  tell("again", kept.map(entryOf));
  tell("pending", await worker.ask("XPENDING", "kept", "crew"));
  tell("to do", streams(await worker.ask("XREADGROUP", "GROUP", "crew", "one", "STREAMS", "kept", ">")));
  await worker.ask("XADD", "kept", "1-3", "step", 3);
  tell("followed", await following);
  [worker, reader].forEach((client) => client.close());
}

async function main() {
  await aWorkerAndAReader();
  await readersThatWait();
  await groups();
  await aRestart();
  tell("checked");
  process.exit(0);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
