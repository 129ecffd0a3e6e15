-- A probe: where it is attached, what it sends, what changes while it runs.
local bpf = require "crumb.bpf"
local cookies = require "support.cookies"
local crumb = require "crumb"
local tracer = require "support.tracer"
local Victim = require "support.victim"

local it_traces <const>, UPROBE <const> = tracer.it, tracer.UPROBE

describe("a probe", function()
	it_traces("sends an event for each hit, whole", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", cookie = 7, pid = victim.pid })
		victim:call("hit_a", 23)
		local events <const> = tracer.all(probe:events { idle = 0 })
		assert.equal(23, #events)
		local event <const> = events[23]
		assert.same({ victim.pid, victim.pid, 0, 0, "victim" },
			{ event.pid, event.tid, event.uid, event.gid, event.comm })
		assert.same({ 7, "hit_a", UPROBE .. "hit_a", probe }, { event.cookie, event.symbol, event.target, event.probe })
		assert.truthy(event.time >= events[1].time and event.time <= bpf.now())
		assert.is_nil(event.nonsense)
	end)

	it_traces("has a cookie for each site, which count on across the trace", function(trace, victim)
		local first <const> = assert(trace:probe { UPROBE .. "hit_a", UPROBE .. "hit_b", pid = victim.pid })
		local second <const> = assert(trace:probe { UPROBE .. "hit_c", pid = victim.pid })
		assert.same({ { 1, 2 }, { 3 } }, { first.cookies, second.cookies })
		victim:call("hit_b", 1)
		victim:call("hit_c", 1)
		assert.same({ { 2, "hit_b" }, { 3, "hit_c" } }, tracer.pick(tracer.all(trace:events { idle = 0 }), "cookie", "symbol"))
	end)

	it_traces("gives every cookie back as it was, and each name its own", function(trace, victim)
		for _, bits in ipairs { 0, 1, math.maxinteger, -1, math.mininteger } do
			local probe <close> = assert(trace:probe { UPROBE .. "hit_a", cookie = bits, pid = victim.pid })
			victim:call("hit_a", 1)
			assert.same({ { bits, "hit_a" } }, tracer.pick(tracer.all(probe:events { idle = 0 }), "cookie", "symbol"))
		end
		local probe <const> = assert(trace:probe { UPROBE .. "hit_*", cookie = 5, pid = victim.pid })
		for _, word in ipairs { "hit_c", "hit_a", "hit_b" } do victim:call(word, 1) end
		assert.same({ { 5, "hit_c" }, { 5, "hit_a" }, { 5, "hit_b" } },
			tracer.pick(tracer.all(probe:events { idle = 0 }), "cookie", "symbol"))
	end)

	it_traces("lists what has no cookie", function(trace, victim)
		local probe <const> = assert(trace:probe {
			UPROBE .. "hit_*", cookie = { hit_a = 1, hit_c = 3 }, pid = victim.pid,
		})
		assert.same({ 1, 3 }, probe.cookies)
		assert.same({ "hit_b", "hit_d" }, { probe.skipped[1].symbol, probe.skipped[2].symbol })
		assert.equal("it has no cookie", probe.skipped[1].reason)
		victim:call("hit_b", 2)
		assert.equal(0, probe:stats().hits)
	end)

	it_traces("has two rules at one site for two probes", function(trace, victim)
		local one <const> = assert(trace:probe { UPROBE .. "hit_a", cookie = 1, pid = victim.pid })
		local two <const> = assert(trace:probe { UPROBE .. "hit_a", cookie = 2, pid = victim.pid, where = "cookie == 3" })
		victim:call("hit_a", 3)
		assert.same({ 3, 0 }, { one:stats().sent, two:stats().sent })
		assert(one:close())
		victim:call("hit_a", 4)
		assert.same({ 3, 7 }, { one:stats().hits, two:stats().hits })
		assert.equal(7, two:stats().filtered)
	end)

	it_traces("captures integers, strings, memory and fields", function(trace, victim)
		local probe <const> = assert(trace:probe {
			UPROBE .. "say", pid = victim.pid,
			capture = { text = "str(arg0)", number = "s32(arg1)", id = "s32[arg2]", kind = "u8[arg2 + 4]", three = "bytes(arg0, 3)" },
		})
		victim:call("say", 3)
		assert.same({
			{ "alpha", 0, 0, 250, "alp" }, { "beta", 1, -1, 250, "bet" }, { "gamma", 2, -2, 250, "gam" },
		}, tracer.pick(tracer.all(probe:events { idle = 0 }), "text", "number", "id", "kind", "three"))
	end)

	it_traces("gives false for what cannot be read", function(trace, victim)
		local probe <const> = assert(trace:probe {
			UPROBE .. "hit_a", pid = victim.pid, capture = { text = "str(0)", word = "u64[8]", number = "1" },
		})
		victim:call("hit_a", 1)
		assert.same({ { false, false, 1 } }, tracer.pick(tracer.all(probe:events { idle = 0 }), "text", "word", "number"))
	end)

	-- Who gives names to addresses keeps the files open, for all traces.
	it("reads the stacks of both sides", function()
		local victim <close> = Victim.start()
		local trace <close> = assert(crumb.trace())
		local probe <const> = assert(trace:probe {
			UPROBE .. "deep", pid = victim.pid, where = "arg0 == 1", capture = { user = "ustack", kernel = "kstack" },
		})
		victim:call("deep", 5)
		local event <const> = tracer.all(probe:events { idle = 0 })[1]
		-- At its first instruction a function has no frame yet, so its caller's is not seen.
		for at = 1, 4 do assert.equal("deep", event.user[at].name) end
		assert.equal("main", event.user[5].name)
		assert.equal("table", type(event.kernel))
	end)

	it_traces("gives fields as positional values", function(trace, victim)
		local probe <const> = assert(trace:probe {
			UPROBE .. "say", cookie = 9, pid = victim.pid, capture = { text = "str(arg0)", number = "arg1" },
		})
		victim:call("say", 3)
		local rows <const> = {}
		for text, pid, number, symbol, bits, none in probe:each("text", "pid", "number", "symbol", "cookie", "none", { idle = 0 }) do
			rows[#rows + 1] = { text, pid, number, symbol, bits, none }
		end
		assert.same({
			{ "alpha", victim.pid, 0, "say", 9, false }, { "beta", victim.pid, 1, "say", 9, false },
			{ "gamma", victim.pid, 2, "say", 9, false },
		}, rows)
		assert.equal(3, probe:stats().delivered)
	end)

	it_traces("is of a tracepoint twice", function(trace, victim)
		local name <const> = "tracepoint:syscalls:sys_enter_getsid"
		local one <const> = assert(trace:probe { name, pid = victim.pid, capture = { pid_of = "args.pid" } })
		local two <const> = assert(trace:probe { name, pid = victim.pid, count = true })
		victim:call("getsid", 5)
		assert.same({ 5, 5 }, { one:stats().sent, two:stats().aggregated })
		assert.equal(0, tracer.all(one:events { idle = 0 })[1].pid_of)
	end)

	it_traces("is of a system call, with its return", function(trace, victim)
		local probe <const> = assert(trace:probe {
			"syscall:getsid", returns = true, pid = victim.pid, capture = { of = "args.pid" },
		})
		victim:call("getsid", 2)
		local events <const> = tracer.all(probe:events { idle = 0 })
		assert.equal(2, #events)
		assert.same({ "getsid", 0 }, { events[1].symbol, events[1].of })
		assert.truthy(events[1].retval >= 0 and events[1].latency > 0)
		assert.equal("syscall:getsid", events[1].target)
	end)

	it_traces("is of a USDT probe, all its places, whose semaphore it holds", function(trace, victim)
		local probe <const> = assert(trace:probe { "usdt:build/fixtures/victim:crumb:guarded", pid = victim.pid,
			capture = { number = "arg0" } })
		assert.equal(3, #probe.sites)
		assert.equal(1, math.min(1, victim:call("semaphore", 1)))
		victim:call("usdt", 2)
		assert.same({ { 1 }, { 2 }, { 3 }, { 1 }, { 2 }, { 3 } },
			tracer.pick(tracer.all(probe:events { idle = 0 }), "number"))
		assert(probe:close())
		assert.equal(0, victim:call("semaphore", 1))
	end)

	-- Each hook: its target, what is missing where it is not, and more options.
	for _, row in ipairs {
		{ "kprobe", "kprobe:" .. cookies.SYSCALL .. "getsid" },
		{ "kprobe", "kprobe:" .. cookies.SYSCALL .. "getsid", returns = true },
		{ "kretprobe", "kretprobe:" .. cookies.SYSCALL .. "getsid" },
		{ "kprobe.multi", "kprobe:" .. cookies.SYSCALL .. "getsi*" },
		{ "fentry", "fentry:" .. cookies.SYSCALL .. "getsid" },
		{ "fentry", "fentry:" .. cookies.SYSCALL .. "getsid", returns = true },
		{ "fexit", "fexit:" .. cookies.SYSCALL .. "getsid" },
		{ "tracepoint", "tracepoint:syscalls:sys_exit_getsid" },
		{ "rawtracepoint", "rawtracepoint:sys_enter", where = "arg1 == 124" },
	} do
		it(("is of a %s%s"):format(row[1], row.returns and " with its return" or ""), function()
			local missing <const> = cookies.missing(row[1], "cookie")
			if missing then pending(missing) end
			tracer.with(function(trace, victim)
				local probe <const> = assert(trace:probe {
					row[2], cookie = -7, pid = victim.pid, returns = row.returns, where = row.where,
				})
				victim:call("getsid", 5)
				if not row.where then tracer.adds_up(probe:stats(), 5) end
				local events <const> = tracer.all(probe:events { idle = 0 })
				assert.equal(5, #events)
				assert.same({ -7, victim.pid }, { events[5].cookie, events[5].pid })
				assert.equal(row.returns ~= nil, events[5].latency ~= nil)
			end)
		end)
	end

	it_traces("samples a clock, and counts page faults", function(trace, victim)
		local clock <const> = assert(trace:probe { "profile:hz:99", count = true, by = {}, pid = victim.pid })
		local faults <const> = assert(trace:probe { "software:page-faults:1", where = "pid == $pid", params = { pid = victim.pid } })
		victim:call("spin", 200)
		victim:call("fault", 50)
		assert.truthy(clock:read()[1].count > 0)
		assert.truthy(faults:stats().sent >= 50)
	end)
end)

describe("a change", function()
	it_traces("of a condition, a parameter, a capture, and of all at once", function(trace, victim)
		local probe <const> = assert(trace:probe {
			UPROBE .. "say", pid = victim.pid, capture = { number = "arg1" }, where = "arg1 >= $least", params = { least = 2 },
		})
		local function seen()
			victim:call("say", 4)
			return tracer.pick(tracer.all(probe:events { idle = 0 }), "number", "text")
		end
		assert.same({ { 2 }, { 3 } }, seen())
		probe.params.least = 3
		assert.same({ { 3 } }, seen())
		assert.equal(3, probe.params.least)
		probe.where = "str(arg0) like 'b*'"
		assert.same({ { 1 } }, seen())
		probe.where = nil
		probe.capture = { text = "str(arg0)" }
		assert.same({ { nil, "alpha" }, { nil, "beta" }, { nil, "gamma" }, { nil, "" } }, seen())
		assert(probe:set { capture = { number = "arg1 + 10", text = "str(arg0)" }, where = "arg1 == $only", params = { only = 1 } })
		assert.same({ { 11, "beta" } }, seen())
	end)

	it_traces("leaves the events that were on their way as they were", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "say", pid = victim.pid, capture = { one = "arg1" } })
		victim:call("say", 1)
		probe.capture = { two = "str(arg0)" }
		victim:call("say", 1)
		assert.same({ { 0 }, { nil, "alpha" } }, tracer.pick(tracer.all(probe:events { idle = 0 }), "one", "two"))
	end)

	it_traces("that cannot be leaves the old rule", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, where = "uid == 0" })
		local done <const>, message <const>, errno <const> = probe:set { where = "uid = 1", sample = 2 }
		assert.same({ nil, 22 }, { done, errno })
		assert.matches("^where: ", message)
		assert.has_error(function() probe.where = "nonsense == 1" end)
		assert.has_error(function() probe.wher = "uid == 1" end, "probe.wher: no such option of a rule (nearest: where)")
		assert.same({ "uid == 0" }, { probe.where, probe.sample })
		victim:call("hit_a", 3)
		assert.equal(3, probe:stats().sent)
	end)

	it_traces("switches a probe off and on", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, enabled = false })
		assert.is_false(probe.enabled)
		victim:call("hit_a", 3)
		probe.enabled = true
		victim:call("hit_a", 4)
		probe.enabled = false
		victim:call("hit_a", 5)
		assert.same({ 4, 4 }, { probe:stats().hits, #tracer.all(probe:events { idle = 0 }) })
	end)

	it_traces("is for one cookie only", function(trace, victim)
		local probe <const> = assert(trace:probe {
			UPROBE .. "hit_*", cookie = { hit_a = 1, hit_b = 2 }, pid = victim.pid, count = true, by = "symbol",
		})
		local of_two <const> = probe:rule(2)
		local function counts()
			victim:call("hit_a", 2)
			victim:call("hit_b", 3)
			local rows <const> = {}
			for _, row in ipairs(assert(probe:read { clear = true })) do rows[row.symbol] = row.count end
			return rows
		end
		assert.same({ hit_a = 2, hit_b = 3 }, counts())
		of_two.where = "pid == 0"
		assert.same({ hit_a = 2 }, counts())
		assert.same({ "pid == 0", nil }, { of_two.where, probe.where })
		probe.where = "pid == 1"
		of_two.where = "pid > 1"
		assert.same({ hit_b = 3 }, counts())
		of_two.enabled = false
		assert.same({}, counts())
		assert.equal(3, probe:stats(2).filtered)
		probe.where = nil
		assert(of_two:clear())
		assert.same({ hit_a = 2, hit_b = 3 }, counts())
		assert.has_error(function() probe:rule(9) end, "probe:rule: no site has the cookie 9")
	end)

	it_traces("of a handler gives the next events to it", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid })
		victim:call("hit_a", 2)
		local first, second = 0, 0
		probe.handler = function() first = first + 1 end
		assert.equal(2, trace:poll())
		victim:call("hit_a", 3)
		probe.handler = function() second = second + 1 end
		trace:poll()
		assert.same({ 2, 3 }, { first, second })
		probe.handler = nil
		victim:call("hit_a", 1)
		assert.equal(1, #tracer.all(probe:events { idle = 0 }))
	end)
end)

describe("a probe's refusal", function()
	it_traces("names what is wrong, where the script is, and attaches nothing", function(trace)
		for _, row in ipairs {
			{ { UPROBE .. "hit_a", wher = "x" }, "trace:probe: no option 'wher' (nearest: where)" },
			{ { UPROBE .. "hit_a", sample = 0 }, "trace:probe: sample: expected an integer from 1 to 4294967295, got 0" },
			{ { UPROBE .. "hit_a", limit = 1 << 32 }, "trace:probe: limit: expected an integer from 1 to 4294967295, got 4294967296" },
			{ {}, "trace:probe: expected a target, such as \"syscall:openat\"" },
			{ { "tp_btf:x" }, "trace:probe: 'tp_btf:x': the tracer has rawtracepoint:x" },
			{ { "profile:hz:9", returns = true },
				"trace:probe: returns = true goes with a kprobe, uprobe, fentry or syscall, not with 'profile:hz:9'" },
			{ { UPROBE .. "hit_a", cookie = 1.5 }, "trace:probe: cookie: not an integer (got 1.5)" },
			{ { UPROBE .. "hit_a", follow = true }, "trace:probe: follow: it goes with pid: whose children?" },
			{ { UPROBE .. "hit_a", pid = -1 }, "trace:probe: pid: expected 1 or more, got -1" },
		} do
			local done <const>, message <const> = pcall(function() return trace:probe(row[1]), 1 end)
			assert.is_false(done)
			assert.equal(row[2], message:match "^spec/probe_spec%.lua:%d+: (.*)$" or message)
		end
	end)

	it_traces("of what is not there returns it, and keeps nothing", function(trace)
		for _, row in ipairs {
			{ { UPROBE .. "hit_e" }, "no symbol 'hit_e' %(nearest: ", 2 },
			{ { UPROBE .. "hit_a", pid = 4194303 }, "no such process", 3 },
			{ { "syscall:getsidd" }, "no system call 'getsidd' %(nearest: getsid", 2 },
			{ { UPROBE .. "hit_a", where = "uid =" }, "^where: ", 22 },
			{ { UPROBE .. "hit_a", where = "args.x == 1" }, "args.x", 22 },
			{ { "usdt:build/fixtures/victim:crumb:nothing" }, "nothing", 2 },
			{ { "uprobe:build/fixtures/elf_go:_start", returns = true }, "is no function of Go's", 95 },
		} do
			local probe <const>, message <const>, errno <const> = trace:probe(row[1])
			assert.is_nil(probe)
			assert.matches(row[2], message)
			assert.equal(row[3], errno)
		end
		assert.is_nil(next(trace.probes))
		assert(trace.engine.reclaim:collect())
		assert.equal(trace.engine.pools.sites:size(), trace.engine.pools.sites:left())
		assert.equal(trace.engine.pools.bodies:size(), trace.engine.pools.bodies:left())
	end)

	it_traces("says which kernel has a hook that this one has not", function(trace)
		for _, row in ipairs { { "rawtracepoint", "sys_enter" }, { "fentry", "vfs_read" }, { "kprobe", "vfs_read" } } do
			local why <const> = bpf.features().hooks[row[1]].why
			if why then
				local probe <const>, message <const> = trace:probe { row[1] .. ":" .. row[2] }
				assert.is_nil(probe)
				assert.truthy(message:find(why:match "^[^:]*", 1, true), message)
			end
		end
	end)

	it_traces("goes on with missing = 'skip'", function(trace, victim)
		local probe <const> = assert(trace:probe {
			"uprobe:build/fixtures/victim", symbols = { "hit_a", "hit_x", "locked" }, missing = "skip", returns = true,
			pid = victim.pid,
		})
		assert.same({ "hit_a" }, { probe.sites[1].symbol, probe.sites[2] })
		assert.equal(2, #probe.skipped)
		assert.truthy(probe.mechanism:find(": 2 sites, ", 1, true), probe.mechanism) -- hit_a's entry and its return
		victim:call("hit_a", 2)
		assert.equal(2, probe:stats().sent)
	end)
end)
