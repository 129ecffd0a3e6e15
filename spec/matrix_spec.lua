-- Every operator on every type at every kind of hook: what the tracer counts is what the victim's own C counts.
--
-- One probe for a hook and a type; its rule is changed live from condition to condition.
local binaries = require "crumb.binaries"
local core = require "crumb.core"
local cookies = require "support.cookies"
local crumb = require "crumb"
local features = require "crumb.bpf.features"
local lab = require "support.lab"
local Typed = require "support.typed"

local _ <const>, _ <const>, MACHINE <const> = core.versions()
local ARM <const> = MACHINE == "aarch64"

-- V is the value, A and B are operands. First what the victim calls the operation.
local CONDITIONS <const> = {
	{ "eq", "V == A" }, { "eq", "A == V" }, { "ne", "V ~= A" }, { "ne", "not (V == A)" }, { "ne", "V != A" },
	{ "lt", "V < A" }, { "lt", "A > V" }, { "lt", "not (V >= A)" }, { "le", "V <= A" }, { "le", "not (A < V)" },
	{ "gt", "V > A" }, { "gt", "A < V" }, { "ge", "V >= A" }, { "ge", "not (V < A)" },
	{ "in", "V in {A, B}" }, { "in", "V in {B, B, A, A, B}" }, { "in", "V == A or V == B" }, { "in", "not (V not in {A, B})" },
	{ "both", "V > A and V < B" }, { "both", "V > A && not (V >= B)" },
	{ "either", "V < A or V > B" }, { "either", "not (V >= A and V <= B)" },
	{ "neither", "not (V < A or V == B)" }, { "neither", "!(V < A || V == B)" },
	{ "nested", "(V >= A and not (V == B)) or (not (V > A) and V < B)" },
}
-- What is computed, and operands that it takes; it holds where the result is greater than B.
local CALCULATIONS <const> = {
	{ "add", "V + A", { 1, -1, 32767 } }, { "add", "A + V", { -3, 1 << 40 } }, { "sub", "V - A", { 1, -1, 255 } },
	{ "mul", "V * A", { 0, 3, -1 } }, { "div", "V / A", { 1, 7, -3 } }, { "mod", "V % A", { 1, 7, -3 } },
	{ "and", "V & A", { 0xff, -2, 0 } }, { "or", "V | A", { 1, 0x100 } }, { "xor", "V ~ A", { -1, 0x55 } },
	{ "shl", "V << A", { 0, 1, 56, 63 } }, { "shr", "V >> A", { 0, 1, 7, 63 } },
	{ "negated", "-V", { 0 } }, { "inverted", "~V", { 0 } },
}
local THRESHOLDS <const> = { -1, 0, 5, 126 }
local SET_SIZE <const> = 10000
-- All hooks and types together take each rule, each of them every so many.
local EVERY <const> = lab.slow and 7 or 2

local INTEGERS <const> = { "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64" }
local ALL <const> = { "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "truth", "color", "below", "pointer" }

-- The system call that a value goes into: its name, the argument's name and number, the call's number.
local SYSCALLS <const> = {
	u16 = { "mkdirat", "mode", 3, ARM and 34 or 258 }, s32 = { "prctl", "option", 1, ARM and 167 or 157 },
	u32 = { "ioctl", "cmd", 2, ARM and 29 or 16 }, s64 = { "lseek", "offset", 2, ARM and 62 or 8 },
	u64 = { "ioctl", "arg", 3, ARM and 29 or 16 },
}
local REGISTERS <const> = ARM and { "regs[0]", "regs[1]", "regs[2]" } or { "di", "si", "dx" }
-- The kernel function that it comes to, as it is.
local FUNCTIONS <const> = {
	s32 = { "security_task_prctl", "option" }, u32 = { "security_file_ioctl", "cmd" },
	s64 = { "null_lseek", "offset" }, u64 = { "security_file_ioctl", "arg" },
}

local function of_user(words) return function(type) return words:format(Typed.PATH, type) end end
local function plain(value) return function() return value end end
local function of_syscall(words) return function(type) return words:format(SYSCALLS[type][1]) end end
local function syscall_value(type) return "args." .. SYSCALLS[type][2] end
local function of_function(words) return function(type) return words:format(FUNCTIONS[type][1]) end end
local function function_value(type) return "args." .. FUNCTIONS[type][2] end

-- The stripped file has the same function at the same place, and no name for it.
local function stripped(type)
	local elf <close> = assert(binaries.elf(Typed.PATH))
	return ("uprobe:%s:0x%x"):format(Typed.STRIPPED, assert(elf:find("take_" .. type))[1].offset)
end

local KERNEL_TYPES <const> = { "u16", "s32", "u32", "s64", "u64" }
local FUNCTION_TYPES <const> = { "s32", "u32", "s64", "u64" }

-- `of`: the hook that the kernel must have; `alone`: without the one that takes many sites at once; `exact`: nobody
-- else hits the place; `guard`: what tells the victim's hits of this type from its others.
local HOOKS <const> = {
	{ "uprobe.multi", of = "uprobe.multi", types = ALL, target = of_user "uprobe:%s:take_%s", value = plain "args.value",
		exact = true },
	{ "uprobe", of = "uprobe", alone = true, types = ALL, target = of_user "uprobe:%s:take_%s", value = plain "args.value",
		exact = true },
	{ "uprobe of a stripped file", of = "uprobe", types = INTEGERS, target = stripped,
		value = function(type) return type .. "(arg0)" end, exact = true, path = Typed.STRIPPED },
	{ "uretprobe", of = "uretprobe", types = ALL, target = of_user "uretprobe:%s:take_%s", value = plain "retval", exact = true },
	{ "uprobe with returns, its retval", of = "uretprobe", types = ALL, target = of_user "uprobe:%s:take_%s", returns = true,
		value = plain "retval", exact = true },
	{ "uprobe with returns, its argument", of = "uretprobe", alone = true, types = ALL, target = of_user "uprobe:%s:take_%s",
		returns = true, value = plain "args.value", exact = true },
	{ "usdt", of = "usdt", types = INTEGERS, target = of_user "usdt:%s:typed:%s", value = plain "args.arg0", exact = true },
	{ "tracepoint", of = "tracepoint", types = KERNEL_TYPES, target = of_syscall "tracepoint:syscalls:sys_enter_%s",
		value = syscall_value },
	{ "syscall", of = "tracepoint", types = KERNEL_TYPES, target = of_syscall "syscall:%s", value = syscall_value },
	{ "syscall with returns", of = "tracepoint", types = KERNEL_TYPES, target = of_syscall "syscall:%s", returns = true,
		value = syscall_value },
	{ "rawtracepoint", of = "rawtracepoint", cookie = true, types = KERNEL_TYPES, target = plain "rawtracepoint:sys_enter",
		value = function(type) return ("%s(args.regs.%s)"):format(type, REGISTERS[SYSCALLS[type][3]]) end,
		guard = function(type) return ("args.id == %d"):format(SYSCALLS[type][4]) end },
	{ "kprobe.multi", of = "kprobe.multi", types = FUNCTION_TYPES, target = of_function "kprobe:%s", value = function_value },
	{ "kprobe", of = "kprobe", alone = true, types = FUNCTION_TYPES, target = of_function "kprobe:%s", value = function_value },
	{ "kprobe with returns", of = "kretprobe", types = FUNCTION_TYPES, target = of_function "kprobe:%s", returns = true,
		value = function_value },
	{ "fentry", of = "fentry", types = FUNCTION_TYPES, target = of_function "fentry:%s", value = function_value },
	{ "fexit", of = "fexit", types = FUNCTION_TYPES, target = of_function "fexit:%s", value = function_value },
	{ "fentry with returns", of = "fexit", types = FUNCTION_TYPES, target = of_function "fentry:%s", returns = true,
		value = function_value },
}

-- A number as it is written in an expression.
local function literal(value)
	return value == math.mininteger and "0x8000000000000000" or ("%d"):format(value)
end

local function written(template, words)
	return (template:gsub("%f[%w][VAB]%f[%W]", words))
end

-- Every rule for a type: { operation, a, b, where, result, params }.
local function rules_of(value, values)
	local rules <const> = {}
	local function add(operation, a, b, template, result)
		local by_name <const> = #rules % 2 == 1
		local words <const> = { V = value, A = by_name and "$a" or literal(a), B = by_name and "$b" or literal(b) }
		rules[#rules + 1] = {
			operation = operation, a = a, b = b, where = written(template, words),
			result = written(result or "V", words), params = { a = a, b = b },
		}
	end
	for _, row in ipairs(CONDITIONS) do
		for i, a in ipairs(values) do
			if lab.slow and i % 3 > 0 then goto continue end
			add(row[1], a, values[(i + 1) % #values + 1], row[2])
			::continue::
		end
	end
	for _, row in ipairs(CALCULATIONS) do
		for i, a in ipairs(row[3]) do
			add(row[1], a, THRESHOLDS[(#rules + i) % #THRESHOLDS + 1], "(" .. row[2] .. ") > B", row[2])
		end
	end
	return rules
end

-- A set of as many values as one may have, around a value.
local function large_set(value, middle)
	local set <const> = {}
	for at = 1, SET_SIZE do set[at] = middle - SET_SIZE // 2 + at end
	return {
		operation = "range", a = set[1], b = set[SET_SIZE], where = value .. " in $set", result = value, params = { set = set },
	}
end

-- The row there is so far, of a count and a sum.
local function row_of(probe)
	return assert(probe:read())[1] or { count = 0, sum = 0 }
end

-- One rule, made to hold, and what the victim counts of it.
local function check(probe, victim, hook, type, rule)
	local where <const> = hook.guard and ("%s and (%s)"):format(hook.guard(type), rule.where) or rule.where
	assert(probe:set { where = where, params = rule.params, sum = ("s64(%s)"):format(rule.result) })
	local before <const>, row <const> = probe:stats(), row_of(probe)
	local said <const> = victim:call(type, rule.operation, rule.a, rule.b)
	local after <const>, later <const> = probe:stats(), row_of(probe)
	local told <const> = ("%s of %s [a = %d, b = %d]"):format(where, type, rule.a, rule.b)
	assert.equal(said.held, after.aggregated - before.aggregated, told)
	assert.equal(said.held, later.count - row.count, told)
	assert.equal(said.sum, later.sum - row.sum, told)
	local filtered <const> = after.filtered - before.filtered
	if hook.exact then
		assert.equal(said.calls, after.hits - before.hits, told)
		assert.equal(said.calls - said.held, filtered, told)
	else
		assert.is_true(filtered >= said.calls - said.held, told)
	end
end

-- The value itself, as events, keys and the least and greatest of a row have it.
local function check_outlets(probe, victim, hook, type)
	local value <const>, shown <const> = hook.value(type), {}
	for i, one in ipairs(victim.values[type]) do shown[i] = Typed.shown(type, one) end
	local guard <const> = hook.guard and hook.guard(type) or false
	assert(probe:set { where = guard, params = false, count = false, sum = false, by = false, capture = { x = value } })
	victim:call(type)
	local seen <const> = {}
	for event in probe:events { idle = 0 } do seen[#seen + 1] = event.x end
	assert.same(shown, seen)
	assert(probe:set { capture = false, count = true, by = { x = value } })
	victim:call(type)
	local rows <const> = {}
	for _, row in ipairs(probe:read()) do rows[row.x] = row.count end
	for _, one in ipairs(shown) do
		assert.equal(1, rows[one], type)
		rows[one] = nil
	end
	assert.is_nil(next(rows))
	assert(probe:set { by = {}, min = value, max = value, sum = value, avg = value })
	local said <const> = victim:call(type)
	local row <const> = probe:read()[1]
	assert.same({ said.held, said.least, said.greatest, said.sum }, { row.count, row.min, row.max, row.sum })
end

local available <const> = features.hook

-- From here on each site takes a link of its own.
local function without_multi()
	function features.hook(name)
		if name:find "%.multi$" then return { available = false, why = "the spec wants it so" } end
		return available(name)
	end
end

for number, hook in ipairs(HOOKS) do
	describe("at a " .. hook[1], function()
		local missing, victim, trace

		setup(function()
			missing = cookies.missing(hook.of, hook.cookie and "cookie")
			if missing then return end
			if hook.alone then without_multi() end
			victim = Typed.start(hook.path)
			trace = assert(crumb.trace { pid = victim.pid })
		end)

		teardown(function()
			features.hook = available
			if trace then trace:close() end
			if victim then victim:stop() end
		end)

		for at, type in ipairs(hook.types) do
			it("every operator on " .. type, function()
				if missing then return pending(missing) end
				local value <const> = hook.value(type)
				local probe <close> = assert(trace:probe {
					hook.target(type), returns = hook.returns, cookie = -1, count = true, sum = ("s64(%s)"):format(value), by = {},
				})
				assert.equal(hook.alone, probe.mechanism:find("the spec wants it so", 1, true) and true)
				local values <const> = victim.values[type]
				for i, rule in ipairs(rules_of(value, values)) do
					if (i + number + at) % EVERY == 0 then check(probe, victim, hook, type, rule) end
				end
				check(probe, victim, hook, type, large_set(value, values[(number + at) % #values + 1]))
				check_outlets(probe, victim, hook, type)
				local stats <const> = probe:stats()
				assert.equal(0, stats.lost + stats.sampled_out + stats.limited + stats.pending + stats.unreturned)
				assert.equal(stats.hits, stats.filtered + stats.aggregated + stats.sent)
				assert.equal(#victim.values[type], stats.sent)
			end)
		end
	end)
end

describe("structs, strings and memory", function()
	local ROADS <const> = {
		{ "uprobe.multi", of = "uprobe.multi" }, { "uprobe.multi with returns", of = "uprobe.multi", returns = true },
		{ "uprobe", of = "uprobe", alone = true }, { "uprobe with returns", of = "uretprobe", alone = true, returns = true },
	}
	for _, road in ipairs(ROADS) do
		it("are what C reads there, at a " .. road[1], function()
			if cookies.missing(road.of) then return pending(cookies.missing(road.of)) end
			local victim <close> = Typed.start()
			local trace <close> = assert(crumb.trace { pid = victim.pid })
			if road.alone then without_multi() end
			finally(function() features.hook = available end)
			local probe <close> = assert(trace:probe {
				"uprobe:" .. Typed.PATH .. ":take_object", cookie = 42, returns = road.returns, count = true,
				sum = "args.index", by = {},
			})
			for number, expression in ipairs(victim.expressions) do
				assert(probe:set { where = expression })
				local before <const>, row <const> = probe:stats(), row_of(probe)
				local said <const> = victim:call("expression", "any", number - 1)
				local after <const>, later <const> = probe:stats(), row_of(probe)
				assert.equal(said.held, later.count - row.count, expression)
				assert.equal(said.sum, later.sum - row.sum, expression)
				assert.equal(said.held, after.aggregated - before.aggregated, expression)
				assert.equal(said.calls - said.held, after.filtered - before.filtered, expression)
				assert.equal(said.calls, after.hits - before.hits, expression)
			end
		end)
	end
end)

describe("the kernel's structs", function()
	-- What holds for every call of the victim, and what for none.
	local HOLDS <const> = {
		"args.file.f_path.dentry.d_name.name == 'null'", "str(args.file.f_path.dentry.d_name.name) like 'n*l'",
		"args.file.f_inode.i_rdev == 0x100003", "args.file.f_inode.i_mode & 0xf000 == 0x2000",
		"args.file.f_op ~= 0 and args.file.f_inode.i_sb.s_dev >= 0", "task.sched_reset_on_fork == 0", "task.comm == 'typed_victim'",
		"task.mm.mm_users.counter > 0", "task.tgid == pid and task.pid == tid", "ip ~= 0 or pid > 0",
	}
	for _, hook in ipairs { "kprobe", "fentry", "fexit" } do
		it("are read at a " .. hook, function()
			if cookies.missing(hook) then return pending(cookies.missing(hook)) end
			local victim <close> = Typed.start()
			local trace <close> = assert(crumb.trace { pid = victim.pid })
			local probe <close> = assert(trace:probe { hook .. ":security_file_ioctl", count = true, by = {} })
			for _, expression in ipairs(HOLDS) do
				for _, negated in ipairs { false, true } do
					local where <const> = negated and ("not (%s)"):format(expression) or expression
					if where:find "ip ~=" and hook ~= "kprobe" then goto continue end
					assert(probe:set { where = where })
					local before <const> = probe:stats().aggregated
					local calls <const> = victim:call("u32").calls
					assert.equal(negated and 0 or calls, probe:stats().aggregated - before, where)
					::continue::
				end
			end
		end)
	end
end)
