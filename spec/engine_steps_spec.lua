-- The engine's steps, one by one: what they compute, and which way they go on.
local core = require "crumb.core"
local Engine = require "support.engine"
local lab = require "support.lab"
local pattern = require "crumb.engine.pattern"
local Victim = require "support.victim"

local SITE <const>, BODY <const>, COOKIE <const> = 1, 1, 0x7122334455667788
local NUMBERS <const> = { 0, 1, -1, 5, -7, 63, 64, 0x123456789abcdef0, math.maxinteger, math.mininteger }
local NOWHERE <const>, KERNEL_NOWHERE <const> = 8, -4096
local _ <const>, _ <const>, MACHINE <const> = core.versions()

local engine, victim, memory, finish

setup(function()
	engine, victim, finish = Engine.with_victim(SITE)
	memory = victim:call("memory", 0)
end)

teardown(function() finish() end)

before_each(function()
	engine:site(SITE, BODY, COOKIE)
	engine:forget(SITE)
end)

-- What these steps leave in the slots from `first` on, false where that could not be computed.
local function computed(steps, first, count)
	local outputs <const> = {}
	for i = 1, count do outputs[i] = { "SLOT", first + i - 1 } end
	engine:body(BODY, { event = true, steps = steps, outputs = outputs })
	victim:call("call", 1)
	local records <const> = engine:records(count)
	assert.equal(1, #records)
	local values <const> = {}
	for i = 1, count do values[i] = records[1][i - 1] end
	return values
end

-- Whether each of these comparisons goes on at `yes`; those steps that they need stand before.
local function decided(first_steps, comparisons)
	local steps <const> = table.move(first_steps, 1, #first_steps, 1, {})
	for i, one in ipairs(comparisons) do
		steps[#steps + 1] = { op = "CONSTANT", to = 9 + i, value = 0 }
		one.yes, one.no = #steps + 1, #steps + 2
		steps[#steps + 1] = one
		steps[#steps + 1] = { op = "CONSTANT", to = 9 + i, value = 1 }
	end
	steps[#steps + 1] = { op = "ACCEPT" }
	local answers <const> = computed(steps, 10, #comparisons)
	for i, answer in ipairs(answers) do answers[i] = answer == 1 end
	return answers
end

-- Unsigned division; b is not 0.
local function udivide(a, b)
	local quotient = b < 0 and 0 or ((a >> 1) // b) << 1
	if not math.ult(a - quotient * b, b) then quotient = quotient + 1 end
	return quotient, a - quotient * b
end

-- Towards zero.
local function divide(a, b)
	local quotient <const> = udivide(a < 0 and -a or a, b < 0 and -b or b)
	local signed <const> = a < 0 ~= (b < 0) and -quotient or quotient
	return signed, a - signed * b
end

local function in_range(by) return by >= 0 and by < 64 end

-- To the right, with the sign.
local function shifted(a, by) return a >> by | (a < 0 and by > 0 and -1 << 64 - by or 0) end

local CALCULATIONS <const> = {
	{ "ADD", false, function(a, b) return a + b end },
	{ "SUB", false, function(a, b) return a - b end },
	{ "MUL", false, function(a, b) return a * b end },
	{ "AND", false, function(a, b) return a & b end },
	{ "OR", false, function(a, b) return a | b end },
	{ "XOR", false, function(a, b) return a ~ b end },
	{ "SHL", false, function(a, b) return in_range(b) and a << b or 0 end },
	{ "SHR", false, function(a, b) return in_range(b) and a >> b or 0 end },
	{ "SHR", true, function(a, b) return shifted(a, in_range(b) and b or 63) end },
	{ "DIV", false, function(a, b) return b == 0 or (udivide(a, b)) end },
	{ "DIV", true, function(a, b) return b == 0 or (divide(a, b)) end },
	{ "MOD", false, function(a, b) return b == 0 or select(2, udivide(a, b)) end },
	{ "MOD", true, function(a, b) return b == 0 or select(2, divide(a, b)) end },
}

local function calculates(operand)
	for _, a in ipairs(NUMBERS) do
		for _, b in ipairs(NUMBERS) do
			local steps <const>, wanted <const> = { { op = "CONSTANT", to = 0, value = a }, { op = "CONSTANT", to = 1, value = b } }, {}
			for i, row in ipairs(CALCULATIONS) do
				wanted[i] = row[3](a, b)
				steps[#steps + 1] = operand({ op = row[1], to = i + 1, a = 0, signed = row[2] }, b)
			end
			local got <const> = computed(steps, 2, #CALCULATIONS)
			for i, value in ipairs(wanted) do
				if value == true then wanted[i], got[i] = nil, nil end -- nobody divides by zero
			end
			assert.same({ a = a, b = b, wanted }, { a = a, b = b, got })
		end
	end
end

describe("a calculation", function()
	it("is of two slots", function()
		calculates(function(step)
			step.b = 1
			return step
		end)
	end)

	it("is of a slot and a constant", function()
		calculates(function(step, b)
			step.value = b
			return step
		end)
	end)
end)

local COMPARISONS <const> = {
	{ "EQ", false, function(a, b) return a == b end },
	{ "LT", false, math.ult },
	{ "LE", false, function(a, b) return not math.ult(b, a) end },
	{ "LT", true, function(a, b) return a < b end },
	{ "LE", true, function(a, b) return a <= b end },
}

describe("a comparison", function()
	it("is of slots and constants, with a sign and without, and negated", function()
		for _, a in ipairs(NUMBERS) do
			for _, b in ipairs(NUMBERS) do
				for _, constant in ipairs { true, false } do
					local comparisons <const>, wanted <const> = {}, {}
					for _, row in ipairs(COMPARISONS) do
						for _, negated in ipairs { false, true } do
							comparisons[#comparisons + 1] = {
								op = row[1], signed = row[2], a = 0, b = not constant and 1 or 0, value = constant and b or nil,
								negated = negated,
							}
							wanted[#wanted + 1] = row[3](a, b) ~= negated
						end
					end
					local got <const> = decided(
						{ { op = "CONSTANT", to = 0, value = a }, { op = "CONSTANT", to = 1, value = b } }, comparisons)
					assert.same({ a = a, b = b, wanted }, { a = a, b = b, got })
				end
			end
		end
	end)

	it("takes a builtin without a slot", function()
		assert.same({ true, false, true, false }, decided({}, {
			{ op = "EQ", a = "PID", value = victim.pid }, { op = "EQ", a = "PID", value = victim.pid, negated = true },
			{ op = "EQ", a = "COOKIE", value = COOKIE }, { op = "LT", a = "SITE", value = SITE },
		}))
	end)

	it("finds a number in a set", function()
		local set <const> = engine:put("sets", 3, 4)
		for _, number in ipairs { 0, -1, 1 << 40 } do assert(set:update(number, 1)) end
		local first <const>, comparisons <const> = {}, {}
		for i, number in ipairs { 0, -1, 1 << 40, 1, 0xffffffff } do
			first[i] = { op = "CONSTANT", to = i - 1, value = number }
			comparisons[i] = { op = "IN", a = i - 1, value = 3 }
		end
		comparisons[6] = { op = "IN", a = 0, value = 3, negated = true }
		comparisons[7] = { op = "IN", a = 3, value = 3, negated = true }
		comparisons[8] = { op = "IN", a = 0, value = 4 } -- no such set
		assert.same({ true, true, true, false, false, false, true, false }, decided(first, comparisons))
	end)

	it("knows the families of a process", function()
		assert(engine.maps.family:update(victim.pid, 1 | math.mininteger))
		assert.same({ true, false, true, false }, decided({}, {
			{ op = "FOLLOWED", value = 0 }, { op = "FOLLOWED", value = 1 }, { op = "FOLLOWED", value = 63 },
			{ op = "FOLLOWED", value = 0, negated = true },
		}))
		assert(engine.maps.family:delete(victim.pid))
		assert.same({ false, true }, decided({}, { { op = "FOLLOWED", value = 0 }, { op = "FOLLOWED", value = 0, negated = true } }))
	end)
end)

-- The steps that leave in the slots from `to` on what lies at slot 0, of each width and sign.
local function widths(op, to, value)
	local steps <const> = {}
	for _, width in ipairs { 1, 2, 4, 8 } do
		for _, signed in ipairs { false, true } do
			steps[#steps + 1] = { op = op, to = to + #steps, a = 0, width = width, signed = signed, value = value }
		end
	end
	return steps
end

local function of_widths(bits)
	local bytes <const>, values <const> = ("<i8"):pack(bits), {}
	for _, width in ipairs { 1, 2, 4, 8 } do
		values[#values + 1] = ("<I" .. width):unpack(bytes)
		values[#values + 1] = ("<i" .. width):unpack(bytes)
	end
	return values
end

describe("a value", function()
	it("is an argument", function()
		local steps <const> = {}
		for i = 0, 5 do
			victim:call("arg" .. i, i == 5 and -6 or i + 100)
			steps[i + 1] = { op = "REGISTER", to = i, a = "ARG" .. i }
		end
		assert.same({ 100, 101, 102, 103, 104, -6 }, computed(steps, 0, 6))
	end)

	it("is the place of the program", function()
		local got <const> = computed({
			{ op = "CONTEXT", to = 0, value = Engine.offset "ip" }, { op = "CONTEXT", to = 1, value = Engine.offset "sp" },
		}, 0, 2)
		local maps <const>, places <const> = lab.read(("/proc/%d/maps"):format(victim.pid)), {}
		for first, last, path in maps:gmatch "(%x+)%-(%x+) %S+ %S+ %S+ %d+ *([^\n]*)" do
			for i, address in ipairs(got) do
				if address >= tonumber(first, 16) and address < tonumber(last, 16) then places[i] = path:match "[^/]*$" end
			end
		end
		assert.same({ "victim", "[stack]" }, places)
	end)

	it("lies in memory, of each width and sign", function()
		victim:call("arg0", memory)
		for _, bits in ipairs { 0, -1, 0x7f80ff7f807f8180, 0x0102030405060708, math.mininteger } do
			victim:poke(memory + 24, ("<i8"):pack(bits))
			local steps <const> = widths("LOAD", 1, 24)
			table.insert(steps, 1, { op = "REGISTER", to = 0, a = "ARG0" })
			assert.same(of_widths(bits), computed(steps, 1, 8))
		end
	end)

	it("lies across two pages", function()
		victim:call("arg0", memory + 4092)
		victim:poke(memory + 4092, ("<i8"):pack(0x1122334455667788))
		assert.same({ 0x1122334455667788 },
			computed({ { op = "REGISTER", to = 0, a = "ARG0" }, { op = "LOAD", to = 1, a = 0 } }, 1, 1))
	end)

	it("is made narrower", function()
		for _, bits in ipairs { 0, -1, 0x7f80ff7f807f8180, math.maxinteger } do
			local steps <const> = widths("CONVERT", 1)
			table.insert(steps, 1, { op = "CONSTANT", to = 0, value = bits })
			assert.same(of_widths(bits), computed(steps, 1, 8))
		end
	end)

	it("lies in the hook's context", function()
		if MACHINE ~= "x86_64" then pending("where arg0 lies in a pt_regs is known of x86_64 here") end
		victim:call("arg0", 0x7f80ff7f807f8180)
		assert.same(of_widths(0x7f80ff7f807f8180), computed(widths("CONTEXT", 1, Engine.offset "di"), 1, 8))
		-- The same, by its address: kernel memory.
		assert.same({ 0x7f80ff7f807f8180 },
			computed({ { op = "BUILTIN", to = 0, a = "CONTEXT" }, { op = "LOAD", to = 1, a = 0, value = Engine.offset "di" } }, 1, 1))
	end)
end)

describe("a builtin", function()
	local function builtins(...)
		local steps <const> = {}
		for i, name in ipairs { ... } do steps[i] = { op = "BUILTIN", to = i - 1, a = name } end
		return computed(steps, 0, #steps)
	end

	it("tells who", function()
		victim:call("rename", 1)
		assert.same({ victim.pid, victim.pid, 0, 0, (("<i8"):unpack "victim\0\0"), 0 },
			builtins("PID", "TID", "UID", "GID", "COMM_LOW", "COMM_HIGH"))
	end)

	it("tells uid and gid apart", function()
		local other <close> = Victim.start()
		assert.equal(0, other:call("become", 65533))
		engine:body(BODY, {
			event = true, outputs = { { "SLOT", 0 }, { "SLOT", 1 } },
			steps = { { op = "BUILTIN", to = 0, a = "UID" }, { op = "BUILTIN", to = 1, a = "GID" } },
		})
		other:call("call", 1)
		local record <const> = engine:records(2)[1]
		assert.same({ 65533, 65534, 65533, 65534 }, { record[0], record[1], record.uid, record.gid })
	end)

	it("tells where", function()
		local got <const> = builtins("COOKIE", "SITE", "CPU", "CONTEXT", "TASK", "CGROUP")
		assert.same({ COOKIE, SITE }, { got[1], got[2] })
		assert.is_true(got[3] >= 0 and got[3] < 1024)
		assert.is_true(got[4] < 0 and got[5] < 0 and got[6] > 0)
	end)

	it("tells when", function()
		local from <const> = core.now()
		local time <const> = builtins("TIME")[1]
		assert.is_true(from <= time and time <= core.now())
	end)
end)

describe("what cannot be read", function()
	local BAD <const> = {
		{ op = "CONSTANT", to = 0, value = NOWHERE }, { op = "CONSTANT", to = 1, value = KERNEL_NOWHERE },
		{ op = "CONSTANT", to = 5, value = 6 },
		{ op = "LOAD", to = 0, a = 0 }, { op = "LOAD", to = 1, a = 1 },
	}

	local function and_then(...)
		local steps <const> = table.move(BAD, 1, #BAD, 1, {})
		for _, step in ipairs { ... } do steps[#steps + 1] = step end
		return steps
	end

	it("is no value", function() assert.same({ false, false }, computed(BAD, 0, 2)) end)

	it("makes no value", function()
		assert.same({ false, false, false, false, false },
			computed(and_then({ op = "ADD", to = 10, a = 0, b = 5 }, { op = "ADD", to = 11, a = 5, b = 0 },
				{ op = "SUB", to = 12, a = 1, value = 3 }, { op = "CONVERT", to = 13, a = 0, width = 4 },
				{ op = "LOAD", to = 14, a = 0 }), 10, 5))
	end)

	it("does not hinder what is made of other slots", function()
		assert.same({ 6, 9 },
			computed(and_then({ op = "CONVERT", to = 10, a = 5, width = 4 }, { op = "ADD", to = 11, a = 5, value = 3 }), 10, 2))
	end)

	it("is gone when the slot has another value", function()
		assert.same({ 4 }, computed(and_then({ op = "CONSTANT", to = 0, value = 4 }), 0, 1))
	end)

	it("is neither equal nor unequal", function()
		local set <const>, texts <const> = engine:put("sets", 5, 1), engine:put("text_sets", 5, 1)
		assert(set:update(0, 1))
		assert(texts:update({ bytes = "" }, 1))
		assert(engine.maps.patterns:update(5, assert(pattern.compile "*")))
		for _, negated in ipairs { false, true } do
			local comparisons <const>, wanted <const> = {}, {}
			for _, one in ipairs {
				{ op = "EQ", a = 0, value = 0 }, { op = "EQ", a = 5, b = 0 }, { op = "LT", a = 0, value = 1 },
				{ op = "IN", a = 0, value = 5 }, { op = "LE", a = 1, b = 5 }, { op = "TEXT_EQ", a = 0, value = 0 },
				{ op = "TEXT_IN", a = 0, value = 5 }, { op = "TEXT_LIKE", a = 0, value = 5 },
			} do
				one.negated = negated
				comparisons[#comparisons + 1], wanted[#wanted + 1] = one, false
			end
			assert.same(wanted, decided(BAD, comparisons))
		end
	end)
end)

describe("the way", function()
	local function outcome(body)
		engine:forget(SITE)
		engine:body(BODY, body)
		victim:call("call", 1)
		return (next(engine:account(SITE)))
	end

	it("may be no way at all", function()
		assert.equal("aggregated", outcome { start = 254 })
		assert.equal("filtered", outcome { start = 255, steps = { { op = "ACCEPT" } } })
	end)

	it("ends at a verdict", function()
		assert.equal("aggregated", outcome { steps = { { op = "ACCEPT" } } })
		assert.equal("filtered", outcome { steps = { { op = "REJECT" } } })
		assert.equal("filtered", outcome { steps = { { op = "EQ", a = "PID", value = 0, yes = "accept" } } })
	end)

	it("has 128 steps, from any of them on", function()
		local steps <const> = { { op = "CONSTANT", to = 0, value = 0 } }
		for i = 2, 128 do steps[i] = { op = "ADD", to = 0, a = 0, value = 1 } end
		assert.same({ 127 }, computed(steps, 0, 1))
		steps[1] = { op = "REJECT" }
		steps[101] = { op = "CONSTANT", to = 0, value = 7 }
		engine:body(BODY, { event = true, start = 100, steps = steps, outputs = { { "SLOT", 0 } } })
		victim:call("call", 1)
		assert.equal(7 + 27, engine:records(1)[1][0])
	end)

	it("has 128 comparisons of texts", function()
		local steps <const> = {}
		victim:call("rename", 1)
		for i = 1, 128 do steps[i] = { op = "TEXT_EQ", comm = true, value = 0 } end
		assert.equal("aggregated", outcome { steps = steps, texts = { "victim" } })
		steps[128].value = 1
		assert.equal("filtered", outcome { steps = steps, texts = { "victim" } })
	end)

	it("does not turn for ever", function()
		assert.equal("filtered", outcome { steps = { { op = "EQ", a = "PID", value = 0, yes = 0, no = 0 } } })
		assert.equal("filtered", outcome { steps = { { op = "CONSTANT", yes = 0 } } })
	end)
end)
