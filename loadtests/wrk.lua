-- wrk's side of loadtests/wrk.py: asks for each path in turn, or places orders; tells in JSON.
local paths, method, number, thread = {}, "GET", 0, 0
local threads = 0

function setup(t)
  t:set("thread", threads)
  threads = threads + 1
end

function init(args)
  method = args[1]
  for at = 2, #args do paths[#paths + 1] = args[at] end
  number = thread * 7919
  math.randomseed(os.time() + thread)
  run = string.format("%d-%d-%d", os.time(), thread, math.random(1000000))
end

function request()
  number = number + 1
  if method == "GET" then
    return wrk.format("GET", paths[number % #paths + 1])
  end
  local headers = {
    ["Content-Type"] = "application/json",
    ["Idempotency-Key"] = string.format("wrk-%s-%d", run, number),
  }
  local body = string.format('{"item_id":%d,"quantity":1}', math.random(100000))
  return wrk.format("POST", "/orders", headers, body)
end

function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '{"wrk":1,"per_s":%.2f,"p50_ms":%.3f,"p99_ms":%.3f,"failed":%d}\n',
    summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, failed))
end
