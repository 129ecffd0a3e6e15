-- One call in n, and no more than so many a second: what a busy function is called with, at a bounded cost. The account
-- at the end says what became of every call.
--
--     build/crumb examples/one_in_n.lua libc malloc --one-in 100 --limit 10 --duration 5
local crumb <const> = require "crumb"
local support <const> = dofile((arg[0]:match "^.*/" or "") .. "support.lua")
local try <const>, say <const> = support.try, support.say

local words <const>, options <const> = support.arguments(
	"BINARY SYMBOL [--one-in N] [--limit N] [--pid N] [--duration S]", 2,
	{ ["one-in"] = true, limit = true, pid = true, duration = true })

local trace <close> = try(crumb.trace { pid = options.pid })
local probe <const> = try(trace:probe {
	"uprobe:" .. words[1], symbols = { words[2] },
	sample = math.tointeger(options["one-in"] or 100), limit = math.tointeger(options.limit or 10),
	capture = { first = "arg0" },
})
say("attached to %s", words[2])
trace:run { duration = options.duration } -- which shows the events, since the probe has no handler

local stats <const> = probe:stats()
say("%d calls: %d shown, %d left out by sampling, %d by the limit, %d lost", stats.hits, stats.sent, stats.sampled_out,
	stats.limited, stats.lost)
