-- ring:trail: the engine's records as events, by hand-made ones: every one once, or counted as malformed.
local core = require "crumb.core"
local lab = require "support.lab"

local HEADER <const> = 56
local ROOM <const> = 8192

local object, ring, before

before_each(function()
	before = lab.descriptors()
	object = lab.load("records", { target_tgid = lab.pid() })
	assert(object.programs.crumb_records:attach {})
	ring = assert(object:ring "first")
end)

after_each(function()
	object:close()
	object, ring = nil, nil
	assert.equal(before, lab.descriptors())
end)

local function finish() return false end

local function piece(at, length, cut) return at | length << 16 | (cut and 1 << 32 or 0) end

-- The bytes of a record; what is not given is as here.
local function record(given)
	local cells <const> = {}
	for i, cell in ipairs(given.cells or {}) do cells[i] = ("<i8"):pack(cell) end
	return ("<I8I4I4I4I4I4I4c16I4I4"):pack(given.time or 1000, given.generation or 1, given.site or 1, given.pid or 42,
		given.tid or 43, given.uid or 1001, given.gid or 1002, given.comm or "victim", given.failed or 0, given.cpu or 1)
		.. table.concat(cells) .. (given.pieces or "")
end

local function filled(bytes) return bytes .. ("\0"):rep(ROOM - #bytes) end

-- Sends these: bytes, or tables { bytes, second =, discard =, times = }.
local function send(...)
	local inputs <const> = { ... }
	for i, input in ipairs(inputs) do
		if type(input) == "string" then input = { input } end
		assert(object.maps.inputs:update(i - 1, { bytes = filled(input[1]), length = #input[1],
			second = input.second and 1 or 0, discard = input.discard and 1 or 0, times = input.times or 1 }))
	end
	object.globals.burst = #inputs
	lab.rename()
	assert.equal(0, object.globals.lost)
end

local PLAIN <const> = core.layout {}
local SITES <const> = { { "mine", __index = { cookie = 7, symbol = "malloc" } }, { "other", __index = { cookie = 8 } } }

local function trail(options)
	options = options or {}
	options.layouts = options.layouts or { PLAIN }
	options.sites = options.sites or SITES
	options.pause = options.pause or finish
	return ring:trail(options)
end

local function list_of(iterator)
	local list <const> = {}
	for event in iterator do list[#list + 1] = event end
	return list
end

-- Events without their metatables, for assert.same.
local function plain(events)
	for _, event in ipairs(events) do setmetatable(event, nil) end
	return events
end

local function stats() return ring:stats() end

describe("an event", function()
	it("has the fixed fields, and by its site the others", function()
		send(record { time = math.mininteger, pid = 0xffffffff, uid = 4294967294, comm = "sixteen_bytes_ab" })
		local event <const> = trail()()
		assert.equal(SITES[1], getmetatable(event))
		assert.same({ 7, "malloc", nil }, { event.cookie, event.symbol, event.target })
		assert.same({ { time = math.mininteger, pid = 0xffffffff, tid = 43, uid = 4294967294, gid = 1002,
			comm = "sixteen_bytes_ab", cpu = 1 } }, plain { event })
	end)

	it("has the cells of its generation by name", function()
		local layouts <const> = {
			[1] = core.layout { { name = "size", kind = "integer" }, { name = "path", kind = "string" } },
			[4294967295] = core.layout { { name = "data", kind = "bytes" } },
		}
		local at <const> = HEADER + 16
		send(record { cells = { -5, piece(at, 6) }, pieces = "/etc\0x" },
			record { generation = 4294967295, cells = { piece(HEADER + 8, 4) }, pieces = "a\0b\0ignored" },
			record { cells = { 5, piece(at, 0) } },
			record { cells = { 5, piece(at, 3) }, pieces = "abc" })
		local events <const> = plain(list_of(trail { layouts = layouts }))
		local seen <const> = {}
		for i, event in ipairs(events) do seen[i] = { event.size, event.path, event.data } end
		assert.same({ { -5, "/etc" }, { nil, nil, "a\0b\0" }, { 5, "" }, { 5, "abc" } }, seen)
		assert.is_nil(events[1].truncated)
	end)

	it("has false for what could not be read", function()
		local converted <const> = {}
		local layout <const> = core.layout { { name = "a", kind = "integer" },
			{ name = "b", kind = "string", convert = function(value) converted[#converted + 1] = value end },
			{ name = "c", kind = "integer" } }
		send(record { failed = 3, cells = { 1, piece(60000, 60000), 3 } })
		local event <const> = trail { layouts = { layout } }()
		assert.same({ false, false, 3 }, { event.a, event.b, event.c })
		assert.same({}, converted)
	end)

	it("says what was cut", function()
		local layout <const> = core.layout { { name = "a", kind = "string" }, { name = "b", kind = "bytes" },
			{ name = "c", kind = "string" }, { name = "n", kind = "integer" } }
		local at <const> = HEADER + 32
		send(record { cells = { piece(at, 2, true), piece(at + 2, 2, true), piece(at + 4, 1), 1 << 32 }, pieces = "aabbc" },
			record { cells = { piece(at, 1), piece(at, 1), piece(at, 1, true), 0 }, failed = 4, pieces = "a" })
		local events <const> = list_of(trail { layouts = { layout } })
		assert.same({ a = true, b = true }, events[1].truncated)
		assert.is_nil(events[2].truncated)
	end)

	it("keeps its comm, whoever comes between", function()
		local records <const> = {}
		for i = 1, 40 do records[i] = record { comm = ("kworker/%d:"):format(i % 20) } end
		records[41] = record { comm = "" }
		records[42] = record { comm = "a\0b" }
		send(table.unpack(records))
		local seen <const> = {}
		for i, event in ipairs(list_of(trail())) do seen[i] = event.comm end
		for i = 1, 40 do assert.equal(("kworker/%d:"):format(i % 20), seen[i]) end
		assert.same({ "", "a" }, { seen[41], seen[42] })
	end)

	it("may be larger than what is copied on the stack", function()
		local layout <const> = core.layout { { name = "a", kind = "bytes" }, { name = "b", kind = "bytes" } }
		local bytes <const> = ("x"):rep(4000) .. ("y"):rep(3000)
		send({ record { cells = { piece(HEADER + 16, 4000), piece(HEADER + 16 + 4000, 3000) }, pieces = bytes }, times = 3 })
		local events <const> = list_of(trail { layouts = { layout } })
		assert.equal(3, #events)
		for _, event in ipairs(events) do assert.equal(bytes, event.a .. event.b) end
	end)

	it("is of any of many generations that come by turns", function()
		local layouts <const>, records <const> = {}, {}
		for i = 1, 64 do
			layouts[i * 16] = core.layout { { name = "cell" .. i, kind = "integer" } }
			records[i] = { record { generation = i * 16, cells = { i } } }
		end
		local iterator <const> = trail { layouts = layouts }
		for _ = 1, 3 do
			send(table.unpack(records))
			local seen = 0
			for event in iterator do
				seen = seen + 1
				assert.equal(seen, event["cell" .. seen])
			end
			assert.equal(64, seen)
		end
	end)
end)

describe("a converter", function()
	it("makes the value, of what its cell holds and the pid", function()
		local seen <const> = {}
		local function convert(value, pid)
			seen[#seen + 1] = { value, pid }
			return #seen
		end
		local layout <const> = core.layout { { name = "a", kind = "integer", convert = convert },
			{ name = "b", kind = "bytes", convert = convert }, { name = "c", kind = "string", convert = convert },
			{ name = "d", kind = "integer", convert = function() end } }
		local at <const> = HEADER + 32
		send(record { cells = { 9, piece(at, 3), piece(at, 3), 1 }, pieces = "x\0y" })
		local event <const> = trail { layouts = { layout } }()
		assert.same({ 1, 2, 3, false }, { event.a, event.b, event.c, event.d })
		assert.same({ { 9, 42 }, { "x\0y", 42 }, { "x", 42 } }, seen)
	end)

	it("that raises loses its record only, and counts it", function()
		local layout <const> = core.layout { { name = "n", kind = "integer", convert = function(value)
			if value % 2 == 0 then error("even", 0) end
			return value
		end } }
		for _, fields in ipairs { false, { "n" } } do
			local malformed <const>, delivered <const> = stats().malformed, stats().delivered
			send(record { cells = { 1 } }, record { cells = { 2 } }, record { cells = { 3 } }, record { cells = { 4 } })
			local iterator <const> = trail { layouts = { layout }, fields = fields or nil }
			local seen <const> = {}
			for i = 1, 4 do
				local _ <const>, event <const> = pcall(iterator)
				seen[i] = type(event) == "table" and event.n or event
			end
			assert.same({ 1, "even", 3, "even" }, seen)
			assert.is_nil(iterator())
			assert.same({ 2, 2 }, { stats().malformed - malformed, stats().delivered - delivered })
		end
	end)

	it("may take the next record itself, and close the ring", function()
		local iterator, inner
		local layout <const> = core.layout { { name = "n", kind = "integer", convert = function(value)
			if value == 1 then inner = iterator() end
			if value == 3 then ring:close() end
			return value
		end }, { name = "text", kind = "string" } }
		local at <const> = HEADER + 16
		send(record { cells = { 1, piece(at, 3) }, pieces = "one" }, record { cells = { 2, piece(at, 3) }, pieces = "two" },
			record { cells = { 3, piece(at, 5) }, pieces = "three" }, record { cells = { 4, piece(at, 4) }, pieces = "four" })
		iterator = trail { layouts = { layout } }
		local first <const> = iterator()
		assert.same({ 1, "one", 2, "two" }, { first.n, first.text, inner.n, inner.text })
		local third <const> = iterator()
		assert.same({ 3, "three" }, { third.n, third.text })
		assert.is_nil(iterator())
	end)
end)

describe("fields", function()
	local LAYOUT <const> = core.layout { { name = "size", kind = "integer" }, { name = "path", kind = "string" } }

	it("are positional, of the record, its cells and its site", function()
		send(record { cells = { 5, piece(HEADER + 16, 4) }, pieces = "/etc", comm = "ls" })
		local fields <const> = { "comm", "size", "cookie", "path", "symbol", "time", "pid", "tid", "uid", "gid", "cpu", "size" }
		local values <const> = table.pack(trail { layouts = { LAYOUT }, fields = fields }())
		assert.same({ "ls", 5, 7, "/etc", "malloc", 1000, 42, 43, 1001, 1002, 1, 5, n = 12 }, values)
	end)

	it("are false where the record has none, so that a loop goes on", function()
		local other <const> = core.layout { { name = "path", kind = "string" } }
		local unnamed <const> = core.layout { { name = "size", kind = "integer", convert = function() end } }
		send(record { generation = 2, site = 2, cells = { piece(HEADER + 8, 1) }, pieces = "p" },
			record { cells = { 5, 0 }, failed = 1 }, record { generation = 3, cells = { 1 } },
			record { site = 3, cells = { 1, 0 }, failed = 2 })
		local sites <const> = { SITES[1], SITES[2], { "mine", __index = function() error "never" end } }
		local seen <const> = {}
		for size, symbol, path in trail { layouts = { LAYOUT, other, unnamed }, sites = sites,
			fields = { "size", "symbol", "path" } } do
			seen[#seen + 1] = { size, symbol, path }
		end
		-- The second's path is a piece outside the record's pieces.
		assert.same({ { false, false, "p" }, { false, "malloc", false }, { 1, false, false } }, seen)
		assert.equal(1, stats().malformed)
	end)

	it("may be many", function()
		local fields <const> = {}
		for i = 1, 64 do fields[i] = i % 2 == 0 and "size" or "comm" end
		send({ record { cells = { 5, piece(HEADER + 16, 0) } }, times = 2 })
		local iterator <const> = trail { layouts = { LAYOUT }, fields = fields }
		for _ = 1, 2 do
			local values <const> = table.pack(iterator())
			assert.equal(64, values.n)
			for i = 1, 64 do assert.equal(i % 2 == 0 and 5 or "victim", values[i]) end
		end
	end)

	it("of a list that changes later stay", function()
		local fields <const> = { "pid", "tid" }
		send(record {}, record { generation = 2 })
		local iterator <const> = trail { fields = fields, layouts = { PLAIN, PLAIN } }
		fields[1], fields[2] = "uid", nil
		assert.same({ 42, 43 }, { iterator() })
		assert.same({ 42, 43 }, { iterator() })
	end)
end)

describe("an owner", function()
	it("gets its own; the others are events of a function", function()
		local others <const>, own <const> = {}, {}
		send(record { pid = 1 }, record { pid = 2, site = 2 }, record { pid = 3 }, record { pid = 4, site = 2 })
		for pid, cookie in trail { fields = { "pid", "cookie" }, owner = "mine",
			other = function(...) others[#others + 1] = table.pack(...) end } do
			own[#own + 1] = { pid, cookie }
		end
		assert.same({ { 1, 7 }, { 3, 7 } }, own)
		assert.same({ 1, 2, 8 }, { others[1].n, others[1][1].pid, others[1][1].cookie })
		assert.equal(4, others[2][1].pid)
		send(record { pid = 5 }, record { pid = 6, site = 2 })
		assert.equal(5, list_of(trail { owner = "mine", other = function(event) others[3] = event end })[1].pid)
		assert.equal(6, others[3].pid)
	end)

	it("is the same value, not an equal one", function()
		local key <const> = setmetatable({}, { __eq = function() return true end })
		local sites <const> = { { key }, { setmetatable({}, getmetatable(key)) }, {} }
		send(record { pid = 1 }, record { pid = 2, site = 2 }, record { pid = 3, site = 3 })
		local others = 0
		local own <const> = list_of(trail { sites = sites, owner = key, other = function() others = others + 1 end })
		assert.same({ 1, 2 }, { #own, others })
	end)

	it("loses nothing when the others' function raises, yields or closes", function()
		send(record { pid = 1, site = 2 }, record { pid = 2 }, record { pid = 3, site = 2 }, record { pid = 4 },
			record { pid = 5, site = 2 }, record { pid = 6 })
		local iterator <const> = trail { fields = { "pid" }, owner = "mine", other = function(event)
			if event.pid == 1 then error("no", 0) end
			if event.pid == 3 then coroutine.yield "yielded" end
			if event.pid == 5 then ring:close() end
		end }
		assert.same({ false, "no" }, { pcall(iterator) })
		local routine <const> = coroutine.wrap(function() for pid in iterator do coroutine.yield(pid) end end)
		assert.same({ 2, "yielded", 4 }, { routine(), routine(), routine() })
		assert.equal(6, stats().delivered + 2)
		assert.is_nil(routine())
		assert.is_true(ring:closed())
	end)
end)

describe("a malformed record", function()
	local LAYOUT <const> = core.layout { { name = "n", kind = "integer" }, { name = "text", kind = "string" },
		{ name = "data", kind = "bytes" } }
	local AT <const> = HEADER + 24
	local END <const> = AT + 8

	local function with(text, data, more)
		local given <const> = { cells = { 1, text, data }, pieces = "01234567" }
		for key, value in pairs(more or {}) do given[key] = value end
		return record(given)
	end

	local GOOD <const> = with(piece(AT, 8), piece(AT, 8))

	it("is counted and passed", function()
		local hostile <const> = {
			with(piece(AT, 9), piece(AT, 8)), with(piece(AT, 8), piece(AT + 1, 8)), with(piece(END, 1), piece(AT, 1)),
			with(piece(END + 1, 0), piece(AT, 1)), with(piece(0, 4), piece(AT, 1)), with(piece(AT - 1, 4), piece(AT, 1)),
			with(piece(65535, 65535), piece(AT, 1)), with(piece(AT, 65535), piece(AT, 1)), with(-1, piece(AT, 1)),
			with(piece(AT, 1) | 1 << 33, piece(AT, 1)), with(piece(AT, 1), piece(AT, 1) | math.mininteger),
			with(piece(AT, 1), piece(AT, 1), { generation = 2 }), with(piece(AT, 1), piece(AT, 1), { generation = 0 }),
			with(piece(AT, 1), piece(AT, 1), { site = 9 }), with(piece(AT, 1), piece(AT, 1), { site = 0 }),
			with(piece(AT, 1), piece(AT, 1), { site = 3 }), GOOD:sub(1, AT - 1), GOOD:sub(1, HEADER), GOOD:sub(1, HEADER - 1),
			GOOD:sub(1, 1), GOOD:sub(1, 8), ("\255"):rep(HEADER), ("\255"):rep(2000), ("\0"):rep(HEADER),
			("\255"):rep(ROOM),
		}
		local sites <const> = { SITES[1], [3] = "no table" }
		for _, fields in ipairs { false, { "n", "text", "data" } } do
			local count <const> = stats().malformed
			local records <const> = {}
			for i, bytes in ipairs(hostile) do
				records[2 * i - 1], records[2 * i] = bytes, with(piece(AT, 8), piece(AT, 8), { tid = i })
			end
			send(table.unpack(records))
			local seen = 0
			for n, text, data in trail { layouts = { LAYOUT }, sites = sites, fields = fields or nil } do
				seen = seen + 1
				if not fields then
					assert.equal(seen, n.tid)
					n, text, data = n.n, n.text, n.data
				end
				assert.same({ 1, "01234567", "01234567" }, { n, text, data })
			end
			assert.equal(#hostile, seen)
			assert.equal(#hostile, stats().malformed - count)
		end
	end)

	it("is one that is too short for its integers", function()
		local layout <const> = core.layout { { name = "a", kind = "integer" }, { name = "b", kind = "integer" } }
		local whole <const> = record { cells = { 1, 2 } }
		send(whole, whole:sub(1, -2), whole:sub(1, HEADER), whole .. "more")
		local seen <const> = {}
		for a, b in trail { layouts = { layout }, fields = { "a", "b" } } do seen[#seen + 1] = { a, b } end
		assert.same({ { 1, 2 }, { 1, 2 } }, seen)
		assert.equal(2, stats().malformed)
	end)

	it("of a layout that is none is one", function()
		send(record {}, record { generation = 2 }, record { generation = 3 })
		local layouts <const> = setmetatable({ "text", io.stdout }, { __index = function() return PLAIN end })
		assert.same({}, list_of(trail { layouts = layouts }))
		assert.equal(3, stats().malformed)
	end)

	it("is not one that only woke the reader", function()
		send({ "", discard = true }, record {}, { "", discard = true })
		assert.equal(1, #list_of(trail()))
		assert.same({ 1, 0, 2, 0 }, { stats().delivered, stats().malformed, stats().discarded, stats().pending })
	end)
end)

describe("a trail", function()
	it("reads all maps of its ring, and those that come later", function()
		send({ record { pid = 1 }, times = 3 }, { record { pid = 2 }, second = true, times = 2 })
		local iterator <const> = trail()
		assert.equal(1, iterator().pid)
		assert(ring:add(object.maps.second))
		local seen <const> = {}
		for event in iterator do seen[event.pid] = (seen[event.pid] or 0) + 1 end
		assert.same({ 2, 2 }, seen)
	end)

	it("takes its turns", function()
		assert(ring:add(object.maps.second))
		send({ record { pid = 1 }, times = 3 }, { record { pid = 2 }, second = true, times = 3 })
		local order <const> = {}
		for pid in trail { fields = { "pid" } } do order[#order + 1] = pid end
		assert.same({ 1, 2, 1, 2, 1, 2 }, order)
	end)

	it("ends with a snapshot", function()
		send({ record {}, times = 3 })
		local asked = 0
		local iterator <const> = trail { snapshot = true, pause = function(delivered)
			asked = asked + 1
			assert.equal(3, delivered)
			return false
		end }
		send({ record {}, times = 2 })
		assert(ring:add(object.maps.second))
		assert.equal(3, #list_of(iterator))
		assert.equal(1, asked)
		assert.equal(2, #list_of(trail()))
	end)

	it("ends at its deadline", function()
		local deadline <const> = core.now() + 20000000
		local iterator <const> = trail { deadline = deadline, pause = function()
			send(record {})
			return true
		end }
		local count <const> = #list_of(iterator)
		assert.is_true(count > 0)
		assert.is_true(core.now() >= deadline)
	end)

	it("asks when nothing waits, and may be continued", function()
		local rounds = 0
		local iterator <const> = trail { pause = function()
			rounds = rounds + 1
			if rounds % 2 == 1 then send(record { pid = rounds }) end
			return rounds % 2 == 1
		end }
		assert.equal(1, #list_of(iterator))
		assert.equal(1, #list_of(iterator))
		assert.equal(4, rounds)
	end)

	it("may wait in a coroutine", function()
		local routine <const> = coroutine.wrap(trail { pause = function() return coroutine.yield "wait" end })
		assert.equal("wait", routine())
		send(record { pid = 9 })
		assert.equal(9, routine(true).pid)
	end)

	it("goes on after an error of pause", function()
		local iterator <const> = trail { pause = function() error("pause", 0) end }
		assert.same({ false, "pause" }, { pcall(iterator) })
		send(record {})
		assert.equal(42, iterator().pid)
	end)

	it("ends when the ring is closed", function()
		send({ record {}, times = 5 })
		local seen = 0
		for _ in trail() do
			seen = seen + 1
			if seen == 2 then ring:close() end
		end
		assert.equal(2, seen)
	end)

	it("is shared by several iterators, each record once", function()
		send({ record {}, times = 10 })
		local a <const>, b <const> = trail(), trail { fields = { "pid" } }
		for _ = 1, 5 do
			assert.equal(42, a().pid)
			assert.equal(42, b())
		end
		assert.is_nil(a())
		assert.equal(10, stats().delivered)
	end)

	it("outlives what it was made of", function()
		local iterator
		do
			local other <const> = assert(object:ring "first")
			iterator = other:trail { layouts = { core.layout { { name = "n", kind = "integer" } } },
				sites = { { __index = { cookie = 3 } } }, pause = finish, fields = { "n", "cookie" } }
		end
		collectgarbage()
		send(record { cells = { 5 } })
		assert.same({ 5, 3 }, { iterator() })
		send(record { cells = { 6 } })
		object:close()
		collectgarbage()
		assert.is_nil(iterator())
	end)

	it("refuses what is wrong, and names it", function()
		local function with(options)
			return function()
				local all <const> = { layouts = {}, sites = {}, pause = finish }
				for name, value in pairs(options) do all[name] = value end
				ring:trail(all)
			end
		end
		assert.error_matches(function() ring:trail {} end, "layouts: table expected, got nil")
		assert.error_matches(function() ring:trail() end, "table expected")
		assert.error_matches(with { sites = 1 }, "sites: table expected, got number")
		assert.error_matches(with { pause = 1 }, "pause: function expected, got number")
		assert.error_matches(with { owner = 1 }, "other: function expected, got nil")
		assert.error_matches(with { fields = "pid" }, "fields: table expected, got string")
		assert.error_matches(with { fields = {} }, "fields: none, or too many")
		assert.error_matches(with { fields = { "pid", 5 } }, "fields: not a list of strings")
		local many <const> = {}
		for i = 1, 65 do many[i] = "pid" end
		assert.error_matches(with { fields = many }, "fields: none, or too many")
		ring:close()
		assert.error_matches(with {}, "closed")
	end)
end)

describe("a layout", function()
	it("refuses what is wrong, and names it", function()
		local function of(...)
			local cells <const> = { ... }
			return function() core.layout(cells) end
		end
		assert.error_matches(of(5), "a cell is a table")
		assert.error_matches(of { kind = "integer" }, "a cell's name is a string")
		assert.error_matches(of { name = 5, kind = "integer" }, "a cell's name is a string")
		assert.error_matches(of { name = "a" }, "string expected, got nil")
		assert.error_matches(of { name = "a", kind = "float" }, "invalid option 'float'")
		assert.error_matches(of { name = "a", kind = "integer", convert = 5 }, "a cell's convert is a function")
		assert.error_matches(function() core.layout() end, "table expected")
		local many <const> = {}
		for i = 1, 25 do many[i] = { name = "a", kind = "integer" } end
		assert.error_matches(of(table.unpack(many)), "too many cells")
		many[25] = nil
		assert(core.layout(many))
	end)
end)

-- Any allocation may run a finalizer, and that may do anything.
describe("a finalizer in the middle of decoding", function()
	before_each(function()
		collectgarbage("incremental", 1, 1000, 1)
		collectgarbage()
	end)

	after_each(function() collectgarbage("incremental", 200, 100, 13) end)

	local function trap(work) setmetatable({}, { __gc = work }) end

	-- Of two generations in one slot of the iterator's cache, small and large.
	local LAYOUTS <const> = {
		core.layout { { name = "n", kind = "integer" }, { name = "text", kind = "string" } },
		[65] = core.layout { { name = "text", kind = "string" }, { name = "n", kind = "integer" } },
	}

	local function numbered(n)
		local text <const> = ("%d:"):format(n) .. ("z"):rep(n % 3 == 0 and 2000 or 10)
		local at <const> = HEADER + 16
		local where <const> = piece(at, #text)
		return record { generation = n % 2 == 0 and 65 or 1, cells = n % 2 == 0 and { where, n } or { n, where }, pieces = text,
			comm = "comm" .. n }
	end

	local function check(got, n, text, comm)
		assert(text:match "^(%d+):" == tostring(n) and comm == "comm" .. n and not got[n])
		got[n] = true
	end

	it("may take the next record by the same iterator", function()
		for _, fields in ipairs { false, { "n", "text", "comm" } } do
			local records <const> = {}
			for n = 1, 60 do records[n] = numbered(n) end
			send(table.unpack(records))
			local got <const> = {}
			local iterator <const> = trail { layouts = LAYOUTS, fields = fields or nil }
			local nested = 0
			local function take()
				local n, text, comm = iterator()
				if not n then return false end
				if not fields then n, text, comm = n.n, n.text, n.comm end
				check(got, n, text, comm)
				return true
			end
			repeat
				trap(function() if take() then nested = nested + 1 end end)
			until not take()
			assert.is_true(nested > 0)
			assert.equal(60, #got)
		end
	end)

	it("may close the object", function()
		for round = 1, lab.times(20) do
			local other <close> = lab.load("records", { target_tgid = lab.pid(), burst = 1 })
			assert(other.programs.crumb_records:attach {})
			local bytes <const> = numbered(3)
			assert(other.maps.inputs:update(0, { bytes = filled(bytes), length = #bytes, times = 22 }))
			local reader <const> = assert(other:ring "first")
			local iterator <const> = reader:trail { layouts = LAYOUTS, sites = SITES, pause = finish }
			lab.rename()
			local seen = 0
			trap(function() if seen >= round then other:close() end end)
			for event in iterator do
				seen = seen + 1
				assert(event.n == 3 and #event.text == 2002)
				if seen >= round then trap(function() other:close() end) end
			end
			assert.is_true(seen >= 1 and seen <= 22)
		end
	end)
end)
