-- What people and the world do wrong to the tracer: each is said at their line, and leaves all as it was.
local crumb = require "crumb"
local features = require "crumb.bpf.features"
local lab = require "support.lab"
local tracer = require "support.tracer"

local it_traces <const>, UPROBE <const> = tracer.it, tracer.UPROBE

local METHODS <const> = {
	trace = { "probe", "span", "events", "poll", "run", "every", "spawn", "fd", "pollable", "close", "closed" },
	probe = { "set", "rule", "events", "each", "read", "clear", "folded", "stats", "seen", "closed", "close" },
	rule = { "set", "clear" },
}

-- What it raises; it begins with this file and the line of the call.
local function raised(call, ...)
	local done <const>, message <const> = pcall(call, ...)
	assert.is_false(done)
	return message
end

-- It raises this, and says the line of the script.
local function misuse(message, call)
	local why <const> = raised(call)
	assert.matches("^spec/tracer_faults_spec.lua:%d+: ", why)
	assert.equal(message, why:match "^spec/tracer_faults_spec.lua:%d+: ([^\n]*)")
end

describe("wrong use", function()
	it_traces("of a dot instead of a colon is said", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "say", pid = victim.pid })
		local objects <const> = { trace = trace, probe = probe, rule = probe:rule(1) }
		for what, names in pairs(METHODS) do
			for _, name in ipairs(names) do
				for _, wrong in ipairs { false, 5, "text", {} } do
					misuse(("%s:%s: call it with a colon"):format(what, name), function() objects[what][name](wrong) end)
				end
			end
		end
		assert.is_false(trace:closed() or probe:closed())
	end)

	it_traces("is named at the line of the script", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "say", pid = victim.pid, params = { k = 1 }, where = "arg1 > $k" })
		misuse("trace:run: duration: expected seconds, 0 or more, got -1", function() trace:run { duration = -1 } end)
		misuse("trace:run: process: expected what trace:spawn gives", function() trace:run { process = io.stdout } end)
		misuse("trace:spawn: no option 'inputs' (nearest: input)", function() trace:spawn({ "true" }, { inputs = false }) end)
		misuse("probe:clear: the rule has no aggregate: give it count = true, sum, hist, …", function() probe:clear() end)
		misuse("probe:folded: the rule has no aggregate: give it count = true, sum, hist, …", function() probe:folded() end)
		misuse("params.1: params: expected names, such as { big = 4096 }, got [1]", function() probe.params[1] = 1 end)
		misuse("params.k: where: a list is compared by in: arg1 in $k", function() probe.params.k = {} end)
		misuse("crumb.trace: pid: expected 1 or more, got 0", function() crumb.trace { pid = 0 } end)
		probe:close()
		misuse("params.k: it is closed", function() probe.params.k = 2 end)
	end)

	it_traces("of a handler is refused, and the one before stays", function(trace, victim)
		local function keep() end
		for _, wrong in ipairs { { 5 }, { hit = keep }, { [1.5] = keep } } do
			local cookie <const>, one <const> = next(wrong)
			misuse(("trace:probe: handler: expected a table cookie -> function, there is [%s] = %s in it"):format(cookie, one),
				function() trace:probe { UPROBE .. "say", handler = wrong } end)
		end
		local probe <const> = assert(trace:probe { UPROBE .. "say", pid = victim.pid, handler = keep })
		misuse("probe.handler: handler: expected a function, or a table cookie -> function, got true",
			function() probe.handler = true end)
		assert.is_nil((probe:set { handler = { keep }, where = "arg1 ==" }))
		assert.equal(keep, probe.handler)
		assert.is_true(probe:set { handler = { keep }, where = "arg1 == 1" })
		assert.same({ keep }, probe.handler)
	end)

	it_traces("of a list is refused, instead of left out", function(trace, victim)
		local given <const> = { UPROBE .. "say", pid = victim.pid, where = "arg1 in $set" }
		for message, list in pairs {
			["where: $set is no list: there is [a] in it"] = { a = 1 },
			["where: $set is no list: there is [4] in it"] = { 1, [4] = 2 },
			["where: $set is no list: there is [x] in it"] = { 1, 2, x = 3 },
			["where: $set is a list with holes"] = { 1, nil, 3 },
		} do
			given.params = { set = list }
			local probe <const>, why <const> = trace:probe(given)
			assert.is_nil(probe)
			assert.equal(message, why:match "^[^\n]*")
		end
	end)

	it_traces("takes whole numbers in any form", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid + 0.0, sample = 2.0, limit = 1e3 })
		assert.same({ 2, 1000 }, { probe.sample, probe.limit })
		probe.limit = 2e3
		victim:call("hit_a", 4)
		assert.equal(2, probe:stats().sent)
	end)
end)

it_traces("what is shown, counted without a sign, or asked of system calls", function(trace)
	misuse("crumb.show: expected an open file to write to, got number", function() crumb.show(1, 5) end)
	local closed <const> = assert(io.tmpfile())
	closed:close()
	misuse("crumb.show: expected an open file to write to, got closed file", function() crumb.show(1, closed) end)
	misuse("u64.divide: not an integer", function() crumb.u64.divide(1.5, 2) end)
	misuse("u64.lt: expected an integer", function() crumb.u64.lt(1, "x") end)
	misuse("u64.le: expected an integer", function() crumb.u64.le(nil, 1) end)
	local _ <const>, message <const>, errno <const> = trace:probe { "syscall:opena" }
	assert.same({ "syscall:opena: no system call 'opena' (nearest: open, openat, openat2)", 2 }, { message, errno })
end)

it_traces("options that change when they were given change nothing", function(_, victim)
	local given <const> = { max_delay = 0.01 }
	local trace <close> = assert(crumb.trace(given))
	given.max_delay, given.ring_size = "x", "y"
	local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid })
	victim:call("hit_a", 1)
	assert.equal(1, #tracer.all(probe:events { idle = 0 }))
end)

describe("a rule", function()
	-- The victim says alpha, beta, gamma and an empty text in turn.
	it_traces("has room for 16 texts to compare with, and 12 to capture", function(trace, victim)
		local terms <const>, capture <const> = {}, {}
		for i = 1, 14 do terms[i] = ("str(arg0) ~= 'x%d'"):format(i) end
		table.move({ "str(arg0) ~= 'alpha'", "not (str(arg0) == 'gamma')" }, 1, 2, 15, terms)
		for i = 1, 12 do capture["c" .. i] = "str(arg0)" end
		local probe <const> = assert(trace:probe { UPROBE .. "say", pid = victim.pid, where = table.concat(terms, " and "),
			capture = capture })
		victim:call("say", 4)
		assert.same({ { "beta", "beta" }, { "", "" } }, tracer.pick(tracer.all(probe:events { idle = 0 }), "c1", "c12"))
		assert.equal(2, probe:stats().filtered)
	end)

	it_traces("that holds a text with a NUL is refused, and takes nothing", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "say", pid = victim.pid, where = "str(arg0) == $text",
			params = { text = "beta" } })
		local left <const> = trace.engine.pools.bodies:left()
		for _, where in ipairs { "str(arg0) == $text", "str(arg0) like $text", "str(arg0) in $list", "comm == $text" } do
			local done <const>, message <const> = probe:set { where = where, params = { text = "a\0b*", list = { "x", "\0" } } }
			assert.is_nil(done)
			assert.matches("^where: a text that is read ends before its first NUL", message)
		end
		assert.equal(left, trace.engine.pools.bodies:left())
		victim:call("say", 4)
		assert.equal(1, probe:stats().sent)
	end)
end)

describe("a handler's error", function()
	it_traces("is its own, wherever it was called", function(trace, victim)
		assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, handler = function() error "mine" end })
		victim:call("hit_a", 3)
		for _, deliver in ipairs {
			function() trace:poll() end, function() trace:run { duration = 0 } end,
			function() for _ in trace:events { idle = 0 } do end end, -- luacheck: ignore
		} do
			assert.matches("^spec/tracer_faults_spec.lua:%d+: mine$", raised(deliver))
		end
	end)
end)

describe("a closed probe", function()
	it_traces("changes nothing any more", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, count = true })
		local rule <const> = probe:rule(1)
		rule.sample = 2
		victim:call("hit_a", 2)
		probe:close()
		local left <const> = trace.engine.pools.bodies:left()
		misuse("rule:clear: it is closed", function() rule:clear() end)
		assert.equal(left, trace.engine.pools.bodies:left())
		assert.equal(1, probe:read { clear = true }[1].count)
		assert.same({}, probe:read())
		assert.equal("(no rows)", tostring(probe))
	end)

	it_traces("has no event for each either", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid })
		victim:call("hit_a", 10)
		local seen = 0
		for _ in probe:each("pid", { idle = 0 }) do
			seen = seen + 1
			if seen == 3 then probe:close() end
		end
		assert.same({ 3, 3, 7 }, { seen, probe:stats().delivered, probe:stats().dropped })
	end)

	it_traces("gives its ring back", function(trace, victim)
		local before
		for i = 1, 40 do
			local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, ring_size = 8192 })
			assert.is_nil((trace:probe { UPROBE .. "hit_a", pid = victim.pid, ring_size = 16384, where = "cpu == $none" }))
			victim:call("hit_a", 3)
			local seen = 0
			for _ in probe:events { idle = 0 } do seen = seen + 1 end
			assert.equal(3, seen)
			probe:close()
			if i == 1 then before = lab.descriptors() end
		end
		assert.is_true(lab.descriptors() <= before)
	end)
end)

it_traces("a rule of one cookie makes one body, and leaves the others", function(trace, victim)
	local probe <const> = assert(trace:probe { UPROBE .. "hit_*", cookie = { hit_a = 1, hit_b = 2, hit_c = 3 }, pid = victim.pid,
		count = true, by = "cookie" })
	local function counted(a, b, c)
		for i, word in ipairs { "hit_a", "hit_b", "hit_c" } do victim:call(word, i) end
		local rows <const> = {}
		for _, row in ipairs(probe:read { clear = true, sort = "cookie" }) do rows[row.cookie] = row.count end
		assert.same({ a, b, c }, { rows[1] or 0, rows[2] or 0, rows[3] or 0 })
	end
	local function makes(count, change)
		local before <const> = trace.engine.generation
		change()
		assert.equal(count, trace.engine.generation - before)
	end
	makes(1, function() probe:rule(1).where = "cpu < 0" end)
	counted(0, 2, 3)
	makes(1, function() probe:rule(2).sample = 2 end)
	counted(0, 1, 3)
	makes(0, function() probe:rule(3).enabled = false end)
	counted(0, 1, 0)
	makes(0, function() assert(not probe:rule(2):set { where = "cpu <" }) end)
	makes(1, function() probe:rule(1):clear() end)
	counted(1, 1, 0)
	makes(2, function() probe.where = "cpu >= 0" end)
	counted(1, 1, 0)
	makes(1, function() probe:rule(3).enabled = true end)
	counted(1, 1, 3)
	makes(3, function() probe:set { sum = "cookie" } end)
	counted(1, 1, 3)
	trace.engine.reclaim:collect()
	assert.equal(3, trace.engine.pools.bodies:size() - trace.engine.pools.bodies:left())
end)

it_traces("a handler that comes during each gets the rest", function(trace, victim)
	local probe <const> = assert(trace:probe { UPROBE .. "say", pid = victim.pid, capture = { n = "arg1" } })
	victim:call("say", 10)
	local each, handled = {}, {}
	for n in probe:each("n", { idle = 0 }) do
		each[#each + 1] = n
		if n == 2 then probe.handler = function(event) handled[#handled + 1] = event.n end end
	end
	assert.same({ { 0, 1, 2 }, { 3, 4, 5, 6, 7, 8, 9 }, 10 }, { each, handled, probe:stats().delivered })
end)

it("a run whose events cannot be written ends, and says so", function()
	local path <const> = os.tmpname()
	local file <const> = assert(io.open(path, "w"))
	file:write(("package.path, package.cpath = %q, %q\n"):format(package.path, package.cpath), [[
		local trace <close> = assert(require("crumb").trace())
		assert(trace:probe { "syscall:openat", pid = require("support.lab").pid() })
		trace:every(0.001, function() for _ = 1, 100 do io.open "/crumb/nowhere" end end)
		local done, message, errno = trace:run { duration = 60 }
		io.stderr:write(tostring(done), " ", message, " ", errno)
	]])
	file:close()
	local pipe <close> = assert(io.popen(("lua5.4 %s 2>&1 >/dev/full"):format(path)))
	assert.equal("nil trace:run: write to standard output: No space left on device 28", pipe:read "a")
	os.remove(path)
end)

it("a name that others wrote is harmless in a hint", function()
	local core <const> = require "crumb.core"
	local names <const>, hint <const> = core.nearest("foo31mbar", { "foo\27[31mbar", "foo31mba\xc2\x9b" })
	assert.same({ "foo\27[31mbar", "foo31mba\xc2\x9b" }, names)
	assert.equal([[ (nearest: foo\x1b[31mbar, foo31mba\xc2\x9b)]], hint)
end)

describe("who has not the rights", function()
	-- What a script says that an ordinary user with these capabilities runs.
	local function as_nobody(capabilities, text)
		local path <const> = os.tmpname()
		local file <const> = assert(io.open(path, "w"))
		file:write(("package.path, package.cpath = %q, %q\n"):format(package.path, package.cpath), text)
		file:close()
		local pipe <close> = assert(io.popen(("setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=%s --ambient-caps=%s "
			.. "lua5.4 - <%s 2>&1"):format(capabilities, capabilities, path)))
		local output <const> = pipe:read "a"
		os.remove(path)
		return output
	end

	it("is told which", function()
		if not os.execute "setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null" then
			pending "there is no setpriv that changes the user"
		end
		assert.matches("^nil\tload the engine: [^\n]*: this process lacks CAP_BPF and CAP_PERFMON: run it as root, [^\n]*\t1\n$",
			as_nobody("-all", 'print(require("crumb").trace())'))
		local output <const> = as_nobody("-all,+bpf", [[
			local trace <close> = assert(require("crumb").trace())
			for _, target in ipairs { "uprobe:build/fixtures/victim:hit_a", "software:page-faults:100" } do
				print(trace:probe { target })
			end
		]])
		for line in output:gmatch "[^\n]+" do
			assert.matches("^nil\tattach [^ ]+: whether there is [^ ]+ cannot be told: this process lacks CAP_PERFMON: run it ", line)
		end
		assert.equal(2, select(2, output:gsub("\n", "")))
		local usdt <const> = as_nobody("-all,+bpf,+perfmon", [[
			local trace <close> = assert(require("crumb").trace())
			local probe <const>, message <const> = trace:probe { "usdt:build/fixtures/victim:crumb:guarded" }
			print(probe and probe.mechanism or message)
		]])
		-- A semaphore takes no more than others, where there is uprobe.multi.
		assert.matches(features.hook "uprobe.multi".available and "^uprobe.multi: 3 sites, 1 kernel link\n$"
			or "Permission denied: a uprobe that is not uprobe.multi needs root, or CAP_SYS_ADMIN", usdt)
	end)
end)
