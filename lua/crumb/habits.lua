--- habits: what people call an option elsewhere, and how each option is written. crumb.expression.habits is of expressions.

local habits = {}

--- What an option is called here.
habits.OPTIONS = {
	filter = "where", condition = "where", predicate = "where", when = "where", print = "capture", fields = "capture",
	args = "capture", values = "capture", show = "capture", format = "capture", action = "handler", callback = "handler",
	call = "handler", fn = "handler", on = "handler", group = "by", group_by = "by", groupby = "by", keys = "by",
	histogram = "hist", quantize = "hist", lquantize = "lhist", linear = "lhist", average = "avg", total = "sum", rate = "limit",
	process = "pid", thread = "tid", children = "follow", variables = "params", parameters = "params", ["return"] = "returns",
	ret = "returns", retval = "returns", cookies = "cookie", time = "duration", seconds = "duration", timeout = "duration",
	filename = "capture",
}

local FIRST <const> = "a target stands first, without a name: { \"syscall:openat\" }"

--- What is no option here, and how it is said.
habits.OTHERWISE = {
	target = FIRST, probe = FIRST, targets = FIRST, name = FIRST, event = FIRST,
	key = "a key stands in from = { … } and in to = { … }, and the keys of rows are by = { … }",
	latency = "a latency is a value: returns = true, hist = \"latency\"",
	stack = "stacks are values: by = \"ustack\", or capture = { \"ustack\" }",
	interval = "crumb -i 1, or every(1, function() … end)",
	duration = "crumb -d 10, or run { duration = 10 }",
}

--- How an option is written.
habits.WRITTEN = {
	where = 'where = "uid == 0 and pid ~= 1"', capture = 'capture = { path = "str(args.filename)" }', count = "count = true",
	returns = "returns = true", once = "once = true", enabled = "enabled = false", follow = "follow = true",
	handler = "handler = print, without quotes", hist = 'hist = "latency"', sum = 'sum = "arg0"', avg = 'avg = "arg0"',
	min = 'min = "arg0"', max = 'max = "arg0"', by = 'by = "comm"', lhist = 'lhist = { "arg0", 0, 100, 10 }',
	params = "params = { name = value }", pid = "pid = 4711", tid = "tid = 4711", sample = "sample = 10", limit = "limit = 100",
	from = 'from = { "tracepoint:sched:sched_wakeup", key = "args.pid" }',
	to = 'to = { "tracepoint:sched:sched_switch", key = "args.next_pid" }', duration = "duration = 10",
}

--- What a kind of target is called here.
habits.KINDS = {
	trace = "syscall", sys = "syscall", syscalls = "syscall", sc = "syscall", call = "syscall", ksyscall = "syscall",
	["function"] = "kprobe", func = "kprobe", kernel = "kprobe", fn = "kprobe",
	user = "uprobe", lib = "uprobe", library = "uprobe", tp = "tracepoint", event = "tracepoint",
	raw_tracepoint = "rawtracepoint", raw_tp = "rawtracepoint", kfunc = "fentry", kretfunc = "fexit", fprobe = "fentry",
}

return habits
