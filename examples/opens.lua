-- Which files are opened, by whom, and what came of it.
--
--     build/crumb examples/opens.lua 'nginx*' --duration 10
local crumb <const> = require "crumb"
local support <const> = dofile((arg[0]:match "^.*/" or "") .. "support.lua")
local try <const>, say <const>, escape <const> = support.try, support.say, support.escape

local words <const>, options <const> = support.arguments("[NAME] [--pid N] [--duration S]", 0, { pid = true, duration = true })

local trace <close> = try(crumb.trace { pid = options.pid })
try(trace:probe {
	"syscall:openat", returns = true,
	where = words[1] and ("comm like %q"):format(words[1]),
	capture = { path = "str(args.filename)", result = "retval" },
	handler = function(event)
		local result <const> = event.result < 0 and crumb.errno(event.result) or event.result
		say("%s[%d] %s %s", escape(event.comm), event.pid, escape(event.path or "?"), result)
	end,
})
say "tracing"
trace:run { duration = options.duration }
