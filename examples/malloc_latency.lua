-- How long malloc takes: a histogram for each program. Halfway the bar is raised, while the probe stays attached,
-- and from the next call on only large blocks count.
--
--     build/crumb examples/malloc_latency.lua --above 4096 --duration 10
local crumb <const> = require "crumb"
local support <const> = dofile((arg[0]:match "^.*/" or "") .. "support.lua")
local try <const>, say <const> = support.try, support.say

local _ <const>, options <const> = support.arguments("[--above BYTES] [--pid N] [--duration S]", 0,
	{ above = true, pid = true, duration = true })
local above <const>, duration <const> = math.tointeger(options.above or 4096), options.duration or 10

local trace <close> = try(crumb.trace { pid = options.pid })
local slow <const> = try(trace:probe {
	"uprobe:libc:malloc", returns = true,
	where = "arg0 > $above", params = { above = 0 },
	hist = "latency", by = "comm",
})

for _, limit in ipairs { 0, above } do
	slow.params.above = limit
	slow:clear()
	say("blocks of more than %d bytes:", limit)
	local _ <const>, why <const> = trace:run { duration = duration / 2 }
	crumb.show(slow)
	if why == "interrupted" then break end
end
