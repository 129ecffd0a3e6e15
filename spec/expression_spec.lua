-- crumb.expression: what expressions mean, told by a machine that runs their plans.
local expression = require "crumb.expression"
local machine = require "support.machine"
local scope = require "support.scope"
local types = require "crumb.expression.types"

-- Whether the condition holds in that world.
local function holds(where, world, at, params)
	local plan = assert(expression.compile({ where = where, params = params }, at or scope.uprobe()))
	return machine.new(world):run(plan, plan.start)
end

-- What the expression is in that world, and the plan.
local function value(text, world, at, params)
	local plan = assert(expression.compile({ capture = { x = text }, params = params }, at or scope.uprobe()))
	local one = machine.new(world)
	assert.is_true(one:run(plan, plan.start))
	return one:event(plan).x, plan
end

local function registers(...)
	local names = { SP = 0x7000, IP = 0x400000, RETVAL = 0 }
	for i, number in ipairs { ... } do names["ARG" .. i - 1] = number end
	for i = 0, 5 do names["ARG" .. i] = names["ARG" .. i] or 0 end
	return { registers = names }
end

describe("literals", function()
	it("are decimal, hexadecimal, sizes and durations", function()
		for text, expected in pairs {
			["0"] = 0, ["42"] = 42, ["0x1F"] = 31, ["0XffffFFFFffffFFFF"] = -1, ["4k"] = 4096, ["1M"] = 1 << 20, ["2G"] = 2 << 30,
			["7ns"] = 7, ["10us"] = 10000, ["5ms"] = 5000000, ["2s"] = 2000000000, ["-3"] = -3, ["-4k"] = -4096, ["- -3"] = 3,
			["9223372036854775807"] = math.maxinteger, ["-9223372036854775807 - 1"] = math.mininteger, ["~0"] = -1,
			["0x00000000000000000000001"] = 1, ["007"] = 7,
		} do
			assert.equal(expected, (value(text, {})), text)
		end
	end)

	it("are texts with Lua's escapes, in either quotes", function()
		local world = { registers = { ARG0 = 0x100 }, memory = {} }
		for text, bytes in pairs {
			[ [["a'b"]] ] = "a'b", [ [['a"b']] ] = 'a"b', [ [["\n\t\\\"\'"]] ] = "\n\t\\\"'", [ [["\x41\066\67z"]] ] = "ABCz",
			[ [["\200"]] ] = "\200", [ [["\0651"]] ] = "A1", [ [["\aabc"]] ] = "\aabc", [ [["a and b"]] ] = "a and b", [ [[""]] ] = "",
		} do
			world.memory[0x100] = bytes .. "\0"
			assert.is_true(holds("str(arg0) == " .. text, world), text)
			world.memory[0x100] = bytes .. "x\0"
			assert.is_false(holds("str(arg0) == " .. text, world), text)
		end
	end)
end)

describe("names", function()
	it("are read without the grammar as by it, alone and with dots between", function()
		local grammar <const> = require "crumb.expression.grammar"
		local tree <const> = require "crumb.expression.tree"
		for _, text in ipairs {
			"pid", "_x9", "args.fd", "args.in.and", "a.b.c", "android", "and", "in.x", "like", "a.", "a..b", "a.5", ".a", " a", "a-b", "",
		} do
			assert.same({ grammar.parse(text) }, { tree.of(text) }, text)
		end
	end)
end)

describe("operators", function()
	local function is(expected, text, ...) assert.equal(expected, (value(text, registers(...))), text) end

	it("have Lua's precedence and associate to the left", function()
		is(7, "1 + 2 * 3")
		is(9, "(1 + 2) * 3")
		is(1 + 2 * 3 - 4, "arg0 + arg1 * 3 - arg2", 1, 2, 4)
		is(10 - 3 - 2, "arg0 - 3 - 2", 10)
		is(100 // 7 % 4, "arg0 / 7 % 4", 100)
		is(1 | 6 ~ 3 & 2 << 1, "1 | arg0 ~ 3 & arg1 << 1", 6, 2)
		is(1 << 2 + 3, "1 << arg0 + 3", 2)
		is(-2 + 5, "-arg0 + 5", 2)
		is(~2 & 7, "~arg0 & 7", 2)
	end)

	it("count in 64 bits, and divide toward zero", function()
		is(math.mininteger, "arg0 + 1", math.maxinteger)
		is(-3, "arg0 / 2", -7)
		is(-1, "arg0 % 2", -7)
		is(3, "arg0 / -2", -7)
		is(1, "arg0 % -2", 7)
		is(math.mininteger, "arg0 / -1", math.mininteger)
		is(0x7fffffffffffffff, "u64(arg0) / 2", -1)
		is(15, "u64(arg0) % 16", -1)
		is(1, "u64(arg0) / 0xfffffffffffffff0", -1)
		is(-1, "arg0 >> 4", -16 + 15)
		is(0x0fffffffffffffff, "u64(arg0) >> 4", -1)
		is(0, "arg0 << arg1", 1, 64)
		is(-1, "arg0 >> arg1", -1, 200)
		is(0, "u64(arg0) >> arg1", -1, 64)
		is(-5, "0 - arg0", 5)
		is(3 - 5, "3 - arg0", 5)
	end)

	it("fold what is known beforehand as the engine would count it", function()
		local numbers = { 0, 1, -1, 7, -7, 200, 300, 0x8000, 0x80000000, math.maxinteger, math.mininteger, 0x123456789abcdef0 }
		local forms = { "-N", "~N", "N + N * 2", "N - 5", "5 - N" }
		for _, by in ipairs { 2, 5, -2, 1, -1, math.mininteger } do
			for _, form in ipairs { "N / 0x%x", "N %% 0x%x", "u64(N) / 0x%x", "u64(N) %% 0x%x", "N & 0x%x", "N | 0x%x", "N ~ 0x%x" } do
				forms[#forms + 1] = form:format(by)
			end
		end
		for _, by in ipairs { 0, 1, 4, 63 } do
			for _, form in ipairs { "N >> %d", "u64(N) >> %d", "N << %d" } do forms[#forms + 1] = form:format(by) end
		end
		for _, word in ipairs { "u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64" } do forms[#forms + 1] = word .. "(N)" end
		for _, form in ipairs(forms) do
			for _, number in ipairs(numbers) do
				local folded, plan = value(form:gsub("N", ("0x%x"):format(number)), {})
				assert.equal("CONSTANT", plan.steps[1].op)
				assert.equal((value(form:gsub("N", "arg0"), registers(number))), folded, form .. " of " .. number)
			end
		end
	end)

	it("convert by width and sign", function()
		for text, expected in pairs {
			["u8(arg0)"] = 0xf0, ["s8(arg0)"] = -0x10, ["u16(arg0)"] = 0xdef0, ["s16(arg0)"] = -0x2110, ["u32(arg0)"] = 0x9abcdef0,
			["s32(arg0)"] = -0x65432110, ["u64(arg0)"] = 0x123456789abcdef0, ["s64(arg0)"] = 0x123456789abcdef0,
			["u8(s8(arg0))"] = 0xf0, ["s64(s8(arg0))"] = -0x10, ["u32(u8(arg0))"] = 0xf0,
		} do
			is(expected, text, 0x123456789abcdef0)
		end
	end)

	it("read memory by width and sign", function()
		local world = { registers = { ARG0 = 0x1000, ARG1 = 2 }, memory = { [0x1000] = "\1\2\xf3\xf4\xf5\xf6\xf7\xf8\9\10" } }
		for text, expected in pairs {
			["u8[arg0]"] = 1, ["u8[arg0 + 2]"] = 0xf3, ["s8[arg0 + arg1]"] = 0xf3 - 256, ["u16[arg0 + 2]"] = 0xf4f3,
			["s16[arg0 + 2]"] = 0xf4f3 - 65536, ["u32[arg0 + 4]"] = 0xf8f7f6f5, ["s32[arg0 + 4]"] = 0xf8f7f6f5 - (1 << 32),
			["u64[arg0]"] = 0xf8f7f6f5f4f30201, ["s64[arg0 + 2]"] = 0x0a09f8f7f6f5f4f3, ["u8[arg0 + 4 - 2]"] = 0xf3,
			["u8[0x1009]"] = 10, ["u16[arg0 + 9]"] = false, ["u64[arg0 + 3]"] = false, ["u8[u64[arg1]]"] = false,
			["u8[arg1] + 1"] = false, ["5 + u8[arg1]"] = false, ["u64[arg1] * arg0"] = false,
		} do
			assert.equal(expected, (value(text, world)), text)
		end
	end)
end)

describe("comparisons", function()
	-- Each operator, and what it says of less, equal and greater.
	local OPERATORS = {
		["=="] = { false, true, false }, ["~="] = { true, false, true }, ["!="] = { true, false, true },
		["<"] = { true, false, false }, ["<="] = { true, true, false }, [">"] = { false, false, true },
		[">="] = { false, true, true },
	}
	-- Each type, and three numbers in its order.
	local NUMBERS = {
		["arg0"] = { -5, 0, 7 }, ["s8(arg0)"] = { -128, -1, 127 }, ["u8(arg0)"] = { 0, 127, 255 },
		["s16(arg0)"] = { -32768, 0, 32767 }, ["u16(arg0)"] = { 0, 1, 65535 }, ["s32(arg0)"] = { -(1 << 31), 0, (1 << 31) - 1 },
		["u32(arg0)"] = { 0, 1, (1 << 32) - 1 }, ["s64(arg0)"] = { math.mininteger, -1, math.maxinteger },
		["u64(arg0)"] = { 0, math.maxinteger, -1 }, ["args.file"] = { 1, math.maxinteger, -4096 },
		["args.size"] = { 0, 1, -1 }, ["args.fd2"] = { -1, 0, 1 },
	}

	it("hold as they should: every operator, every type, constant on either side or none", function()
		local at = scope.kprobe()
		table.insert(at.args, { name = "fd2", load = { register = "ARG0" }, type = scope.TYPES.s32 })
		at.args[3].load = { register = "ARG0" } -- size
		for operator, expected in pairs(OPERATORS) do
			for text, numbers in pairs(NUMBERS) do
				for i, number in ipairs(numbers) do
					local order = i < 2 and 1 or i == 2 and 2 or 3
					local world = registers(number, numbers[2])
					local middle = ("0x%x"):format(numbers[2])
					local name = ("%s %s %s with %d"):format(text, operator, middle, number)
					assert.equal(expected[order], holds(("%s %s %s"):format(text, operator, middle), world, at), name)
					assert.equal(expected[4 - order], holds(("%s %s %s"):format(middle, operator, text), world, at), "mirrored " .. name)
					assert.equal(expected[order], holds(("%s %s %s"):format(text, operator, text:find "%(" and
						text:gsub("arg0", "arg1") or "arg1"), world, at), "two registers " .. name)
					assert.equal(not expected[order], holds(("not (%s %s %s)"):format(text, operator, middle), world, at), "not " .. name)
				end
			end
		end
	end)

	it("are false, negated or not, where a value cannot be read", function()
		local world = registers(0)
		for operator in pairs(OPERATORS) do
			for _, text in ipairs {
				"u8[arg0] %s 1", "1 %s u8[arg0]", "u8[arg0] %s u16[arg0]", "arg1 %s u8[arg0]", "u8[u64[arg0]] %s 0",
			} do
				local where = text:format(operator)
				assert.is_false(holds(where, world), where)
				assert.is_false(holds(("not (%s)"):format(where), world), where)
				assert.is_true(holds(("%s or arg0 == 0"):format(where), world), where)
				assert.is_true(holds(("not (%s and arg0 == 0) or arg0 == 0"):format(where), world), where)
			end
		end
		for _, where in ipairs {
			"u8[arg0] in {1}", "u8[arg0] not in {1}", "u8[arg0] in {1,2,3,4,5,6}", "u8[arg0] not in {1,2,3,4,5,6}",
			"u8[arg0] not in {}", "str(arg0) == 'a'", "str(arg0) ~= 'a'", "str(arg0) like 'a*'", "str(arg0) not like 'a*'",
			"str(arg0) in {'a', 'b'}", "str(arg0) not in {'a', 'b'}", "str(u64[arg0]) ~= 'a'",
		} do
			assert.is_false(holds(where, world), where)
		end
	end)

	it("know the words of bpftrace", function()
		assert.is_true(holds("arg0 != 1 && !(arg1 == 1) || arg0 == 1", registers(5, 2)))
		assert.is_false(holds("arg0 != 1 && !(arg1 == 2)", registers(5, 2)))
	end)

	it("take lists, by number, short and long", function()
		for _, list in ipairs { "{3}", "{3, 1}", "{1, 1, 3}", "{ 1, 2, 3, 4, }", "{1,2,3,4,5}", "{5,4,3,2,1,0,-1}" } do
			assert.is_true(holds("arg0 in " .. list, registers(3)), list)
			assert.is_false(holds("arg0 not in " .. list, registers(3)), list)
			assert.is_false(holds("arg0 in " .. list, registers(99)), list)
			assert.is_true(holds("arg0 not in " .. list, registers(99)), list)
			assert.is_true(holds("not (arg0 in " .. list .. ")", registers(99)), list)
		end
		assert.is_false(holds("arg0 in {}", registers(0)))
		assert.is_true(holds("arg0 not in {}", registers(0)))
		assert.is_true(holds("arg0 in {4k, -1}", registers(-1)))
	end)

	it("take parameters", function()
		assert.is_true(holds("arg0 > $big", registers(5000), nil, { big = 4096 }))
		assert.is_true(holds("arg0 == $big", registers(1000), nil, { big = 1e3 }))
		assert.is_true(holds("arg0 in $set", registers(2), nil, { set = { 1, 2 } }))
		assert.is_false(holds("arg0 in $set", registers(2), nil, { set = {} }))
		assert.is_true(holds("arg0 in {1, $b}", registers(2), nil, { b = 2 }))
		assert.is_true(holds("comm == $who", { comm = "ls" }, nil, { who = "ls" }))
		assert.is_true(holds("comm like $who", { comm = "lsof" }, nil, { who = "ls*" }))
		assert.is_true(holds("comm in $who", { comm = "ls" }, nil, { who = { "cat", "ls" } }))
		local many = {}
		for i = 1, 10000 do many[i] = i * 3 end
		assert.is_true(holds("arg0 in $many", registers(30000), nil, { many = many }))
		assert.is_false(holds("arg0 in $many", registers(30001), nil, { many = many }))
		assert.is_true(holds("$on == 1", {}, nil, { on = 1 }))
		assert.is_false(holds("$on == 1 and arg0 == 0", registers(0), nil, { on = 0 }))
		assert.is_true(holds("$name == 'x'", {}, nil, { name = "x" }))
	end)
end)

describe("comm", function()
	it("is compared with texts of up to 15 bytes, and with patterns", function()
		for _, comm in ipairs { "", "a", "nginx", "12345678", "123456789", "123456789012345" } do
			for _, text in ipairs { "", "a", "nginx", "12345678", "123456789", "123456789012345" } do
				local world = { comm = comm }
				assert.equal(comm == text, holds(("comm == '%s'"):format(text), world))
				assert.equal(comm ~= text, holds(("comm ~= '%s'"):format(text), world))
				assert.equal(comm ~= text, holds(("not ('%s' == comm)"):format(text), world))
				assert.equal(comm == text, holds(("comm in {'%s', 'zz'}"):format(text), world))
				assert.equal(comm ~= text, holds(("comm not in {'%s', 'zz'}"):format(text), world))
				assert.equal(comm == text, holds(("comm in {'%s'}"):format(text), world))
				assert.equal(comm == text, holds(("comm like '%s'"):format(text), world))
			end
		end
		assert.is_true(holds("comm like 'ngin*'", { comm = "nginx" }))
		assert.is_false(holds("comm not like 'ngin*'", { comm = "nginx" }))
		assert.is_true(holds("comm like '?[a-z]inx'", { comm = "nginx" }))
		assert.is_false(holds("comm like 'ngin*' and comm not like '*x'", { comm = "nginx" }))
	end)
end)

describe("texts", function()
	local world = { registers = { ARG0 = 0x100, ARG1 = 8 }, memory = { [0x100] = "/etc/passwd\0" } }

	it("are compared as far as they go", function()
		for where, expected in pairs {
			["str(arg0) == '/etc/passwd'"] = true, ["str(arg0) ~= '/etc/passwd'"] = false, ["str(arg0) == '/etc'"] = false,
			["str(arg0) like '/etc/*'"] = true, ["str(arg0) not like '/etc/*'"] = false, ["str(arg0, 4) == '/etc'"] = true,
			["str(arg0, 4) == '/et'"] = false, ["str(arg0, 5) like '*c/'"] = true, ["str(arg0 + 5) == 'passwd'"] = true,
			["str(arg0) in {'a', '/etc/passwd'}"] = true, ["str(arg0) not in {'a', 'b'}"] = true,
			["str(arg0, 4) in {'/etc', 'b'}"] = true, ["str(arg0 + $n) == 'passwd'"] = true,
		} do
			assert.equal(expected, holds(where, world, nil, { n = 5 }), where)
		end
	end)

	it("are captured, as bytes are", function()
		assert.equal("/etc/passwd", (value("str(arg0)", world)))
		assert.equal("/etc", (value("str(arg0, 4)", world)))
		assert.equal("/etc", (value("str(arg0, $n)", world, nil, { n = 4 })))
		assert.equal("/etc/pas", (value("bytes(arg0, arg1)", world)))
		assert.equal("/etc", (value("bytes(arg0, arg1 * 2, 4)", world)))
		assert.equal("", (value("bytes(arg0, arg1 - 9)", world)))
		assert.equal(false, (value("str(arg1)", world)))
		local _, plan = value("str(arg0)", world)
		assert.same({ { kind = "STRING", slot = 0, size = 256 } }, plan.outputs)
		_, plan = value("bytes(arg0, 4k)", { registers = { ARG0 = 0 } })
		assert.same({ { kind = "BYTES", slot = 0, length = 1, size = 4096 } }, plan.outputs)
	end)
end)

describe("types", function()
	local SHAPES = {
		{ name = "const unsigned char", kind = "int", size = 1, signed = false },
		{ name = "u8", kind = "int", size = 1, signed = false },
		{ name = "struct file", kind = "none" },
		["struct file"] = { name = "struct file", kind = "struct", size = 8, members = { { name = "x", id = 2, offset = 4 } } },
		{ name = "void *", kind = "pointer", size = 8, element = { id = 0, name = "void" } },
		{ name = "struct file *", kind = "pointer", size = 8, element = { id = 3, name = "struct file" } },
		{ name = "enum e", kind = "enum", size = 4, signed = true, values = { { name = "A", value = -1 }, { name = "B", value = 2 } } },
		{ name = "float", kind = "float", size = 4 },
		{ name = "struct nobody", kind = "none" },
		{ name = "char [4]", kind = "array", size = 4, count = 4, element = { id = 1, name = "char" } },
	}
	local asked = 0
	local source = { type = function(_, id)
		asked = asked + 1
		if not SHAPES[id] then return nil, "no type " .. id end
		return SHAPES[id]
	end }

	it("are made of what a source says, once", function()
		assert.same({ kind = "int", size = 1, signed = false, char = true }, types.of(source, 1))
		assert.same({ kind = "int", size = 1, signed = false, char = false }, types.of(source, 2))
		local file = types.of(source, 3)
		assert.same({ "struct", 8, "struct file" }, { file.kind, file.size, file.name })
		assert.same({ offset = 4, type = types.of(source, 2) }, file.member "x")
		assert.is_nil(file.member "y")
		assert.same({ "x" }, file.names())
		assert.is_nil(types.of(source, 4).target())
		assert.equal(file, types.of(source, 5).target())
		assert.same({ A = -1, B = 2 }, types.of(source, 6).values)
		assert.same({ kind = "unknown", why = "float holds nothing that can be read" }, types.of(source, 7))
		assert.same({ kind = "unknown", why = "struct nobody holds nothing that can be read" }, types.of(source, 8))
		assert.same({ kind = "unknown", why = "no type 99" }, types.of(source, 99))
		assert.equal(types.of(source, 1), types.of(source, 9).element())
		local before = asked
		types.of(source, 1)
		assert.equal(before, asked)
	end)
end)
