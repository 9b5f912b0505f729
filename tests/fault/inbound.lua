-- wrk with a pace: sends the lines of a file ("path signature body"), each once and one each PACE_US
-- microseconds, and writes a line ("status id") for each answer.  Who cannot send in time sends at once.
local ffi = require("ffi")
ffi.cdef("typedef struct { long s, ns; } now_t; int clock_gettime(int, now_t *);")
local MONOTONIC = 1
local at = ffi.new("now_t")
local pace_us = tonumber(os.getenv("PACE_US"))
local next_us

local function now_us()
	ffi.C.clock_gettime(MONOTONIC, at)
	return tonumber(at.s) * 1e6 + tonumber(at.ns) / 1e3
end

function init()
	events = io.lines(os.getenv("EVENTS"))
	answers = io.open(os.getenv("ANSWERS"), "w")
end

function delay()
	local now = now_us()
	next_us = (next_us or now) + pace_us
	return math.max(0, (next_us - now) / 1e3)
end

function request()
	local path, signature, body = events():match("^(%S+) (%S+) (.*)$")
	return wrk.format("POST", path, { ["X-Webhook-Signature"] = signature, ["Content-Type"] = "application/json" }, body)
end

function response(status, headers, body)
	answers:write(status, " ", body:match('"duplicate":false,"id":"([^"]+)"') or body:match('"code":"([^"]+)"') or "-", "\n")
	answers:flush()
end

function done(summary, latency)
	local errors = summary.errors
	print(string.format('{"p50":%d,"p99":%d,"max":%d,"requests":%d,"us":%d,"lost":%d}', latency:percentile(50), latency:percentile(99),
		latency.max, summary.requests, summary.duration, errors.connect + errors.read + errors.write + errors.timeout))
end
