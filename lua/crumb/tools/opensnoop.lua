--- opensnoop: who opens which files.

local crumb <const> = require "crumb"

return {
	summary = "Shows files that are opened, and what came of it.",
	example = "crumb opensnoop --failed --duration 10",
	options = function(parser)
		parser:flag "-x --failed":description "Only what failed."
	end,
	run = function(session, given)
		session.fields = { "error" }
		session:probe {
			"syscall:open", "syscall:openat", "syscall:openat2", missing = "skip", returns = true,
			where = given.failed and "retval < 0" or nil, capture = { path = "str(args.filename)" },
			handler = function(event)
				if event.retval < 0 then event.error = crumb.errno(event.retval) end
				session:show(event)
			end,
		}
	end,
}
