// The demonstration page against a stream that does everything a reader fears. A server of the script's own stands before
// the real one and answers for the stream: each connection is told its frames and then ends, as networks end them.
const assert = require("node:assert");
const http = require("node:http");
const { base, tell } = require("./browser.js");

const entry = (seq) => `id: 3.${seq}\ndata: ${JSON.stringify({ step: `Step ${seq}`, progress: String(seq * 5) })}\n\n`;
const inRange = (seq) => ({ id: `1-${seq}`, epoch: 3, seq, fields: { step: `Step ${seq}` } });

// Answers what is about streams by `answer(request, url, body)`, which returns status, type and text.
async function before(answer) {
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const url = new URL(request.url, base);
      if (url.pathname.startsWith("/v1/streams/")) {
        const [status, type, text] = answer(request, url, Buffer.concat(chunks).toString());
        response.writeHead(status, { "Content-Type": type });
        response.end(text);
        return;
      }
      http.get(url, (page) => { response.writeHead(page.statusCode, page.headers); page.pipe(response); });
    });
  });
  await new Promise((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  return { at: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

const JSON_TYPE = "application/json";
const EVENTS_TYPE = "text/event-stream";

tell({
  async "each entry is shown once and in order, and what is lost is drawn"(open) {
    const page = await open();
    const connections = [
      [null, [1, 2, 3].map(entry).join("")],
      ["3.3", [3, 4].map(entry).join("")],
      ["3.4", entry(6)],
      ["3.6", 'event: reset\ndata: {"reason":"trimmed","oldest":"3.11","newest":"3.12"}\n\n'],
      ["3.12", `${entry(13)}event: end\ndata: {}\n\n`],
    ];
    const ranges = [
      ["3.4", 200, { entries: [5, 6].map(inRange), next: "3.6", upToDate: true, ended: false }],
      ["3.6", 410, { code: "GONE", reason: "trimmed", oldest: "3.11", newest: "3.12", next: "3.10" }],
      ["3.10", 200, { entries: [11, 12].map(inRange), next: "3.12", upToDate: true, ended: false }],
    ];
    const wrong = [];
    const server = await before((request, url) => {
      const range = request.headers.accept !== EVENTS_TYPE;
      const [expected, ...answer] = (range ? ranges : connections).shift() || ["nothing more"];
      const cursor = request.headers["last-event-id"] || url.searchParams.get("after");
      if (cursor !== expected) wrong.push(`${range ? "range" : "stream"} from ${cursor}, not ${expected}`);
      if (range) return [answer[0] || 500, JSON_TYPE, JSON.stringify(answer[1] || {})];
      return [200, EVENTS_TYPE, `retry: 1\n\n${answer[0] || ""}`];
    });
    await page.goto(`${server.at}/demo?key=job%2F7`);
    await page.waitForSelector('[data-status="ended"]');
    assert.deepEqual(wrong, []);
    assert.equal(await page.textContent("h1"), "job/7");
    const counters = {};
    for (const name of ["received", "duplicates", "gaps", "resumes"]) counters[name] = await page.textContent(`#${name}`);
    assert.deepEqual(counters, { received: "9", duplicates: "1", gaps: "1", resumes: "4" });
    const rows = await page.$$eval("#list > li", (items) => items.map((item) => item.querySelector(".title")?.textContent || item.textContent));
    assert.deepEqual(rows.reverse(), [
      ...[1, 2, 3, 4, 5, 6].map((seq) => `Step ${seq}`),
      "4 entries are missing, after 3.6 (trimmed).",
      "Step 11", "Step 12", "Step 13", "End of the stream",
    ]);
    server.close();
  },

  async "what the buttons do is an append"(open) {
    const page = await open();
    const appended = [];
    const server = await before((request, url, body) => {
      if (request.method !== "POST") return [200, EVENTS_TYPE, "retry: 50\n\n"];
      appended.push([url.search, Object.keys(JSON.parse(body)).join()]);
      return [201, JSON_TYPE, "{}"];
    });
    await page.goto(`${server.at}/demo`);
    await page.click("#append");
    await page.waitForSelector("#append:not(:disabled)");
    await page.click("#finish");
    await page.waitForSelector("#finish:not(:disabled)");
    assert.deepEqual(appended, [...Array(3).fill(["", "step,progress"]), ["?end=1", "step,progress"]]);
    server.close();
  },
});
