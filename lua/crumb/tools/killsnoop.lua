--- killsnoop: who sends signals to whom.

local crumb <const> = require "crumb"

return {
	summary = "Shows signals that processes send, and what came of it.",
	example = "crumb killsnoop --signal 9",
	options = function(parser, read)
		parser:option "--signal":argname "N":convert(read.whole):description "Only this one."
	end,
	run = function(session, given)
		session.fields = { "signal", "error" }
		session:probe {
			"syscall:kill", "syscall:tkill", "syscall:tgkill", returns = true,
			where = given.signal and "args.sig == $signal" or nil, params = { signal = given.signal },
			capture = { target_pid = "args.pid", sig = "args.sig" },
			handler = function(event)
				event.signal = crumb.signal(event.sig)
				if event.retval < 0 then event.error = crumb.errno(event.retval) end
				session:show(event)
			end,
		}
	end,
}
