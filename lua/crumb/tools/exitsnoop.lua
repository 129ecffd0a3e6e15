--- exitsnoop: which processes end, how, and after how long.

local crumb <const> = require "crumb"

return {
	summary = "Shows processes that end: their status or signal, and their age.",
	example = "crumb exitsnoop --failed",
	options = function(parser)
		parser:flag "-x --failed":description "Only those that did not end with 0."
	end,
	run = function(session, given)
		session.fields = { "status", "signal" }
		session:probe {
			"tracepoint:sched:sched_process_exit",
			where = "pid == tid" .. (given.failed and " and task.exit_code ~= 0" or ""),
			capture = { code = "task.exit_code", lived = "nsecs - task.start_time" },
			handler = function(event)
				local signal <const> = event.code & 127
				event.status = signal == 0 and event.code >> 8 or nil
				event.signal = signal ~= 0 and crumb.signal(signal) or nil
				event.seconds = event.lived / 1e9
				event.symbol, event.code, event.lived = "exit", nil, nil
				session:show(event)
			end,
		}
	end,
}
