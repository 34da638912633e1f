// What pages of strangers can do to a server on this machine that asks nobody for credentials: nothing.
const assert = require("node:assert");
const http = require("node:http");
const Redis = require("ioredis");
const { base, resp, admin, tell } = require("./browser.js");

const [host, port] = resp.split(":");

// A page of another site, served as one.
function site() {
  const server = http.createServer((request, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end("<!doctype html><title>a site</title><form method=post enctype=text/plain><input name=x><button id=go>go</button></form>");
  });
  return new Promise((listening) => server.listen(0, "127.0.0.1", () => listening(server)));
}

// Sends what pages may send without asking first; what becomes of it the page is not told.
const send = (page, url, options) =>
  page.evaluate(([url, options]) => fetch(url, { mode: "no-cors", ...options }).then(() => 0, () => 0), [url, options]);

tell({
  async "a page of another site appends, reads and administers nothing"(open) {
    const redis = new Redis(Number(port), host);
    await redis.xadd("secret", "*", "a", "b");
    const other = await site();
    const page = await open();
    await page.goto(`http://evil.example:${other.address().port}/`);
    const append = `${base}/v1/streams/stolen/events`;
    for (const headers of [{}, { "Content-Type": "text/plain" }, { "Content-Type": "application/x-www-form-urlencoded" }]) {
      await send(page, append, { method: "POST", body: '{"a":"b"}', headers });
    }
    await send(page, append, { method: "POST", body: new Uint8Array([123, 34, 97, 34, 58, 34, 98, 34, 125]) });
    // A form, with the name and value so cut that the body is JSON.
    await page.evaluate((append) => {
      const form = document.querySelector("form");
      [form.action, form.target] = [append, "_blank"];
      const field = form.elements.x;
      [field.name, field.value] = ['{"a":"', '"}'];
    }, append);
    const [popup] = await Promise.all([page.waitForEvent("popup"), page.click("#go")]);
    await popup.waitForLoadState();
    assert.match(await popup.textContent("body"), /NOPERM/);
    await send(page, `http://${admin}/admin/cluster/snapshot`, { method: "POST", body: "{}" });
    await send(page, `http://${resp}/`, { method: "POST", body: "\r\nXADD stolen * a b\r\n" });
    const read = await page.evaluate(async (url) => {
      const source = new EventSource(url);
      return new Promise((done) => { source.onmessage = () => done("read"); source.onerror = () => done("refused"); });
    }, `${base}/v1/streams/secret/events`);
    assert.equal(read, "refused");
    assert.equal(await redis.exists("stolen"), 0);
    redis.disconnect();
    other.close();
  },

  async "a name that was made to lead here reads nothing"(open) {
    const redis = new Redis(Number(port), host);
    await redis.xadd("secret", "*", "a", "b");
    const page = await open();
    const at = `http://rebound.example:${base.split(":").pop()}`;
    await page.route(`${at}/`, (route) => route.fulfill({ contentType: "text/html", body: "<!doctype html><title>x</title>" }));
    await page.goto(`${at}/`);
    const status = (path, options) => page.evaluate(async ([path, options]) => (await fetch(path, options)).status, [path, options]);
    const json = { method: "POST", headers: { "Content-Type": "application/json" }, body: '{"keys":["secret"]}' };
    assert.equal(await status("/v1/streams/secret/events"), 403);
    assert.equal(await status("/v1/subscribe-tokens", json), 403);
    assert.equal(await status("/v1/streams/stolen/events", { ...json, body: '{"a":"b"}' }), 403);
    assert.equal(await redis.exists("stolen"), 0);
    redis.disconnect();
  },

  async "the page of this server itself may"(open) {
    const page = await open();
    await page.goto(`${base}/demo?key=own`);
    const status = await page.evaluate(async () => (await fetch("/v1/streams/own/events", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: '{"a":"b"}',
    })).status);
    assert.equal(status, 201);
  },
});
