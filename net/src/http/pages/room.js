// The waiting page: joins once, follows the token's event stream, polls where streams do not get through, and never
// gives the place up by itself. The token is kept for the zone, so that a reload, a second tab or a crash keeps it.
"use strict";
(() => {
  const room = document.getElementById("room");
  const texts = JSON.parse(document.getElementById("texts").textContent);
  const { zone, target } = room.dataset;
  const zonePath = `/v1/zones/${encodeURIComponent(zone)}`;
  const byId = (id) => document.getElementById(id);
  const numbers = new Intl.NumberFormat(texts.lang);
  const clock = new Intl.DateTimeFormat(texts.lang, { hour: "numeric", minute: "2-digit" });
  const pageTitle = document.title;

  const ANNOUNCE_MS = 20000; // at most so often does a screen reader hear of a change of position
  const LOST_MS = 4000; // a shorter break is nobody's concern
  const SILENT_MS = 45000; // a stream without news for so long is checked by a poll
  const STREAM_AGAIN_MS = 60000; // who polls tries the stream again
  const MODE_MS = 5000; // a paused zone is asked at most so often whether it still is
  const GO_MS = 1500; // time to read that it is one's turn

  // ---- what is kept -------------------------------------------------------------------------------------------
  const memory = new Map();
  const key = `sluice:${zone}`;
  const load = () => {
    try { return JSON.parse(localStorage.getItem(key)) || {}; } catch { return memory.get(key) || {}; }
  };
  const save = (place) => {
    memory.set(key, place);
    try { localStorage.setItem(key, JSON.stringify(place)); } catch { /* private mode: this tab remembers */ }
  };
  const forget = () => save({});

  // ---- what is shown ------------------------------------------------------------------------------------------
  let state = document.body.dataset.state;
  let announcedAt = -Infinity;

  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);

  function show(next, text) {
    const changed = state !== next;
    state = next;
    document.body.dataset.state = next;
    byId("heading").textContent = texts[`${next}Title`];
    byId("text").textContent = text || texts[`${next}Text`];
    if (changed) {
      document.title = next === "waiting" ? pageTitle : `${texts[`${next}Title`]} · ${pageTitle}`;
      announce(`${texts[`${next}Title`]}. ${byId("text").textContent}`, true);
    }
  }

  function announce(text, now) {
    if (now || performance.now() - announcedAt >= ANNOUNCE_MS) {
      announcedAt = performance.now();
      byId("announce").textContent = text;
    }
  }

  function waitText(ms) {
    if (ms < 0) return texts.waitUnknown;
    const minutes = Math.ceil(ms / 60000);
    if (ms < 60000) return texts.waitUnder;
    if (minutes < 60) return minutes === 1 ? texts.waitMinute : fill(texts.waitMinutes, { n: minutes });
    const [h, m] = [Math.floor(minutes / 60), minutes % 60];
    return h === 1 && m === 0 ? texts.waitHour : fill(texts.waitHours, { h, m });
  }

  function connection(how) {
    byId("connection").dataset.connection = how === "polling" ? "live" : how;
    byId("connection-text").textContent = texts[how];
  }

  let lostTimer = 0;
  function lost() {
    if (!lostTimer) lostTimer = setTimeout(() => connection("lost"), LOST_MS);
  }
  function found(how) {
    clearTimeout(lostTimer);
    lostTimer = 0;
    connection(how);
  }

  // ---- what the server says -----------------------------------------------------------------------------------
  let zoneAskedAt = -Infinity;

  function tell(answer) {
    if (answer.state === "admitted") return enter(answer);
    const place = load();
    const from = Math.max(place.from || 0, answer.position);
    save({ ...place, token: answer.token, from });
    const wait = waitText(answer.etaMs);
    const position = numbers.format(answer.position);
    byId("position").textContent = position;
    byId("position").dataset.length = position.length;
    byId("wait").textContent = wait;
    const at = document.querySelector(".at");
    at.hidden = answer.etaMs < 60000;
    if (!at.hidden) byId("at").textContent = clock.format(Date.now() + answer.etaMs);
    byId("progress").value = Math.max(2, 100 * (from - answer.position) / from);
    if (answer.stale) connection("stale");
    if (answer.etaMs >= 0) show("waiting");
    else askMode();
    if (state === "waiting") document.title = `${position} · ${pageTitle}`;
    announce(fill(texts.announce, { position, wait }));
  }

  // An unknown wait is nearly always a paused zone; only the zone itself knows.
  async function askMode() {
    if (state !== "paused" && state !== "waiting") show("waiting");
    if (state === "paused" && performance.now() - zoneAskedAt < MODE_MS) return;
    zoneAskedAt = performance.now();
    try {
      const response = await fetch(zonePath, { cache: "no-store" });
      const { mode } = await response.json();
      if (state === "waiting" || state === "paused") show(mode === "paused" ? "paused" : "waiting");
    } catch { /* the stream's own trouble shows soon enough */ }
  }

  function enter(answer) {
    stop();
    save({ ...load(), token: answer.token, admitted: true });
    if (!target) return show("turn");
    const url = new URL(target);
    url.searchParams.set("sluice_zone", zone);
    url.searchParams.set("sluice_token", answer.token);
    if (answer.pass) url.searchParams.set("sluice_pass", answer.pass);
    byId("enter").href = url.href;
    show("turn", texts.turnGoing);
    setTimeout(() => location.replace(url.href), GO_MS);
  }

  function gone() {
    stop();
    const { admitted } = load();
    forget();
    // A turn that was taken long ago is no loss: whoever comes again wants in again.
    if (admitted && state === "joining") return join();
    show("gone");
    byId("join").focus();
  }

  // ---- following ----------------------------------------------------------------------------------------------
  let stream = null;
  let pollTimer = 0;
  let watchTimer = 0;
  let againTimer = 0;
  let failures = 0;

  function stop() {
    if (stream) stream.close();
    stream = null;
    for (const timer of [pollTimer, watchTimer, againTimer]) clearTimeout(timer);
  }

  function follow(token) {
    stop();
    if (!window.EventSource) return poll(token);
    const source = new EventSource(`${zonePath}/tokens/${encodeURIComponent(token)}/events`);
    stream = source;
    const heard = (use) => (event) => {
      if (stream !== source) return;
      failures = 0;
      found("live");
      watch(token);
      use(JSON.parse(event.data));
    };
    source.onopen = () => { found("live"); watch(token); };
    source.addEventListener("position", heard(tell));
    source.addEventListener("admitted", heard(enter));
    source.addEventListener("gone", heard(gone));
    source.onerror = () => {
      if (stream !== source) return;
      failures += 1;
      lost();
      // Closed for good, or cut off again and again: something on the way does not let streams through.
      if (source.readyState === EventSource.CLOSED || failures >= 3) {
        stop();
        poll(token);
        againTimer = setTimeout(() => follow(token), STREAM_AGAIN_MS);
      }
    };
  }

  // A connection can die without anybody being told. Heartbeats are not shown to pages, so silence is checked.
  function watch(token) {
    clearTimeout(watchTimer);
    watchTimer = setTimeout(async () => {
      if (await ask(token)) watch(token);
      else { lost(); follow(token); }
    }, SILENT_MS);
  }

  const spread = (ms) => ms * (0.9 + 0.2 * Math.random());

  async function poll(token) {
    const answer = await ask(token);
    if (answer === null) return;
    const ms = answer ? answer.pollMs : 3000 * Math.min(4, 1 + failures);
    if (answer) { failures = 0; found("polling"); } else { failures += 1; lost(); }
    pollTimer = setTimeout(() => poll(token), answer ? ms : spread(ms));
  }

  // One poll: the answer, false where none came, null where it was the last one.
  async function ask(token) {
    let response;
    let answer;
    try {
      response = await fetch(`${zonePath}/tokens/${encodeURIComponent(token)}`, { cache: "no-store" });
      answer = await response.json();
    } catch { return false; }
    if (response.ok) {
      tell(answer);
      return answer.state === "admitted" ? null : answer;
    }
    if ([400, 404, 410].includes(response.status)) { gone(); return null; }
    return false;
  }

  // ---- joining ------------------------------------------------------------------------------------------------
  function newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  async function join() {
    stop();
    if (state === "gone" || state === "left") show("joining");
    // The id makes a repeat harmless: should the answer be lost, the place is not.
    const place = load();
    const requestId = place.requestId || newId();
    save({ requestId });
    let response;
    let answer = {};
    try {
      response = await fetch(`${zonePath}/tokens`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ requestId }),
      });
      answer = await response.json();
    } catch { response = null; }
    if (response && response.ok) {
      save({ token: answer.token });
      tell(answer);
      if (answer.state !== "admitted") follow(answer.token);
      return;
    }
    const again = (ms) => { pollTimer = setTimeout(join, spread(ms)); };
    const advised = 1000 * Number((response && response.headers.get("Retry-After")) || 3);
    const { code } = answer;
    if (code === "CLOSED") { show("closed"); again(30000); }
    else if (code === "FULL") { show("full"); again(advised); }
    else if (code === "NOZONE") { show("unknown"); }
    else if (code === "GONE") { forget(); again(500); }
    else { show("busy"); again(advised); }
  }

  byId("again").addEventListener("submit", (event) => { event.preventDefault(); join(); });
  byId("leave").addEventListener("click", async () => {
    const { token } = load();
    if (!token || !confirm(texts.leaveAsk)) return;
    stop();
    try { await fetch(`${zonePath}/tokens/${encodeURIComponent(token)}`, { method: "DELETE" }); } catch { /* it lapses by itself */ }
    forget();
    show("left");
    byId("join").focus();
  });
  window.addEventListener("online", () => { const { token } = load(); if (stream && token) follow(token); });
  window.addEventListener("offline", lost);

  // ---- start --------------------------------------------------------------------------------------------------
  // A token in the page comes from a visit without JavaScript, by a cookie of this browser: never from an address, or a link
  // could replace the place that is kept here.
  if (room.dataset.token && !load().token) save({ token: room.dataset.token });
  const { token } = load();
  if (state === "unknown") return;
  if (token) follow(token);
  else join();
})();
