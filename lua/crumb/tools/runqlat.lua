--- runqlat: how long threads that could run wait for a processor.
--
-- A thread begins to wait when it is woken, made, or takes its turn while it could go on; it ends when it is switched to.

-- The kernel's own objects tell processes, too; they take a kernel where raw tracepoints have cookies, and BTF.
local BY_THREAD <const> = {
	kind = "tracepoint:sched:", woken = "args.pid", leaves = "args.prev_pid", comes = "args.next_pid",
	ready = "args.prev_pid ~= 0 and args.prev_state & 0xff == 0", comm = "str(args.next_comm)", tid = "args.next_pid",
}
local BY_PROCESS <const> = {
	kind = "rawtracepoint:", woken = "args.p.pid", leaves = "args.prev.pid", comes = "args.next.pid",
	ready = "args.prev.pid ~= 0 and (args.preempt ~= 0 or args.prev_state == 0)",
	comm = "args.next.comm", tid = "args.next.pid", pid = "args.next.tgid", process = "args.next.tgid == $pid",
}

return {
	summary = "Shows how long threads wait for a processor, as a histogram.",
	example = "crumb runqlat --by comm --duration 5",
	options = function(parser)
		parser:option "--by":choices { "comm", "pid", "tid" }:description "A histogram for each of these."
	end,
	run = function(session, given)
		-- Who wakes a thread is another one, of whose family it need not be.
		if session.settings.follow then error("--follow is not possible here: leave out -p and -c, and say --by pid or comm", 0) end
		local pid <const> = session:pid()
		local form <const> = (pid or given.by == "pid") and BY_PROCESS or BY_THREAD
		session:span {
			from = {
				{ form.kind .. "sched_wakeup", form.kind .. "sched_wakeup_new", key = form.woken },
				{ form.kind .. "sched_switch", key = form.leaves, where = form.ready },
			},
			to = { form.kind .. "sched_switch", key = form.comes },
			hist = { latency = "latency" }, by = given.by and { [given.by] = form[given.by] } or {},
			pid = false, where = pid and form.process, params = { pid = pid },
		}
	end,
}
