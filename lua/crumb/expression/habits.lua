--- habits: what people write who know bpftrace or C, and how it is written here.

local habits = {}

-- Lua patterns that are looked for in a text whose form is wrong; the first that is found answers.
-- The empty captures are the first byte of the word and the one behind its last.
local SYNTAX <const> = {
	{ "()@[%w_]*()", "there are no maps: an aggregate is an option, such as count = true, by = { \"comm\" }, or sum = \"arg0\"" },
	{ "^%s*()/.*/()", "a condition stands without slashes" },
	{ "()%(%s*struct%s+[%w_]+%s*%)()", "a cast is to a pointer: write (struct NAME *)x" },
	{ "()%(%s*u?int%d*%s*%)()", "numbers are converted by functions: write s32(x) or u32(x)" },
	{ "()%(%s*u?int%d+_t%s*%)()", "numbers are converted by functions: write s32(x) or u32(x)" },
	{ "()%(%s*[su]%d+%s*%)()", "numbers are converted by functions: write s32(x) or u32(x)" },
	{ "()%(%s*char%s*%*%s*%)()", "the text at an address is str(x)" },
	{ "()%$%d+()", "parameters have names: write $name, and params = { name = value }" },
	{ "()[%w_]*printf%s*%(()", "nothing is printed in the kernel: capture values, and print them in the handler" },
	{ "()%?()", "there is no ? and :; write the condition in `where`" },
	{ "();()", "there are no statements: one expression stands here" },
	{ "()//()", "division is of integers: write /" },
	{ "()%^()", "exclusive or is written ~, as in Lua" },
	{ "%f[%w_]in%s+()%d+%.%.%d+()", "write x >= 1 and x <= 5" },
	{ "()%.%.()", "texts cannot be put together here: capture them one by one" },
	{ "()#()", "there is no length operator" },
	{ "()<>()", "write ~=" },
	{ "()===()", "write ==" },
	{ "()=~()", "write like, with a glob: comm like \"ngin*\"" },
	{ "()[%+%-%*/%%&|]?=()%f[^=]", "nothing is assigned here: equality is written ==", starts = true },
	{ "()%+%+()", "nothing is changed here" },
	{ "()AND()%f[^%w_]", "write and", starts = true }, { "()OR()%f[^%w_]", "write or", starts = true },
	{ "()NOT()%f[^%w_]", "write not", starts = true }, { "()LIKE()%f[^%w_]", "write like", starts = true },
	{ "()IN()%f[^%w_]", "write in", starts = true },
	{ "%f[%w_]in%s+()%([^()]*,[^()]*%)()", "a list stands in braces: in {1, 2}" },
	{ "%f[%w]()%d+,%d%d%d()%f[^%w]", "a number has no commas" },
	{ "%f[%w]()%d+%s+[numk]?s()%f[^%w]", "a unit stands at its number, without a blank: 1ms" },
	{ "^%s*()[%a_][%w_]*%s*:()%f[^:]", "a name stands outside of the quotes: capture = { name = \"arg0\" }" },
	{ "%s()as()%s+[%a_][%w_]*%s*$", "a name stands outside of the quotes: capture = { name = \"arg0\" }" },
	{ "()/%a[%w_./%-]*()", "a text stands in quotes", starts = true },
	{ "()contains()%f[^%w_]", "write like, with stars: comm like \"*gin*\"", starts = true },
	{ "()starts?_?[wW]ith()%f[^%w_]", "write like, with a star: comm like \"ngin*\"", starts = true },
	{ "()ends?_?[wW]ith()%f[^%w_]", "write like, with a star: comm like \"*ginx\"", starts = true },
	{ "()match%l*()%f[^%w_]", "write like, with a glob: comm like \"ngin*\"", starts = true },
	{ "()is()%f[^%w_]", "write ==", starts = true },
	{ "()eq%l*()%f[^%w_]", "write ==", starts = true },
	{ "()&()%s*[%a_(]", "there is no address of: write str(args.NAME), or sp + 8", starts = true },
	{ "()%*()%s*[%a_(]", "memory is read with its width: write u64[x], or args.NAME[0]", starts = true },
	{ "()not()%f[^%w_]", "after a value not stands before in and like; unequal is written ~=", starts = true },
	{ "()!()", "unequal is written ~=", starts = true },
	{ "()[\"'].*()", "the text is not closed", starts = true },
	{ "()%$()", "a parameter has a name: write $name", starts = true },
}

--- What a text whose form is wrong was meant to be.
---@param text string
---@param at integer where its form is wrong
---@return string? reason
---@return integer? from the word
---@return integer? to
function habits.answer(text, at)
	-- What stands between quotes is nobody's habit.
	local plain <const> = text:gsub("\\.", "00"):gsub("(([\"']).-%2)", function(quoted) return ("0"):rep(#quoted) end)
	for _, habit in ipairs(SYNTAX) do
		local from, to
		if habit.starts then
			from, to = plain:match("^" .. habit[1], at)
		else
			from, to = plain:match(habit[1])
		end
		if from then return habit[2], from, math.max(from, to - 1) end
	end
	return nil
end

local AGGREGATE <const> = "an aggregate is an option: %s = "

--- What is called like a function elsewhere.
habits.FUNCTIONS = {
	["if"] = "there are no statements: what decides stands in `where`",
	printf = "nothing is printed in the kernel: capture values, and print them in the handler",
	print = "nothing is printed in the kernel: capture values, and print them in the handler",
	count = AGGREGATE:format "count" .. "true",
	sum = AGGREGATE:format "sum" .. '"x"',
	avg = AGGREGATE:format "avg" .. '"x"',
	stats = AGGREGATE:format "avg" .. '"x", count = true',
	min = AGGREGATE:format "min" .. '"x"',
	max = AGGREGATE:format "max" .. '"x"',
	hist = AGGREGATE:format "hist" .. '"x"',
	lhist = AGGREGATE:format "lhist" .. '{ "x", min, max, step }',
	buf = "write bytes(x, n)",
	kstr = "write str(x): the address tells whose memory it is",
	ustr = "write str(x): the address tells whose memory it is",
	kptr = "write the value alone: the address tells whose memory it is",
	uptr = "write the value alone: the address tells whose memory it is",
	reg = 'write reg.ax for reg("ax")',
	strncmp = 'write str(x) == "text", or str(x) like "text*"',
	strcontains = 'write str(x) like "*text*"',
	strstr = 'write str(x) like "*text*"',
	sizeof = "write the number of bytes",
	offsetof = "args.NAME.FIELD finds its place itself",
	kaddr = "write the address",
	uaddr = "write the address",
	cgroupid = "compare cgroup with the number of its folder (stat -c %i)",
	pid = "write pid without parentheses",
	tid = "write tid without parentheses",
	nsecs = "write time, in ns",
	int8 = "write s8(x)", int16 = "write s16(x)", int32 = "write s32(x)", int64 = "write s64(x)",
	uint8 = "write u8(x)", uint16 = "write u16(x)", uint32 = "write u32(x)", uint64 = "write u64(x)",
	ntohs = "write bswap(u16(x))", ntohl = "write bswap(u32(x))", htons = "write bswap(u16(x))", htonl = "write bswap(u32(x))",
	delete = "nothing is deleted here: probe:read { clear = true } empties a table",
	exit = "write trace:close() in the handler",
	len = "there is no length: bytes(x, n) takes any expression for n",
	strlen = "there is no length: str(x) ends where the text does",
}

--- What is a name elsewhere.
habits.NAMES = {
	curtask = "write task",
	["func"] = "write symbol",
	probe = "every event has `probe` already; write symbol for the function",
	username = "write uid",
	nsec = "write time",
	ustack_raw = "write ustack",
	ctx = "write args.NAME",
	["return"] = "write retval",
	ret = "write retval",
	rval = "write retval",
	duration = "write latency",
	arg6 = "only arg0 to arg5 are in registers: write u64[sp + 8] for what lies on the stack",
	process = "write comm for its name, pid for its number",
	name = "write comm for the process, symbol for the function",
	command = "write comm", cmd = "write comm", exe = "write comm", program = "write comm",
	user = "write uid", user_id = "write uid", process_id = "write pid", thread = "write tid", thread_id = "write tid",
	timestamp = "write time", ts = "write time", now = "write time",
	stack = "write ustack, or kstack", callers = "write ustack, or kstack",
	event = "write args.NAME",
	["nil"] = "write 0",
	null = "write 0",
	NULL = "write 0",
}

return habits
