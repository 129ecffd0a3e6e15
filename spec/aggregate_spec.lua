-- crumb.aggregate: raw keys and rows of the engine's tables, and what they say.
local aggregate = require "crumb.aggregate"
local table_ = require "support.table"

local key, row = table_.key, table_.row

local COUNT = { name = "count", op = "COUNT" }

local function plain(rows)
	return setmetatable(rows, nil)
end

describe("aggregate.rows", function()
	it("reads a count by comm", function()
		local columns = { keys = { { name = "comm", kind = "comm" } }, values = { COUNT } }
		local rows = aggregate.rows(columns, { key { { "ls", 2 } }, key { { "0123456789abcde", 2 } } }, { row(12), row(1) })
		assert.same({ { comm = "0123456789abcde", count = 1 }, { comm = "ls", count = 12 } }, plain(rows))
	end)

	it("reads every kind of key", function()
		local columns = {
			keys = {
				{ name = "a", kind = "integer" }, { name = "b", kind = "pointer" }, { name = "c", kind = "bool" },
				{ name = "d", kind = "enum", values = { RED = 1, BLUE = 2, AZURE = 2 } }, { name = "e", kind = "string" },
				{ name = "f", kind = "symbol" }, { name = "g", kind = "kstack" }, { name = "h", kind = "comm" },
			},
			values = { COUNT },
		}
		local kstack = { { name = "vfs_read", offset = 4 } }
		local resolve = {
			symbol = function(site) return ({ [7] = "malloc" })[site] end,
			kstack = function(number) return number == 3 and kstack or nil end,
		}
		local text = ("x"):rep(64)
		local rows = aggregate.rows(columns, {
			key { -1, -2, 1, 2, { text, 8 }, 7, 3, { "ls", 2 } },
			key { 5, 0, 0, 9, { "", 8 }, 8, 4, { "", 2 } },
		}, { row(1), row(2) }, resolve)
		assert.same({
			{ a = -1, b = -2, c = true, d = "AZURE", e = text, f = "malloc", g = kstack, h = "ls", count = 1 },
			{ a = 5, b = 0, c = false, d = 9, e = "", f = 8, g = 4, h = "", count = 2 },
		}, plain(rows))
	end)

	it("has false for a key that could not be read", function()
		local columns = { keys = { { name = "path", kind = "string" }, { name = "n", kind = "integer" } }, values = { COUNT } }
		local rows = aggregate.rows(columns, {
			key({ { "", 8 }, 1 }, { failed = 1 }), key({ { "", 8 }, 0 }, { failed = 3 }), key { { "", 8 }, 1 },
		}, { row(4), row(5), row(6) })
		assert.same({
			{ path = false, n = false, count = 5 }, { path = false, n = 1, count = 4 }, { path = "", n = 1, count = 6 },
		}, plain(rows))
	end)

	it("reads sums, averages, and what was not measured", function()
		local columns = {
			keys = { { name = "pid", kind = "integer" } },
			values = {
				COUNT, { name = "bytes", op = "SUM", cell = 0 }, { name = "mean", op = "AVG", cell = 0 },
				{ name = "least", op = "MIN", cell = 2 }, { name = "most", op = "MAX", cell = 1 },
			},
		}
		local rows = aggregate.rows(columns, { key { 1 }, key { 2 } }, {
			row(4, 10, 7, -3), row(0, 0, math.mininteger, math.maxinteger),
		})
		assert.same({ { pid = 1, count = 4, bytes = 10, mean = 2.5, least = -3, most = 7 }, { pid = 2, count = 0, bytes = 0 } },
			plain(rows))
		assert.equal("float", math.type(rows[1].mean))
	end)

	it("puts the buckets of a histogram together, from the first to the last", function()
		local columns = { keys = { { name = "comm", kind = "comm" } }, values = { { name = "latency", op = "HIST", aggregate = 0 } } }
		local keys, values = {}, {}
		for _, value in ipairs { 4, 7, 8, 64 } do
			keys[#keys + 1] = key({ { "ls", 2 } }, { bucket = table_.log2_bucket(value) })
			values[#values + 1] = row(value)
		end
		local rows = aggregate.rows(columns, keys, values)
		assert.same({ { comm = "ls", latency = {
			{ low = 4, high = 7, count = 11 }, { low = 8, high = 15, count = 8 }, { low = 16, high = 31, count = 0 },
			{ low = 32, high = 63, count = 0 }, { low = 64, high = 127, count = 64 },
		} } }, plain(rows))
	end)

	it("knows the ends of a power-of-two histogram", function()
		local columns = { keys = {}, values = { { name = "x", op = "HIST", aggregate = 0 } } }
		for value, bounds in pairs {
			[-5] = { math.mininteger, -1 }, [0] = { 0, 0 }, [1] = { 1, 1 }, [2] = { 2, 3 }, [1023] = { 512, 1023 },
			[math.maxinteger] = { 1 << 62, math.maxinteger },
		} do
			local rows = aggregate.rows(columns, { key({}, { bucket = table_.log2_bucket(value) }) }, { row(1) })
			assert.same({ { x = { { low = bounds[1], high = bounds[2], count = 1 } } } }, plain(rows))
		end
	end)

	it("has numbers without a sign in their order", function()
		local columns = { keys = {}, values = {
			{ name = "min", op = "MIN", cell = 0, kind = "unsigned" }, { name = "max", op = "MAX", cell = 1, kind = "pointer" },
			{ name = "avg", op = "AVG", cell = 2, kind = "unsigned" }, { name = "x", op = "HIST", aggregate = 3, kind = "unsigned" },
		} }
		local rows = aggregate.rows(columns, {
			key {}, key({}, { aggregate = 3, bucket = 1 }), key({}, { aggregate = 3, bucket = table_.log2_bucket(1 << 62) }),
		}, { row(2, math.mininteger, math.mininteger, -2), row(1), row(1) })
		assert.same({ { min = 0, max = 0, avg = (2.0 ^ 64 - 2) / 2, x = {
			{ low = 1 << 62, high = math.maxinteger, count = 1 }, { low = 1 << 63, high = -1, count = 1 },
		} } }, plain(rows))
	end)

	it("knows the buckets of a linear histogram", function()
		local columns = { keys = {}, values = {
			COUNT, { name = "x", op = "LHIST", aggregate = 1, min = -10, max = 25, step = 10 },
		} }
		local keys, values = { key {} }, { row(21) }
		for bucket = 1, 6 do
			keys[#keys + 1], values[#values + 1] = key({}, { aggregate = 1, bucket = bucket }), row(bucket)
		end
		assert.same({ { count = 21, x = {
			{ low = math.mininteger, high = -11, count = 1 }, { low = -10, high = -1, count = 2 },
			{ low = 0, high = 9, count = 3 }, { low = 10, high = 19, count = 4 }, { low = 20, high = 24, count = 5 },
			{ low = 25, high = math.maxinteger, count = 6 },
		} } }, plain(aggregate.rows(columns, keys, values)))
	end)

	it("keeps two histograms of one row apart, and those of two rows", function()
		local columns = { keys = { { name = "pid", kind = "integer" } }, values = {
			{ name = "a", op = "HIST", aggregate = 0 }, { name = "b", op = "HIST", aggregate = 3 },
		} }
		local rows = aggregate.rows(columns, {
			key({ 1 }, { bucket = 2 }), key({ 1 }, { aggregate = 3, bucket = 3 }), key({ 2 }, { bucket = 2 }),
		}, { row(5), row(6), row(7) })
		local zero = { low = 0, high = 0 }
		local function bucket(count) return { { low = zero.low, high = zero.high, count = count } } end
		assert.same({
			{ pid = 1, a = bucket(5), b = { { low = 1, high = 1, count = 6 } } }, { pid = 2, a = bucket(7), b = {} },
		}, plain(rows))
	end)

	it("joins rows whose keys read the same, and no others", function()
		local columns = { keys = { { name = "symbol", kind = "symbol" } }, values = {
			COUNT, { name = "bytes", op = "SUM", cell = 0 }, { name = "mean", op = "AVG", cell = 0 },
			{ name = "least", op = "MIN", cell = 1 }, { name = "most", op = "MAX", cell = 2 },
			{ name = "x", op = "HIST", aggregate = 4 },
		} }
		local names = { "malloc", "malloc", "free", "1" }
		local rows = aggregate.rows(columns, {
			key { 1 }, key { 2 }, key { 3 }, key { 4 }, key({ 1 }, { aggregate = 4, bucket = 2 }),
			key({ 2 }, { aggregate = 4, bucket = 2 }), key({ 2 }, { aggregate = 4, bucket = 3 }),
		}, { row(1, 10, 5, 6), row(3, 30, 2, 4), row(1, 1, 1, 1), row(1, 1, 1, 1), row(2), row(3), row(1) },
			{ symbol = function(site) return names[site] end })
		assert.equal(3, #rows)
		assert.same({
			symbol = "malloc", count = 4, bytes = 40, mean = 10.0, least = 2, most = 6,
			x = { { low = 0, high = 0, count = 5 }, { low = 1, high = 1, count = 1 } },
		}, rows[3])
	end)

	it("joins equal stacks of two processes, and keeps nameless frames apart", function()
		local columns = { keys = { { name = "ustack", kind = "ustack" } }, values = { COUNT } }
		local stacks = {
			{ { name = "malloc", offset = 4, address = 0x1004, module = "libc.so.6" } },
			{ { name = "malloc", offset = 4, address = 0x2004, module = "libc.so.6" } },
			{ { name = "malloc", offset = 8, address = 0x2008, module = "libc.so.6" } },
			{ { address = 0x1004 } }, { { address = 0x2004 } },
			{ { address = 0x7004, offset = 4, module = "a" } }, { { address = 0x8004, offset = 4, module = "a" } },
		}
		local keys, values = {}, {}
		for i = 1, #stacks do keys[i], values[i] = key { i }, row(10 ^ i // 1 | 0) end
		local rows = aggregate.rows(columns, keys, values, { ustack = function(number) return stacks[number] end })
		local counts = {}
		for i, each in ipairs(rows) do counts[i] = each.count end
		table.sort(counts)
		assert.same({ 110, 1000, 10000, 100000, 11000000 }, counts)
	end)

	it("adds up tables that are read in batches", function()
		local columns = { keys = { { name = "pid", kind = "integer" } }, values = { COUNT } }
		local collector = aggregate.collect(columns)
		collector:add({ key { 1 } }, { row(2) })
		collector:add({ key { 2 }, key { 1 } }, { row(3), row(40) })
		assert.same({ { pid = 1, count = 42 }, { pid = 2, count = 3 } }, plain(collector:rows()))
		assert.same({}, plain(aggregate.rows(columns, {}, {})))
	end)

	it("gives rows in the order of their keys", function()
		local columns = { keys = { { name = "p", kind = "pointer" }, { name = "n", kind = "integer" } }, values = { COUNT } }
		local keys, values = {}, {}
		for i, pair in ipairs { { -1, 1 }, { 1, 2 }, { 1, -1 }, { 0, 0 } } do keys[i], values[i] = key(pair), row(i) end
		keys[5], values[5] = key({ 0, 7 }, { failed = 1 }), row(5)
		local order = {}
		for i, each in ipairs(aggregate.rows(columns, keys, values)) do order[i] = each.count end
		assert.same({ 5, 4, 3, 2, 1 }, order)
	end)
end)

describe("aggregate.sort", function()
	local columns = {
		keys = { { name = "comm", kind = "comm" } },
		values = { COUNT, { name = "max", op = "MAX", cell = 0, kind = "unsigned" }, { name = "size", op = "HIST", aggregate = 2 } },
	}
	local rows

	-- As the engine has the least and the greatest of numbers without a sign.
	local function turned(value) return value ~ math.mininteger end

	before_each(function()
		rows = aggregate.rows(columns, {
			key { { "a", 2 } }, key { { "b", 2 } }, key { { "c", 2 } }, key { { "d", 2 } },
			key({ { "b", 2 } }, { aggregate = 2, bucket = 5 }), key({ { "d", 2 } }, { aggregate = 2, bucket = 1 }),
		}, { row(3, turned(7)), row(9, turned(-1)), row(3, turned(0)), row(0, math.mininteger), row(5), row(6) })
	end)

	local function order(by)
		local names = {}
		for i, each in ipairs(aggregate.sort(rows, by)) do names[i] = each.comm end
		return table.concat(names)
	end

	it("goes by a column, up or down, and leaves equals as they are", function()
		assert.equal("dacb", order "count")
		assert.equal("bacd", order "-count")
		assert.equal("dcba", order "-comm")
	end)

	it("goes by several", function()
		assert.equal("bcad", order { "-count", "-comm" })
	end)

	it("goes by a function", function()
		assert.equal("cabd", order(function(a, b) return (a.comm == "c" and "" or a.comm) < (b.comm == "c" and "" or b.comm) end))
	end)

	it("compares as the column is, and histograms by what they hold", function()
		assert.equal("dcab", order "max") -- d was not measured
		assert.equal("dbac", order { "-size", "comm" })
	end)

	it("names the nearest column", function()
		assert.error_matches(function() order "-cuont" end, "^sort: there is no column 'cuont' %(nearest: count%)$")
		assert.error_matches(function() order "latency" end,
			"^sort: there is no column 'latency' %(there are comm, count, max, size%)$")
	end)

	it("is cut by top", function()
		assert.same({ { comm = "a", count = 3, max = 7, size = {} } }, plain(aggregate.top(rows, 1)))
		assert.equal(1, #aggregate.top(rows, 10))
		assert.equal(1, #aggregate.top(rows, math.maxinteger))
		assert.equal(0, #aggregate.top(rows, 0))
	end)
end)
