-- What becomes of the hits, counted: samples, limits, and the sum of it all when two processors are at it.
local core = require "crumb.core"
local Engine = require "support.engine"
local lab = require "support.lab"
local Victim = require "support.victim"

local SITE <const>, BODY <const> = 1, 1
local IDENTITY <const> = { 0, 0, 0, 0, 0, 0, 0, 0 }

local engine, victim, finish

setup(function()
	engine, victim, finish = Engine.with_victim(SITE)
end)

teardown(function() finish() end)

before_each(function()
	engine:site(SITE, BODY)
	engine:forget(SITE)
	engine:put("small_tables", 0, 256)
	for i = 0, 1 do victim:call("arg" .. i, 0) end
end)

-- Slots 0 and 1 are the first arguments.
local STEPS <const> = { { op = "REGISTER", to = 0, a = "ARG0" }, { op = "REGISTER", to = 1, a = "ARG1" } }

local function rule(given)
	given.steps = given.steps or STEPS
	if given.row == nil then given.row = true end
	given.identity = given.identity or IDENTITY
	engine:body(BODY, given)
end

local function call(first)
	victim:call("arg0", first)
	victim:call("call", 1)
end

describe("sample", function()
	it("lets one in so many pass, of all sites of its gauge", function()
		rule { small = true, sample = 5 }
		victim:call("call", 23)
		assert.same({ aggregated = 5, sampled_out = 18 }, engine:account(SITE))
		assert.equal(5, engine:rows()[1].count)
		engine:site(SITE, BODY, 0, 2)
		engine:forget(SITE)
		engine:forget(2)
		victim:call("call", 5)
		engine:site(SITE, BODY, 0, 3)
		engine:forget(3)
		victim:call("call", 5)
		assert.same({ 5, 5 }, { engine.maps.accounts:lookup(2).ticks, engine.maps.accounts:lookup(3).ticks })
		assert.same({ aggregated = 2, sampled_out = 8 }, engine:account(SITE))
	end)

	it("comes after the steps", function()
		rule { small = true, sample = 2, steps = { { op = "REGISTER", to = 0, a = "ARG0" }, { op = "EQ", a = 0, value = 1 } } }
		for i = 1, 10 do call(i % 2) end
		assert.same({ filtered = 5, aggregated = 3, sampled_out = 2 }, engine:account(SITE))
	end)
end)

describe("limit", function()
	local LIMIT <const> = 7

	it("lets so many pass in a second, and not more", function()
		rule { small = true, limit = LIMIT, event = true, row = false, steps = { { op = "BUILTIN", to = 0, a = "TIME" } } }
		local other <close> = Victim.start()
		local calls, until_ <const> = 0, core.now() + 2500000000
		while core.now() < until_ do
			victim:ask("call", 100)
			other:ask("call", 100)
			calls = calls + victim:answer "call" + other:answer "call"
		end
		local seconds <const> = {}
		for _, record in ipairs(engine:records()) do
			local second <const> = record.time // 1000000000
			seconds[second] = (seconds[second] or 0) + 1
		end
		local account <const>, sent = engine:account(SITE), 0
		for _, count in pairs(seconds) do
			assert.equal(LIMIT, count)
			sent = sent + count
		end
		assert.same({ calls, sent }, { account.sent + account.limited, account.sent })
	end)

	it("is one of all sites of a gauge", function()
		rule { small = true, limit = LIMIT }
		engine:forget(2)
		repeat -- in one second
			local second <const> = core.now() // 1000000000
			engine:forget(SITE)
			engine:forget(3)
			engine:site(SITE, BODY, 0, 3)
			victim:call("call", 5)
			victim:call("call", 5)
		until core.now() // 1000000000 == second
		assert.same({ aggregated = LIMIT, limited = 3 }, engine:account(SITE))
		assert.same({}, engine:account(3))
	end)
end)

describe("a hit without a scratch slot", function()
	after_each(function() engine:hold_scratches(false) end)

	it("is lost when it needs one", function()
		engine:hold_scratches(true)
		rule { event = true, row = false }
		victim:call("call", 3)
		assert.same({ lost = 3 }, engine:account(SITE))
		rule { small = true }
		victim:call("call", 3)
		assert.same({ lost = 3, aggregated = 3 }, engine:account(SITE))
	end)

	it("finds another", function()
		engine:hold_scratches(true)
		local a_cpu <const> = engine.number.SCRATCHES_A_CPU
		for cpu = 0, engine.maps.scratches.max_entries // a_cpu - 2 do
			local scratch <const> = engine.maps.scratches:lookup((cpu + 1) * a_cpu)
			scratch.busy = 0
			assert(engine.maps.scratches:update((cpu + 1) * a_cpu, scratch))
		end
		rule { event = true, row = false }
		victim:call("call", 3)
		assert.same({ sent = 3 }, engine:account(SITE))
		engine:records()
	end)
end)

describe("two processors", function()
	local CALLS <const> = lab.times(20000)

	it("lose nothing: rows, sums, buckets, the account", function()
		local other <close> = Victim.start()
		rule {
			small = true, by = { { "SITE" } }, identity = { 0, 0, 0, math.mininteger, 0, 0, 0, 0 },
			aggregate = { { "SUM", 0, cell = 0 }, { "HIST", 0 }, { "MAX", 1, cell = 2 } },
		}
		victim:call("arg0", 3)
		victim:call("arg1", 8)
		other:call("arg0", 1000)
		other:call("arg1", 9)
		victim:ask("call", CALLS)
		other:ask("call", CALLS)
		victim:answer "call"
		other:answer "call"
		assert.same({ aggregated = 2 * CALLS }, engine:account(SITE))
		local rows <const> = engine:rows()
		assert.same({ 2 * CALLS, 1003 * CALLS, 9 }, { rows[1].count, rows[1].cells[1], rows[1].cells[3] })
		assert.same({ CALLS, CALLS }, { rows[2].count, rows[3].count })
	end)

	it("make a row once", function()
		local other <close> = Victim.start()
		for i = 1, lab.times(200) do
			rule { small = true, by = { { "SLOT", 0 } } }
			victim:call("arg0", i)
			other:call("arg0", i)
			victim:ask("call", 3)
			other:ask("call", 3)
			victim:answer "call"
			other:answer "call"
		end
		for _, row in ipairs(engine:rows()) do assert.equal(6, row.count) end
	end)

	it("lose nothing but what they say: filtered, sampled out, limited, sent and lost", function()
		local other <close> = Victim.start()
		other:call("arg0", 1)
		victim:call("arg0", 0)
		rule {
			small = true, event = true, by = { { "SLOT", 0 } }, sample = 3, limit = lab.times(20000) // 10,
			steps = {
				STEPS[1], { op = "BUILTIN", to = 2, a = "TIME" }, { op = "AND", to = 2, a = 2, value = 16 },
				{ op = "EQ", a = 2, value = 0, yes = "accept", no = 4 }, { op = "EQ", a = 0, value = 1 },
			},
		}
		engine:put("small_tables", 0, 1)
		local received = 0
		for _ = 1, 5 do
			victim:ask("call", CALLS)
			other:ask("call", CALLS)
			received = received + #engine:records()
			victim:answer "call"
			other:answer "call"
		end
		received = received + #engine:records()
		local account <const> = engine:account(SITE)
		assert.equal(10 * CALLS, account.filtered + account.sampled_out + account.limited + account.sent + (account.lost or 0))
		assert.equal(account.sent, received)
		local rows <const> = engine:rows()
		assert.equal(1, #rows)
		assert.equal(account.sent + (account.lost or 0), rows[1].count + account.rows_lost)
	end)
end)
