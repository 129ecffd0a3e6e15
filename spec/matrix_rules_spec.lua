-- What a rule can do besides: sets that change, pairs, samples, what the kernel's own hooks know; and a rule at its limits.
local binaries = require "crumb.binaries"
local cookies = require "support.cookies"
local crumb = require "crumb"
local lab = require "support.lab"
local Typed = require "support.typed"

local victim, trace

setup(function()
	victim = Typed.start()
	trace = assert(crumb.trace { pid = victim.pid })
end)
teardown(function()
	trace:close()
	victim:stop()
end)

local events_of <const> = Typed.events

local function of(word) return "uprobe:" .. Typed.PATH .. ":take_" .. word end

local function probe_of(given) return assert(trace:probe(given)) end

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
			local calls <const>, no_stack = victim:call(row.word).calls, false
			for _, event in ipairs(events_of(probe, calls)) do
				-- Older kernels give the tracepoints of system calls the registers of user space only.
				no_stack = row.of == "tracepoint" and #event.kstack == 0
				assert.is_true(no_stack or #event.kstack > 1)
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
			if no_stack then return pending "this kernel shows no kernel stack at the tracepoints of system calls" end
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

	it("takes sixteen texts", function()
		local terms <const> = {}
		for i = 1, 15 do terms[i] = ("args.text ~= 'text %d'"):format(i) end
		terms[16] = "args.text ~= 'title'"
		assert(probe:set { where = table.concat(terms, " and ") })
		local calls <const> = victim:call("expression", "any", 0).calls
		-- But for the one title, and two that cannot be read.
		assert.equal(calls - 3, probe:stats().aggregated)
	end)

	it("has a record of four KiB", function()
		assert(probe:set { count = false, by = false, capture = { all = "bytes(sp, 4096)" }, where = "args.index == 1" })
		victim:call("expression", "any", 0)
		local stats <const> = probe:stats()
		assert.equal(1, stats.sent)
		local event <const> = events_of(probe, 1)[1]
		assert.is_true(event.all == false or #event.all == 4096)
	end)

	it("says why a stripped file has no names", function()
		local elf <close> = assert(binaries.elf(Typed.PATH))
		local done <const>, why <const> = trace:probe {
			("uprobe:%s:0x%x"):format(Typed.STRIPPED, elf:find "take_s8"[1].offset), where = "args.value == 1",
		}
		assert.is_nil(done)
		assert.is_truthy(why:find("no debug information", 1, true) and why:find("arg0 … arg5 work", 1, true), why)
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
