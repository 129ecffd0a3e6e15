-- The spans that the engine pairs: two places, by a key; and what a pair keeps of its beginning.
local Engine = require "support.engine"
local lab = require "support.lab"
local Victim = require "support.victim"

local SITE <const>, TO <const>, MINE <const>, OTHERS <const> = 1, 2, 3, 4
local SITES <const> = { SITE, TO, MINE, OTHERS }
local BODY <const>, NEXT <const> = 1, 2
local OWNER <const> = 12345
local FROM <const> = "uprobe:build/fixtures/victim:span_from"
local PAIRS <const> = 256
local NOWHERE <const> = 8
local IDENTITY <const> = { 0, 0, 0, 0, 0, 0, 0, 0 }

local engine, victim, memory, before

setup(function()
	before = lab.descriptors()
	victim = Victim.start()
	engine = Engine.open { pairs = PAIRS, ring = 1 << 20 }
	engine:attach(FROM, SITE, "OPEN")
	engine:attach("uprobe:build/fixtures/victim:span_to", TO, "TO")
	memory = victim:call("memory", 0)
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
	victim:call("arg0", 0)
	engine:records()
end)

-- Each spec leaves the identity of what it did whole, and no body referred to by pairs that are no more.
after_each(function() engine:check_pairs(SITES) end)

-- Both ends of a span: slot 0 is its key.
local KEY <const> = { { op = "REGISTER", to = 0, a = "ARG0" }, { op = "CONSTANT", to = 1, value = 0 } }

local function span(from, to)
	from.event, from.owner, from.partner, from.steps = true, OWNER, NEXT, from.steps or KEY
	from.open_start, from.key_slots = 0, { 0, 1 }
	to = to or {}
	to.event, to.owner, to.steps, to.key_start = true, OWNER, to.steps or KEY, 0
	to.start, to.key_slots = to.start or 254, { 0, 1 }
	engine:body(BODY, from)
	engine:body(NEXT, to)
	engine:site(SITE, BODY)
	engine:site(TO, NEXT)
end

describe("a span", function()
	it("goes from one place to another, and counts where it began", function()
		span({}, { start = 2, outputs = { { "SLOT", 2 } }, steps = { KEY[1], KEY[2], { op = "BUILTIN", to = 2, a = "LATENCY" } } })
		victim:call("arg0", 7)
		victim:call("span", 3)
		local records <const> = engine:records(1)
		assert.equal(3, #records)
		for _, record in ipairs(records) do
			assert.equal(SITE, record.site)
			assert.is_true(record[0] > 0)
		end
		assert.same({ opened = 3, closed = 3, sent = 3 }, engine:account(SITE))
		assert.same({}, engine:account(TO))
	end)

	it("ends in another thread", function()
		span({}, {})
		victim:call("across", 100)
		assert.equal(100, #engine:records())
		assert.same({ opened = 100, closed = 100, sent = 100 }, engine:account(SITE))
		victim:call("across", PAIRS + 10)
		assert.same({ opened = 100 + PAIRS, closed = 100 + PAIRS, sent = 100 + PAIRS, refused = 10 }, engine:account(SITE))
		assert.same({ unmatched = 10 }, engine:account(TO))
		engine:records()
	end)

	it("that begins anew abandons the one before", function()
		span({}, {})
		victim:call("arg0", 7)
		victim:call("from", 5)
		victim:call("to", 1)
		victim:call("to", 2)
		assert.same({ opened = 5, abandoned = 4, closed = 1, sent = 1 }, engine:account(SITE))
		assert.same({ unmatched = 2 }, engine:account(TO))
		engine:records()
	end)

	it("of another key, or of another owner, is another", function()
		span({}, {})
		victim:call("arg0", 7)
		victim:call("from", 1)
		victim:call("arg0", 8)
		victim:call("to", 1)
		victim:call("arg0", 7)
		engine:body(NEXT, { event = true, owner = OWNER + 1, steps = KEY, key_slots = { 0, 1 }, start = 254 })
		victim:call("to", 1)
		assert.same({ opened = 1 }, engine:account(SITE))
		assert.same({ unmatched = 2 }, engine:account(TO))
	end)

	it("whose key cannot be read is none", function()
		local steps <const> = { KEY[1], { op = "CONSTANT", to = 2, value = NOWHERE }, { op = "LOAD", to = 1, a = 2 } }
		span({ steps = steps }, { steps = steps })
		victim:call("span", 3)
		assert.same({ filtered = 3 }, engine:account(SITE))
		assert.same({ unmatched = 3 }, engine:account(TO))
	end)

	it("of a key that the steps refuse is none", function()
		local steps <const> = { KEY[1], KEY[2], { op = "EQ", a = 0, value = 5 } }
		span({ steps = steps }, { steps = steps })
		victim:call("span", 3)
		assert.same({ filtered = 3 }, engine:account(SITE))
		assert.same({ unmatched = 3 }, engine:account(TO))
		victim:call("arg0", 5)
		victim:call("span", 2)
		assert.same({ filtered = 3, opened = 2, closed = 2, sent = 2 }, engine:account(SITE))
		engine:records()
	end)

	it("has both words of its key", function()
		local function steps(second) return { KEY[1], { op = "CONSTANT", to = 1, value = second } } end
		span({ steps = steps(1) }, { steps = steps(2) })
		victim:call("span", 1)
		assert.same({ opened = 1 }, engine:account(SITE))
		assert.same({ unmatched = 1 }, engine:account(TO))
	end)
end)

describe("what a pair keeps", function()
	local SAVED <const> = {
		KEY[1], KEY[2], { op = "REGISTER", to = 2, a = "ARG0" }, { op = "CONSTANT", to = 3, value = -9 },
		{ op = "CONSTANT", to = 4, value = NOWHERE }, { op = "LOAD", to = 5, a = 4 },
	}

	-- The record at the end, of these cells of the beginning.
	local function kept(saved, outputs, more)
		local to <const> = more or {}
		to.outputs = outputs
		span({ steps = SAVED, saved = saved }, to)
		to.saved, to.event = saved, true
		engine:body(NEXT, to)
		victim:call("span", 1)
		return engine:records(#outputs)[1]
	end

	it("is numbers, which are the first slots at its end", function()
		local record <const> = kept({ { "SLOT", 3 }, { "SLOT", 5 }, { "SLOT", 0 } },
			{ { "SLOT", 0 }, { "SLOT", 1 }, { "SLOT", 2 }, { "SAVED", 0 }, { "SAVED", 1 } })
		assert.same({ -9, false, 0, -9, false }, { record[0], record[1], record[2], record[3], record[4] })
	end)

	it("is strings, which are cut where they are to be, or where the room ends", function()
		local text <const> = ("0123456789abcdef"):rep(32)
		victim:poke(memory, text .. "\0")
		victim:call("arg0", memory)
		for _, row in ipairs {
			{ { 5 }, { 5 } }, { { 254 }, { 254 } }, { { 255 }, { 254 } }, { { 1 << 20 }, { 254 } },
			{ { 64, 64, 64, 64 }, { 64, 64, 64, 62 } }, { { 200, 54, 1 }, { 200, 54, 0 } }, { { 0, 7 }, { 0, 7 } },
		} do
			local saved <const>, outputs <const> = {}, {}
			for i, size in ipairs(row[1]) do
				saved[i], outputs[i] = { "STRING", 2, size = size }, { "SAVED", i - 1 }
			end
			local record <const> = kept(saved, outputs)
			for i, size in ipairs(row[2]) do
				assert.same({ row, i, text:sub(1, size), true }, { row, i, record:piece(i - 1) })
			end
		end
	end)

	it("is whole strings", function()
		for _, length in ipairs { 0, 1, 63, 64, 253, 254 } do
			local text <const> = ("0123456789abcdef"):rep(16):sub(1, length)
			victim:poke(memory, text .. "\0")
			victim:call("arg0", memory)
			local record <const> = kept({ { "STRING", 2, size = 254 } }, { { "SAVED", 0 } })
			assert.same({ text, false }, { record:piece(0) })
		end
	end)

	it("is no string that cannot be read", function()
		local record <const> = kept({ { "STRING", 4, size = 9 }, { "STRING", 5, size = 9 }, { "SLOT", 3 } },
			{ { "SAVED", 0 }, { "SAVED", 1 }, { "SAVED", 2 }, { "SAVED", 8 } })
		assert.same({ false, false, -9, false }, { record[0], record[1], record[2], record[3] })
	end)

	it("may be keys of a row, wherever they lie", function()
		local texts <const> = { ("a"):rep(64), ("b"):rep(64), ("c"):rep(64), "between", "d" }
		for i, text in ipairs(texts) do victim:poke(memory + 128 * (i - 1), text .. "\0") end
		victim:call("arg0", memory)
		local steps <const>, saved <const>, by <const> = { KEY[1], KEY[2] }, {}, {}
		for i = 1, 5 do
			steps[2 + i] = { op = "ADD", to = 1 + i, a = 0, value = 128 * (i - 1) }
			saved[i] = { "STRING", 1 + i, size = 64 }
			if i ~= 4 then by[#by + 1] = { "SAVED_STRING", i - 1 } end
		end
		span({ steps = steps, saved = saved }, {})
		engine:put("large_tables", 0, 8)
		engine:body(NEXT, {
			row = true, owner = OWNER, steps = KEY, key_slots = { 0, 1 }, start = 254, saved = saved, by = by,
			identity = IDENTITY,
		})
		victim:call("span", 2)
		local rows <const> = engine:rows "large_tables"
		assert.same({ 1, 2 }, { #rows, rows[1].count })
		local wanted <const> = texts[1] .. texts[2] .. texts[3] .. "d" .. ("\0"):rep(63)
		assert.equal(wanted, (("i8"):rep(32)):pack(table.unpack(rows[1].words, 1, 32)))
		assert.equal(0, rows[1].words[33])
	end)
end)

describe("a site without a rule", function()
	it("is no end of a span, and no unmatched one", function()
		span({}, {})
		engine:site(TO)
		victim:call("span", 3)
		assert.same({ opened = 3, abandoned = 2 }, engine:account(SITE))
		assert.same({}, engine:account(TO))
	end)
end)

describe("two processors", function()
	local ROUNDS <const> = lab.times(20000)

	it("that begin and end spans of one key mix none of them up", function()
		-- Those of either begin at a site of its own, with a body of its own, and end by one of its own.
		span({}, {})
		local other <close> = Victim.start()
		engine:body(3, { event = true, owner = OWNER, partner = 4, steps = KEY, open_start = 0, key_slots = { 0, 1 } })
		engine:site(SITE)
		local _ <close> = engine:attach(FROM, MINE, "OPEN", victim.pid)
		local _ <close> = engine:attach(FROM, OTHERS, "OPEN", other.pid)
		for site, body in pairs { [MINE] = BODY, [OTHERS] = 3 } do
			engine:forget(site)
			engine:site(site, body)
		end
		engine:put("small_tables", 0, 4)
		for _, body in ipairs { NEXT, 4 } do
			engine:body(body, {
				small = true, row = true, owner = OWNER, by = { { "SITE" } }, steps = KEY, key_slots = { 0, 1 }, start = 254,
				identity = IDENTITY,
			})
		end
		for _ = 1, 5 do
			victim:ask("span", ROUNDS)
			other:ask("span", ROUNDS)
			victim:answer "span"
			other:answer "span"
		end
		local all, rows <const> = 0, {}
		for _, row in ipairs(engine:rows()) do rows[row.words[1]] = row.count end
		for site, body in pairs { [MINE] = NEXT, [OTHERS] = 4 } do
			local account <const> = engine:account(site)
			all = all + account.closed
			assert.equal(5 * ROUNDS, account.opened + (account.refused or 0))
			assert.same({ account.closed, account.closed }, { account.aggregated, rows[site] })
			local pending <const> = account.opened - account.closed - (account.abandoned or 0)
			assert.is_true(pending == 0 or pending == 1) -- the last one
			assert.equal(pending, engine:references(body))
		end
		assert.equal(10 * ROUNDS, all + (engine:account(TO).unmatched or 0))
	end)
end)
