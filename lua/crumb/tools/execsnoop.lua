--- execsnoop: which programs are started, with what arguments.

return {
	summary = "Shows programs as they are started, with their arguments.",
	example = "crumb execsnoop",
	run = function(session)
		session:probe {
			"tracepoint:sched:sched_process_exec",
			capture = {
				file = "str(args.filename)", parent = "task.real_parent.tgid",
				words = "bytes(task.mm.arg_start, task.mm.arg_end - task.mm.arg_start, 1024)",
			},
			handler = function(event)
				event.arguments = event.words and event.words:gsub("%z$", ""):gsub("%z", " ")
				event.symbol, event.words = "exec", nil
				session:show(event)
			end,
		}
	end,
}
