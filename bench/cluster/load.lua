-- Keys key1 … key100000, values of 6 to 9 bytes: see bench/README.md. METHOD is PUT or GET.
local method = os.getenv("METHOD") or "GET"
local counter = 0
function init(args) math.randomseed(7) end
function request()
  counter = counter + 1
  local n = math.random(100000)
  local body = nil
  if method == "PUT" then body = "value" .. (counter % 10000) end
  return wrk.format(method, "/v0/entity?id=key" .. n, nil, body)
end
local other = 0
function done(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), summary.errors.status))
end
