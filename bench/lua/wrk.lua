-- wrk: GET the paths of a file in turn, the same for every server.
-- Usage: wrk … -s wrk.lua http://HOST:PORT -- PATHS
-- Requests are made before the run, so that the generator has as little to do as it can. The last line of its
-- output is JSON.
local requests, count, last = {}, 0, 0

function init(args)
  for path in io.lines(args[1]) do
    count = count + 1
    requests[count] = wrk.format('GET', path)
  end
end

function request()
  last = last % count + 1
  return requests[last]
end

function done(summary, latency)
  local errors = summary.errors
  local broken = errors.connect + errors.read + errors.write + errors.timeout
  io.write(string.format(
    '{"requests":%d,"duration_us":%d,"status_errors":%d,"socket_errors":%d,"p50_us":%d,"p99_us":%d}\n',
    summary.requests, summary.duration, errors.status, broken,
    latency:percentile(50), latency:percentile(99)))
end
