-- The tables of the engine: keys, aggregates, what is thinned, and what is lost.
local Engine = require "support.engine"

local SITE <const>, BODY <const> = 1, 1
local NOWHERE <const> = 8
local IDENTITY <const> = { 0, 0, 0, 0, 0, 0, 0, 0 }

local engine, victim, memory, finish

setup(function()
	engine, victim, finish = Engine.with_victim(SITE)
	memory = victim:call("memory", 0)
end)

teardown(function() finish() end)

before_each(function()
	engine:site(SITE, BODY)
	engine:forget(SITE)
	engine:put("small_tables", 0, 256)
	engine:put("large_tables", 0, 256)
	for i = 0, 5 do victim:call("arg" .. i, 0) end
end)

-- Slots 0 to 5 are the arguments, 6 an address where nothing lies, 7 what lies there.
local STEPS <const> = {}
for i = 0, 5 do STEPS[i + 1] = { op = "REGISTER", to = i, a = "ARG" .. i } end
STEPS[7] = { op = "CONSTANT", to = 6, value = NOWHERE }
STEPS[8] = { op = "LOAD", to = 7, a = 6 }

local function rule(given)
	given.steps = given.steps or STEPS
	if given.row == nil then given.row = true end
	given.identity = given.identity or IDENTITY
	engine:body(BODY, given)
end

local function call(...)
	for i, value in ipairs { ... } do victim:call("arg" .. i - 1, value) end
	victim:call("call", 1)
end

-- The words of a text of a key.
local function words(text, count)
	return { ("<" .. ("i8"):rep(count)):unpack(text .. ("\0"):rep(8 * count - #text)) }
end

-- The words of a whole key: numbers, texts { text, words }, and the last word.
local function key(large, parts, last)
	local all <const> = {}
	for _, part in ipairs(parts) do
		local more <const> = type(part) == "table" and words(part[1], part[2]) or { part }
		table.move(more, 1, type(part) == "table" and part[2] or 1, #all + 1, all)
	end
	all[#all + 1] = last or 0
	for i = #all + 1, large and 36 or 4 do all[i] = 0 end
	return all
end

local function keys_of(name)
	local keys <const> = {}
	for i, row in ipairs(engine:rows(name)) do keys[i] = row.words end
	return keys
end

local function same_keys(large, wanted)
	local keys <const>, known <const> = {}, {}
	for i, one in ipairs(wanted) do keys[table.concat(one, " ")] = i end
	for _, one in ipairs(keys_of(large and "large_tables" or "small_tables")) do
		local text <const> = table.concat(one, " ")
		assert(keys[text], "a key that is not wanted: " .. text)
		known[#known + 1] = text
	end
	assert.equal(#wanted, #known)
end

describe("a key", function()
	it("may be none", function()
		rule { small = true }
		victim:call("call", 7)
		local rows <const> = engine:rows()
		assert.equal(1, #rows)
		assert.same({ 7, key(false, {}) }, { rows[1].count, rows[1].words })
		assert.same({ aggregated = 7 }, engine:account(SITE))
	end)

	it("is up to three numbers of a small one", function()
		rule { small = true, by = { { "SLOT", 0 }, { "SITE" }, { "SLOT", 1 } } }
		call(5, -1)
		call(5, -1)
		call(-9, math.maxinteger)
		same_keys(false, { key(false, { 5, SITE, -1 }), key(false, { -9, SITE, math.maxinteger }) })
	end)

	it("is the task's name, with zeros behind it", function()
		rule { small = true, by = { { "COMM" }, { "SLOT", 0 } } }
		victim:call("longname", 1)
		call(1)
		victim:call("rename", 1)
		call(2)
		same_keys(false, { key(false, { { "a longer name 1", 2 }, 1 }), key(false, { { "victim", 2 }, 2 }) })
		rule { small = true, by = { { "SLOT", 0 }, { "COMM" } } }
		engine:put("small_tables", 0, 256)
		call(3)
		same_keys(false, { key(false, { 3, { "victim", 2 } }) })
	end)

	it("is a text, with zeros behind it, cut after 64 bytes", function()
		rule { by = { { "STRING", 0 } } }
		local letters <const> = ("0123456789abcdef"):rep(5)
		local wanted <const> = {}
		for _, length in ipairs { 80, 64, 63, 9, 8, 7, 1, 0 } do
			victim:poke(memory, letters:sub(1, length) .. "\0" .. ("x"):rep(90))
			call(memory)
			if length < 80 then wanted[#wanted + 1] = key(true, { { letters:sub(1, length), 8 } }) end
		end
		same_keys(true, wanted)
		for _, row in ipairs(engine:rows "large_tables") do
			local is_cut <const> = row.words[8] == words(letters, 8)[8]
			assert.equal(is_cut and 2 or 1, row.count)
		end
	end)

	it("has nothing of the one before", function()
		victim:call("rename", 1)
		victim:poke(memory, ("y"):rep(64) .. "\0")
		victim:call("arg1", memory)
		rule { by = { { "STRING", 1 }, { "STRING", 1 }, { "STRING", 1 }, { "STRING", 1 }, { "SLOT", 1 } } }
		for _ = 1, 3 do call() end
		engine:put("large_tables", 0, 8)
		rule { by = { { "COMM" }, { "SLOT", 0 } } }
		call(4)
		same_keys(true, { key(true, { { "victim", 2 }, 4 }) })
	end)

	it("has room for four texts and the site, wherever that stands", function()
		victim:poke(memory, "one\0\0\0\0\0two\0\0\0\0\0three\0\0\0four\0")
		for i = 0, 3 do victim:call("arg" .. i, memory + 8 * i) end
		local texts <const> = { { "one", 8 }, { "two", 8 }, { "three", 8 }, { "four", 8 } }
		for place = 1, 5 do
			local by <const>, parts <const> = {}, {}
			for i, text in ipairs(texts) do by[i], parts[i] = { "STRING", i - 1 }, text end
			table.insert(by, place, { "SITE" })
			table.insert(parts, place, SITE)
			engine:put("large_tables", 0, 8)
			rule { by = by }
			victim:call("call", 1)
			same_keys(true, { key(true, parts) })
		end
	end)

	it("that cannot be read is 0, and says so", function()
		rule { small = true, by = { { "SLOT", 7 }, { "SLOT", 0 }, { "SLOT", 7 } } }
		call(3)
		same_keys(false, { key(false, { 0, 3, 0 }, 5 << 32) })
		rule { by = { { "STRING", 6 }, { "STRING", 7 }, { "STRING", 0 }, { "COMM" } } }
		victim:poke(memory, "text\0")
		victim:call("rename", 1)
		call(memory)
		same_keys(true, { key(true, { { "", 8 }, { "", 8 }, { "text", 8 }, { "victim", 2 } }, 3 << 32) })
	end)

	it("may be a stack, which is kept once", function()
		rule { small = true, ustack = true, stack_keys = true, by = { { "USTACK" } }, scratch = true }
		victim:call("call", 5)
		local rows <const> = engine:rows()
		assert.same({ 1, 5 }, { #rows, rows[1].count })
		assert.equal(0, rows[1].words[2])
		local stack <const> = assert(engine.inner.stacks:lookup(rows[1].words[1]))
		assert.equal(victim.pid, stack.pid)
		assert.is_true(stack.bytes >= 8)
		assert.is_true(stack.frames[1] ~= 0)
		for i = stack.bytes // 8 + 1, 127 do assert.equal(0, stack.frames[i]) end
	end)

	it("that is a stack without frames, or without room, cannot be read", function()
		rule { small = true, ustack = true, kstack = true, stack_keys = true, by = { { "KSTACK" }, { "USTACK" } } }
		engine:put("stacks", 0, 1)
		assert(engine.inner.stacks:update(1, {}))
		victim:call("call", 2)
		engine:put("stacks", 0, 256)
		same_keys(false, { key(false, { 0, 0 }, 3 << 32) })
	end)
end)

describe("the row", function()
	local VALUES <const> = { 5, -7, 0, 100, math.maxinteger, math.mininteger, 3 }

	it("has sums, least and greatest values", function()
		rule {
			small = true, identity = { 0, 0, math.maxinteger, math.mininteger, 0, 0, 0, 0 },
			aggregate = { { "SUM", 0, cell = 0 }, { "MIN", 0, cell = 1 }, { "MAX", 0, cell = 2 }, { "SUM", 1, cell = 6 }, { "COUNT" } },
		}
		local sum, least, most = 0, math.maxinteger, math.mininteger
		for i, value in ipairs(VALUES) do
			call(value, i)
			sum, least, most = sum + value, math.min(least, value), math.max(most, value)
			local row <const> = engine:rows()[1]
			assert.same({ i, { sum, least, most, 0, 0, 0, i * (i + 1) // 2 } }, { row.count, row.cells })
		end
		assert.same({ aggregated = #VALUES }, engine:account(SITE))
	end)

	it("begins as the body says", function()
		rule { small = true, identity = { 0, 1, 2, 3, 4, 5, 6, 7 } }
		call()
		assert.same({ 1, 2, 3, 4, 5, 6, 7 }, engine:rows()[1].cells)
	end)

	it("is none without the values that it needs", function()
		rule { small = true, needed = 1 << 7, aggregate = { { "SUM", 7, cell = 0 } } }
		victim:call("call", 3)
		assert.same({}, engine:rows())
		assert.same({ lost = 3 }, engine:account(SITE))
	end)
end)

describe("a histogram", function()
	-- bucket -> count, of the aggregate of that number.
	local function buckets(which)
		local counts <const> = {}
		for _, row in ipairs(engine:rows()) do
			local last <const> = row.words[2]
			assert.equal(0, row.words[3])
			if last & 0xffff ~= 0 and last >> 16 & 0xffff == which then counts[(last & 0xffff) - 1] = row.count end
		end
		return counts
	end

	it("by powers of two has the bucket of every value", function()
		rule { small = true, row = false, by = { { "SITE" } }, aggregate = { { "HIST", 0 } } }
		local wanted <const> = {}
		local function of(value, bucket)
			call(value)
			wanted[bucket] = (wanted[bucket] or 0) + 1
		end
		of(math.mininteger, 0)
		of(-1, 0)
		of(0, 1)
		of(1, 2)
		for power = 1, 62 do
			of(1 << power, 2 + power)
			of((1 << power) | ((1 << power) - 1), 2 + power)
		end
		assert.equal(64, 2 + 62)
		assert.same(wanted, buckets(0))
	end)

	it("by steps has the bucket of every value, and both ends", function()
		for _, row in ipairs {
			{ 0, 100, 10, { [-1] = 0, [0] = 1, [9] = 1, [10] = 2, [99] = 10, [100] = 11, [1000] = 11 } },
			{ 0, 100, 30, { [29] = 1, [30] = 2, [89] = 3, [90] = 4, [99] = 4, [100] = 5, [119] = 5 } },
			{ -10, 10, 5, { [-11] = 0, [-10] = 1, [-6] = 1, [-5] = 2, [-1] = 2, [0] = 3, [9] = 4, [10] = 5 } },
			{ -10, -9, 5, { [-11] = 0, [-10] = 1, [-9] = 2 } },
			{ math.mininteger, math.maxinteger, 1 << 62, {
				[math.mininteger] = 1, [-1 << 62] = 2, [-1] = 2, [0] = 3, [1 << 62] = 4, [math.maxinteger] = 5,
			} },
			{ 0, 65532, 1, { [-1] = 0, [0] = 1, [65531] = 65532, [65532] = 65533, [math.maxinteger] = 65533 } },
			{ 1, math.maxinteger, math.maxinteger, { [0] = 0, [1] = 1, [math.maxinteger - 1] = 1, [math.maxinteger] = 2 } },
		} do
			local min <const>, max <const>, step <const>, values <const> = table.unpack(row)
			engine:put("small_tables", 0, 256)
			rule { small = true, row = false, by = { { "SITE" } }, aggregate = { { "LHIST", 0, min = min, max = max, step = step } } }
			local wanted <const> = {}
			for value, bucket in pairs(values) do
				call(value)
				wanted[bucket] = (wanted[bucket] or 0) + 1
			end
			assert.same({ row, wanted }, { row, buckets(0) })
		end
	end)

	it("stands beside others, and the row", function()
		rule {
			small = true, by = { { "SITE" } },
			aggregate = { { "HIST", 0 }, { "SUM", 0, cell = 0 }, { "LHIST", 1, min = 0, max = 10, step = 1 }, { "HIST", 1 } },
		}
		call(4, 4)
		call(5, 12)
		assert.same({ { [4] = 2 }, { [5] = 1, [11] = 1 }, { [4] = 1, [5] = 1 } }, { buckets(0), buckets(2), buckets(3) })
		local row <const> = engine:rows()[1]
		assert.same({ 2, 9, 0 }, { row.count, row.cells[1], row.words[2] })
	end)

	it("has the text of its rows, and what could not be read of it", function()
		rule { row = false, by = { { "STRING", 1 }, { "SLOT", 7 } }, aggregate = { { "HIST", 0 }, { "HIST", 0 } } }
		victim:poke(memory, "name\0")
		call(1, memory)
		local text <const> = { "name", 8 }
		same_keys(true, { key(true, { text, 0 }, 2 << 32 | 3), key(true, { text, 0 }, 2 << 32 | 1 << 16 | 3) })
	end)
end)

describe("a full table", function()
	it("loses what has no row, and goes on counting the others", function()
		for _, small in ipairs { true, false } do
			engine:forget(SITE)
			local name <const> = small and "small_tables" or "large_tables"
			engine:put(name, 0, 4)
			rule { small = small, by = { { "SLOT", 0 } } }
			for i = 1, 6 do call(i) end
			for i = 1, 6 do call(i) end
			assert.same({ aggregated = 8, lost = 4 }, engine:account(SITE))
			local rows <const> = engine:rows(name)
			assert.equal(4, #rows)
			for i, row in ipairs(rows) do assert.same({ i, 2 }, { row.words[1], row.count }) end
		end
	end)

	it("loses what has a row but no bucket", function()
		engine:put("small_tables", 0, 2)
		rule { small = true, by = { { "SITE" } }, aggregate = { { "HIST", 0 } } }
		call(1)
		call(1)
		call(100)
		assert.same({ aggregated = 2, lost = 1 }, engine:account(SITE))
	end)

	it("is told beside the events of the same hits", function()
		engine:put("small_tables", 0, 1)
		rule { small = true, event = true, by = { { "SLOT", 0 } }, outputs = { { "SLOT", 0 } } }
		for i = 1, 5 do call(i) end
		assert.same({ sent = 5, rows_lost = 4 }, engine:account(SITE))
		assert.equal(5, #engine:records(1))
	end)

	it("that is not there has no row", function()
		rule { small = true, table = 5 }
		victim:call("call", 2)
		assert.same({ lost = 2 }, engine:account(SITE))
	end)
end)
