-- USDT probes: every site under a name, semaphores, cookies, and how they are attached.
local features = require "crumb.bpf.features"
local tracer = require "support.tracer"
local Victim = require "support.victim"

local it_traces <const> = tracer.it
local GUARDED <const> = "usdt:build/fixtures/victim:crumb:guarded"
local ONCE <const> = "usdt:build/fixtures/victim:crumb:once"

describe("the semaphore of a USDT probe", function()
	it_traces("counts its sites up and down", function(trace, victim)
		assert.equal(0, victim:call("semaphore", 1))
		local probe <const> = assert(trace:probe { GUARDED, count = true, pid = victim.pid })
		assert.equal(3, victim:call("semaphore", 1))
		victim:call("usdt", 5)
		assert.equal(15, probe:stats().aggregated)
		assert(probe:close())
		assert.equal(0, victim:call("semaphore", 1))
	end)

	it_traces("stays up as long as one of two probes is there", function(trace, victim)
		local one <const> = assert(trace:probe { GUARDED, count = true, pid = victim.pid })
		local two <const> = assert(trace:probe { GUARDED, count = true, pid = victim.pid })
		assert(one:close())
		assert.equal(3, victim:call("semaphore", 1))
		victim:call("usdt", 2)
		assert.same({ 0, 6 }, { one:stats().hits, two:stats().aggregated })
		assert(two:close())
		assert.equal(0, victim:call("semaphore", 1))
	end)

	it_traces("is counted in a process that starts later, and in each of two", function(trace, victim)
		local probe <const> = assert(trace:probe { GUARDED, capture = { number = "arg0" } })
		local late <close> = Victim.start()
		assert.same({ 3, 3 }, { victim:call("semaphore", 1), late:call("semaphore", 1) })
		late:call("usdt", 1)
		assert.same({ { late.pid, 1 }, { late.pid, 2 }, { late.pid, 3 } },
			tracer.pick(tracer.all(probe:events { idle = 0 }), "pid", "number"))
		assert(probe:close())
		assert.same({ 0, 0 }, { victim:call("semaphore", 1), late:call("semaphore", 1) })
	end)

	it_traces("is right in who stays when another one is killed", function(trace, victim)
		local probe <const> = assert(trace:probe { GUARDED, count = true })
		do
			local killed <close> = Victim.start()
			killed:call("usdt", 1)
			assert(os.execute("kill -9 " .. killed.pid))
			assert.is_nil(killed.output:read "l")
		end
		assert.equal(3, victim:call("semaphore", 1))
		victim:call("usdt", 1)
		assert.equal(6, probe:stats().aggregated)
		assert(probe:close())
		assert.equal(0, victim:call("semaphore", 1))
	end)
end)

describe("a USDT probe", function()
	it_traces("has a cookie for each place, in one rule", function(trace, victim)
		local probe <const> = assert(trace:probe { GUARDED, ONCE, pid = victim.pid, capture = { number = "cookie + 1" },
			cookie = function(site, i) return site.symbol == "crumb:once" and -1 or 10 * i end })
		assert.same({ 10, 20, 30, -1 }, probe.cookies)
		victim:call("usdt", 1)
		victim:call("once", 2)
		local places <const> = {}
		for i, event in ipairs(tracer.all(probe:events { idle = 0 })) do
			places[i] = { event.cookie, event.number, event.symbol }
		end
		table.sort(places, function(a, b) return a[1] < b[1] end)
		assert.same({
			{ -1, 0, "crumb:once" }, { -1, 0, "crumb:once" },
			{ 10, 11, "crumb:guarded" }, { 20, 21, "crumb:guarded" }, { 30, 31, "crumb:guarded" },
		}, places)
	end)

	it_traces("is attached by as few kernel links as others, semaphores and all", function(trace, victim)
		if not features.hook "uprobe.multi".available then pending "this kernel has no uprobe.multi" end
		local probe <const> = assert(trace:probe { GUARDED, ONCE, "usdt:build/fixtures/victim:crumb:indexed",
			pid = victim.pid, count = true })
		assert.equal("uprobe.multi: 5 sites, 1 kernel link", probe.mechanism)
		assert.equal(3, victim:call("semaphore", 1))
	end)
end)