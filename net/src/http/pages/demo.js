// Follows one event stream: shows each entry once and in order, counts what would have gone wrong, repairs gaps as far as
// history goes, and draws what is lost. Entries are told apart by epoch and seq alone: seq is dense within an epoch.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const key = new URLSearchParams(location.search).get("key") || "demo:job";
  const path = `/v1/streams/${encodeURIComponent(key)}/events`;
  const REPAIR_LIMIT = 100; // entries asked for at once
  const LOST_MS = 3000; // a shorter break is nobody's concern
  const SHOWN_MAX = 500; // entries kept on the page

  byId("key").textContent = key;
  byId("hint").textContent = `curl -H 'Content-Type: application/json' -d '{"step":"scan","progress":"40"}' ${location.origin}${path}`;

  const counts = { received: 0, duplicates: 0, gaps: 0, resumes: 0 };
  const count = (name) => {
    counts[name] += 1;
    byId(name).textContent = counts[name].toLocaleString("en");
  };

  // ---- the cursor ---------------------------------------------------------------------------------------------
  let last = null; // the last entry that was shown: { epoch, seq }
  let ended = false;
  // One thing after another: while a gap is repaired, what arrives waits.
  let work = Promise.resolve();
  const then = (step) => { work = work.then(step).catch((error) => complain(String(error.message || error))); };

  function parse(id) {
    const match = /^(\d+)\.(\d+)$/.exec(id);
    return match && { epoch: Number(match[1]), seq: Number(match[2]) };
  }
  const text = ({ epoch, seq }) => `${epoch}.${seq}`;

  function take(at, fields, how) {
    if (last && at.epoch === last.epoch && at.seq <= last.seq) return count("duplicates");
    last = at;
    count("received");
    byId("cursor").textContent = `at ${text(at)}`;
    draw(at, fields, how);
    return undefined;
  }

  async function arrived(id, data) {
    const at = parse(id);
    if (!at) return complain(`The stream sent an id that is not epoch.seq: ${id}`);
    const fields = JSON.parse(data);
    const misses = last && (at.epoch === last.epoch ? at.seq > last.seq + 1 : at.epoch > last.epoch && at.seq > 1);
    if (misses) await repair(at);
    return take(at, fields, "live");
  }

  // Reads what lies behind the cursor. What history no longer has is drawn as a gap, and the rest is read.
  async function repair(until) {
    const from = last;
    let after = last ? text(last) : "0.0";
    for (;;) {
      const response = await fetch(`${path}?after=${after}&limit=${REPAIR_LIMIT}`, { cache: "no-store" });
      const answer = await response.json();
      if (response.status === 410) {
        const next = parse(String(answer.next));
        gap(answer.reason, last, next && { epoch: next.epoch, seq: next.seq + 1 });
        // Everything behind that is still there; without a stream everything that comes is new.
        last = next;
        if (!next || text(next) === after) return undefined;
        after = text(last);
        continue;
      }
      if (response.status === 404) {
        if (last) gap("removed", last, null);
        last = null;
        return undefined;
      }
      if (!response.ok) return complain(answer.detail || `The range was refused (${response.status}).`);
      for (const entry of answer.entries) {
        const at = { epoch: Number(entry.epoch), seq: Number(entry.seq) };
        if (until && at.epoch === until.epoch && at.seq >= until.seq) return undefined;
        if (last && at.epoch === last.epoch && at.seq > last.seq + 1) gap("trimmed", last, at);
        take(at, entry.fields, from ? "repaired" : "history");
      }
      if (answer.ended) return finish();
      if (answer.upToDate || answer.next === after || answer.entries.length === 0) return undefined;
      after = answer.next;
    }
  }

  // ---- the stream ---------------------------------------------------------------------------------------------
  let source = null;
  let opened = false;
  let lostTimer = 0;

  function status(how, words) {
    clearTimeout(lostTimer);
    lostTimer = 0;
    byId("status").dataset.status = how;
    byId("status-text").textContent = words;
  }

  function follow() {
    if (source) source.close();
    // The browser itself resumes by Last-Event-ID; a new EventSource has none, so the address says where.
    const stream = new EventSource(last ? `${path}?after=${text(last)}` : path);
    source = stream;
    stream.onopen = () => {
      if (opened) count("resumes");
      opened = true;
      status("live", "Live");
    };
    stream.onmessage = (event) => then(() => arrived(event.lastEventId, event.data));
    stream.addEventListener("entry", (event) => then(() => arrived(event.lastEventId, event.data)));
    stream.addEventListener("reset", () => {
      // Closed at once: what it would send next is read by the repair.
      stream.close();
      then(async () => { await repair(null); if (!ended) follow(); });
    });
    stream.addEventListener("end", () => then(finish));
    stream.onerror = () => {
      if (source !== stream || ended) return;
      if (stream.readyState === EventSource.CLOSED) return explain();
      if (!lostTimer) lostTimer = setTimeout(() => status("lost", "Connection lost, trying again"), LOST_MS);
    };
  }

  // A browser does not say why a stream is refused for good; the range at the same address does.
  async function explain() {
    let words = "The stream is not to be had. Reload to try again.";
    try {
      const response = await fetch(`${path}?limit=1`, { cache: "no-store" });
      // A proxy before servers that are away, or a server that is busy: that passes.
      if (response.status >= 500 || response.status === 429) throw new Error(response.statusText);
      if (response.status === 404) words = "No such stream yet; append something";
      else if (!response.ok) words = (await response.json()).detail || words;
      else if ((await response.json()).ended) return then(() => repair(null));
      else throw new Error("it is there again");
    } catch { words = "The server cannot be reached; trying again"; setTimeout(follow, 3000 + 2000 * Math.random()); }
    return status("lost", words);
  }

  function finish() {
    if (ended) return;
    ended = true;
    if (source) source.close();
    status("ended", "Completed");
    byId("job-heading").textContent = "Completed";
    progress(100);
    byId("append").disabled = true;
    byId("finish").disabled = true;
    byId("append").className = "";
    byId("fresh").className = "primary";
    const row = document.createElement("li");
    row.className = "end";
    row.textContent = "End of the stream";
    byId("list").prepend(row);
    byId("empty").hidden = true;
  }

  // ---- what is drawn: the newest first ------------------------------------------------------------------------
  function element(tag, className, words) {
    const made = document.createElement(tag);
    made.className = className;
    made.textContent = words;
    return made;
  }

  function draw(at, fields, how) {
    byId("empty").hidden = true;
    const { step, status: word, ...rest } = fields;
    const title = step || word || Object.values(fields)[0] || "(no fields)";
    const row = element("li", how, "");
    const what = element("div", "what", "");
    what.append(element("div", "title", title));
    const others = Object.entries(step || word ? rest : fields).map(([name, value]) => `${name} ${value}`);
    if (others.length) what.append(element("div", "fields", others.join(" · ")));
    row.append(element("span", "seq", text(at)), what, element("span", "how", how));
    const list = byId("list");
    list.prepend(row);
    while (list.children.length > SHOWN_MAX) list.lastElementChild.remove();
    byId("job-heading").textContent = title;
    if (Number.isFinite(Number(fields.progress))) progress(Number(fields.progress));
  }

  function progress(value) {
    const percent = Math.max(0, Math.min(100, Math.round(value)));
    byId("progress").value = percent;
    byId("percent").textContent = `${percent} %`;
  }

  function gap(reason, before, next) {
    count("gaps");
    const same = before && next && before.epoch === next.epoch;
    const missing = same ? next.seq - before.seq - 1 : 0;
    const span = missing > 0
      ? `${missing.toLocaleString("en")} ${missing === 1 ? "entry is" : "entries are"} missing, after ${text(before)}`
      : "Entries before this point cannot be had any more";
    byId("list").prepend(element("li", "gap", `${span}${reason ? ` (${reason})` : ""}.`));
    byId("empty").hidden = true;
  }

  function complain(words) {
    byId("problem").hidden = !words;
    byId("problem").textContent = words || "";
  }

  // ---- the worker's part --------------------------------------------------------------------------------------
  const STEPS = ["Unpacking", "Reading the manifest", "Resolving dependencies", "Scanning files", "Matching signatures", "Checking licences", "Writing the report"];
  let sent = 0;

  async function append(fields, query) {
    const response = await fetch(`${path}${query || ""}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(fields),
    });
    if (response.ok) return complain("");
    const answer = await response.json().catch(() => ({}));
    throw new Error(answer.detail || `The append was refused (${response.status}).`);
  }

  function job(button, run) {
    byId(button).addEventListener("click", async () => {
      byId(button).disabled = true;
      try {
        await run();
        if (source && source.readyState === EventSource.CLOSED && !ended) follow();
      } catch (error) { complain(error.message); }
      byId(button).disabled = ended;
    });
  }
  job("append", async () => {
    const from = byId("progress").value;
    for (let each = 1; each <= 3; each += 1) {
      await append({ step: STEPS[sent % STEPS.length], progress: String(Math.min(95, from + 5 * each)) });
      sent += 1;
    }
  });
  job("finish", () => append({ step: "Done", progress: "100" }, "?end=1"));
  byId("fresh").addEventListener("click", () => {
    location.search = `?key=${encodeURIComponent(`demo:job-${Math.random().toString(36).slice(2, 8)}`)}`;
  });

  follow();
})();
