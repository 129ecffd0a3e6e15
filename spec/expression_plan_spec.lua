-- crumb.expression: the plans themselves: steps, paths, cells, tables, calls and spans.
local expression = require "crumb.expression"
local limits = require "crumb.expression.limits"
local machine = require "support.machine"
local scope = require "support.scope"

local function compile(rule, at) return assert(expression.compile(rule, at or scope.uprobe())) end

local function run(plan, world)
	local one = machine.new(world)
	return one:run(plan, plan.start) and one:event(plan)
end

describe("steps", function()
	it("of one term are a comparison and the ends", function()
		local plan = compile { where = "pid == 1" }
		assert.same({
			{ op = "EQ", a = "PID", value = 1, constant = true, yes = 1, no = 2 }, { op = "ACCEPT" }, { op = "REJECT" },
		}, plan.steps)
		assert.same({ 0, 0, 0 }, { plan.open_start, plan.key_start, plan.start })
	end)

	it("push not into the comparisons", function()
		local plan = compile { where = "not (arg0 < 5 and comm like 'a*')" }
		assert.same({
			{ op = "REGISTER", to = 0, a = "ARG0" },
			{ op = "LT", a = 0, value = 5, constant = true, signed = true, negated = true, yes = 3, no = 2 },
			{ op = "TEXT_LIKE", value = 0, comm = true, negated = true, yes = 3, no = 4 },
			{ op = "ACCEPT" }, { op = "REJECT" },
		}, plan.steps)
		assert.same({ "a*" }, plan.patterns)
	end)

	it("compute once what stands twice, but not over a fork", function()
		local plan = compile { where = "arg0 + 1 > 5 and arg0 + 1 < 9", capture = { x = "arg0 + 1" } }
		assert.same({
			{ op = "REGISTER", to = 0, a = "ARG0" }, { op = "ADD", to = 1, a = 0, value = 1, constant = true },
			{ op = "LE", a = 1, value = 5, constant = true, signed = true, negated = true, yes = 3, no = 5 },
			{ op = "LT", a = 1, value = 9, constant = true, signed = true, yes = 4, no = 5 },
			{ op = "ACCEPT" }, { op = "REJECT" },
		}, plan.steps)
		assert.same({ { kind = "SLOT", slot = 1 } }, plan.outputs)
		-- arg1 is known to the second term only.
		plan = compile { where = "arg0 == 1 or arg1 == 1", capture = { x = "arg1", y = "arg0" } }
		assert.same({
			{ op = "REGISTER", to = 0, a = "ARG0" }, { op = "EQ", a = 0, value = 1, constant = true, yes = 4, no = 2 },
			{ op = "REGISTER", to = 1, a = "ARG1" }, { op = "EQ", a = 1, value = 1, constant = true, yes = 4, no = 6 },
			{ op = "REGISTER", to = 1, a = "ARG1" }, { op = "ACCEPT" }, { op = "REJECT" },
		}, plan.steps)
	end)

	it("use slots again that nothing needs any more", function()
		local terms = {}
		for i = 1, 40 do terms[i] = ("u8[arg0 + %d] ~= %d"):format(i, i) end
		local plan = compile { where = table.concat(terms, " and ") }
		for _, step in ipairs(plan.steps) do assert.truthy((step.to or 0) <= 2) end
	end)

	it("refuse at once what can never be", function()
		local plan = compile { where = "1 == 2 and arg0 == 1" }
		assert.same({ op = "REJECT" }, plan.steps[1])
		for _, pair in ipairs { "call", "from" } do
			plan = compile({ where = "1 == 2", key = pair == "from" and "arg0" or nil }, scope.uprobe { pair = pair })
			assert.is_false(machine.new({}):run(plan, plan.open_start))
		end
	end)

	it("follow processes, and choose a process or a thread", function()
		local plan = compile { follow = 3, pid = 5, tid = 6, where = "arg0 == 1" }
		assert.same({ op = "FOLLOWED", value = 3, yes = 1, no = 6 }, plan.steps[1])
		local function accepts(family, pid, tid)
			return machine.new({ families = { [3] = family }, builtins = { PID = pid, TID = tid }, registers = { ARG0 = 1 } })
				:run(plan, 0)
		end
		assert.is_true(accepts(true, 5, 6))
		assert.is_false(accepts(false, 5, 6))
		assert.is_false(accepts(true, 6, 6))
		assert.is_false(accepts(true, 5, 5))
	end)
end)

describe("limits", function()
	it("are the engine's", function()
		local text = assert(io.open("bpf/wire.h")):read "a"
		for ours, theirs in pairs {
			STEPS = "MAX_STEPS", SLOTS = "MAX_SLOTS", CELLS = "MAX_CELLS", SAVES = "MAX_SAVES", AGGREGATES = "MAX_AGGREGATES",
			TEXTS = "MAX_TEXTS", TEXT_BYTES = "TEXT_BYTES", PIECE_BYTES = "PIECE_BYTES", ROW_CELLS = "ROW_CELLS",
		} do
			assert.equal(tonumber(text:match("%f[%w]" .. theirs .. " = (%d+)")), limits[ours], theirs)
		end
		assert.equal(tonumber(text:match "SAVED_BYTES = (%d+)") - 2, limits.SAVED_BYTES)
		assert.equal(tonumber(text:match "SMALL_WORDS = (%d+)") - 1, limits.SMALL_WORDS)
		assert.equal(tonumber(text:match "STACK_FRAMES = (%d+)") * 8, limits.STACK_BYTES)
		local maps = assert(io.open("bpf/maps.h")):read "a"
		assert.equal(tonumber(maps:match "RECORD_BYTES (%d+)"), limits.RECORD_BYTES)
	end)

	it("leave room for 16 terms and 12 captures, in a table too", function()
		local terms, captures = {}, {}
		for i = 1, 16 do terms[i] = ("args.file.own.numbers2[%d] ~= arg%d"):format(i % 4, i % 6) end
		for i = 1, 12 do captures["c" .. i] = ("args.file.inode.ino + arg%d * %d"):format(i % 6, i) end
		local where = table.concat(terms, " and "):gsub("own%.numbers2", "numbers")
		assert.truthy(#compile({ where = where, capture = captures, by = { "comm", "arg0" }, sum = "arg1" },
			scope.kprobe()).steps < 128)
	end)
end)

describe("paths", function()
	-- A file at 0x1000, whose inode lies at 0x2000.
	local inode = ("<I8z"):pack(77, "core") .. "\0\0\0" .. ("<I4"):pack(5 | 6 << 4 | 0x80001 << 8) .. ("x"):rep(16)
	local world = {
		registers = { ARG0 = 0x1000, ARG1 = 0xdead0000fffffffe, ARG2 = -1, ARG3 = 0xffff8000, ARG4 = 0xffffffff00000040, ARG5 = -1,
			SP = 0x3000 },
		memory = {
			[0x1000] = ("<I8"):pack(0x2000) .. inode .. ("<i2i2i2i2I4I8I8I4I1"):pack(1, -2, 3, -4, 0, 0x2008, 0, 64, 1),
			[0x2000] = inode, [0x3000] = ("<i8i8"):pack(1, -7),
		},
	}

	it("add through structs, and read through pointers", function()
		for text, expected in pairs {
			["args.file.inode.ino"] = 77, ["args->file->inode->ino"] = 77, ["args.file.own.ino"] = 77, ["args.file.numbers[1]"] = -2,
			["args.file.numbers[args.file.own.mode - 2]"] = -4, ["args.file.own.mode"] = 5, ["args.file.own.kind"] = 6,
			["args.file.own.depth"] = -524287, ["args.file.own.name"] = "core", ["args.file.path"] = "core",
			["args.file[0].inode[0].ino"] = 77, ["args.file.own.name[1]"] = ("o"):byte(), ["args.file.state"] = 64,
			["args.fd"] = -2, ["args.size"] = -1, ["args.mode"] = 0x8000, ["args.state"] = 64, ["args.count"] = 0xffffffff,
			["args.seventh"] = -7, ["args.file"] = 0x1000, ["(args.file).inode.ino"] = 77, ["args.file + 8"] = 0x1008,
			["str(args.file.own.name, 2)"] = "co", ["args.file.own.address.bytes[15]"] = ("x"):byte(),
			["bytes(args.file.own.name, 3)"] = "cor", ["ntop(args.file.own.address)"] = ("x"):rep(16),
			["bswap(args.mode)"] = 0x80, ["bswap(args.fd)"] = 0xfeffffff, ["bswap(u16(0x1234))"] = 0x3412,
			["bswap(u64[args.file.inode])"] = 77 << 56, ["bswap(bswap(args.file.own.ino))"] = 77,
			["args.file.data"] = 0, ["args.file.is_open"] = 1, ["args.file.path[2]"] = ("r"):byte(),
		} do
			assert.equal(expected, run(compile({ capture = { x = text } }, scope.kprobe()), world).x, text)
		end
	end)

	it("know texts, enumerations and bools by their types", function()
		for where, expected in pairs {
			["args.file.own.name == 'core'"] = true, ["args.file.path == 'core'"] = true, ["args.file.path like 'co*'"] = true,
			["'core' ~= args.file.path"] = false, ["args.file.own.name in {'a', 'core'}"] = true, ["args.state == DEAD"] = true,
			["DEAD == args.state"] = true, ["args.state ~= RUNNING"] = true, ["args.state in {RUNNING, DEAD}"] = true,
			["args.state not in {RUNNING, 64}"] = false, ["args.file.is_open == true"] = true, ["args.file.is_open == false"] = false,
			["args.size == 0xffffffffffffffff"] = true, ["args.size > 5"] = true, ["args.fd < 0"] = true,
			["args.file.own.name == 'corecore'"] = false,
		} do
			local plan = compile({ where = where }, scope.kprobe())
			assert.equal(expected, machine.new(world):run(plan, 0), where)
		end
	end)

	it("know numbers that have names everywhere", function()
		for where, expected in pairs {
			["errno(args.fd) == ENOENT"] = true, ["errno(args.fd) in {EPERM, EACCES}"] = false, ["signal(arg2 + 10) == SIGKILL"] = true,
			["SIGHUP == signal(arg2 + 10)"] = false, ["syscall(arg2 + 2) == write"] = true, ["syscall(arg2 + 2) in {read}"] = false,
		} do
			local plan = compile({ where = where }, scope.kprobe())
			assert.equal(expected, machine.new(world):run(plan, 0), where)
		end
		local plan <const> = compile({ capture = { a = "errno(args.fd)", b = "syscall(arg2)" } }, scope.kprobe())
		assert.same({ "enum", "enum" }, { plan.cells[1].kind, plan.cells[2].kind })
		assert.same({ -2, 0 }, { plan.cells[1].values.ENOENT, plan.cells[2].values.read })
	end)

	it("read what a hook's context has", function()
		local context = ("<I8c16i4c4I2I2I4I8I8z"):pack(0, "cat", -5, "\127\0\0\1", 56, 6, 0, 1 << 40 | 0x80000000, 9, "/tmp")
		local hit = { context = 0x9000, memory = { [0x9000] = context } }
		local plan = compile({ capture = {
			comm2 = "args.prev_comm", pid2 = "args.prev_pid", address = "ntop(args.address)", file = "args.filename",
			flags = "args.flags", delta = "args.delta + 1", third = "args.address[3]",
		} }, scope.tracepoint())
		assert.same({
			comm2 = "cat", pid2 = -5, address = "\127\0\0\1", file = "/tmp", flags = -0x80000000, delta = 10, third = 1,
		}, run(plan, hit))
		assert.same({ op = "CONTEXT", to = 0, value = 24, width = 4, signed = true },
			compile({ capture = { x = "args.prev_pid" } }, scope.tracepoint()).steps[1])
		assert.is_true(machine.new(hit):run(compile({ where = "args.filename == '/tmp'" }, scope.tracepoint()), 0))
		assert.equal(9, run(compile({ capture = { x = "reg.ax" } }), { context = 0x9000 - 32, memory = { [0x9000] = context } }).x)
	end)

	it("are addresses of the network where their types say so, and bytes among all arguments", function()
		local at = scope.tracepoint()
		local four, load = at.args[3], at.args[3].load
		at.args = {
			four, { name = "from", load = load, type = { kind = "array", count = 4, element = four.type.element, address = true } },
			{ name = "words", load = load, type = { kind = "array", count = 2, element = function() return scope.TYPES.u16 end } },
		}
		local hit = { context = 0x9000, memory = { [0x9000] = ("<I8c16i4c4"):pack(0, "", 0, "\127\0\0\1") } }
		local plan = compile({ capture = { "args" } }, at)
		assert.same({ address = "\127\0\0\1", from = "\127\0\0\1" }, run(plan, hit))
		assert.same({ "bytes", "ntop" }, { plan.cells[1].kind, plan.cells[2].kind })
		assert.equal("ntop", compile({ capture = { x = "args.from" } }, at).cells[1].kind)
	end)

	it("go through the task", function()
		local memory = { [0x5000] = ("<i4c16I4I8"):pack(5, "child", 0, 0x6000), [0x6000] = ("<i4c16I4I8"):pack(1, "init", 0, 0) }
		local plan = compile({ where = "task.parent.comm == 'init'", capture = { x = "task.parent.pid", y = "task->comm" } },
			scope.kprobe())
		assert.same({ x = 1, y = "child" }, run(plan, { builtins = { TASK = 0x5000 }, memory = memory }))
		assert.same({ { name = "x", kind = "integer", storage = "integer" }, { name = "y", kind = "string", storage = "string" } },
			plan.cells)
	end)

	it("go through the type that an address is cast to", function()
		local memory = { [0x5000] = ("<i4c16I4I8"):pack(5, "child", 0, 0x6000), [0x6000] = ("<i4c16I4I8"):pack(1, "init", 0, 0),
			[0x7000] = ("<I8I8"):pack(0x5000, 0x6000) }
		local hit = { registers = { ARG0 = 0x5000, ARG1 = 0x7000 }, memory = memory }
		for text, value in pairs {
			["((struct task_struct *)arg0).parent.pid"] = 1, ["((struct task_struct*)arg0)->comm"] = "child",
			["( ( const  struct task_struct * ) (arg0) )->pid + 1"] = 6, ["((struct task_struct *)arg0)[0].pid"] = 5,
			["((struct task_struct **)arg1)[1].comm"] = "init", ["(struct task_struct *)arg0"] = 0x5000,
			["((struct task_struct *)((struct task_struct *)arg0)->parent)->comm"] = "init",
			["((struct task_struct *)-(-arg0)).pid"] = 5,
		} do
			assert.equal(value, run(compile({ capture = { x = text } }, scope.kprobe()), hit).x, text)
		end
		local plan = compile({ where = "((struct task_struct *)arg0).comm like 'ch*'" }, scope.kprobe())
		assert.is_true(machine.new(hit):run(plan, plan.start))
		assert.equal("pointer", compile({ capture = { x = "(struct task_struct *)arg0" } }, scope.kprobe()).cells[1].kind)
	end)

	it("go through a program's types where one is cast to at its functions", function()
		local plan = compile({ capture = { x = "((struct task_struct *)arg0).pid" } },
			scope.uprobe { file = { dwarf = scope.source }, kernel = function() error "the kernel's types are not asked for" end })
		assert.equal(5, run(plan, { registers = { ARG0 = 0x5000 }, memory = { [0x5000] = ("<i4"):pack(5) } }).x)
	end)
end)

describe("capture", function()
	it("says how each cell is shown", function()
		local plan = compile({ capture = {
			a = "args.file", b = "args.size", c = "args.state", d = "args.file.is_open", e = "kstack", f = "ustack", g = "ksym(ip)",
			h = "usym(arg0)", i = "ntop(arg0, 4)", j = "cookie", k = "bytes(arg0, 4)", l = "elapsed", m = "time",
			n = "arg0", o = "arg0 + 1",
		}, epoch = 100 }, scope.kprobe())
		local kinds = {}
		for i, cell in ipairs(plan.cells) do kinds[i] = cell.name .. " " .. cell.kind .. " " .. cell.storage end
		assert.same({
			"a pointer integer", "b unsigned integer", "c enum integer", "d bool integer", "e kstack bytes", "f ustack bytes",
			"g ksym integer", "h usym integer", "i ntop bytes", "j cookie integer", "k bytes bytes", "l integer integer",
			"m integer integer", "n untyped integer", "o integer integer",
		}, kinds)
		assert.same(scope.TYPES.state.values, plan.cells[3].values)
		assert.is_true(plan.cells[12].time)
		assert.is_true(plan.kstack and plan.ustack and plan.event)
		assert.is_false(plan.stack_keys)
		assert.same({ kind = "KSTACK" }, plan.outputs[5])
	end)

	it("is a list too, named by its text", function()
		local plan = compile { capture = { " arg0 + 1 ", "arg1" } }
		assert.same({ "arg0 + 1", "arg1" }, { plan.cells[1].name, plan.cells[2].name })
		assert.same({ ["arg0 + 1"] = 2, arg1 = 2 }, run(plan, { registers = { ARG0 = 1, ARG1 = 2 } }))
	end)

	it("is empty where there is nothing else to do", function()
		local plan = compile {}
		assert.is_true(plan.event)
		assert.is_false(plan.row)
		assert.same({}, plan.outputs)
		plan = compile { count = true }
		assert.is_false(plan.event)
		plan = compile { count = true, capture = {} }
		assert.is_true(plan.event and plan.row)
	end)

	it("counts elapsed time from the rule's epoch", function()
		assert.equal(900, run(compile { capture = { x = "elapsed" }, epoch = 100 }, { builtins = { TIME = 1000 } }).x)
	end)
end)

describe("tables", function()
	it("have a row for each symbol where there are several sites", function()
		local plan = compile({ count = true }, scope.uprobe { site_count = 2 })
		assert.same({ { kind = "SITE" } }, plan.by)
		assert.same({ keys = { { name = "symbol", kind = "symbol" } }, values = { { name = "count", op = "COUNT" } } }, plan.columns)
		assert.same({ 1, true, true }, { plan.key_words, plan.small, plan.row })
		assert.same({}, compile({ count = true }).by)
		assert.same({}, compile({ count = true, by = {} }, scope.uprobe { site_count = 2 }).by)
	end)

	it("have keys of every kind", function()
		local plan = compile({ count = true, by = { "comm", "args.state", who = "uid" } }, scope.kprobe())
		assert.same({
			{ name = "comm", kind = "comm" }, { name = "args.state", kind = "enum", values = scope.TYPES.state.values },
			{ name = "who", kind = "integer" },
		}, plan.columns.keys)
		assert.same({ "COMM", "SLOT", "SLOT" }, { plan.by[1].kind, plan.by[2].kind, plan.by[3].kind })
		assert.same({ 4, false }, { plan.key_words, plan.small })
		plan = compile({ count = true, by = { "kstack", "args.file.path", "cookie" } }, scope.kprobe())
		assert.same({ { kind = "KSTACK" }, { kind = "STRING", slot = plan.by[2].slot }, { kind = "SLOT", slot = plan.by[3].slot } },
			plan.by)
		assert.same({ 10, false, true, true, false }, { plan.key_words, plan.small, plan.kstack, plan.stack_keys, plan.ustack })
		assert.equal("cookie", plan.columns.keys[3].kind)
		plan = compile { count = true, by = "ustack" }
		assert.same({ { name = "ustack", kind = "ustack" } }, plan.columns.keys)
		assert.same({ true, true }, { plan.small, plan.stack_keys })
	end)

	it("share what a sum and an average add", function()
		local plan = compile { sum = "arg0", avg = "arg0", min = "arg0", max = { high = "arg1", higher = "u64(arg1)" } }
		assert.same({
			{ op = "SUM", slot = 0, cell = 0 }, { op = "MIN", slot = 0, cell = 1 }, { op = "MAX", slot = 1, cell = 2 },
			{ op = "MAX", slot = 2, cell = 3 },
		}, plan.aggregate)
		assert.same({
			{ name = "sum", op = "SUM", cell = 0 }, { name = "avg", op = "AVG", cell = 0 }, { name = "min", op = "MIN", cell = 1 },
			{ name = "high", op = "MAX", cell = 2 }, { name = "higher", op = "MAX", cell = 3, kind = "unsigned" },
		}, plan.columns.values)
		assert.same({ 0, 0, math.maxinteger, math.mininteger, math.mininteger, 0, 0, 0 }, plan.identity)
		assert.is_true(plan.row)
	end)

	it("have histograms of their own", function()
		local plan = compile({ hist = { a = "latency", b = "arg0" }, lhist = { "arg0", 0, 100, 10 } }, scope.uprobe { pair = "call" })
		assert.same({
			{ name = "a", op = "HIST", aggregate = 0, time = true }, { name = "b", op = "HIST", aggregate = 1 },
			{ name = "lhist", op = "LHIST", aggregate = 2, min = 0, max = 100, step = 10 },
		}, plan.columns.values)
		assert.same({ op = "LHIST", slot = plan.aggregate[3].slot, min = 0, max = 100, step = 10 }, plan.aggregate[3])
		assert.same({ false, false }, { plan.row, plan.event })
		plan = compile { lhist = { x = { "arg0", -10, 10, 1 } }, count = true }
		assert.same({ name = "x", op = "LHIST", aggregate = 0, min = -10, max = 10, step = 1 }, plan.columns.values[2])
		assert.is_true(plan.row)
	end)

	it("pass on sample and limit", function()
		local plan = compile { sample = 10, limit = 100 }
		assert.same({ 10, 100 }, { plan.sample, plan.limit })
	end)
end)

describe("calls", function()
	-- Runs both ends; nil: it was refused at the beginning.
	local function call(rule, at, entry, exit)
		local plan = compile(rule, at)
		local first = machine.new(entry)
		if not first:run(plan, plan.open_start) then return nil, plan end
		local last = machine.new(exit)
		last:restore(plan, first:keep(plan))
		return last:run(plan, plan.start) and last:event(plan), plan
	end

	it("decide at the beginning what is known there", function()
		local at = scope.uprobe { pair = "call" }
		local rule = { where = "arg0 > 5 and latency > 1ms and comm == 'a' and retval ~= 0" }
		local entry = { registers = { ARG0 = 6 }, comm = "a" }
		local exit = { registers = { ARG0 = 6, RETVAL = 1 }, builtins = { LATENCY = 2000000 } }
		local event, plan = call(rule, at, entry, exit)
		assert.same({ retval = 1, latency = 2000000 }, event)
		assert.is_true(plan.call)
		assert.same({}, plan.saved)
		assert.is_nil(call(rule, at, { registers = { ARG0 = 5 }, comm = "a" }, exit))
		assert.is_nil(call(rule, at, { registers = { ARG0 = 6 }, comm = "b" }, exit))
		assert.is_false(call(rule, at, entry, { registers = { ARG0 = 6, RETVAL = 0 }, builtins = { LATENCY = 2000000 } }))
		-- An `or` with what is known later is decided later.
		rule = { where = "arg0 > 5 or retval == 1" }
		assert.same({ retval = 1, latency = 2 },
			call(rule, at, {}, { registers = { ARG0 = 0, RETVAL = 1 }, builtins = { LATENCY = 2 } }))
	end)

	it("read memory at the return, unless entry is written", function()
		local at = scope.kprobe { pair = "call" }
		local entry = { registers = { ARG0 = 0x100, ARG1 = 0x200 }, memory = { [0x100] = "before\0", [0x200] = "\1" } }
		local exit = {
			registers = { ARG0 = 0x100, ARG1 = 0x200, RETVAL = 3 }, memory = { [0x100] = "after\0", [0x200] = "\2" },
			builtins = { LATENCY = 9 },
		}
		local event, plan = call({
			where = "entry(u8[arg1]) ~= u8[arg1] and entry(str(arg0)) like 'bef*'",
			capture = { a = "str(arg0)", b = "entry(str(arg0))", c = "u8[arg1]", d = "entry(u8[arg1]) + 10", e = "entry(arg1)",
				f = "entry(str(arg0, 3))" },
		}, at, entry, exit)
		assert.same({ a = "after", b = "before", c = 2, d = 11, e = 0x200, f = "bef", retval = 3, latency = 9 }, event)
		assert.same({ { "SLOT" }, { "STRING", 251 }, { "STRING", 3 } },
			{ { plan.saved[1].kind }, { plan.saved[2].kind, plan.saved[2].size }, { plan.saved[3].kind, plan.saved[3].size } })
		-- The second scalar could not be read.
		event = call({ capture = { a = "entry(u8[arg1])", b = "entry(u8[arg2])" } }, at,
			{ registers = { ARG1 = 0x200, ARG2 = 0 }, memory = entry.memory }, exit)
		assert.same({ a = 1, b = false, retval = 3, latency = 9 }, event)
	end)

	it("keep arguments that lie elsewhere than in registers", function()
		local at = scope.syscall { pair = "call" }
		local entry = { context = 0x10, memory = { [0x20] = ("<i8I8"):pack(5, 0x500) } }
		local exit = { context = 0x10, memory = { [0x20] = ("<i8"):pack(-2), [0x500] = "data\0" }, builtins = { LATENCY = 4 } }
		local event, plan = call({ where = "args.fd > 2 and retval < 0", capture = { fd = "args.fd", data = "str(args.buf)" } }, at,
			entry, exit)
		assert.same({ fd = 5, data = "data", retval = -2, latency = 4 }, event)
		assert.equal(2, #plan.saved)
		entry.memory[0x20] = ("<i8I8"):pack(2, 0x500)
		assert.is_nil(call({ where = "args.fd > 2" }, at, entry, exit))
		event = call({ capture = { x = "arg0", y = "entry(args.fd)" } }, at, entry, exit)
		assert.same({ x = 2, y = 2, retval = -2, latency = 4 }, event)
		-- On the stack of a kernel function too.
		event = call({ capture = { x = "args.seventh" } }, scope.kprobe { pair = "call" },
			{ registers = { SP = 0x100 }, memory = { [0x100] = ("<i8i8"):pack(0, 7) } },
			{ registers = { SP = 0x108, RETVAL = 0 }, builtins = { LATENCY = 1 } })
		assert.same({ x = 7, retval = 0, latency = 1 }, event)
	end)

	it("take arguments from the one context of fentry and fexit", function()
		local at = scope.syscall { pair = "call", hook = "fentry" }
		local plan = compile({ where = "args.fd == 5", capture = { fd = "args.fd" } }, at)
		assert.same({}, plan.saved)
	end)

	it("have kept texts as keys", function()
		local plan = compile({
			count = true, by = { file = "entry(str(arg2))", size = "entry(u32[arg1])" }, capture = { "entry(str(arg0))" },
			where = "arg0 ~= 0",
		}, scope.uprobe { pair = "call" })
		assert.same({ { kind = "SAVED_STRING", slot = 1 }, { kind = "SLOT", slot = 0 } }, plan.by)
		assert.same({ "SLOT", "STRING", "STRING" }, { plan.saved[1].kind, plan.saved[2].kind, plan.saved[3].kind })
		assert.same({ 64, 190 }, { plan.saved[2].size, plan.saved[3].size })
		assert.same({ kind = "SAVED", slot = 2 }, plan.outputs[1])
	end)
end)

describe("spans", function()
	local from = compile({
		where = "arg0 > 5", key = { "arg1", "pid" },
		capture = { size = "u32[arg0]", name = "str(arg2)", ["from_state"] = "arg3" },
	}, scope.uprobe { pair = "from" })
	local memory = { [0x100] = ("<I4"):pack(42), [0x200] = "first\0" }

	it("keep at the beginning what is captured there", function()
		assert.same({ "SLOT", "SLOT", "STRING" }, { from.saved[1].kind, from.saved[2].kind, from.saved[3].kind })
		local one = machine.new {
			registers = { ARG0 = 0x100, ARG1 = 7, ARG2 = 0x200, ARG3 = 3 }, builtins = { PID = 9 }, memory = memory,
		}
		assert.is_true(one:run(from, from.open_start))
		assert.same({ 7, 9 }, { one:slot(from.key_slots[1]), one:slot(from.key_slots[2]) })
		assert.same({ 3, 42, "first" }, one:keep(from))
		-- The key's steps stand alone, too.
		local again = machine.new { registers = { ARG1 = 7 }, builtins = { PID = 9 } }
		assert.is_true(again:run(from, from.key_start))
		assert.same({ 7, 9 }, { again:slot(from.key_slots[1]), again:slot(from.key_slots[2]) })
		assert.is_false(machine.new({ registers = { ARG0 = 5 } }):run(from, from.open_start))
	end)

	it("have it by name at the end", function()
		local to = compile({
			key = { "u64[arg0]", "pid" }, where = "size > 40 and latency > 10", by = { "name", "from_state" }, hist = "latency",
			capture = { twice = "size * 2", who = "name" },
		}, scope.uprobe { pair = "to", from = from })
		local one = machine.new {
			registers = { ARG0 = 0x100 }, builtins = { PID = 9, LATENCY = 50 }, memory = { [0x100] = ("<I8"):pack(7) },
		}
		assert.is_true(one:run(to, to.key_start))
		assert.same({ 7, 9 }, { one:slot(to.key_slots[1]), one:slot(to.key_slots[2]) })
		one:restore(to, { 3, 42, "first" })
		assert.is_true(one:run(to, to.start))
		assert.same({ twice = 84, who = "first", latency = 50 }, one:event(to))
		assert.same({ { kind = "SAVED_STRING", slot = 2 }, { kind = "SLOT", slot = 0 } }, to.by)
		assert.same(from.saved, to.saved)
		assert.is_false(to.call)
		-- A key that cannot be read is none.
		assert.is_false(machine.new({ registers = { ARG0 = 1 } }):run(to, to.key_start))
	end)

	it("with one key use it twice", function()
		local plan = compile({ key = "arg0", where = "arg0 > 5" }, scope.uprobe { pair = "from" })
		assert.equal(plan.key_slots[1], plan.key_slots[2])
		for _, start in ipairs { plan.open_start, plan.key_start } do
			local one = machine.new { registers = { ARG0 = 6 } }
			assert.is_true(one:run(plan, start))
			assert.equal(6, one:slot(plan.key_slots[1]))
		end
	end)
end)

describe("names", function()
	it("are what may be written", function()
		local names = table.concat(expression.names(scope.tracepoint()), " ")
		assert.equal("args.address args.delta args.filename args.flags args.prev_comm args.prev_pid cgroup comm cookie cpu elapsed gid "
			.. "kstack nsecs pid symbol task tid time uid ustack str( bytes( entry( ksym( usym( ntop( bswap( errno( signal( syscall( "
			.. "disk( u8( u16( u32( u64( s8( s16( s32( s64(", names)
		names = table.concat(expression.names(scope.uprobe { pair = "call" }), " ")
		for _, word in ipairs { "retval", "latency", "arg5", "reg.ax", "sp" } do
			assert.truthy((" " .. names .. " "):find(" " .. word .. " ", 1, true), word)
		end
	end)
end)
