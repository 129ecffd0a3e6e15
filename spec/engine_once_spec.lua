-- A site that reports once: the first hit that its rule accepts, and no other, whoever comes at the same time.
local core = require "crumb.core"
local Engine = require "support.engine"

local SITE <const>, BODY <const> = 1, 1
local IDENTITY <const> = { 0, 0, 0, 0, 0, 0, 0, 0 }
local FIRST <const> = { { op = "REGISTER", to = 0, a = "ARG0" } }

local engine, victim, finish

setup(function()
	engine, victim, finish = Engine.with_victim(SITE)
end)

teardown(function() finish() end)

before_each(function()
	engine:site(SITE, BODY)
	engine:forget(SITE)
	engine:put("small_tables", 0, 256)
	engine:records()
	victim:call("arg0", 0)
end)

local function rule(given)
	given.once, given.identity = true, IDENTITY
	engine:body(BODY, given)
end

local function seen() return engine.maps.accounts:lookup(SITE).seen end

describe("a site that reports once", function()
	it("sends its first hit, and counts the others as repeated", function()
		rule { event = true, steps = FIRST, outputs = { { "SLOT", 0 } } }
		assert.equal(engine.number.SEEN_NOT, seen())
		victim:call("arg0", 5)
		victim:call("call", 1)
		victim:call("arg0", 6)
		victim:call("call", 22)
		local records <const> = engine:records(1)
		assert.same({ 1, 5 }, { #records, records[1][0] })
		assert.same({ sent = 1, repeated = 22 }, engine:account(SITE))
		assert.equal(engine.number.SEEN_DONE, seen())
	end)

	it("adds its first hit to a row", function()
		rule { row = true, small = true }
		victim:call("call", 23)
		assert.equal(1, engine:rows()[1].count)
		assert.same({ aggregated = 1, repeated = 22 }, engine:account(SITE))
	end)

	it("means the first that its steps and its sample let pass", function()
		rule { event = true, steps = { FIRST[1], { op = "EQ", a = 0, value = 1 } }, sample = 2 }
		victim:call("call", 3)
		assert.equal(engine.number.SEEN_NOT, seen())
		victim:call("arg0", 1)
		victim:call("call", 1)
		victim:call("call", 4)
		assert.same({ filtered = 3, sent = 1, repeated = 4 }, engine:account(SITE))
		engine:forget(SITE)
		engine.maps.accounts:update(SITE, { ticks = 1 }) -- the next hit is left out, and the one after it passes
		victim:call("call", 5)
		assert.same({ sampled_out = 1, sent = 1, repeated = 3 }, engine:account(SITE))
	end)

	it("is not seen as long as the report is lost", function()
		rule { event = true }
		engine:hold_scratches(true)
		victim:call("call", 3)
		engine:hold_scratches(false)
		assert.same({ lost = 3 }, engine:account(SITE))
		assert.equal(engine.number.SEEN_NOT, seen())
		victim:call("call", 2)
		assert.same({ lost = 3, sent = 1, repeated = 1 }, engine:account(SITE))
	end)

	it("reports once when two threads hit it at the same time", function()
		local HITS <const>, ROUNDS <const>, FLOOD <const> = 500, 20, 2
		engine:site(FLOOD, BODY)
		local link <close> = engine:attach("uprobe:build/fixtures/victim:hit_a", FLOOD)
		for _ = 1, ROUNDS do
			engine:forget(FLOOD)
			-- Both are in full flood when the rule begins to accept.
			rule { event = true, steps = {
				{ op = "BUILTIN", to = 0, a = "TIME" },
				{ op = "LT", a = 0, value = core.now() + 3000000, yes = "reject", no = "accept" },
			} }
			victim:call("flood", HITS) -- of each thread
			local account <const> = engine:account(FLOOD)
			assert.equal(1, account.sent)
			assert.equal(2 * HITS, 1 + account.repeated + (account.filtered or 0))
		end
		assert.equal(ROUNDS, #engine:records())
		assert(link:close())
	end)
end)

describe("a call's site that reports once", function()
	it("reports at an end, and begins no pair afterwards", function()
		local DEEP <const> = 3
		local links <const> = {}
		for role, kind in pairs { OPEN = "uprobe", RETURN = "uretprobe" } do
			links[role] = engine:attach(kind .. ":build/fixtures/victim:deep", DEEP, role)
		end
		engine:site(DEEP, BODY)
		rule { event = true, call = true, partner = BODY, open_start = 254 }
		victim:call("deep", 5) -- the innermost returns first
		assert.same({ opened = 5, closed = 5, sent = 1, repeated = 4 }, engine:account(DEEP))
		victim:call("deep", 5)
		assert.same({ opened = 5, closed = 5, sent = 1, repeated = 9 }, engine:account(DEEP))
		assert.equal(1, #engine:records())
		engine:check_pairs { DEEP }
		for _, link in pairs(links) do assert(link:close()) end
	end)
end)
