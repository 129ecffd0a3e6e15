--- offcputime: where threads wait, and how long: the time that they are off the processor, by the stack that led there.

local STATES <const> = { R = 0, S = 1, D = 2, T = 4 } -- of the kernel's task states, as ps names them

local function condition(given)
	local parts <const> = { "args.prev_pid ~= 0" }
	-- Who is preempted has 0x100, and waits for the processor.
	if given.state then parts[2] = ("args.prev_state & 0xff == %d"):format(STATES[given.state]) end
	return table.concat(parts, " and ")
end

return {
	summary = "Sums the time that threads are off the processor, by stack.",
	example = "crumb offcputime --state D --min 1ms --duration 10",
	options = function(parser, read)
		parser:option "--min":argname "TIME":convert(read.nanoseconds):description "Only waits of at least so long, such as 10ms."
		parser:option "--max":argname "TIME":convert(read.nanoseconds):description "Only waits of at most so long."
		parser:option "--state":argname "STATE":choices { "R", "S", "D", "T" }
			:description "Only who is Ready, Sleeps, waits for a Device or similar, is stopped (T)."
		parser:option "--top":argname "N":convert(read.count):default "10":description "Only the longest in all."
		parser:mutex(
			parser:flag "--user":description "The programs' stacks only.",
			parser:flag "--kernel":description "The kernel's stacks only."
		)
		parser:mutex(
			parser:flag "--folded":description "All stacks, one a line with its microseconds, for flame graphs.",
			parser:option "--svg":argname "FILE":description "Write a flame graph."
		)
	end,
	run = function(session, given)
		local keep <const>, keys <const>, where <const> = {}, { comm = "str(args.next_comm)" }, {}
		if not given.kernel then keep.ustack, keys.ustack = "ustack", "ustack" end
		if not given.user then keep.kstack, keys.kstack = "kstack", "kstack" end
		if given.min and given.max and given.min > given.max then session:misuse "--min is more than --max: no wait is both" end
		if given.min then where[#where + 1] = "latency >= $min" end
		if given.max then where[#where + 1] = "latency <= $max" end
		session.sort, session.top = "-us", given.top
		local waits <const> = session:span {
			from = { "tracepoint:sched:sched_switch", key = "args.prev_pid", where = condition(given), capture = keep },
			to = { "tracepoint:sched:sched_switch", key = "args.next_pid" },
			sum = { us = "latency / 1000" }, count = true, by = keys, where = where[1] and table.concat(where, " and "),
			params = { min = given.min, max = given.max },
		}
		if given.svg then
			session:flame(given.svg, waits, { title = "Off the processor", unit = "us", column = "us" })
		elseif given.folded then
			session:folded(waits, "us")
		end
	end,
}
