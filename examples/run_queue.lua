-- How long threads that were woken wait for a CPU: a span from the wake-up to the switch, paired by the thread's id.
--
--     build/crumb examples/run_queue.lua --duration 10
local crumb <const> = require "crumb"
local support <const> = dofile((arg[0]:match "^.*/" or "") .. "support.lua")
local try <const>, say <const> = support.try, support.say

local _ <const>, options <const> = support.arguments("[--duration S]", 0, { duration = true })

local trace <close> = try(crumb.trace())
local waits <const> = try(trace:span {
	from = { "tracepoint:sched:sched_wakeup", "tracepoint:sched:sched_wakeup_new", key = "args.pid" },
	to = { "tracepoint:sched:sched_switch", key = "args.next_pid" },
	hist = { latency = "latency" }, by = {},
})
trace:run { duration = options.duration }
crumb.show(waits)
say("%d threads wait still", #waits:pending())
