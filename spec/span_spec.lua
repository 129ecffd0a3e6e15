-- A span: two places, paired by a key.
local crumb = require "crumb"
local lab = require "support.lab"
local tracer = require "support.tracer"
local Victim = require "support.victim"

local it_traces <const>, UPROBE <const> = tracer.it, tracer.UPROBE

local function ends(victim, more)
	local given <const> = {
		from = { UPROBE .. "hit_a", key = "tid" }, to = { UPROBE .. "hit_b", key = "tid" }, pid = victim.pid,
	}
	for name, value in pairs(more or {}) do given[name] = value end
	return given
end

describe("a span", function()
	it_traces("goes from one place to another", function(trace, victim)
		local span <const> = assert(trace:span(ends(victim)))
		victim:call("hit_b", 2)
		for _ = 1, 3 do
			victim:call("hit_a", 1)
			victim:call("hit_b", 1)
		end
		local events <const> = tracer.all(span:events { idle = 0 })
		assert.equal(3, #events)
		for _, event in ipairs(events) do
			assert.same({ "hit_a", victim.pid, span }, { event.symbol, event.tid, event.probe })
			assert.truthy(event.latency > 0)
		end
		local stats <const> = span:stats()
		tracer.adds_up(stats, 3)
		assert.same({ 3, 2, 0 }, { stats.sent, stats.unmatched, stats.pending })
		assert.equal("hit_a", span.sites[1].symbol)
	end)

	it_traces("lists what has begun and not ended; what begins anew was abandoned", function(trace, victim)
		local span <const> = assert(trace:span(ends(victim, { count = true })))
		assert.same({}, span:pending())
		victim:call("hit_a", 2)
		local list <const> = span:pending()
		assert.equal(1, #list)
		assert.same({ victim.pid, "hit_a", 1 }, { list[1].key, list[1].symbol, list[1].cookie })
		assert.truthy(list[1].age > 0)
		local stats <const> = span:stats()
		tracer.adds_up(stats, 2)
		assert.same({ 1, 1 }, { stats.pending, stats.unreturned })
		victim:call("hit_b", 1)
		assert.same({}, span:pending())
		assert.equal(1, span:stats().aggregated)
	end)

	it_traces("has at its end what the beginning captured", function(trace, victim)
		local span <const> = assert(trace:span {
			from = { UPROBE .. "say", key = { "tid", "1" }, where = "arg1 != 2", capture = { text = "str(arg0)", number = "arg1" } },
			to = { UPROBE .. "hit_b", key = { "tid", "1" } }, pid = victim.pid,
			capture = { text = "text", twice = "number * 2" }, where = "number < 10",
		})
		victim:call("say", 2)
		victim:call("hit_b", 1)
		assert.same({ { "beta", 2 } }, tracer.pick(tracer.all(span:events { idle = 0 }), "text", "twice"))
		victim:call("say", 11)
		assert.same({ victim.pid, 1 }, span:pending()[1].key)
		victim:call("hit_b", 1)
		local stats <const> = span:stats()
		tracer.adds_up(stats, 13)
		assert.same({ 2, 1, 10 }, { stats.filtered, stats.sent, stats.unreturned })
		span.where = nil
		victim:call("say", 11)
		victim:call("hit_b", 1)
		assert.same({ { "gamma", 20 } }, tracer.pick(tracer.all(span:events { idle = 0 }), "text", "twice"))
	end)

	it_traces("is of who began it where that is wanted", function(trace, victim)
		if not lab.exists "/sys/kernel/btf/vmlinux" then pending "this kernel has no types" return end
		local other <close> = Victim.start()
		victim:call("become", 1000)
		victim:call("longname", 1)
		local function open(from, given)
			given.from, given.to = from, { UPROBE .. "hit_b", key = "1", pid = other.pid }
			given.pid, from[1], from.key = victim.pid, UPROBE .. "say", "1"
			return assert(trace:span(given))
		end
		local function both()
			victim:call("say", 1)
			other:call("hit_b", 1)
		end
		local NAMES <const> = { "pid", "tid", "uid", "gid", "comm", "here" }
		local ended <const> = { other.pid, other.pid, 0, 0, "victim", other.pid }
		local began <const> = { victim.pid, victim.pid, 1000, 1001, "a longer name 1", victim.pid }
		local plain <const> = open({}, { capture = { here = "pid" } })
		local whose <const> = open({ who = true }, { capture = { here = "u32(pid)", text = "comm" }, where = "uid == 1000" })
		local partly <const> = open({ capture = { pid = "arg1" } }, { capture = {} })
		local rows <const> = open({ who = true }, { count = true, by = { "pid", "comm" } })
		both()
		assert.same({ ended }, tracer.pick(tracer.all(plain:events { idle = 0 }), table.unpack(NAMES)))
		local list <const> = tracer.all(whose:events { idle = 0 })
		assert.same({ began }, tracer.pick(list, table.unpack(NAMES)))
		assert.matches(("^%%S+ a longer name 1%%[%d%%] say here=%d text=\"a longer name 1\" latency="):format(victim.pid, victim.pid),
			tostring(list[1]))
		assert.same({ { 0, other.pid } }, tracer.pick(tracer.all(partly:events { idle = 0 }), "pid", "tid"))
		assert.same({ { pid = victim.pid, comm = "a longer name 1", count = 1 } }, { table.unpack(rows:read()) })
		whose.capture = {}
		both()
		for pid, comm in whose:each("pid", "comm", { idle = 0 }) do assert.same({ victim.pid, "a longer name 1" }, { pid, comm }) end
		assert.equal(2, whose:stats().delivered)
		victim:call("say", 1)
		local waits <const> = whose:pending()[1]
		assert.same({ victim.pid, 1001, "a longer name 1" }, { waits.pid, waits.gid, waits.comm })
	end)

	it_traces("aggregates, and changes while it runs", function(trace, victim)
		local span <const> = assert(trace:span(ends(victim, { hist = "latency", count = true, by = "comm" })))
		local function go()
			victim:call("hit_a", 1)
			victim:call("hit_b", 1)
			local rows <const> = assert(span:read { clear = true })
			return rows[1] and rows[1].count or 0
		end
		assert.equal(1, go())
		span.enabled = false
		assert.equal(0, go())
		span.enabled = true
		assert.equal(1, go())
		assert.matches("comm=victim", tostring(span) .. "comm=victim")
	end)

	it_traces("joins hooks of two kinds", function(trace, victim)
		local span <const> = assert(trace:span {
			from = { "syscall:getsid", key = "pid" }, to = { UPROBE .. "hit_b", key = "pid" }, pid = victim.pid,
		})
		victim:call("getsid", 1)
		victim:call("hit_b", 1)
		assert.same({ { "getsid", "syscall:getsid" } }, tracer.pick(tracer.all(span:events { idle = 0 }), "symbol", "target"))
	end)

	it_traces("is exact while both ends are under fire", function(trace, victim)
		local other <close> = Victim.start()
		local span <const> = assert(trace:span {
			from = { UPROBE .. "say", key = "pid" }, to = { UPROBE .. "hit_b", key = "pid" }, count = true, by = {},
		})
		local n <const> = lab.times(5000)
		for _, one in ipairs { victim, other } do
			one.input:write("say ", n, "\nhit_b ", n, "\n")
			one.input:flush()
		end
		for _, one in ipairs { victim, other } do
			one.output:read "l"
			one.output:read "l"
		end
		local stats <const> = span:stats()
		tracer.adds_up(stats, 2 * n)
		assert.same({ 2, 2 * n - 2, 2 * n - 2, 0 },
			{ stats.aggregated, stats.unreturned, stats.unmatched, stats.pending })
	end)

	it_traces("closes with what is pending", function(trace, victim)
		local span <const> = assert(trace:span(ends(victim)))
		victim:call("hit_a", 1)
		assert(span:close())
		local stats <const> = span:stats()
		tracer.adds_up(stats, 1)
		assert.same({ 1, 0 }, { stats.unreturned, stats.pending })
		assert.same({}, span:pending())
		assert(trace.engine.reclaim:collect())
		assert.equal(trace.engine.pools.bodies:size(), trace.engine.pools.bodies:left())
		assert.equal(trace.engine.pools.sites:size(), trace.engine.pools.sites:left())
	end)

	it_traces("begins in several ways, each with its key and its condition", function(trace, victim)
		local span <const> = assert(trace:span {
			from = {
				{ UPROBE .. "hit_a", key = "tid", capture = { how = "1" } },
				{ UPROBE .. "say", key = "tid + 0", where = "arg1 == 2", capture = { how = "arg1 * 10" } },
			},
			to = { UPROBE .. "hit_b", key = "tid" }, pid = victim.pid, count = true, by = { "how" },
		})
		victim:call("hit_a", 1)
		victim:call("hit_b", 1)
		victim:call("say", 3) -- with 0, 1 and 2
		assert.equal(20, span:pending()[1].how)
		victim:call("hit_b", 1)
		local rows <const> = assert(span:read())
		assert.same({ { 1, 1 }, { 20, 1 } }, tracer.pick(rows, "how", "count"))
		tracer.adds_up(span:stats(), 4)
		assert.equal(2, span:stats().filtered)
		assert.same({ "hit_a", "say" }, { span.sites[1].symbol, span.sites[2].symbol })
		span.where = "how > 1" -- of both
		victim:call("hit_a", 1)
		victim:call("hit_b", 1)
		assert.equal(3, span:stats().filtered)
	end)

	it_traces("begins when a call has returned", function(trace, victim)
		local span <const> = assert(trace:span {
			from = {
				UPROBE .. "say", returns = true, key = "arg1 + 100", where = "arg1 ~= 1 and retval ~= 12345",
				capture = { number = "arg1", result = "retval", text = "str(arg0)" },
			},
			to = { UPROBE .. "hit_b", key = "102" }, pid = victim.pid, count = true, by = { "text", "number", "result" },
		})
		victim:call("say", 4) -- with 0, 1, 2 and 3
		local account <const> = span:stats()
		tracer.adds_up(account, 4)
		assert.same({ 3, 1 }, { account.pending, account.filtered })
		local list <const> = span:pending()
		assert.same({ 100, 0, "alpha", "say" }, { list[1].key, list[1].number, list[1].text, list[1].symbol })
		local result <const> = list[2].result
		victim:call("hit_b", 2)
		assert.same({ { "gamma", 2, result, 1 } }, tracer.pick(assert(span:read()), "text", "number", "result", "count"))
		local ended <const> = span:stats()
		tracer.adds_up(ended, 4)
		-- One end too many, and the return of the call that was refused at its entry.
		assert.same({ 2, 1, 2 }, { ended.pending, ended.aggregated, ended.unmatched })
	end)

	it_traces("that begins at returns changes under fire, and leaves nothing behind", function(trace, victim)
		local span <const> = assert(trace:span {
			from = { UPROBE .. "say", returns = true, key = "tid", capture = { number = "arg1" } },
			to = { UPROBE .. "hit_b", key = "tid" }, pid = victim.pid, count = true, by = {}, params = { least = 0 },
			where = "number >= $least",
		})
		local n <const> = lab.times(3000)
		victim.input:write(("say %d\nhit_b 1\n"):format(n))
		victim.input:flush()
		for i = 1, 50 do span.params.least = i % 3 end
		victim.output:read "l"
		victim.output:read "l"
		local account <const> = span:stats()
		tracer.adds_up(account, n)
		assert.equal(n - 1, account.unreturned)
		assert(span:close())
		assert(trace.engine.reclaim:collect())
		assert.equal(trace.engine.pools.bodies:size(), trace.engine.pools.bodies:left())
		assert.equal(trace.engine.pools.sites:size(), trace.engine.pools.sites:left())
	end)

	it_traces("may end in one process only", function(trace, victim)
		local given <const> = ends(victim, { count = true, by = {} })
		given.to.pid = 1
		local span <const> = assert(trace:span(given))
		victim:call("hit_a", 1)
		victim:call("hit_b", 1)
		assert.same({ 1, 0 }, { span:stats().pending, span:stats().unmatched })
	end)

	it_traces("may be of everybody in a trace that is of one process", function(_, victim)
		local mine <close> = assert(crumb.trace { pid = 1 })
		local ends_of <const> = ends(victim, { count = true, by = {} })
		ends_of.pid = nil
		local none <const> = assert(mine:span(ends_of))
		ends_of.pid, ends_of.where = false, ("pid == %d"):format(victim.pid)
		local all <const> = assert(mine:span(ends_of))
		victim:call("hit_a", 1)
		victim:call("hit_b", 1)
		assert.same({ {}, 1 }, { assert(none:read()), assert(all:read())[1].count })
	end)

	it_traces("says what is wrong with it", function(trace)
		local from <const>, to <const> = { UPROBE .. "hit_a", key = "pid" }, { UPROBE .. "hit_b", key = "pid" }
		for _, row in ipairs {
			{ { from = from }, "trace:span: to: expected { TARGET, key = EXPRESSION }" },
			{ { from = { UPROBE .. "hit_a" }, to = to }, "trace:span: from: it needs a key, such as key = \"args.pid\"" },
			{ { from = { from, 1 }, to = to }, "trace:span: from[2]: expected { TARGET, key = EXPRESSION }" },
			{ { from = { from, { UPROBE .. "hit_c" } }, to = to }, "trace:span: from[2]: it needs a key" },
			{ { from = from, to = to, where = "pid == 1", nonsense = 1 }, "trace:span: no option 'nonsense'" },
			{ { from = from, to = { UPROBE .. "hit_b", key = { "pid", "tid" } } }, "trace:span: key: from and to have keys of one form" },
			{ { from = { UPROBE .. "hit_a", key = "pid", wher = "x" }, to = to }, "trace:span: from: no option 'wher' (nearest: where)" },
		} do
			local done <const>, message <const> = pcall(function() return trace:span(row[1]), 1 end)
			assert.is_false(done)
			assert.equal(row[2], message:gsub("^spec/span_spec%.lua:%d+: ", ""):sub(1, #row[2]))
		end
		for _, row in ipairs {
			{ { from = { UPROBE .. "hit_a", key = "nonsense" }, to = to }, "^key: no name 'nonsense'" },
			{ { from = from, to = { UPROBE .. "hit_e", key = "pid" } }, "no symbol 'hit_e'" },
			{ { from = { from, { UPROBE .. "hit_c", key = "pid", capture = { x = "1" } } }, to = to },
				"^from: the same values are to be captured at all beginnings" },
		} do
			local span <const>, message <const> = trace:span(row[1])
			assert.is_nil(span)
			assert.matches(row[2], message)
		end
		assert.is_nil(next(trace.probes))
		assert(trace.engine.reclaim:collect())
		assert.equal(trace.engine.pools.sites:size(), trace.engine.pools.sites:left())
	end)
end)
