-- Which functions of a library are called most: all that match a pattern are attached at once, and counted in the kernel.
--
--     build/crumb examples/top_functions.lua libc 'str*' --top 10 --duration 10
local crumb <const> = require "crumb"
local support <const> = dofile((arg[0]:match "^.*/" or "") .. "support.lua")
local try <const>, say <const> = support.try, support.say

local words <const>, options <const> = support.arguments("BINARY PATTERN [--top N] [--pid N] [--duration S]", 2,
	{ top = true, pid = true, duration = true })

local trace <close> = try(crumb.trace { pid = options.pid })
local calls <const> = try(trace:probe {
	("uprobe:%s:%s"):format(words[1], words[2]), missing = "skip", -- what the kernel refuses is left out
	count = true, by = "symbol",
})
say("attached to %d functions, %d cannot be probed", #calls.sites, #calls.skipped)
trace:run { duration = options.duration }
crumb.show(calls:read { sort = "-count", top = math.tointeger(options.top or 10) })
