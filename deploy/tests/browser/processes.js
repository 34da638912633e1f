// Servers and a haproxy before them as processes of this script, at addresses that they keep: killed, stopped, started again.
const { execFileSync, spawn } = require("node:child_process");
const fs = require("node:fs");
const http = require("node:http");
const net = require("node:net");
const os = require("node:os");
const path = require("node:path");
const Redis = require("ioredis");

const binary = process.argv[4];
const HAPROXY = "/usr/sbin/haproxy";
const PORTS = 4; // of a node: RESP, HTTP, admin, peers

const folder = fs.mkdtempSync(path.join(os.tmpdir(), "sluice-browser-"));
const children = new Set();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
  fs.rmSync(folder, { recursive: true, force: true });
});

const secret = path.join(folder, "join-secret");
fs.writeFileSync(secret, "a-join-secret-that-all-nodes-know");

// Nothing that could configure it comes from this environment.
const env = { PATH: process.env.PATH, SLUICE_LOG_LEVEL: "error" };

function run(command, words) {
  const child = spawn(command, words, { env, stdio: "ignore" });
  children.add(child);
  child.gone = new Promise((resolve) => { child.on("exit", () => { children.delete(child); resolve(); }); });
  return child;
}

async function kill(child) {
  child.kill("SIGKILL");
  await child.gone;
}

const isFree = (port) => new Promise((resolve) => {
  const probe = net.createServer();
  probe.once("error", () => resolve(false));
  probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
});

// So many free ports in a row, below those that the system gives to connections.
let given = process.pid * 64;
async function ports(count) {
  for (;;) {
    const base = 10000 + (given % 20000);
    given += count;
    const free = await Promise.all(Array.from({ length: count }, (_, each) => isFree(base + each)));
    if (free.every(Boolean)) return base;
  }
}

const status = (port, at) => new Promise((resolve) => {
  http.get({ host: "127.0.0.1", port, path: at, agent: false }, (response) => {
    response.resume();
    response.on("end", () => resolve(response.statusCode));
  }).on("error", () => resolve(0));
});

// Between two looks the processes that are waited for have the machine.
async function until(what) {
  while (!(await what())) await new Promise((look) => setTimeout(look, 20));
}

// A node that outlives its process.
class Node {
  static async place(index, first) {
    const node = new Node();
    [node.base, node.first, node.data] = [await ports(PORTS), first, path.join(folder, `node-${given}-${index}`)];
    return node;
  }

  get http() { return this.base + 1; }

  get admin() { return `http://127.0.0.1:${this.base + 2}`; }

  start() {
    const words = ["serve", "--workers", "2", "--ports", String(this.base), "--data", this.data, "--join-secret", secret];
    const peer = (node) => `127.0.0.1:${node.base + 3}`;
    this.child = run(binary, [...words, ...(this.first ? ["--join", peer(this.first)] : ["--peer", peer(this)])]);
  }

  ready() {
    return until(async () => {
      if (!children.has(this.child)) throw new Error(`the node at ${this.base} ended by itself`);
      return (await status(this.http, "/readyz")) === 200;
    });
  }

  kill() { return kill(this.child); }
}

// A cluster of so many nodes, ready.
async function cluster(count) {
  const nodes = [await Node.place(0)];
  while (nodes.length < count) nodes.push(await Node.place(nodes.length, nodes[0]));
  nodes.forEach((node) => node.start());
  await nodes[0].ready();
  if (count > 1) execFileSync(binary, ["cluster", "--admin", nodes[0].admin, "init", "--expect", String(count)], { env });
  await Promise.all(nodes.map((node) => node.ready()));
  return nodes;
}

// A haproxy as an operator sets it up: it asks for health, and cuts what hangs on a node that is down.
class Proxy {
  static async before(nodes) {
    const proxy = new Proxy();
    proxy.port = await ports(1);
    proxy.config = path.join(folder, `haproxy-${proxy.port}.cfg`);
    const servers = nodes.map((node, index) => `  server node${index} 127.0.0.1:${node.http} check`);
    fs.writeFileSync(proxy.config, [
      "defaults",
      "  mode http",
      "  timeout connect 1s",
      // Longer than the 15 s between two signs of life.
      "  timeout client 30s",
      "  timeout server 30s",
      "  timeout check 10s", // A machine that is busy is not a node that is down.
      "  option redispatch",
      "frontend web",
      `  bind 127.0.0.1:${proxy.port}`,
      "  default_backend sluice",
      "backend sluice",
      "  option httpchk GET /readyz",
      "  default-server inter 100ms fall 1 rise 1 on-marked-down shutdown-sessions",
      ...servers, "",
    ].join("\n"));
    return proxy;
  }

  get at() { return `http://127.0.0.1:${this.port}`; }

  async start() {
    this.child = run(HAPROXY, ["-db", "-f", this.config]);
    await until(async () => (await status(this.port, "/readyz")) === 200);
  }

  pause() { this.child.kill("SIGSTOP"); }

  resume() { this.child.kill("SIGCONT"); }

  kill() { return kill(this.child); }
}

// Appends the steps of a job, each once, at whichever node takes them.
class Worker {
  constructor(nodes, key) { Object.assign(this, { nodes, key, steps: 0, at: 0 }); }

  // `trim` is what XADD is told of the stream's length.
  async append(count, ...trim) {
    for (let each = 0; each < count; each += 1) {
      this.steps += 1;
      await this.insist("XADD", this.key, ...trim, "REQUEST", `step-${this.steps}`, "*", "step", `Step ${this.steps}`);
    }
  }

  // Repeated until it is taken: under the same id it is not done twice.
  async insist(...words) {
    for (;;) {
      const node = this.nodes[this.at % this.nodes.length];
      if (!this.redis) {
        this.redis = new Redis(node.base, { retryStrategy: null, maxRetriesPerRequest: 0, lazyConnect: true });
        this.redis.on("error", () => {});
      }
      try {
        return await this.redis.call(...words);
      } catch (error) {
        if (!/NOLEADER|BUSY|LOADING|onnection|ECONN/.test(error.message)) throw error;
        this.redis.disconnect();
        this.redis = null;
        this.at += 1;
      }
    }
  }

  close() { if (this.redis) this.redis.disconnect(); }
}

// An example of the client crate, built beside the server, as a service before these nodes.
async function example(name, sluice, probe = "/") {
  const [at, program] = [`127.0.0.1:${await ports(1)}`, path.join(path.dirname(binary), "examples", name)];
  if (!fs.existsSync(program)) throw new Error(`${program} is missing: run \`cargo build --examples\` first`);
  const child = run(program, ["--listen", at, "--sluice", sluice]);
  await until(async () => (await status(Number(at.split(":")[1]), probe)) !== 0);
  return { at: `http://${at}`, kill: () => kill(child) };
}

module.exports = { example, until, cluster, Proxy, Worker };
