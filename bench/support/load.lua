-- Keys key1 … keyKEYS, drawn at random, with SUFFIX behind; values of VALUE bytes, half of them random, or of 6 to
-- 9 when it is 0: see bench/README.md. METHOD is PUT or GET.
local method = os.getenv("METHOD") or "GET"
local keys = tonumber(os.getenv("KEYS") or "100000")
local suffix = os.getenv("SUFFIX") or ""
local size = tonumber(os.getenv("VALUE") or "0")
local counter = 0
local values = {}
function init(args)
  math.randomseed(tonumber(os.getenv("SEED") or "7"))
  for i = 1, size > 0 and 256 or 0 do
    local bytes = {}
    for at = 1, math.floor(size / 2) do bytes[at] = string.char(math.random(0, 255)) end
    values[i] = table.concat(bytes) .. string.rep("q", size - #bytes)
  end
end
function request()
  counter = counter + 1
  local n = math.random(keys)
  local body = nil
  if method == "PUT" then
    body = size > 0 and values[counter % 256 + 1] or "value" .. (counter % 10000)
  end
  return wrk.format(method, "/v0/entity?id=key" .. n .. suffix, nil, body)
end
function done(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d %d %d %d %d\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9), summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
