-- A rule that changes all the time under fire: every event is one rule's, whole, and decoded as that rule says.
local lab = require "support.lab"
local tracer = require "support.tracer"

local it_traces <const>, UPROBE <const> = tracer.it, tracer.UPROBE
local TEXTS <const> = { [0] = "alpha", "beta", "gamma", "" }

-- Each rule says its number in what it captures, in one of several shapes.
local SHAPES <const> = {
	function(k) return { capture = { rule = tostring(k), number = "arg1", mark = ("arg1 + %d"):format(k) } } end,
	function(k) return { capture = { text = "str(arg0)", rule = tostring(k), number = "arg1" }, where = "arg1 & 1 == 0" } end,
	function(k) return { capture = { number = "arg1", rule = tostring(k), text = "str(arg0)", start = "bytes(arg0, 2)" },
		where = "str(arg0) like $like", params = { like = k % 2 == 0 and "*a" or "al*" } } end,
}

local function check(event)
	local n <const>, k <const> = event.number, event.rule
	local shape <const> = k % 3 + 1
	if event.mark ~= nil then
		return shape == 1 and event.mark == n + k and event.text == nil
	elseif event.start ~= nil then
		local text <const> = TEXTS[n % 4]
		return shape == 3 and event.text == text and event.start == text:sub(1, 2)
			and (k % 2 == 0 and text:find "a$" or k % 2 == 1 and text:find "^al") and true
	end
	return shape == 2 and event.text == TEXTS[n % 4] and n & 1 == 0
end

describe("a rule that changes under fire", function()
	it_traces("tears no event, and loses no hit from the account", function(trace, victim)
		local total <const> = lab.times(200000)
		local bad, seen, newest, changes, probe = {}, 0, 0, 0, nil
		local function change()
			changes = changes + 1
			local rule <const> = SHAPES[changes % 3 + 1](changes)
			rule.where = rule.where or false
			assert(probe:set(rule))
		end
		probe = assert(trace:probe { UPROBE .. "say", pid = victim.pid, where = "arg1 < 0", handler = function(event)
			seen, newest = seen + 1, math.max(newest, event.rule)
			if not check(event) then bad[#bad + 1] = event end
			if seen % 20 == 0 then change() end
		end })
		change()
		victim.input:write("say ", total, "\n")
		victim.input:flush()
		assert.truthy(lab.eventually(function()
			trace:poll(0.01)
			return probe:stats().hits >= total
		end))
		victim.output:read "l"
		trace:poll()
		assert.same({}, bad)
		local stats <const> = probe:stats()
		tracer.adds_up(stats, total)
		assert.equal(stats.sent, seen)
		assert.truthy(lab.slow or changes > 200 and newest > 100)
		-- All but what is published comes back.
		assert(trace.engine.reclaim:collect())
		assert.equal(trace.engine.pools.bodies:size() - 1, trace.engine.pools.bodies:left())
		local layouts = 0
		for _ in pairs(trace.engine.layouts) do layouts = layouts + 1 end
		assert.equal(1, layouts)
	end)

	-- Each stage wants of the program what it could not do before.
	it_traces("gets all that it wants of its program, and loses no hit", function(trace, victim)
		local STAGES <const> = {
			{ capture = { start = "bytes(arg0, 2)" } }, { where = "arg1 + 1 >= 0" }, { where = "str(arg0) != 'zeta'" }, { count = true },
			{ count = true, by = { "kstack" } }, { capture = { rest = "kstack" } },
		}
		local seen, calls <const> = 0, lab.times(20000)
		local probe <const> = assert(trace:probe { UPROBE .. "say", pid = victim.pid, handler = function() seen = seen + 1 end })
		local function await(hits)
			assert.truthy(lab.eventually(function()
				trace:poll(0.001)
				return probe:stats().hits >= hits
			end))
		end
		for number, stage in ipairs(STAGES) do
			victim.input:write("say ", calls, "\n")
			victim.input:flush()
			await((number - 1) * calls + calls // 8)
			assert(probe:set(stage))
			await(number * calls)
			victim.output:read "l"
		end
		trace:poll()
		local stats <const>, counted = probe:stats(), 0
		tracer.adds_up(stats, #STAGES * calls)
		assert.same({ 0, seen }, { stats.filtered, stats.sent })
		for _, row in ipairs(probe:read()) do counted = counted + row.count end
		assert.is_true(counted >= calls and counted < 3 * calls) -- from the fifth stage on
	end, { rows = 64 })

	-- Three that run on two processors: programs are preempted in the midst of a body.
	it_traces("tears no event of a program that was preempted", function(trace, victim)
		local total <const> = lab.times(60000)
		local torn, seen, changes = 0, 0, 0
		local function rule(k)
			local capture <const> = {}
			for i = 1, 12 do capture["c" .. i] = ("%d + sp - sp"):format(k) end
			return { capture = capture }
		end
		local given <const> = rule(0)
		given[1], given.pid, given.ring_size = UPROBE .. "hit_a", victim.pid, 1 << 24
		local probe <const> = assert(trace:probe(given))
		victim.input:write("flood ", total // 2, "\n")
		victim.input:flush()
		assert.truthy(lab.eventually(function()
			for _ = 1, 50 do
				changes = changes + 1
				assert(probe:set(rule(changes)))
			end
			for first, c2, c3, c4, c5, c6, c7, c8, c9, c10, c11, last in probe:each("c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8",
				"c9", "c10", "c11", "c12", { idle = 0 }) do
				seen = seen + 1
				if first ~= last or c2 + c3 + c4 + c5 + c6 + c7 + c8 + c9 + c10 + c11 ~= 10 * first then torn = torn + 1 end
			end
			return probe:stats().hits >= total
		end))
		victim.output:read "l"
		assert.equal(0, torn)
		tracer.adds_up(probe:stats(), total)
		for _ in probe:events { idle = 0 } do seen = seen + 1 end
		assert.equal(probe:stats().sent, seen)
		assert.equal(0, trace.engine.ring:stats().malformed)
	end)

	it_traces("ends each pair by the rule it began with", function(trace, victim)
		local total <const> = lab.times(20000)
		local bad, seen = 0, 0
		local probe <const> = assert(trace:probe { UPROBE .. "say", returns = true, pid = victim.pid,
			capture = { rule = "entry(arg1 - arg1)", number = "arg1" },
			handler = function(event)
				seen = seen + 1
				local item <const> = -event.number
				if event.retval ~= #TEXTS[event.number % 4] + event.number + item then bad = bad + 1 end
				if event.text and event.text ~= TEXTS[event.number % 4] then bad = bad + 1 end
			end })
		victim.input:write("say ", total, "\n")
		victim.input:flush()
		local changes = 0
		assert.truthy(lab.eventually(function()
			changes = changes + 1
			assert(probe:set { capture = changes % 2 == 0 and { number = "arg1" }
				or { text = "entry(str(arg0))", number = "arg1", extra = tostring(changes) } })
			trace:poll()
			return probe:stats().hits >= total
		end))
		victim.output:read "l"
		trace:poll()
		assert.equal(0, bad)
		local stats <const> = probe:stats()
		tracer.adds_up(stats, total)
		assert.same({ 0, 0, seen }, { stats.pending, stats.unmatched, stats.sent })
	end)

	it_traces("changes from a handler, a timer and a coroutine", function(trace, victim)
		local probe
		probe = assert(trace:probe { UPROBE .. "say", pid = victim.pid, capture = { number = "arg1" }, where = "arg1 == $next",
			params = { next = 0 }, handler = function(event) probe.params.next = event.number + 1 end })
		for _ = 1, 5 do
			victim:call("say", 6)
			trace:poll()
		end
		assert.equal(5, probe.params.next)
		trace:every(0.01, function() probe.enabled = false end)
		trace:run { duration = 0.05 }
		assert.is_false(probe.enabled)
		coroutine.wrap(function() probe.enabled = true end)()
		victim:call("say", 6)
		assert.equal(6, probe:stats().sent)
	end)

	it_traces("has sets of ten thousand values, changed live", function(trace, victim)
		local list <const> = {}
		for i = 1, 10000 do list[i] = i * 2 end
		local probe <const> = assert(trace:probe { UPROBE .. "say", pid = victim.pid, count = true, by = {},
			where = "arg1 in $set", params = { set = list } })
		victim:call("say", 101)
		assert.equal(50, probe:read()[1].count)
		probe.params.set = { 1, 2, 3 }
		victim:call("say", 101)
		assert.equal(53, probe:read()[1].count)
	end)
end)
