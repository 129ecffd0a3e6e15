-- What a probe's aggregates hold: rows, keys, histograms, stacks.
local crumb = require "crumb"
local tracer = require "support.tracer"
local Victim = require "support.victim"

local it_traces <const>, UPROBE <const> = tracer.it, tracer.UPROBE

local function plain(rows)
	local list <const> = {}
	for i, row in ipairs(rows) do list[i] = row end
	return list
end

describe("the rows of a probe", function()
	it_traces("have a field for each key and each aggregate", function(trace, victim)
		local probe <const> = assert(trace:probe {
			UPROBE .. "say", pid = victim.pid, count = true, sum = { total = "arg1" }, avg = { mean = "arg1" }, min = "arg1",
			max = { most = "arg1" }, by = { "comm", text = "str(arg0)", odd = "arg1 & 1" },
		})
		victim:call("say", 8)
		assert.same({
			{ comm = "victim", text = "alpha", odd = 0, count = 2, total = 4, mean = 2.0, min = 0, most = 4 },
			{ comm = "victim", text = "gamma", odd = 0, count = 2, total = 8, mean = 4.0, min = 2, most = 6 },
			{ comm = "victim", text = "", odd = 1, count = 2, total = 10, mean = 5.0, min = 3, most = 7 },
			{ comm = "victim", text = "beta", odd = 1, count = 2, total = 6, mean = 3.0, min = 1, most = 5 },
		}, plain(probe:read()))
		local top <const> = probe:read { sort = "-total", top = 2 }
		assert.same({ 10, 8 }, { top[1].total, top[2].total, top[3] })
		assert.has_error(function() probe:read { sort = "totl" } end, "probe:read: sort: there is no column 'totl' (nearest: total)")
	end)

	it_traces("are one for each symbol when there are several sites, or one in all", function(trace, victim)
		local each <const> = assert(trace:probe { UPROBE .. "hit_*", pid = victim.pid, count = true })
		local total <const> = assert(trace:probe { UPROBE .. "hit_*", pid = victim.pid, count = true, by = {} })
		local cookies <const> = assert(trace:probe { UPROBE .. "hit_*", cookie = function(_, i) return -i end, pid = victim.pid,
			count = true, by = "cookie" })
		victim:call("hit_a", 2)
		victim:call("hit_c", 3)
		assert.same({ { symbol = "hit_a", count = 2 }, { symbol = "hit_c", count = 3 } }, plain(each:read()))
		assert.same({ { count = 5 } }, plain(total:read()))
		local by <const> = {}
		for _, row in ipairs(cookies:read()) do by[row.cookie] = row.count end
		assert.same({ [-1] = 2, [-3] = 3 }, by)
	end)

	it_traces("have histograms, of powers of two and of steps", function(trace, victim)
		local probe <const> = assert(trace:probe {
			UPROBE .. "say", pid = victim.pid, hist = { wide = "arg1" }, lhist = { narrow = { "arg1", 2, 6, 2 } }, by = {},
		})
		victim:call("say", 8)
		local row <const> = probe:read()[1]
		assert.same({
			{ low = 0, high = 0, count = 1 }, { low = 1, high = 1, count = 1 }, { low = 2, high = 3, count = 2 },
			{ low = 4, high = 7, count = 4 },
		}, row.wide)
		assert.same({
			{ low = math.mininteger, high = 1, count = 2 }, { low = 2, high = 3, count = 2 }, { low = 4, high = 5, count = 2 },
			{ low = 6, high = math.maxinteger, count = 2 },
		}, row.narrow)
		assert.matches("@", tostring(probe))
	end)

	it("have stacks among their keys, for flame graphs too", function()
		local victim <close> = Victim.start()
		local trace <close> = assert(crumb.trace())
		local probe <const> = assert(trace:probe {
			UPROBE .. "deep", pid = victim.pid, where = "arg0 == 1", count = true, by = "ustack",
		})
		victim:call("deep", 4)
		victim:call("deep", 4)
		local rows <const> = probe:read()
		assert.same({ 1, 2, "deep" }, { #rows, rows[1].count, rows[1].ustack[1].name })
		assert.matches("main;deep;deep;deep 2", probe:folded())
	end)

	it_traces("begin anew when they are cleared, or when other ones are wanted", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, count = true, by = {} })
		victim:call("hit_a", 3)
		assert(probe:clear())
		victim:call("hit_a", 2)
		assert.equal(2, probe:read()[1].count)
		probe.where = "pid ~= 1" -- the same rows
		victim:call("hit_a", 2)
		assert.equal(4, probe:read()[1].count)
		assert(probe:set { count = false, max = "pid", by = false })
		assert.same({}, plain(probe:read()))
		victim:call("hit_a", 1)
		assert.same({ { max = victim.pid } }, plain(probe:read()))
	end)

	it_traces("can still be read when the probe is closed", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, count = true, by = {} })
		victim:call("hit_a", 3)
		assert(trace:close())
		assert.equal(3, probe:read()[1].count)
		assert.equal(3, probe:stats().aggregated)
		assert.has_error(function() probe.where = "pid == 1" end, "probe.where: it is closed")
	end)

	it_traces("need an aggregate", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid })
		assert.has_error(function() probe:read() end, "probe:read: the rule has no aggregate: give it count = true, sum, hist, …")
	end)
end)
