-- Every hit is accounted for: the outcomes add up, exactly, to what the victim itself counted.
local lab = require "support.lab"
local tracer = require "support.tracer"

local it_traces <const>, UPROBE <const> = tracer.it, tracer.UPROBE

local function times(n) return lab.times(n) end

describe("the account", function()
	it_traces("of conditions, samples and limits", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "say", pid = victim.pid, where = "arg1 >= 10", sample = 3, count = true })
		victim:call("say", 100)
		local stats <const> = probe:stats()
		tracer.adds_up(stats, 100)
		assert.same({ 10, 60, 30 }, { stats.filtered, stats.sampled_out, stats.aggregated })
		assert(probe:set { sample = false, where = false, limit = 1 })
		victim:call("say", 100)
		local after <const> = probe:stats()
		tracer.adds_up(after, 200)
		assert.truthy(after.limited >= 97 and after.limited <= 99)
	end)

	it_traces("is exact under a flood from two threads, of events too", function(trace, victim)
		local probe <const> = assert(trace:probe {
			UPROBE .. "hit_a", UPROBE .. "hit_b", pid = victim.pid, ring_size = 65536, capture = { sp = "sp" }, count = true, by = "tid",
		})
		local n <const> = times(40000)
		victim:call("flood", n)
		local stats <const> = probe:stats()
		tracer.adds_up(stats, 2 * n)
		assert.equal(stats.hits, stats.sent + stats.lost)
		assert.truthy(lab.slow or stats.lost > 0)
		local got = 0
		for _ in probe:each("sp", { idle = 0 }) do got = got + 1 end
		assert.same({ stats.sent, stats.sent }, { got, probe:stats().delivered })
		local counted = 0
		for _, row in ipairs(assert(probe:read())) do counted = counted + row.count end
		assert.equal(2 * n, counted)
		assert.equal(0, probe:stats(probe.sites[2]).hits)
	end)

	it_traces("is exact for what is read while it comes", function(trace, victim)
		local handled = 0
		local probe <const> = assert(trace:probe {
			UPROBE .. "hit_a", pid = victim.pid, handler = function() handled = handled + 1 end,
		})
		local n <const> = times(20000)
		victim.input:write("flood ", n, "\n")
		victim.input:flush()
		assert.truthy(lab.eventually(function()
			trace:poll(0.05)
			return probe:stats().hits == 2 * n
		end))
		victim.output:read "l"
		trace:poll()
		local stats <const> = probe:stats()
		tracer.adds_up(stats, 2 * n)
		assert.same({ stats.sent, stats.sent }, { handled, stats.delivered })
	end)

	it_traces("counts rows that found no room", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "say", pid = victim.pid, count = true, by = "arg1", rows = 10 })
		victim:call("say", 100)
		local stats <const> = probe:stats()
		tracer.adds_up(stats, 100)
		assert.equal(100 - 10, stats.lost)
		assert.equal(10, #probe:read())
		assert(probe:set { capture = { number = "arg1" } })
		victim:call("say", 100)
		tracer.adds_up(probe:stats(), 200)
		assert.same({ 100, 90 }, { probe:stats().sent, probe:stats().rows_lost })
	end)

	it_traces("of recursion, each call with its own arguments and latency", function(trace, victim)
		local probe <const> = assert(trace:probe {
			UPROBE .. "fib", returns = true, pid = victim.pid, capture = { n = "arg0" },
		})
		local calls <const> = victim:call("fib", 8)
		local stats <const> = probe:stats()
		tracer.adds_up(stats, calls)
		assert.equal(calls, stats.sent)
		local fib <const> = { [0] = 0, 1, 1, 2, 3, 5, 8, 13, 21 }
		local whole, parts = nil, 0
		for _, event in ipairs(tracer.all(probe:events { idle = 0 })) do
			assert.equal(fib[event.n], event.retval)
			if event.n == 8 then whole = event.latency end
			if event.n == 6 or event.n == 7 then parts = math.max(parts, event.latency) end
		end
		assert.truthy(whole > parts)
	end)

	it_traces("of calls too deep for the kernel", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "deep", returns = true, pid = victim.pid, count = true, by = {} })
		victim:call("deep", 100)
		local stats <const> = probe:stats()
		tracer.adds_up(stats, 100)
		assert.same({ 64, 36 }, { stats.aggregated, stats.pending })
		victim:stop()
		assert.truthy(lab.eventually(function() return probe:stats().unreturned == 36 end))
		tracer.adds_up(probe:stats(), 100)
	end)

	it_traces("of calls that never return", function(trace, victim)
		local probe <const> = assert(trace:probe {
			UPROBE .. "leave", UPROBE .. "never_returns", returns = true, pid = victim.pid, hist = "latency",
		})
		victim:call("jump", 5)
		victim:call("vanish", 3)
		local stats <const> = probe:stats()
		tracer.adds_up(stats, 8)
		assert.same({ 0, 8 }, { stats.aggregated, stats.pending + stats.unreturned })
		assert.truthy(stats.unreturned >= 3)
	end)

	it_traces("of threads in the midst of the same calls", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "deep", returns = true, pid = victim.pid, capture = { left = "arg0" } })
		victim:call("threads", 40)
		local stats <const> = probe:stats()
		tracer.adds_up(stats, 120)
		assert.same({ 120, 0, 0, 0, 0 }, { stats.sent, stats.lost, stats.pending, stats.unreturned, stats.unmatched })
		for _, event in ipairs(tracer.all(probe:events { idle = 0 })) do assert.equal(event.left, event.retval) end
	end)

	it_traces("of pairs for which there is no room", function(trace, victim)
		trace.engine.limits.pairs = 4
		local probe <const> = assert(trace:probe { UPROBE .. "deep", returns = true, pid = victim.pid, count = true, by = {} })
		victim:call("deep", 10)
		local stats <const> = probe:stats()
		tracer.adds_up(stats, 10)
		assert.same({ 4, 6, 6, 0 }, { stats.aggregated, stats.unreturned, stats.unmatched, stats.pending })
	end)

	it_traces("of pairs that are pending when the probe is closed", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "leave", returns = true, pid = victim.pid, count = true })
		victim:call("jump", 3)
		tracer.adds_up(probe:stats(), 3)
		assert(probe:close())
		local last <const> = probe:stats()
		tracer.adds_up(last, 3)
		assert.same({ 0, 3 }, { last.pending, last.unreturned })
	end)

	it_traces("goes on after the probe is closed, and tells what was dropped", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid })
		victim:call("hit_a", 10)
		for _ in probe:events() do
			if probe:stats().delivered == 3 then break end
		end
		assert(probe:close())
		assert.is_true(probe:closed())
		local stats <const> = probe:stats()
		tracer.adds_up(stats, 10)
		assert.same({ 10, 3, 7 }, { stats.sent, stats.delivered, stats.dropped })
		victim:call("hit_a", 5)
		assert.equal(10, probe:stats().hits)
		assert.equal(0, trace:poll())
	end)

	for what, open in pairs {
		calls = function(trace, pid) return trace:probe { UPROBE .. "hit_a", pid = pid, returns = true, count = true } end,
		spans = function(trace, pid)
			local place <const> = { UPROBE .. "hit_a", key = "tid" }
			return trace:span { pid = pid, count = true, from = place, to = place }
		end,
	} do
		it_traces(("of %s that are closed under fire knows what was under way"):format(what), function(trace, victim)
			local probe <const> = assert(open(trace, victim.pid))
			victim.input:write("flood ", times(400000), "\n")
			victim.input:flush()
			assert.truthy(lab.eventually(function() return probe:stats().hits > 1000 end))
			probe:close()
			local stats <const> = probe:stats()
			tracer.adds_up(stats, stats.hits)
			assert.is_true(stats.unreturned <= 2, stats.unreturned) -- one of each thread
		end)
	end

	it_traces("of a table that is emptied under fire adds up", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, count = true, sum = "1", by = "tid" })
		local n <const>, total, sum, rounds = times(40000), 0, 0, 0
		victim.input:write("flood ", n, "\n")
		victim.input:flush()
		assert.truthy(lab.eventually(function()
			for _, row in ipairs(assert(probe:read { clear = true })) do total, sum = total + row.count, sum + row.sum end
			rounds = rounds + 1
			return total >= 2 * n
		end))
		assert.same({ 2 * n, 2 * n }, { total, sum })
		assert.truthy(rounds > 2)
	end)
end)
