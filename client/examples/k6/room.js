// Users of a waiting room: each joins, polls as it is told to, and enters.
//
//     k6 run -e SLUICE=http://127.0.0.1:7380 -e ZONE=shop -e USERS=2000 client/examples/k6/room.js
import http from "k6/http";
import { check, fail, sleep } from "k6";
import { Trend } from "k6/metrics";

const base = __ENV.SLUICE || "http://127.0.0.1:7380";
const zone = __ENV.ZONE || "shop";
const users = Number(__ENV.USERS || 100);
const waited = new Trend("waited", true);

export const options = {
  scenarios: { room: { executor: "per-vu-iterations", vus: users, iterations: 1, maxDuration: __ENV.FOR || "10m" } },
  thresholds: {
    checks: ["rate==1"],
    http_req_failed: ["rate==0"],
    "http_req_duration{call:wait}": ["p(95)<1000"],
  },
};

const headers = { "Content-Type": "application/json" };

function ask(call, body) {
  const answer = http.post(`${base}/traffic/${call}`, JSON.stringify(body), { headers, tags: { call } });
  if (!check(answer, { [`${call} is answered`]: (it) => it.status === 200 })) fail(`${call}: ${answer.status} ${answer.body}`);
  return answer.json();
}

export default function () {
  const began = Date.now();
  let place = ask("wait", { zoneId: zone, clientIp: "127.0.0.1", clientAgent: "k6" });
  const token = place.token;
  let position = Infinity;
  while (!place.canEnter) {
    check(place, { "the position never rises": ({ waiting }) => waiting.position <= position });
    position = place.waiting.position;
    sleep(place.waiting.pollingPeriod / 1000);
    place = ask("entry", { zoneId: zone, token });
  }
  check(place, {
    "canEnter": (it) => it.canEnter === true,
    "a pass is given": (it) => typeof it.pass === "string" && it.pass.split(".").length === 3,
  });
  waited.add(Date.now() - began);
}
