// The examples of the client crate as services before three nodes, of which one is killed under them: nobody loses the place,
// enters twice or sees an error page; a thousand users who listen cost one upstream connection.
const assert = require("node:assert");
const http = require("node:http");
const Redis = require("ioredis");
const { tell } = require("./browser.js");
const { cluster, example, until } = require("./processes.js");

const USERS = 1000;
const resp = (node) => ({ host: "127.0.0.1", port: node.base });
const addresses = (nodes) => nodes.map((node) => `127.0.0.1:${node.base}`).join(",");

// Asks the nodes one after the other until one of them answers.
async function operate(nodes, ...words) {
  for (let each = 0; ; each += 1) {
    const client = new Redis({ ...resp(nodes[each % nodes.length]), retryStrategy: null, lazyConnect: true, maxRetriesPerRequest: 0 });
    client.on("error", () => {});
    try {
      await client.connect();
      return await client.call(...words);
    } catch (error) {
      if (!/NOLEADER|BUSY|closed|ECONN|Connection/.test(String(error))) throw error;
    } finally {
      client.disconnect();
    }
  }
}

const field = (flat, name) => flat[flat.indexOf(name) + 1];

// A user who keeps cookies and comes back when told to, until the page lets in. Every answer is a page, none an error.
async function visit(base, seen) {
  const jar = new Map();
  for (;;) {
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const answer = await fetch(`${base}/checkout`, { headers: { accept: "text/html", cookie }, redirect: "manual" });
    const page = await answer.text();
    for (const set of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(set);
      if (value) jar.set(name, value); else jar.delete(name);
    }
    assert.ok([200, 202].includes(answer.status), `${answer.status}: ${page}`);
    if (answer.status === 200) {
      assert.match(page, /data-state="in"/);
      return jar.get("sluice_pass");
    }
    const position = /id="position">(\d+)/.exec(page);
    seen.push(position ? "position" : "moment");
    await new Promise((done) => setTimeout(done, 1000 * Number(answer.headers.get("retry-after"))));
  }
}

// One listener of an event stream: the data of its frames, and whether it came to its end. Cut off, it goes on where it was.
function listen(base, id, data) {
  return new Promise((done, failed) => {
    let [last, ended] = [undefined, false];
    const open = () => {
      if (ended) return;
      const headers = last ? { "last-event-id": last } : {};
      const request = http.get(`${base}/completion/${id}`, { headers, agent: false }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (part) => {
          text += part;
          const frames = text.split("\n\n");
          text = frames.pop();
          for (const frame of frames) {
            last = /^id: (.*)$/m.exec(frame)?.[1] ?? last;
            const kind = /^event: (.*)$/m.exec(frame)?.[1];
            if (kind === "end") {
              ended = true;
              done(response.destroy());
            } else if (kind) {
              failed(new Error(frame));
            } else if (/^data: /m.test(frame)) {
              data.push(/^data: (.*)$/m.exec(frame)[1]);
            }
          }
        });
        response.on("close", () => setTimeout(open, 50));
      });
      request.on("error", () => setTimeout(open, 50));
    };
    open();
  });
}

tell({
  async "a checkout behind a room"(open) {
    const nodes = await cluster(3);
    await operate(nodes, "Q.ZONE", "SET", "checkout", "LIMIT", "5", "WINDOW_MS", "1000", "SLICE_MS", "1000", "POLL_MS", "1000");
    const gateway = await example("gateway", addresses(nodes), "/healthz");
    const [seen, passes] = [[], []];
    const users = Array.from({ length: 40 }, () => visit(gateway.at, seen).then((pass) => passes.push(pass)));
    await until(() => passes.length >= 8);
    await nodes[0].kill();
    const page = await open();
    await page.goto(`${gateway.at}/checkout`);
    await page.waitForSelector('main[data-state="in"]');
    await Promise.all(users);
    assert.ok(seen.includes("position"), "somebody had to wait");
    assert.equal(new Set(passes).size, 40, "everybody has a pass of their own");
    const total = (stats, name) => Number(field(stats, name));
    // One place and one entry for each, and the page's. Another node than the one that let them in may be a moment behind.
    await until(async () => {
      const stats = await operate(nodes.slice(1), "Q.STATS", "checkout");
      const [joined, admitted] = [total(stats, "joined_total"), total(stats, "admitted_total")];
      assert.ok(joined <= 41 && admitted <= 41, `${joined} joined, ${admitted} admitted`);
      return joined === 41 && admitted === 41;
    });
    const address = new URL(`${gateway.at}/checkout?sluice_pass=${passes[0]}&from=mail`);
    const led = await fetch(address, { redirect: "manual" });
    assert.deepEqual([led.status, led.headers.get("location")], [303, "/checkout?from=mail"], "no pass stays in an address");
    const jti = JSON.parse(Buffer.from(passes[1].split(".")[1], "base64url")).jti;
    const enter = () => fetch(`${gateway.at}/checkout`, { headers: { cookie: `sluice_pass=${passes[1]}` } });
    assert.equal((await enter()).status, 200);
    // The stream of revoked passes is followed: once it is told, the pass counts as none, and its holder joins the line.
    await operate(nodes.slice(1), "Q.PASS", "REVOKE", jti);
    await operate(nodes.slice(1), "Q.ZONE", "SET", "checkout", "MODE", "paused");
    await until(async () => (await enter()).status === 202);
    await gateway.kill();
    await Promise.all(nodes.slice(1).map((node) => node.kill()));
  },

  async "the progress of a job"() {
    const nodes = await cluster(3);
    const service = await example("job_progress", addresses(nodes));
    const begun = await fetch(`${service.at}/completion`, { method: "POST", body: "a prompt" });
    const id = begun.headers.get("x-job");
    const users = Array.from({ length: USERS }, () => []);
    const listening = users.map((data) => listen(service.at, id, data));
    await Promise.all(listening);
    const stages = ["queued", "reading", "thinking", "writing", "done"].map((stage) => JSON.stringify({ stage }));
    for (const data of users) assert.deepEqual(data, stages);
    assert.equal((await begun.text()).match(/^data: \{/gm).length, 5, "who started it was told as well");

    // A job that is under way while a node dies, and that everybody listens to.
    const worker = async (stage, ...more) => operate(nodes.filter((node) => !node.dead), "XADD", "job:long", "REQUEST", stage, "*", "stage", stage, ...more);
    await worker("one");
    const told = Array.from({ length: USERS }, () => []);
    const waiting = told.map((data) => listen(service.at, "long", data));
    await until(() => told.every((data) => data.length === 1));
    const upstreams = async (node) => {
      const list = (await operate([node], "CLIENT", "LIST")).trim().split("\n");
      return list.filter((line) => !line.includes("lib-name=ioredis")).length;
    };
    const counts = await Promise.all(nodes.map(upstreams));
    // For a thousand users one; one for the worker's queue, and for calls one or two.
    assert.ok(counts.reduce((sum, count) => sum + count) <= 4, counts.join());
    const upstream = nodes[counts.findIndex((count) => count > 0)];
    await upstream.kill();
    upstream.dead = true;
    for (const stage of ["two", "three", "four"]) await worker(stage);
    await until(() => told.every((data) => data.length === 4));
    await operate(nodes.filter((node) => !node.dead), "X.END", "job:long");
    await Promise.all(waiting);
    const expected = ["one", "two", "three", "four"].map((stage) => JSON.stringify({ stage }));
    for (const data of told) assert.deepEqual(data, expected, "each once and in order");
    await service.kill();
    await Promise.all(nodes.filter((node) => !node.dead).map((node) => node.kill()));
  },

  async "a board of orders"(open) {
    const nodes = await cluster(3);
    const service = await example("order_board", addresses(nodes));
    const order = async (store, number) => {
      // The service has asked again by itself for as long as it may: then it says so, and nothing was lost or done twice.
      for (;;) {
        const answer = await fetch(`${service.at}/stores/${store}/orders`, { method: "POST", body: `order ${number}` });
        if (answer.status === 201) return;
        assert.equal(answer.status, 503);
      }
    };
    const pages = [];
    for (const store of ["seoul", "busan"]) {
      const page = await open();
      await page.goto(`${service.at}/?store=${store}`);
      pages.push([store, page]);
    }
    const shows = (page, newest) => page.waitForFunction((text) => document.querySelector("#orders > li")?.textContent === text, newest);
    for (const [store, page] of pages) {
      for (let number = 1; number <= 5; number += 1) await order(store, number);
      await shows(page, "order 5");
    }
    await nodes[1].kill();
    for (const [store, page] of pages) {
      for (let number = 6; number <= 10; number += 1) await order(store, number);
      await shows(page, "order 10");
      const texts = await page.$$eval("#orders > li", (items) => items.map((item) => item.textContent).reverse());
      assert.deepEqual(texts, Array.from({ length: 10 }, (_, each) => `order ${each + 1}`));
      assert.equal(await page.textContent("#repairs"), "0");
    }
    await service.kill();
    await Promise.all([nodes[0].kill(), nodes[2].kill()]);
  },
});
