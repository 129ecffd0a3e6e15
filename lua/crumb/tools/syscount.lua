--- syscount: which system calls are made most, by whom, and how long they take.

local ENTER <const>, EXIT <const> = "tracepoint:raw_syscalls:sys_enter", "tracepoint:raw_syscalls:sys_exit"

return {
	summary = "Counts system calls by name, and tells how long they take.",
	example = "crumb syscount --by comm --top 10 --interval 5",
	options = function(parser, read)
		parser:option "--by":argname "EXPRESSION":description "Count for each of these too, such as comm."
		parser:option "--top":argname "N":convert(read.count):default "20":description "Only the most frequent."
		parser:flag "-x --failed":description "Only what failed; --by 'errno(args.ret)' says with what."
		parser:flag "-L --latency":description "How long they took: in all, and at most; sorted by that."
	end,
	run = function(session, given)
		local asked <const> = {
			count = true, by = { call = "syscall(args.id)", given.by }, where = given.failed and "args.ret < 0" or nil,
		}
		session.sort, session.top = "-count", given.top
		if not given.latency then
			asked[1] = given.failed and EXIT or ENTER
			session:probe(asked)
			return
		end
		session.sort = "-total"
		asked.from, asked.to = { ENTER, key = "tid" }, { EXIT, key = "tid" }
		asked.sum, asked.max = { total = "latency" }, { longest = "latency" }
		session:span(asked)
	end,
}
