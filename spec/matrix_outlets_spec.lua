-- What comes of a hit, of every type: captures, keys, aggregates, sets that change, pairs, samples; and a rule at its limits.
--
-- The victim says what it passed, and what C makes of that.
local cookies = require "support.cookies"
local crumb = require "crumb"
local lab = require "support.lab"
local Typed = require "support.typed"

local TYPES <const> = { "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "truth", "color", "below", "pointer" }
local shown <const> = Typed.shown

local victim, trace

setup(function()
	victim = Typed.start()
	trace = assert(crumb.trace { pid = victim.pid })
end)
teardown(function()
	trace:close()
	victim:stop()
end)

local function of(word) return "uprobe:" .. Typed.PATH .. ":take_" .. word end

local function probe_of(given)
	local probe <const>, message <const> = trace:probe(given)
	if probe then return probe end
	if message:find "uprobe" and cookies.missing "uprobe" then return pending(cookies.missing "uprobe") end
	error(message, 2)
end

-- Every event there is now, which is as many as the victim made.
local function events_of(probe, count)
	local list <const> = {}
	for event in probe:events { idle = 0 } do list[#list + 1] = event end
	assert.equal(count, #list)
	return list
end

local function same_values(type, values, list, field)
	for i, value in ipairs(values) do assert.equal(shown(type, value), list[i][field], type) end
end

describe("a capture", function()
	for _, type in ipairs(TYPES) do
		it("is what was passed: " .. type, function()
			local probe <close> = probe_of { of(type), returns = true, capture = { x = "args.value", y = "entry(args.value)" } }
			local values <const> = victim.values[type]
			victim:call(type)
			local list <const> = events_of(probe, #values)
			for _, field in ipairs { "x", "y", "retval" } do same_values(type, values, list, field) end
			for _, event in ipairs(list) do
				assert.equal("integer", math.type(event.latency))
				assert.is_true(event.latency > 0)
				assert.equal("take_" .. type, event.symbol)
				assert.equal(victim.pid, event.pid)
				assert.equal("typed_victim", event.comm)
			end
			assert.equal(#values, probe:stats().sent)
		end)
	end

	-- The operands of a note, of eight widths in one probe.
	local NOTE <const> = { "<i1", "<I1", "<i2", "<I2", "<i4", "<I4", "<i8", "<i8" }

	it("is what was passed: the arguments of a USDT probe", function()
		local capture <const> = {}
		for i = 0, 7 do capture["a" .. i] = "args.arg" .. i end
		local probe <close> = probe_of { "usdt:" .. Typed.PATH .. ":typed:several", capture = capture }
		victim:call "s64"
		for i, event in ipairs(events_of(probe, #victim.values.s64)) do
			local bytes <const> = ("<i8"):pack(victim.values.s64[i])
			for number, format in ipairs(NOTE) do
				assert.equal(format:unpack(bytes), event["a" .. number - 1])
			end
		end
	end)

	it("is what was there: fields, bits, texts, addresses of the network, bytes, functions", function()
		local probe <close> = probe_of { of "object", capture = {
			"args.object.inner.x", "args.object.inner.y", "args.object.number", "args.object.low", "args.object.middle",
			"args.object.rest", "args.object.wide", "args.object.narrow", "args.object.flag", "args.object.color",
			"args.object.below", "args.object.name", "args.text",
		} }
		victim:call "objects"
		local first <const> = events_of(probe, #victim.objects)
		assert(probe:set { capture = {
			number_of = "args.object.numbers[args.index & 3]", v4 = "ntop(args.object.v4)", v6 = "ntop(args.object.v6)",
			data = "bytes(args.object.data, args.object.length, 16)", "args.object.code", code = "usym(args.object.code)",
		} })
		victim:call "objects"
		local CODE <const> = { "take_s8", "take_u64", "take_below", "0x0", "take_truth" }
		for i, event in ipairs(events_of(probe, #victim.objects)) do
			local values <const> = {}
			for at, field in ipairs { "inner.x", "inner.y", "number", "low", "middle", "rest", "wide", "narrow", "flag", "color",
				"below" } do
				local value = first[i]["args.object." .. field]
				for _, names in ipairs { Typed.COLORS, Typed.BELOW } do
					for known, name in pairs(names) do value = value == name and known or value end
				end
				values[at] = tostring(value)
			end
			local text <const> = first[i]["args.text"] or ""
			assert.equal(i == 4, first[i]["args.text"] == false)
			values[#values + 1] = ("[%s] [%s] %d %s %s %s %d"):format(first[i]["args.object.name"], text, event.number_of, event.v4,
				event.v6, event.data:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end), event["args.object.code"])
			assert.equal(victim.objects[i]:gsub("  (%d*)$", " %1"), (table.concat(values, " "):gsub("  (%d*)$", " %1")))
			assert.equal(CODE[i], event.code:match "^[%w_]+")
		end
	end)

	it("is a stack, whose innermost frame is where it hit", function()
		local probe <close> = probe_of { of "u8", capture = { "ustack", "kstack", at = "ip", below = "sp" } }
		victim:call "u8"
		for _, event in ipairs(events_of(probe, #victim.values.u8)) do
			assert.equal("take_u8", event.ustack[1].name)
			assert.equal(event.at, event.ustack[1].address)
			assert.is_true(event.below ~= 0)
		end
	end)

	it("may be false, which is not nil", function()
		local probe <close> = probe_of { of "object", capture = {
			number = "args.object.number", text = "args.text", far = "args.object.behind.x",
			bytes = "bytes(args.text, 4)", byte = "u8[args.object]", sum = "args.object.number + 1", constant = "args.index",
		} }
		local said <const> = victim:call("expression", "any", 0)
		local event <const> = events_of(probe, said.calls)[said.calls]
		for _, name in ipairs { "number", "text", "far", "bytes", "byte", "sum" } do assert.equal(false, event[name], name) end
		assert.equal(said.calls - 1, event.constant)
		assert.is_nil(event.nothing)
	end)
end)

describe("a key", function()
	for _, type in ipairs(TYPES) do
		it("is each value that was passed: " .. type, function()
			local probe <close> = probe_of { of(type), count = true, by = { x = "args.value" } }
			local values <const> = victim.values[type]
			for _ = 1, 3 do victim:call(type) end
			local rows <const> = probe:read()
			assert.equal(#values, #rows)
			local expected <const> = {}
			for _, value in ipairs(values) do expected[tostring(shown(type, value))] = 3 end
			local counted <const> = {}
			for _, row in ipairs(rows) do counted[tostring(row.x)] = row.count end
			assert.same(expected, counted)
		end)
	end

	it("is a text, a comm, a symbol, a cookie, a stack, an address", function()
		local probe <close> = probe_of { of "object", cookie = 7, count = true, by = { "args.text", "comm", "symbol", "cookie" } }
		local calls <const> = victim:call("expression", "any", 0).calls
		local rows <const>, texts <const> = probe:read(), {}
		for _, row in ipairs(rows) do
			texts[row["args.text"]] = row.count
			assert.equal("typed_victim", row.comm)
			assert.equal("take_object", row.symbol)
			assert.equal(7, row.cookie)
		end
		local full <const> = victim.objects[3]:match "%[(0123[^%]]*)%]"
		assert.equal(64, #full)
		assert.same({ title = 1, [""] = 1, [full] = 1, [false] = 2, ["x-title.tar.gz"] = 1 }, texts)
		assert(probe:set { by = { "ustack", name = "args.object.name" } })
		assert.equal(calls, victim:call("expression", "any", 0).calls)
		local names <const> = {}
		for _, row in ipairs(probe:read()) do
			names[row.name] = (names[row.name] or 0) + row.count
			assert.equal("take_object", row.ustack[1].name)
		end
		assert.same({ abc = 1, ["twelve bytes"] = 1, [""] = 1, abcd = 1, ["a\tb"] = 1, [false] = 1 }, names)
	end)
end)

-- The bucket of a value in a histogram of powers of two.
local function power(value)
	if value < 0 then return math.mininteger, -1 end -- without a sign: 2^63 and above
	if value == 0 then return 0, 0 end
	local low = 1
	while low << 1 > 0 and low << 1 <= value do low = low << 1 end
	return low, low - 1 + low
end

local function linear(value, unsigned, min, max, step)
	if unsigned and value < 0 then return max, math.maxinteger end
	if value < min then return math.mininteger, min - 1 end
	if value >= max then return max, math.maxinteger end
	local low <const> = min + (value - min) // step * step
	return low, math.min(low + step, max) - 1
end

local function buckets_of(values, find, ...)
	local counts <const> = {}
	for _, value in ipairs(values) do
		local low <const>, high <const> = find(value, ...)
		local key <const> = ("%d %d"):format(low, high)
		counts[key] = (counts[key] or 0) + 1
	end
	return counts
end

local function as_float(sum, unsigned)
	return unsigned and tonumber(crumb.u64.format(sum)) + 0.0 or sum
end

local function counted(histogram)
	local counts <const> = {}
	for _, bucket in ipairs(histogram) do
		if bucket.count > 0 then counts[("%d %d"):format(bucket.low, bucket.high)] = bucket.count end
	end
	return counts
end

describe("an aggregate", function()
	for _, type in ipairs(TYPES) do
		it("is exact: " .. type, function()
			local least <const> = victim.unsigned[type] and 0 or -10
			local probe <close> = probe_of { of(type), count = true, sum = { total = "args.value" }, avg = { mean = "args.value" },
				min = { least = "args.value" }, max = { most = "args.value" }, hist = { powers = "args.value" },
				lhist = { steps = { "args.value", least, 125, 10 } }, by = {} }
			local values <const> = victim.values[type]
			local said <const> = victim:call(type)
			local rows <const> = probe:read()
			assert.equal(1, #rows)
			local row <const> = rows[1]
			assert.equal(said.held, row.count)
			assert.equal(said.sum, row.total)
			assert.equal(said.least, row.least)
			assert.equal(said.greatest, row.most)
			local unsigned <const> = victim.unsigned[type]
			assert.equal(as_float(said.sum, unsigned) / said.held, row.mean)
			assert.same(buckets_of(values, power, unsigned), counted(row.powers))
			assert.same(buckets_of(values, linear, unsigned, least, 125, 10), counted(row.steps))
		end)
	end

	it("is exact where nothing was measured, and where values cannot be read", function()
		local probe <close> = probe_of { of "object", where = "args.index > 100", count = true, sum = "args.object.number",
			min = { least = "args.object.inner.x" }, by = {} }
		victim:call("expression", "any", 0)
		assert.same({}, setmetatable(probe:read(), nil))
		assert(probe:set { where = "args.index >= 4" })
		victim:call("expression", "any", 0)
		local rows <const> = probe:read()
		assert.equal(1, #rows)
		-- Of the NULL there is nothing to add.
		assert.equal(1, rows[1].count)
		assert.equal(math.maxinteger, rows[1].sum)
		assert.equal(5, rows[1].least)
		assert.equal(1, probe:stats().lost)
	end)
end)

describe("a set", function()
	local SIZE <const> = 10000

	it("of ten thousand changes while it is used", function()
		local probe <close> = probe_of { of "s64", where = "args.value in $set", params = { set = { 1 } }, count = true, by = {} }
		local function held() return probe:stats().aggregated end
		for _, first in ipairs { -5000, 1, 2, 1 << 40, math.maxinteger - SIZE + 1, math.mininteger } do
			local set <const> = {}
			for i = 1, SIZE do set[i] = first + i - 1 end
			probe.params.set = set
			local before <const> = held()
			local said <const> = victim:call("s64", "range", first, first + SIZE - 1)
			assert.equal(said.held, held() - before, first)
		end
		probe.params.set = {}
		local before <const> = held()
		victim:call "s64"
		assert.equal(before, held())
		probe.where = "args.value not in $set"
		victim:call "s64"
		assert.equal(before + #victim.values.s64, held())
	end)

	it("of texts too", function()
		local probe <close> = probe_of { of "object", where = "args.text in $set", params = { set = { "x" } }, count = true, by = {} }
		local set <const> = {}
		for i = 1, lab.times(SIZE) do set[i] = ("text %d"):format(i) end
		for _, row in ipairs { { "title", 1 }, { "", 1 }, { "x-title.tar.gz", 1 }, { "title ", 0 } } do
			set[#set] = row[1]
			probe.params.set = set
			local before <const> = probe:stats().aggregated
			victim:call("expression", "any", 0)
			assert.equal(row[2], probe:stats().aggregated - before, row[1])
		end
	end)
end)

describe("a pair", function()
	it("knows how long it took, and what it was told at its beginning", function()
		local probe <close> = probe_of { of "time", returns = true, where = "latency >= $least", params = { least = 0 }, count = true,
			sum = { latency = "latency", asked = "entry(args.nanos)", took = "retval" }, by = {} }
		local wait <const> = 2000000
		local said = victim:call("time", "any", wait)
		local row <const> = probe:read()[1]
		assert.equal(said.calls, row.count)
		assert.equal(said.calls // 2 * wait, row.asked)
		assert.equal(said.sum, row.took)
		assert.is_true(row.latency >= said.sum and row.latency <= said.greatest)
		-- What was as long inside is as long outside.
		probe.where = "latency >= retval and retval >= $least and entry(args.nanos) == $least"
		probe.params.least = wait
		local before <const> = probe:stats()
		said = victim:call("time", "any", wait)
		local after <const> = probe:stats()
		assert.equal(said.calls // 2, after.aggregated - before.aggregated)
		assert.equal(said.calls, after.hits - before.hits)
		assert.equal(0, after.pending + after.unreturned)
	end)
end)

describe("memory that changes during a call", function()
	it("is as it was at the entry, and as it is at the return", function()
		local probe <close> = probe_of { of "buffer", returns = true, capture = {
			before = "entry(args.buffer.text)", after = "args.buffer.text", told = "entry(str(args.text))", now = "str(args.text)",
			number = "entry(args.buffer.number)", less = "args.buffer.number", title = "entry(args.buffer.title)",
			pointed = "args.buffer.title", first = "entry(u8[args.text])", last = "u8[args.text]",
		} }
		victim:call("buffer", "any", 4)
		victim:call("buffer", "any", 5)
		local list <const> = events_of(probe, 2)
		for i, before in ipairs { "before", "odd_text" } do
			local event <const> = list[i]
			assert.equal(before, event.before)
			assert.equal("after...", event.after)
			assert.equal("is as told", event.told)
			assert.equal("was changed", event.now)
			assert.equal(i + 3, event.number)
			assert.equal(-i - 3, event.less)
			assert.equal("title", event.title)
			assert.equal("was changed", event.pointed)
			assert.same({ 0x69, 0x77 }, { event.first, event.last })
			assert.equal(i + 3, event.retval)
		end
	end)

	it("decides as it was, and as it is", function()
		local probe <close> = probe_of { of "buffer", returns = true, count = true, by = { text = "entry(args.buffer.text)" } }
		for where, held in pairs {
			["entry(str(args.text)) == 'is as told'"] = 2, ["str(args.text) == 'is as told'"] = 0,
			["str(args.text) like 'was*'"] = 2, ["entry(args.buffer.text) in {'odd_text', 'other'}"] = 1,
			["entry(args.buffer.number) == 5"] = 1, ["args.buffer.number == -5 and entry(args.buffer.number) == 5"] = 1,
			["args.buffer.number == 5 or retval == 4"] = 1, ["retval == entry(args.buffer.number)"] = 2,
			["entry(args.buffer.text) not like 'odd*' and args.buffer.text == 'after...'"] = 1,
		} do
			assert(probe:set { where = where })
			local before <const> = probe:stats()
			victim:call("buffer", "any", 4)
			victim:call("buffer", "any", 5)
			local after <const> = probe:stats()
			assert.equal(held, after.aggregated - before.aggregated, where)
			assert.equal(2, after.hits - before.hits, where)
		end
		local names <const> = {}
		for _, row in ipairs(probe:read()) do names[#names + 1] = row.text end
		assert.same({ "before", "odd_text" }, names)
	end)
end)

describe("one rule for functions of many types", function()
	it("is made for each, and has a row for each", function()
		local words <const> = { "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64" }
		local symbols <const> = {}
		for i, word in ipairs(words) do symbols[i] = "take_" .. word end
		local probe <close> = probe_of { "uprobe:" .. Typed.PATH, symbols = symbols, where = "args.value > 1", count = true }
		local expected <const> = {}
		for _, word in ipairs(words) do expected["take_" .. word] = victim:call(word, "gt", 1).held end
		local counts <const> = {}
		for _, row in ipairs(probe:read()) do counts[row.symbol] = row.count end
		assert.same(expected, counts)
	end)
end)

-- Each with what is called, the frame that its stack begins with, and what comes back.
local KERNEL <const> = {
	{ "kprobe:security_file_ioctl", of = "kprobe", word = "u64", first = "security_file_ioctl", at = "ksym(ip)" },
	{ "kprobe:security_task_prctl", of = "kretprobe", word = "s32", returns = true, retval = -38 },
	{ "fentry:security_file_ioctl", of = "fentry", word = "u64" },
	{ "fentry:security_task_prctl", of = "fexit", word = "s32", returns = true, retval = -38 },
	{ "fexit:security_task_prctl", of = "fexit", word = "s32", retval = -38, capture = "retval" },
	{ "syscall:ioctl", of = "tracepoint", word = "u64", returns = true, retval = -25 },
	{ "syscall:mkdirat", of = "tracepoint", word = "u16", returns = true, retval = -2, text = "str(args.pathname)" },
	{ "tracepoint:syscalls:sys_enter_mkdirat", of = "tracepoint", word = "u16", text = "str(args.pathname)" },
}

describe("in the kernel", function()
	for _, row in ipairs(KERNEL) do
		it("stacks, symbols and results are there, at " .. row[1] .. (row.returns and " with returns" or ""), function()
			if cookies.missing(row.of) then return pending(cookies.missing(row.of)) end
			local capture <const> = { "kstack", "ustack", at = row.at, text = row.text, result = row.capture }
			local probe <close> = probe_of { row[1], returns = row.returns, capture = capture }
			local calls <const> = victim:call(row.word).calls
			for _, event in ipairs(events_of(probe, calls)) do
				assert.is_true(#event.kstack > 1)
				for _, frame in ipairs(event.kstack) do assert.equal("string", type(frame.name)) end
				assert.is_true(#event.ustack > 1)
				if row.first then
					assert.equal(row.first, event.kstack[1].name)
					assert.equal(row.first, event.at:match "^[%w_]+")
				end
				if row.text then assert.equal("", event.text) end
				if row.returns then assert.equal(row.retval, event.retval) end
				if row.capture then assert.equal(row.retval, event.result) end
			end
			assert(probe:set { capture = false, count = true, by = "kstack" })
			victim:call(row.word)
			local sum = 0
			for _, each in ipairs(probe:read()) do
				sum = sum + each.count
				assert.equal("string", type(each.kstack[1].name))
			end
			assert.equal(calls, sum)
		end)
	end

	for _, target in ipairs { "tracepoint:task:task_rename", "rawtracepoint:task_rename" } do
		it("texts of a tracepoint are there, at " .. target, function()
			local raw <const> = target:find "^raw"
			if raw and cookies.missing("rawtracepoint", "cookie") then
				return pending(cookies.missing("rawtracepoint", "cookie"))
			end
			local probe <close> = probe_of { target,
				where = raw and "str(args.comm) == 'typed victim'" or "args.newcomm == 'typed victim'",
				capture = { before = raw and "args.task.comm" or "args.oldcomm", after = raw and "str(args.comm)" or "args.newcomm" } }
			victim:call("rename", "any", 1)
			victim:call("rename", "any", 0)
			local event <const> = events_of(probe, 1)[1]
			assert.same({ "typed_victim", "typed victim" }, { event.before, event.after })
		end)
	end
end)

describe("sample and limit", function()
	it("leave out as many as they say", function()
		local probe <close> = probe_of { of "s32", count = true, by = {}, sample = 3 }
		local calls = 0
		for _ = 1, 30 do calls = calls + victim:call("s32").calls end
		local stats <const> = probe:stats()
		assert.equal(calls, stats.hits)
		assert.equal(calls // 3, stats.aggregated)
		assert.equal(calls - calls // 3, stats.sampled_out)
		assert(probe:set { sample = false, limit = 1, where = "args.value >= 0" })
		local said <const> = victim:call("s32", "ge", 0)
		local after <const> = probe:stats()
		assert.equal(said.calls - said.held, after.filtered)
		-- The second may turn meanwhile.
		local let_through <const> = after.aggregated - stats.aggregated
		assert.is_true(let_through == 1 or let_through == 2)
		assert.equal(said.held - let_through, after.limited)
		assert.equal(calls + said.calls, after.hits)
	end)
end)

describe("a rule at its limits", function()
	local probe

	before_each(function() probe = probe_of { of "object", count = true, by = {} } end)
	after_each(function()
		if probe then probe:close() end
	end)

	-- It is refused with this message, and what held before holds on.
	local function refused(changes, message)
		local before <const> = probe:stats()
		local done <const>, why <const> = probe:set(changes)
		assert.is_nil(done)
		assert.is_truthy(why:find(message, 1, true), why)
		local calls <const> = victim:call("expression", "any", 0).calls
		assert.equal(calls, probe:stats().aggregated - before.aggregated)
	end

	local TERMS <const> = {
		"args.index >= 0", "args.index < 100", "args.object ~= 0", "args.object.inner.x ~= 126", "args.object.inner.y ~= 9",
		"args.object.number ~= 77", "args.object.low <= 7", "args.object.middle >= -16", "args.object.wide ~= 5",
		"args.object.flag in {0, 1}", "args.object.color ~= 9", "args.object.name ~= 'x'", "args.object.name not like 'q*'",
		"uid == 0", "comm == 'typed_victim'", "u8[args.data] + args.index ~= 1000",
	}

	it("takes sixteen terms, twelve captures and four KiB", function()
		local where <const> = table.concat(TERMS, " and ")
		local capture <const> = {
			text = "str(args.text, 1000)", name = "args.object.name", data = "bytes(args.data, args.object.length, 3000)",
			"args.object.inner.x", "args.object.inner.y", "args.object.number", "args.object.low", "args.object.middle",
			"args.object.wide", "args.object.flag", "args.object.color", number_of = "args.object.numbers[args.index & 3]",
		}
		assert(probe:set { count = false, by = false, where = where, capture = capture })
		local calls <const> = victim:call("expression", "any", 0).calls
		-- All but the NULL.
		local list <const> = events_of(probe, calls - 1)
		assert.equal("title", list[1].text)
		assert.equal(16, #list[1].data)
		assert.equal(32767, list[1].number_of == -32768 and 32767 or list[1].number_of)
		for i = 1, #TERMS do
			local others <const> = { table.unpack(TERMS) }
			others[i] = "not (" .. others[i] .. ")"
			assert(probe:set { where = table.concat(others, " and ") })
			victim:call("expression", "any", 0)
		end
		assert(probe:set { where = "not (" .. where .. ")" })
		assert.equal(calls - 1, probe:stats().sent)
	end)

	it("has a record of four KiB", function()
		assert(probe:set { count = false, by = false, capture = { all = "bytes(sp, 4096)" }, where = "args.index == 1" })
		victim:call("expression", "any", 0)
		local stats <const> = probe:stats()
		assert.equal(1, stats.sent)
		local event <const> = events_of(probe, 1)[1]
		assert.is_true(event.all == false or #event.all == 4096)
	end)

	it("refuses what is larger, and says why", function()
		local function of_many(count, form, sign)
			local list <const> = {}
			for i = 1, count do list[i] = form:format(i) end
			return table.concat(list, sign)
		end
		local captures <const>, set <const>, sums <const> = {}, {}, {}
		for i = 1, 25 do captures["c" .. i] = "args.index + " .. i end
		for i = 1, 10001 do set[i] = i end
		for i = 1, 9 do sums["s" .. i] = "args.index * " .. i + 1 end
		refused({ where = of_many(130, "args.index ~= %d", " and ") }, "too large")
		refused({ where = of_many(9, "args.text ~= 't%d'", " and ") }, "too large")
		refused({ where = "args.index in $set", params = { set = set } }, "too large")
		refused({ where = "args.text == '" .. ("x"):rep(65) .. "'" }, "too large")
		refused({ capture = captures }, "too large")
		refused({ capture = { a = "bytes(sp, 4097)" } }, "1 to 4096 bytes")
		refused({ capture = { a = "bytes(sp, 4096)", b = "bytes(sp, 4096)" } }, "too large")
		refused({ by = { "pid", "tid", "uid", "gid", "cpu" } }, "too large")
		refused({ sum = sums }, "too large")
		refused({ where = "comm == '0123456789abcdef'" }, "comm holds 15 bytes")
	end)
end)

describe("a sample of the processor", function()
	it("takes conditions on process, comm, processor and place", function()
		if cookies.missing("software", "cookie") then return pending(cookies.missing("software", "cookie")) end
		local probe <close> = probe_of { "software:page-faults:1", count = true, by = {} }
		local faults <const> = 20
		local at <const> = victim:call("fault", "any", faults).sum
		local ROWS <const> = {
			{ "ip == $at", 1 }, { "ip == $at and pid == $pid and tid == $pid", 1 }, { "ip == $at and pid ~= $pid", 0 },
			{ "ip == $at and comm == 'typed_victim'", 1 }, { "ip == $at and comm like 'typed*'", 1 },
			{ "ip == $at and comm ~= 'typed_victim'", 0 }, { "ip == $at and cpu >= 0 and cpu < 4096", 1 },
			{ "ip == $at and cpu > 4096", 0 }, { "ip in {0, $at}", 1 }, { "ip == $at and uid == 0 and gid == 0", 1 },
			{ "ip == $at and uid ~= 0", 0 }, { "ip == $at and sp == 0", 0 }, { "ip == $at and reg.ip == ip", 1 },
		}
		for _, row in ipairs(ROWS) do
			assert(probe:set { where = row[1], params = { at = at, pid = victim.pid } })
			local before <const> = probe:stats().aggregated
			victim:call("fault", "any", faults)
			assert.equal(row[2] * faults, probe:stats().aggregated - before, row[1])
		end
	end)

	it("is taken of the victim alone", function()
		if cookies.missing("profile", "cookie") then return pending(cookies.missing("profile", "cookie")) end
		local probe <close> = probe_of { "profile:hz:999", count = true, by = { "pid", "comm" } }
		for _ = 1, 20 do victim:call("time", "any", 5000000) end
		local rows <const> = probe:read()
		assert.equal(1, #rows)
		assert.equal(victim.pid, rows[1].pid)
		assert.equal("typed_victim", rows[1].comm)
		local stats <const> = probe:stats()
		assert.equal(rows[1].count, stats.aggregated)
		assert.is_true(stats.aggregated > 0)
	end)
end)

describe("comm", function()
	it("is what the process calls itself now", function()
		local probe <close> = probe_of { of "truth", where = "comm == 'typed victim'", count = true, by = {} }
		victim:call "truth"
		assert.equal(0, probe:stats().aggregated)
		victim:call("rename", "any", 1)
		finally(function() victim:call("rename", "any", 0) end)
		victim:call "truth"
		assert.equal(2, probe:stats().aggregated)
		assert.equal(2, probe:stats().filtered)
	end)
end)
