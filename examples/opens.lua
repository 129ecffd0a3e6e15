-- Which files are opened, by whom, and what came of it: an event for each call of openat, when it returns. The name is
-- compared in the kernel.
--
--     build/crumb examples/opens.lua 'nginx*' --duration 10
local crumb <const> = require "crumb"
local support <const> = dofile((arg[0]:match "^.*/" or "") .. "support.lua")
local try <const>, say <const>, escape <const> = support.try, support.say, support.escape

local words <const>, options <const> = support.arguments("[NAME] [--pid N] [--duration S]", 0, { pid = true, duration = true })

local trace <close> = try(crumb.trace { pid = options.pid })
try(trace:probe {
	"syscall:openat", returns = true,
	where = "comm like $name", params = { name = words[1] or "*" },
	capture = { path = "str(args.filename)" },
	handler = function(event)
		local result <const> = event.retval < 0 and crumb.errno(event.retval) or event.retval
		say("%s[%d] %s %s", escape(event.comm), event.pid, escape(event.path or "?"), result)
	end,
})
say "attached to openat"
trace:run { duration = options.duration }
