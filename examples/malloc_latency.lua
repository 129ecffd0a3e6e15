-- How long malloc takes in a program: a command is started, and the time of each call goes into a histogram, in the
-- kernel. With --above only blocks of more than so many bytes count.
--
--     build/crumb examples/malloc_latency.lua --above 1000 ls -l /usr/share
local crumb <const> = require "crumb"
local support <const> = dofile((arg[0]:match "^.*/" or "") .. "support.lua")
local try <const> = support.try

local words <const>, options <const> = support.arguments("[--above BYTES] COMMAND [ARGUMENT]...", 1, { above = true })

local trace <close> = try(crumb.trace())
local job <const> = try(trace:spawn(words)) -- it waits until it is told to start
local calls <const> = try(trace:probe {
	"uprobe:libc:malloc", returns = true, pid = job.pid,
	where = "arg0 > $above", params = { above = math.tointeger(options.above or 0) },
	hist = { latency = "latency" },
})
try(job:start())
trace:run { process = job }
crumb.show(calls)
