-- What comes of a hit, of every type: captures, keys, aggregates. The victim says what it passed, and what C makes of that.
local crumb = require "crumb"
local Typed = require "support.typed"

local TYPES <const> = { "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "truth", "color", "below", "pointer" }
local shown <const> = Typed.shown

local victim, trace

setup(function()
	victim = Typed.start()
	trace = assert(crumb.trace { pid = victim.pid })
end)
teardown(function()
	trace:close()
	victim:stop()
end)

local events_of <const> = Typed.events

local function of(word) return "uprobe:" .. Typed.PATH .. ":take_" .. word end

local function probe_of(given) return assert(trace:probe(given)) end

local function same_values(type, values, list, field)
	for i, value in ipairs(values) do assert.equal(shown(type, value), list[i][field], type) end
end

describe("a capture", function()
	for _, type in ipairs(TYPES) do
		it("is what was passed: " .. type, function()
			local probe <close> = probe_of { of(type), returns = true, capture = { x = "args.value", y = "entry(args.value)" } }
			local values <const> = victim.values[type]
			victim:call(type)
			local list <const> = events_of(probe, #values)
			for _, field in ipairs { "x", "y", "retval" } do same_values(type, values, list, field) end
			for _, event in ipairs(list) do
				assert.equal("integer", math.type(event.latency))
				assert.is_true(event.latency > 0)
				assert.equal("take_" .. type, event.symbol)
				assert.equal(victim.pid, event.pid)
				assert.equal("typed_victim", event.comm)
			end
			assert.equal(#values, probe:stats().sent)
		end)
	end

	-- The operands of a note, of eight widths in one probe.
	local NOTE <const> = { "<i1", "<I1", "<i2", "<I2", "<i4", "<I4", "<i8", "<i8" }

	it("is what was passed: the arguments of a USDT probe", function()
		local capture <const> = {}
		for i = 0, 7 do capture["a" .. i] = "args.arg" .. i end
		local probe <close> = probe_of { "usdt:" .. Typed.PATH .. ":typed:several", capture = capture }
		victim:call "s64"
		for i, event in ipairs(events_of(probe, #victim.values.s64)) do
			local bytes <const> = ("<i8"):pack(victim.values.s64[i])
			for number, format in ipairs(NOTE) do
				assert.equal(format:unpack(bytes), event["a" .. number - 1])
			end
		end
	end)

	it("is what was there: fields, bits, texts, addresses of the network, bytes, functions", function()
		local probe <close> = probe_of { of "object", capture = {
			"args.object.inner.x", "args.object.inner.y", "args.object.number", "args.object.low", "args.object.middle",
			"args.object.rest", "args.object.wide", "args.object.narrow", "args.object.flag", "args.object.color",
			"args.object.below", "args.object.name", "args.text",
		} }
		victim:call "objects"
		local first <const> = events_of(probe, #victim.objects)
		assert(probe:set { capture = {
			number_of = "args.object.numbers[args.index & 3]", v4 = "ntop(args.object.v4)", v6 = "ntop(args.object.v6)",
			data = "bytes(args.object.data, args.object.length, 16)", "args.object.code", code = "usym(args.object.code)",
		} })
		victim:call "objects"
		local CODE <const> = { "take_s8", "take_u64", "take_u16", "0x0", "take_s8", "0x0" }
		for i, event in ipairs(events_of(probe, #victim.objects)) do
			local values <const> = {}
			for at, field in ipairs { "inner.x", "inner.y", "number", "low", "middle", "rest", "wide", "narrow", "flag", "color",
				"below" } do
				local value = first[i]["args.object." .. field]
				for _, names in ipairs { Typed.COLORS, Typed.BELOW } do
					for known, name in pairs(names) do value = value == name and known or value end
				end
				values[at] = tostring(value)
			end
			local text <const> = first[i]["args.text"] or ""
			assert.equal(i == 4, first[i]["args.text"] == false)
			values[#values + 1] = ("[%s] [%s] %d %s %s %s %d"):format(first[i]["args.object.name"], text, event.number_of, event.v4,
				event.v6, event.data:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end), event["args.object.code"])
			assert.equal(victim.objects[i]:gsub("  (%d*)$", " %1"), (table.concat(values, " "):gsub("  (%d*)$", " %1")))
			assert.equal(CODE[i], event.code:match "^[%w_]+")
		end
	end)

	it("is a stack, whose innermost frame is where it hit", function()
		local probe <close> = probe_of { of "u8", capture = { "ustack", "kstack", at = "ip", below = "sp" } }
		victim:call "u8"
		for _, event in ipairs(events_of(probe, #victim.values.u8)) do
			assert.equal("take_u8", event.ustack[1].name)
			assert.equal(event.at, event.ustack[1].address)
			assert.is_true(event.below ~= 0)
		end
	end)

	it("may be false, which is not nil", function()
		local probe <close> = probe_of { of "object", capture = {
			number = "args.object.number", text = "args.text", far = "args.object.behind.x",
			bytes = "bytes(args.text, 4)", byte = "u8[args.object]", sum = "args.object.number + 1", constant = "args.index",
		} }
		local said <const> = victim:call("expression", "any", 0)
		local event <const> = events_of(probe, said.calls)[said.calls]
		for _, name in ipairs { "number", "text", "far", "bytes", "byte", "sum" } do assert.equal(false, event[name], name) end
		assert.equal(said.calls - 1, event.constant)
		assert.is_nil(event.nothing)
	end)
end)

describe("a key", function()
	for _, type in ipairs(TYPES) do
		it("is each value that was passed: " .. type, function()
			local probe <close> = probe_of { of(type), count = true, by = { x = "args.value" } }
			local values <const> = victim.values[type]
			for _ = 1, 3 do victim:call(type) end
			local rows <const> = probe:read()
			assert.equal(#values, #rows)
			local expected <const> = {}
			for _, value in ipairs(values) do expected[tostring(shown(type, value))] = 3 end
			local counted <const> = {}
			for _, row in ipairs(rows) do counted[tostring(row.x)] = row.count end
			assert.same(expected, counted)
		end)
	end

	it("is a text, a comm, a symbol, a cookie, a stack, an address", function()
		local probe <close> = probe_of { of "object", cookie = 7, count = true, by = { "args.text", "comm", "symbol", "cookie" } }
		local calls <const> = victim:call("expression", "any", 0).calls
		local rows <const>, texts <const> = probe:read(), {}
		for _, row in ipairs(rows) do
			texts[row["args.text"]] = row.count
			assert.equal("typed_victim", row.comm)
			assert.equal("take_object", row.symbol)
			assert.equal(7, row.cookie)
		end
		local full <const> = victim.objects[3]:match "%[(0123[^%]]*)%]"
		assert.equal(64, #full)
		-- One is of 65 bytes, of which a key has 64.
		assert.same({ title = 1, [""] = 1, [full] = 2, [false] = 2, ["x-title.tar.gz"] = 1 }, texts)
		assert(probe:set { by = { "ustack", name = "args.object.name" } })
		assert.equal(calls, victim:call("expression", "any", 0).calls)
		local names <const> = {}
		for _, row in ipairs(probe:read()) do
			names[row.name] = (names[row.name] or 0) + row.count
			assert.equal("take_object", row.ustack[1].name)
		end
		assert.same({ abc = 1, ["twelve bytes"] = 1, [""] = 1, abcd = 1, ["a\tb"] = 1, z = 1, [false] = 1 }, names)
	end)
end)

-- The bucket of a value in a histogram of powers of two.
local function power(value)
	if value < 0 then return math.mininteger, -1 end -- without a sign: 2^63 and above
	if value == 0 then return 0, 0 end
	local low = 1
	while low << 1 > 0 and low << 1 <= value do low = low << 1 end
	return low, low - 1 + low
end

local function linear(value, unsigned, min, max, step)
	if unsigned and value < 0 then return max, math.maxinteger end
	if value < min then return math.mininteger, min - 1 end
	if value >= max then return max, math.maxinteger end
	local low <const> = min + (value - min) // step * step
	return low, math.min(low + step, max) - 1
end

local function buckets_of(values, find, ...)
	local counts <const> = {}
	for _, value in ipairs(values) do
		local low <const>, high <const> = find(value, ...)
		local key <const> = ("%d %d"):format(low, high)
		counts[key] = (counts[key] or 0) + 1
	end
	return counts
end

local function as_float(sum, unsigned)
	return unsigned and tonumber(crumb.u64.format(sum)) + 0.0 or sum
end

local function counted(histogram)
	local counts <const> = {}
	for _, bucket in ipairs(histogram) do
		if bucket.count > 0 then counts[("%d %d"):format(bucket.low, bucket.high)] = bucket.count end
	end
	return counts
end

describe("an aggregate", function()
	for _, type in ipairs(TYPES) do
		it("is exact: " .. type, function()
			local least <const> = victim.unsigned[type] and 0 or -127
			local probe <close> = probe_of { of(type), count = true, sum = { total = "args.value" }, avg = { mean = "args.value" },
				min = { least = "args.value" }, max = { most = "args.value" }, hist = { powers = "args.value" },
				lhist = { steps = { "args.value", least, 127, 10 }, ones = { "args.value", 1, 2, 1 } }, by = {} }
			local values <const> = victim.values[type]
			local said <const> = victim:call(type)
			local rows <const> = probe:read()
			assert.equal(1, #rows)
			local row <const> = rows[1]
			assert.equal(said.held, row.count)
			assert.equal(said.sum, row.total)
			assert.equal(said.least, row.least)
			assert.equal(said.greatest, row.most)
			local unsigned <const> = victim.unsigned[type]
			assert.equal(as_float(said.sum, unsigned) / said.held, row.mean)
			assert.same(buckets_of(values, power, unsigned), counted(row.powers))
			assert.same(buckets_of(values, linear, unsigned, least, 127, 10), counted(row.steps))
			assert.same(buckets_of(values, linear, unsigned, 1, 2, 1), counted(row.ones))
		end)
	end

	it("is exact where nothing was measured, and where values cannot be read", function()
		local probe <close> = probe_of { of "object", where = "args.index > 100", count = true, sum = "args.object.number",
			min = { least = "args.object.inner.x" }, by = {} }
		victim:call("expression", "any", 0)
		assert.same({}, setmetatable(probe:read(), nil))
		assert(probe:set { where = "args.index >= 4" })
		victim:call("expression", "any", 0)
		local rows <const> = probe:read()
		assert.equal(1, #rows)
		-- Of the NULL there is nothing to add.
		assert.equal(2, rows[1].count)
		assert.equal(math.maxinteger - 100, rows[1].sum)
		assert.equal(5, rows[1].least)
		assert.equal(1, probe:stats().lost)
	end)
end)
