// The waiting page as visitors meet it.
const assert = require("node:assert");
const { base, tell, zone } = require("./browser.js");

// A zone of its own for each story: paused, so that nobody enters before the story says so.
let zones = 0;
function room(...settings) {
  zones += 1;
  const name = `room-${zones}`;
  assert.equal(zone("set", name, "--limit", "60", "--mode", "paused", ...settings), "OK");
  return { name, url: `${base}/room/${name}`, set: (...words) => zone("set", name, ...words), joined: () => zone("stats", name).joined_total };
}

const shows = (page, state) => page.waitForSelector(`body[data-state="${state}"]`);
const live = (page) => page.waitForSelector('#connection[data-connection="live"]');
const stored = (page, name) => page.evaluate((key) => JSON.parse(localStorage.getItem(key)), `sluice:${name}`);

// Requests for the token itself: polls, as long as nobody leaves.
function polls(page) {
  const seen = [];
  page.on("request", (request) => { if (/\/tokens\/[^/]+$/.test(request.url())) seen.push(request.url()); });
  return seen;
}

tell({
  async "a place is kept over a reload and the turn is pushed"(open) {
    const { name, url, set, joined } = room();
    const page = await open();
    const polled = polls(page);
    await page.goto(url);
    await shows(page, "paused");
    await live(page);
    assert.equal(await page.textContent("#position"), "1");
    const { token } = await stored(page, name);
    await page.reload();
    await live(page);
    await shows(page, "paused");
    assert.equal((await stored(page, name)).token, token);
    assert.equal(joined(), 1, "joined once");
    set("--mode", "open");
    await shows(page, "turn");
    assert.equal(await page.textContent("h1"), "It is your turn");
    assert.deepEqual(polled, [], "the stream said everything");
  },

  async "two tabs share one place, and a second visitor stands behind"(open) {
    const { name, url, joined } = room();
    const page = await open();
    await page.goto(url);
    await live(page);
    const tab = await page.context().newPage();
    await tab.goto(url);
    await live(tab);
    assert.equal((await stored(tab, name)).token, (await stored(page, name)).token);
    const other = await open();
    await other.goto(url);
    await live(other);
    await other.waitForFunction(() => document.getElementById("position").textContent === "2");
    assert.equal(joined(), 2);
    page.on("dialog", (dialog) => dialog.accept());
    await page.click("#leave");
    await shows(page, "left");
    await other.waitForFunction(() => document.getElementById("position").textContent === "1");
    await shows(tab, "gone");
  },

  async "the admitted are taken to the target"(open) {
    const { name, url, set } = room("--target-url", `${base}/demo?key=a%20b#top`);
    const page = await open();
    await page.goto(url);
    await live(page);
    const { token } = await stored(page, name);
    set("--mode", "open");
    await page.waitForURL((at) => at.pathname === "/demo");
    const at = new URL(page.url());
    assert.deepEqual(
      ["key", "sluice_zone", "sluice_token"].map((parameter) => at.searchParams.get(parameter)),
      ["a b", name, token],
    );
  },

  async "where streams do not get through, it polls"(open) {
    const { url, set } = room("--poll-ms", "200");
    const page = await open();
    const polled = polls(page);
    await page.route("**/events", (route) => route.fulfill({ status: 502, body: "" }));
    await page.goto(url);
    await shows(page, "paused");
    await live(page);
    assert.match(await page.textContent("#connection-text"), /checking regularly/);
    set("--mode", "open");
    await shows(page, "turn");
    assert.ok(polled.length > 0);
  },

  async "who was dropped may join again"(open) {
    const { name, url, joined } = room();
    const page = await open({ locale: "ko-KR" });
    await page.goto(url);
    await live(page);
    const { token } = await stored(page, name);
    await fetch(`${base}/v1/zones/${name}/tokens/${token}`, { method: "DELETE" });
    await shows(page, "gone");
    assert.equal(await page.textContent("h1"), "대기 순번이 만료되었습니다");
    await page.click("#join");
    await shows(page, "paused");
    assert.equal(joined(), 2);
    await page.click("a.lang");
    await shows(page, "paused");
    assert.equal(await page.getAttribute("html", "lang"), "en");
    assert.equal(joined(), 2, "another language is the same place");
  },

  async "a closed, a full and an unknown zone say so"(open) {
    const page = await open();
    const closed = room();
    closed.set("--mode", "closed");
    await page.goto(closed.url);
    await shows(page, "closed");
    const full = room("--max-waiting", "1");
    await fetch(`${base}/v1/zones/${full.name}/tokens`, { method: "POST" });
    await page.goto(full.url);
    await shows(page, "full");
    full.set("--max-waiting", "2");
    await shows(page, "paused");
    const response = await page.goto(`${base}/room/nowhere`);
    assert.equal(response.status(), 404);
    await shows(page, "unknown");
  },

  async "a link with another place does not replace one's own"(open) {
    const { name, url, joined } = room();
    const other = await (await fetch(`${base}/v1/zones/${name}/tokens`, { method: "POST" })).json();
    const page = await open();
    await page.goto(url);
    await live(page);
    const { token } = await stored(page, name);
    for (const link of [`${url}?token=${other.token}`, `${url}?join=1`]) {
      await page.goto(link);
      await live(page);
      await shows(page, "paused");
      assert.equal((await stored(page, name)).token, token);
      assert.equal(await page.textContent("#position"), "2");
    }
    const fresh = await open();
    await fresh.goto(`${url}?token=${other.token}`);
    await live(fresh);
    assert.notEqual((await stored(fresh, name)).token, other.token, "nor is it anybody's first");
    assert.equal(joined(), 3);
  },

  async "pages of other sites join nothing, by images, forms or links"(open) {
    const { url, joined } = room();
    const page = await open({ javaScriptEnabled: false });
    await page.route("http://evil.example/", (route) => route.fulfill({
      contentType: "text/html",
      body: `<img src="${url}?join=1"><form method="post" action="${url}"><button id="go">win</button></form>`,
    }));
    await page.goto("http://evil.example/");
    await page.click("#go");
    await shows(page, "joining");
    assert.equal(joined(), 0);
    await page.click("#take");
    await shows(page, "paused");
    assert.equal(joined(), 1, "the button of the page itself does");
  },

  async "without script the page takes itself further"(open) {
    const { url, set, joined } = room("--target-url", `${base}/demo`);
    const page = await open({ javaScriptEnabled: false });
    await page.goto(url);
    await shows(page, "joining");
    assert.equal(joined(), 0, "to look is not to join");
    await page.click("#take");
    await shows(page, "paused");
    assert.equal(await page.textContent("#position"), "1");
    set("--mode", "open");
    await page.waitForURL(/\/demo\?sluice_zone=.*&sluice_token=/);
    assert.equal(joined(), 1);
  },

  async "a screen reader hears the state, and the page fits a phone"(open) {
    const { url } = room();
    const page = await open({ viewport: { width: 320, height: 640 } });
    await page.goto(url);
    await live(page);
    await page.waitForFunction(() => document.getElementById("announce").textContent.length > 0);
    assert.equal(await page.getAttribute("#announce", "aria-live"), "polite");
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    assert.equal(overflow, 0, "nothing sticks out");
  },
});
