-- The calls that the engine pairs: a function's entry with its return, thread by thread.
local core = require "crumb.core"
local Engine = require "support.engine"
local lab = require "support.lab"
local Victim = require "support.victim"

local BODY <const>, NEXT <const> = 1, 2
local DEEP <const>, LEAVE <const>, CALLED <const>, PAUSED <const> = 11, 12, 13, 14
local SITES <const> = { DEEP, LEAVE, CALLED, PAUSED }
local PAIRS <const> = 256

local engine, victim, before

setup(function()
	before = lab.descriptors()
	victim = Victim.start()
	engine = Engine.open { pairs = PAIRS, ring = 1 << 20 }
	for site, symbol in pairs { [DEEP] = "deep", [LEAVE] = "leave", [CALLED] = "called", [PAUSED] = "paused" } do
		engine:attach("uprobe:build/fixtures/victim:" .. symbol, site, "OPEN")
		engine:attach("uretprobe:build/fixtures/victim:" .. symbol, site, "RETURN")
	end
end)

teardown(function()
	engine:close()
	victim:stop()
	engine, victim = nil, nil
	assert.equal(before, lab.descriptors())
end)

before_each(function()
	engine:put("pairs", 0, PAIRS)
	engine:start_over(SITES)
	for i = 0, 5 do victim:call("arg" .. i, 0) end
	engine:records()
end)

-- Each spec leaves the identity of what it did whole, and no body referred to by pairs that are no more.
after_each(function() engine:check_pairs(SITES) end)

local LATENCY <const> = { { op = "BUILTIN", to = 10, a = "LATENCY" } }

-- A body of calls, with the steps that are taken at the end.
local function calls(given)
	given.call, given.partner = true, given.partner or BODY
	given.open_start = given.open_start or 254
	return given
end

describe("a call", function()
	it("is an event at its end, with its arguments and what it returned", function()
		engine:body(BODY, calls {
			event = true, outputs = { { "SLOT", 0 }, { "SLOT", 1 }, { "SLOT", 2 }, { "SLOT", 3 } },
			steps = {
				{ op = "REGISTER", to = 0, a = "ARG0" }, { op = "REGISTER", to = 1, a = "ARG5" },
				{ op = "CONTEXT", to = 2, value = Engine.offset "retval" }, { op = "BUILTIN", to = 3, a = "LATENCY" },
			},
		})
		engine:site(CALLED, BODY)
		for i = 0, 5 do victim:call("arg" .. i, (i + 1) * 100) end
		victim:call("call", 3)
		local records <const> = engine:records(4)
		assert.equal(3, #records)
		for _, record in ipairs(records) do
			assert.same({ CALLED, 100, 600, 2100 }, { record.site, record[0], record[1], record[2] })
			assert.is_true(record[3] > 0 and record[3] < 1000000000)
		end
		assert.same({ opened = 3, closed = 3, sent = 3 }, engine:account(CALLED))
	end)

	it("is that of its depth in a recursion", function()
		engine:body(BODY, calls {
			event = true, outputs = { { "SLOT", 0 }, { "SLOT", 10 } },
			steps = { { op = "REGISTER", to = 0, a = "ARG0" }, LATENCY[1] },
		})
		engine:site(DEEP, BODY)
		assert.equal(10, victim:call("deep", 10))
		local records <const>, last = engine:records(2), 0
		assert.equal(10, #records)
		for i, record in ipairs(records) do
			assert.equal(i, record[0]) -- the innermost returns first
			assert.is_true(record[1] > last) -- and is the shortest
			last = record[1]
		end
		assert.same({ opened = 10, closed = 10, sent = 10 }, engine:account(DEEP))
	end)

	it("too deep for the kernel stays open until it begins anew", function()
		engine:body(BODY, calls { small = true, row = true })
		engine:site(DEEP, BODY)
		assert.equal(100, victim:call("deep", 100))
		local first <const> = engine:account(DEEP)
		assert.equal(100, first.opened)
		assert.equal(first.closed, first.aggregated)
		assert.is_true(first.closed >= 64 and first.closed <= 100)
		assert.equal(100, victim:call("deep", 100))
		local second <const> = engine:account(DEEP)
		assert.equal(200, second.opened)
		assert.equal(2 * first.closed, second.closed)
		-- The same depths at the same places of the stack.
		assert.equal(100 - first.closed, second.abandoned or 0)
		assert.is_nil(second.unmatched)
	end)

	it("that a longjmp left is abandoned by the next one there", function()
		engine:body(BODY, calls { event = true })
		engine:site(LEAVE, BODY)
		victim:call("jump", 7)
		assert.same({ opened = 7, abandoned = 6 }, engine:account(LEAVE))
		assert.equal(0, #engine:records())
		assert.equal(1, engine:references(BODY))
	end)

	it("of a thread that is gone stays, with who it was", function()
		engine:body(BODY, calls { event = true })
		engine:site(LEAVE, BODY)
		victim:call("jump", 1)
		local keys <const> = {}
		for key, pair in pairs(engine.inner.pairs) do keys[#keys + 1] = { key.owner, key.a, pair.site, pair.body } end
		assert.same({ { LEAVE, victim.pid << 32 | victim.pid, LEAVE, BODY } }, keys)
	end)

	it("that is not to be followed is filtered, and its return unmatched", function()
		engine:body(BODY, calls {
			event = true, open_start = 0, start = 254,
			steps = { { op = "REGISTER", to = 0, a = "ARG0" }, { op = "EQ", a = 0, value = 3 } },
		})
		engine:site(DEEP, BODY)
		victim:call("deep", 5)
		assert.same({ filtered = 4, opened = 1, closed = 1, sent = 1, unmatched = 4 }, engine:account(DEEP))
	end)

	it("is judged at its end too", function()
		engine:body(BODY, calls {
			event = true, steps = { { op = "CONTEXT", to = 0, value = Engine.offset "retval" }, { op = "EQ", a = 0, value = 2 } },
		})
		engine:site(DEEP, BODY)
		victim:call("deep", 5)
		assert.same({ filtered = 4, opened = 5, closed = 5, sent = 1 }, engine:account(DEEP))
	end)

	it("is thinned at its end", function()
		engine:body(BODY, calls { small = true, row = true, sample = 4 })
		engine:site(DEEP, BODY)
		victim:call("deep", 10)
		assert.same({ opened = 10, closed = 10, aggregated = 3, sampled_out = 7 }, engine:account(DEEP))
	end)
end)

describe("a full map of pairs", function()
	it("refuses, and the returns are unmatched", function()
		engine:put("pairs", 0, 4)
		engine:body(BODY, calls { small = true, row = true })
		engine:site(DEEP, BODY)
		victim:call("deep", 10)
		assert.same({ opened = 4, closed = 4, aggregated = 4, refused = 6, unmatched = 6 }, engine:account(DEEP))
		victim:call("deep", 3)
		assert.same({ opened = 7, closed = 7, aggregated = 7, refused = 6, unmatched = 6 }, engine:account(DEEP))
	end)

	it("that is not there refuses all", function()
		assert(engine.maps.pairs:delete(0))
		engine:body(BODY, calls { event = true })
		engine:site(DEEP, BODY)
		victim:call("deep", 3)
		assert.same({ refused = 3, unmatched = 3 }, engine:account(DEEP))
	end)
end)

describe("a call without a scratch slot", function()
	after_each(function() engine:hold_scratches(false) end)

	it("is refused at its beginning", function()
		engine:body(BODY, calls { event = true })
		engine:site(DEEP, BODY)
		engine:hold_scratches(true)
		victim:call("deep", 3)
		assert.same({ refused = 3, unmatched = 3 }, engine:account(DEEP))
	end)

	it("is closed and lost at its end", function()
		engine:body(BODY, calls { event = true })
		engine:site(PAUSED, BODY)
		victim:ask("paused", 1)
		assert(lab.eventually(function() return engine:account(PAUSED).opened end))
		engine:hold_scratches(true)
		victim:go_on()
		victim:answer "paused"
		assert.same({ opened = 1, closed = 1, lost = 1 }, engine:account(PAUSED))
	end)
end)

describe("a rule that changes between the ends", function()
	-- A call that began with the one body, and in whose midst the site's is another, or none.
	local function changed(to)
		for body = BODY, NEXT do
			engine:body(body, calls { event = true, partner = body, generation = 100 + body })
		end
		engine:site(PAUSED, BODY)
		victim:ask("paused", 1)
		assert(lab.eventually(function() return engine:account(PAUSED).opened end))
		assert.same({ 1, 0 }, { engine:references(BODY), engine:references(NEXT) })
		engine:site(PAUSED, to)
		victim:go_on()
		victim:answer "paused"
		assert.same({ opened = 1, closed = 1, sent = 1 }, engine:account(PAUSED))
		return engine:records()[1].generation
	end

	it("is at the end the one that it was at the beginning", function()
		assert.equal(100 + BODY, changed(NEXT))
	end)

	it("ends, where there is none any more, what it began", function()
		assert.equal(100 + BODY, changed(0))
		victim:ask("paused", 1)
		victim:go_on()
		victim:answer "paused"
		assert.same({ opened = 1, closed = 1, sent = 1 }, engine:account(PAUSED))
	end)

	it("may end by another", function()
		engine:body(BODY, calls { event = true, partner = NEXT, generation = 10 })
		engine:body(NEXT, calls { event = true, generation = 11, outputs = { { "SLOT", 10 } }, steps = LATENCY })
		engine:site(DEEP, BODY)
		victim:call("deep", 3)
		local records <const> = engine:records(1)
		assert.equal(3, #records)
		for _, record in ipairs(records) do assert.equal(11, record.generation) end
	end)
end)

describe("more threads than processors", function()
	it("are each where they were when they go on: whoever came in between", function()
		engine:body(BODY, calls { small = true, row = true })
		engine:site(DEEP, BODY)
		local others <const>, rounds <const> = {}, lab.times(2000)
		for i = 1, 4 do
			others[i] = Victim.start()
			others[i]:ask("threads", rounds)
		end
		for _, other in ipairs(others) do
			other:answer "threads"
			other:stop()
		end
		local all <const> = #others * 3 * rounds
		assert.same({ opened = all, closed = all, aggregated = all }, engine:account(DEEP))
		for slot = 0, engine.maps.scratches.max_entries - 1 do
			assert.equal(0, engine.maps.scratches:lookup(slot).busy)
		end
	end)
end)

describe("two processors", function()
	it("keep the calls of their threads apart", function()
		engine:body(BODY, calls { small = true, row = true })
		engine:site(DEEP, BODY)
		local other <close> = Victim.start()
		local rounds <const> = lab.times(2000)
		victim:ask("threads", rounds)
		other:ask("threads", rounds)
		victim:answer "threads"
		other:answer "threads"
		local account <const> = engine:account(DEEP)
		assert.same({ opened = 6 * rounds, closed = 6 * rounds, aggregated = 6 * rounds }, account)
	end)

	it("are not mixed by rules that change at every moment", function()
		local other <close> = Victim.start()
		for body = 1, 3 do
			engine:body(body, calls { event = true, partner = body, generation = 100 + body, outputs = { { "SLOT", 0 } },
				start = 0, steps = { { op = "CONSTANT", to = 0, value = body } } })
		end
		local rounds <const>, seen, wrong = lab.times(3000), 0, 0
		victim:ask("threads", rounds)
		other:ask("threads", rounds)
		local ends <const> = core.now() + 60000000000
		local i = 0
		repeat
			i = i + 1
			engine:site(DEEP, i % 4)
			for _, record in ipairs(engine:records(1)) do
				seen = seen + 1
				if record.generation ~= 100 + record[0] then wrong = wrong + 1 end
			end
		until i > lab.times(4000) or core.now() > ends
		victim:answer "threads"
		other:answer "threads"
		for _, record in ipairs(engine:records(1)) do
			seen = seen + 1
			if record.generation ~= 100 + record[0] then wrong = wrong + 1 end
		end
		local account <const> = engine:account(DEEP)
		assert.equal(0, wrong)
		assert.equal(account.sent, seen)
		assert.equal(account.opened, account.closed)
		assert.equal(account.closed, account.sent + (account.lost or 0))
	end)
end)
