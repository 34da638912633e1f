// The demonstration page in a browser that comes through haproxy, while servers are killed, a cluster fails over, and the
// way between them is cut. Each entry is shown once and in order; what history has lost is drawn.
const assert = require("node:assert");
const { setTimeout } = require("node:timers/promises");
const { tell } = require("./browser.js");
const { cluster, Proxy, Worker } = require("./processes.js");

// How long a cut lasts beyond what happens during it; none is needed to see its effect.
const CUT_MS = Number(process.env.SLUICE_CUT_MS ?? 0);

// Everything that the page shows, the oldest first.
const rows = (page) => page.$$eval("#list > li", (items) => items.map((item) => item.querySelector(".title")?.textContent || item.textContent).reverse());
const counted = (page, name) => page.textContent(`#${name}`).then(Number);
const steps = (from, to) => Array.from({ length: to - from + 1 }, (_, each) => `Step ${from + each}`);
const live = (page) => page.waitForSelector('#status[data-status="live"]');

// Returns when this step is the newest on the page.
const shown = (page, step) => page.waitForFunction(
  (title) => document.querySelector("#list > li .title")?.textContent === title, `Step ${step}`);

// A page that follows the job of a worker, through a proxy before these nodes.
async function follow(open, nodes, key) {
  const [proxy, worker] = [await Proxy.before(nodes), new Worker(nodes, key)];
  await proxy.start();
  const page = await open();
  await page.goto(`${proxy.at}/demo?key=${encodeURIComponent(key)}`);
  await live(page);
  await worker.append(3);
  await shown(page, 3);
  const end = async () => {
    worker.close();
    await page.close();
    await proxy.kill();
  };
  return { page, proxy, worker, end };
}

async function everythingOnce(page, worker) {
  await shown(page, worker.steps);
  assert.deepEqual(await rows(page), steps(1, worker.steps));
  assert.deepEqual([await counted(page, "gaps"), await counted(page, "duplicates")], [0, 0]);
  await live(page);
}

tell({
  async "a server that is killed and started again"(open) {
    const [node] = await cluster(1);
    const { page, worker, end } = await follow(open, [node], "job/killed");
    for (let round = 0; round < 2; round += 1) {
      await node.kill();
      // Seen from the page the server is away: it says so by itself.
      await page.waitForSelector('#status[data-status="lost"]');
      node.start();
      await node.ready();
      await worker.append(5);
      await everythingOnce(page, worker);
    }
    assert.ok((await counted(page, "resumes")) >= 2);
    await end();
    await node.kill();
  },

  async "a cluster whose nodes are killed one after the other"(open) {
    const nodes = await cluster(3);
    const { page, worker, end } = await follow(open, nodes, "job/cluster");
    for (const node of nodes) {
      await worker.append(3);
      await node.kill();
      await worker.append(5);
      await everythingOnce(page, worker);
      node.start();
      await node.ready();
    }
    assert.ok((await counted(page, "resumes")) >= 1, "one of them was the page's own");
    await end();
    for (const node of nodes) await node.kill();
  },

  async "a way that is blocked, and one that is cut"(open) {
    const [node] = await cluster(1);
    const { page, proxy, worker, end } = await follow(open, [node], "job/cut");
    proxy.pause();
    await worker.append(20);
    await setTimeout(CUT_MS);
    proxy.resume();
    await everythingOnce(page, worker);
    await proxy.kill();
    await worker.append(20);
    await setTimeout(CUT_MS);
    await page.waitForSelector('#status[data-status="lost"]');
    await proxy.start();
    await everythingOnce(page, worker);
    assert.ok((await counted(page, "resumes")) >= 1);
    await end();
    await node.kill();
  },

  async "more is missed than history keeps"(open) {
    const [node] = await cluster(1);
    const { page, proxy, worker, end } = await follow(open, [node], "job/trimmed");
    await proxy.kill();
    await worker.append(120, "MAXLEN", "=", "50");
    await proxy.start();
    await shown(page, 123);
    await worker.append(2, "MAXLEN", "=", "50");
    await shown(page, 125);
    const expected = [...steps(1, 3), "70 entries are missing, after 1.3 (trimmed).", ...steps(74, 125)];
    const seen = await rows(page);
    assert.deepEqual(seen.map((row) => row.replace(/after \d+\.3/, "after 1.3")), expected);
    assert.deepEqual([await counted(page, "gaps"), await counted(page, "duplicates")], [1, 0]);
    const how = await page.$$eval("#list > li.repaired", (items) => items.length);
    assert.ok(how >= 1, "what is left was read from the range");
    await end();
    await node.kill();
  },
});
