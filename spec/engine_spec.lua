-- The engine in Lua, by plans that are written by hand: bodies, publishing, reclaim, accounts.
require "crumb.bpf.attach"
local engine = require "crumb.engine"
local lab = require "support.lab"
local links = require "crumb.bpf.links"
local sites = require "crumb.bpf.sites"
local target = require "crumb.target"
local Victim = require "support.victim"

local ALL <const> = 0xffffffff -- of enum feature
local UPROBE <const> = "uprobe:build/fixtures/victim:"

local before, one, victim

before_each(function()
	before = lab.descriptors()
	victim = Victim.start()
	one = assert(engine.open { sites = 64, pairs = 64, stacks = 64, ring_size = 65536 })
end)

after_each(function()
	one:close()
	victim:stop()
	one, victim = nil, nil
	assert.equal(before, lab.descriptors())
end)

-- What may also be said of the victim alone.
local function mine(steps)
	table.insert(steps, 1, { op = "BUILTIN", to = 0, a = "PID" })
	table.insert(steps, 2, { op = "EQ", a = 0, value = victim.pid, constant = true, yes = 3, no = 2 })
	table.insert(steps, 3, { op = "REJECT" })
	steps[#steps + 1] = { op = "ACCEPT" }
	return steps
end

-- Attaches a victim's function to a site.
local function attach(symbol, number)
	local opened <const> = {}
	local found <const> = assert(sites.resolve({ target.parse(UPROBE .. symbol) }, {}, opened))
	local copy <const> = assert(one.programs:take(found[1], nil, ALL))
	local link <const> = copy.program:link()
	assert(links.attach(link, copy.program, found, { number }))
	for _, file in pairs(opened) do file.elf:close() end
	return link
end

local EMPTY <const> = { steps = { { op = "ACCEPT" } }, event = true }

describe("the engine", function()
	it("does at a site what its body says, from the next hit on", function()
		local number <const> = assert(one:take_sites { 7 })[1]
		attach("hit_a", number)
		local ring <const> = 0
		local sends <const> = assert(one:body({ steps = mine {}, event = true }, nil, { ring = ring }))
		local rejects <const> = assert(one:body({ steps = { { op = "REJECT" } }, event = true }, nil, { ring = ring }))
		victim:call("hit_a", 3)
		assert.equal(0, one:account { number }.sent)
		one:publish({ number }, sends)
		victim:call("hit_a", 5)
		one:publish({ number }, rejects)
		victim:call("hit_a", 4)
		one:publish { number }
		victim:call("hit_a", 6)
		local account <const> = one:account { number }
		assert.equal(5, account.sent)
		assert.equal(4, account.filtered)
		assert.is_false(one.ring:passed(one.ring:mark()))
	end)

	it("compares with patterns and sets, which bodies share", function()
		local number <const> = assert(one:take_sites { 7 })[1]
		attach("hit_a", number)
		local table_of <const> = assert(one:table(true, 16))
		local function body(list, pattern)
			return assert(one:body({
				steps = mine {
					{ op = "IN", a = 0, value = 0, yes = 4, no = 2 },
					{ op = "TEXT_LIKE", comm = true, value = 0, yes = 5, no = 2 },
				},
				sets = { list }, patterns = { pattern }, row = true, small = true, identity = {},
			}, nil, { table = table_of.number }))
		end
		local wide <const>, narrow <const> = body({ victim.pid, 1 }, "vic*"), body({ victim.pid, 1 }, "nobody")
		assert.equal(one.pools.sets:size() - 1, one.pools.sets:left())
		assert.equal(one.pools.patterns:size() - 2, one.pools.patterns:left())
		one:publish({ number }, wide)
		victim:call("hit_a", 5)
		one:publish({ number }, narrow)
		victim:call("hit_a", 4)
		one:publish({ number }, body({ 1 }, "vic*"))
		victim:call("hit_a", 3)
		assert.same({ 5, 7 }, { one:account { number }.aggregated, one:account { number }.filtered })
		local rows <const> = {}
		for _, value in assert(table_of.map:each()) do rows[#rows + 1] = ("=i8"):unpack(value) end
		assert.same({ 5 }, rows)
		one:retire(wide)
		one:retire(narrow)
		assert(one.reclaim:collect())
		assert.equal(one.pools.sets:size() - 1, one.pools.sets:left())
		assert.equal(one.pools.patterns:size() - 1, one.pools.patterns:left())
	end)

	it("uses a body again when nothing can refer to it", function()
		local left <const> = one.pools.bodies:left()
		local first <const> = assert(one:body(EMPTY, nil, {}))
		one:retire(first)
		assert.equal(left - 1, one.pools.bodies:left())
		assert(one.reclaim:collect())
		assert.equal(left, one.pools.bodies:left())
		local second <const> = assert(one:body(EMPTY, nil, {}))
		assert.equal(first.number, second.number)
		assert.equal(first.generation + 1, second.generation)
		one.references:add(second.number, 0, 1) -- a pair
		one:retire(second)
		assert(one.reclaim:collect())
		assert.equal(left - 1, one.pools.bodies:left())
		one.references:add(second.number, 0, -1)
		assert(one.reclaim:collect())
		assert.equal(left, one.pools.bodies:left())
	end)

	it("reclaims by itself when the pool runs out", function()
		for _ = 1, 3 * one.pools.bodies:size() do one:retire(assert(one:body(EMPTY, nil, {}))) end
		for _ = 1, one.pools.bodies:size() do assert(one:body(EMPTY, nil, {})) end
		assert.same({ nil, ("all %d bodies of rules are in use"):format(one.pools.bodies:size()), 28 }, { one:body(EMPTY, nil, {}) })
	end)

	it("keeps a layout until the reader has passed its records", function()
		local number <const> = assert(one:take_sites { 7 })[1]
		attach("hit_a", number)
		local ring <const> = 0
		local body <const> = assert(one:body({ steps = mine {}, event = true }, "layout", { ring = ring }))
		one:publish({ number }, body)
		victim:call("hit_a", 1)
		one:publish { number }
		one:retire(body)
		assert(one.reclaim:collect())
		assert.equal("layout", one.layouts[body.generation])
		for _ in one.ring:reader(nil, function() return false end, nil, true) do end
		one.reclaim:passed()
		assert.is_nil(one.layouts[body.generation])
	end)

	it("has a table's rows at rest when another is in its place", function()
		local made <const> = assert(one:table(false, 16))
		local before_it <const> = made.map
		local old <close> = assert(one:exchange(made))
		assert.equal(before_it, old)
		assert.not_equal(before_it, made.map)
		one:retire_table(made)
		local left <const> = one.pools.large_tables:left()
		assert(one.reclaim:collect())
		assert.equal(left + 1, one.pools.large_tables:left())
	end)

	it("gives a site back with a clean account", function()
		local number <const> = assert(one:take_sites { 7 })[1]
		one:count(number, "sent", 3)
		assert.equal(3, one:account { number }.sent)
		local forgotten = false
		one:retire_sites({ number }, function() forgotten = true end)
		assert(one.reclaim:collect())
		assert.is_true(forgotten)
		assert.same({ number }, one:take_sites { 8 })
		assert.equal(0, one:account { number }.sent)
	end)

	it("says when there are no more sites", function()
		for _ = 1, 62 do assert(one:take_sites { 1 }) end
		local refused <const> = "of the trace's 64 sites 2 are free, and 3 are needed: crumb.trace { sites = n } makes more"
		assert.same({ nil, refused, 28 }, { one:take_sites { 1, 2, 3 } })
		assert(one:take_sites { 1, 2 })
	end)

	it("gives a tracepoint a copy of its own for each probe", function()
		local site <const> = { kind = "tracepoint", key = "a:b", category = "a", name = "b" }
		local first <const> = assert(one.programs:take(site, nil, ALL))
		local second <const> = assert(one.programs:take(site, nil, ALL))
		assert.not_equal(first.program, second.program)
		one.programs.release(first, site)
		assert.equal(first, one.programs:take(site, nil, ALL))
		assert.equal(first, one.programs:take({ kind = "tracepoint", key = "a:c" }, nil, ALL))
	end)
end)
