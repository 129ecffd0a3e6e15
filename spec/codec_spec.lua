-- codec: BTF-typed bytes <-> Lua values, and crumb.Btf, through which scripts reach them.

local lab = require "support.lab"
local core = require "crumb.core"

local FIXTURE <const> = "build/fixtures/types.bpf.o"

local function slurp(path)
	local file <close> = assert(io.open(path, "rb"))
	return file:read "a"
end

-- Raw BTF by hand, for what no compiler would write.

local KIND <const> = {
	int = 1, pointer = 2, array = 3, struct = 4, union = 5, enum = 6, forward = 7, typedef = 8,
	const = 10, func = 12, proto = 13, var = 14, float = 16, type_tag = 18, enum64 = 19,
}

-- Each type: { kind, name, size or type, kflag =, tail = bytes, count = }.
local function raw_btf(types)
	local strings, used = { "\0" }, 1
	local function intern(text)
		if not text or text == "" then return 0 end
		strings[#strings + 1] = text .. "\0"
		used = used + #text + 1
		return used - #text - 1
	end
	local bodies = {}
	for i, type in ipairs(types) do
		local tail = type.tail or ""
		if type.members then
			local parts = {}
			for j, member in ipairs(type.members) do
				parts[j] = string.pack("<I4I4I4", intern(member[1]), member[2], member[3])
			end
			tail = table.concat(parts)
		elseif type.values then
			local parts = {}
			for j, value in ipairs(type.values) do
				local name = intern(value[1])
				parts[j] = type[1] == "enum" and string.pack("<I4I4", name, value[2] & 0xffffffff)
					or string.pack("<I4I4I4", name, value[2] & 0xffffffff, value[2] >> 32)
			end
			tail = table.concat(parts)
		end
		local count = type.members and #type.members or type.values and #type.values or 0
		local info = count | KIND[type[1]] << 24 | (type.kflag and 1 << 31 or 0)
		bodies[i] = string.pack("<I4I4I4", intern(type[2]), info, type[3]) .. tail
	end
	local body, text = table.concat(bodies), table.concat(strings)
	return string.pack("<I2BBI4I4I4I4I4", 0xeb9f, 1, 0, 24, 0, #body, #body, #text) .. body .. text
end

local function int(name, size, encoding, bits, offset)
	return { "int", name, size,
		tail = string.pack("<I4", (encoding or 0) << 24 | (offset or 0) << 16 | (bits or size * 8)) }
end

local function array(element, count)
	return { "array", nil, 0, tail = string.pack("<I4I4I4", element, 1, count) }
end

local function by_hand(types)
	return assert(core.btf { bytes = raw_btf(types), name = "by hand" })
end

describe("the codec", function()
	local btf

	setup(function() btf = assert(core.btf(FIXTURE)) end)
	teardown(function() btf:close() end)

	local function same(type, value, bytes)
		assert.are.equal(bytes, btf:encode(type, value))
		assert.are.same(value, btf:decode(type, bytes))
	end

	local function refused(type, value, message, of)
		assert.has_error(function() (of or btf):encode(type, value) end, message)
	end

	describe("with integers", function()
		local FORMAT <const> = "<BbI2i2xxI4i4i8i8"

		it("reads and writes every width and sign", function()
			same("struct integers",
				{ u8 = 255, s8 = -128, u16 = 65535, s16 = -32768, u32 = 4294967295, s32 = -2147483648,
					u64 = -1, s64 = math.mininteger },
				string.pack(FORMAT, 255, -128, 65535, -32768, 4294967295, -2147483648, -1,
					math.mininteger))
			same("struct integers",
				{ u8 = 0, s8 = 127, u16 = 1, s16 = 32767, u32 = 2, s32 = 2147483647, u64 = 3,
					s64 = math.maxinteger },
				string.pack(FORMAT, 0, 127, 1, 32767, 2, 2147483647, 3, math.maxinteger))
		end)

		it("reads one member alone as it reads it in its struct", function()
			local bytes = string.pack(FORMAT, 200, -2, 60000, -4, 4000000000, -6, -7, -8)
			for name, value in pairs(btf:decode("struct integers", bytes)) do
				assert.are.equal(value, btf:decode("struct integers", bytes, name))
			end
		end)

		it("refuses what does not fit, one beyond each end", function()
			local beyond = {
				u8 = { "__u8", "unsigned char", -1, 256 }, s8 = { "__s8", "signed char", -129, 128 },
				u16 = { "__u16", "unsigned short", -1, 65536 }, s16 = { "__s16", "short", -32769, 32768 },
				u32 = { "__u32", "unsigned int", -1, 4294967296 },
				s32 = { "__s32", "int", -2147483649, 2147483648 },
			}
			for name, row in pairs(beyond) do
				for i = 3, 4 do
					local text = ("%d does not fit %s"):format(row[i], row[2])
					refused(row[1], row[i], "value: " .. text)
					refused("struct integers", { [name] = row[i] }, ("value.%s: %s"):format(name, text))
				end
			end
		end)

		it("takes any 64 bits for a 64-bit integer of either sign", function()
			assert.are.equal(("\xff"):rep(8), btf:encode("__u64", -1))
			assert.are.equal(-1, btf:decode("__u64", ("\xff"):rep(8)))
		end)

		it("takes whole floats and refuses those that may have lost bits", function()
			assert.are.equal(string.pack("<I4", 1000), btf:encode("__u32", 1e3))
			refused("__u64", 1.5, "value: 1.5 is not an integer")
			refused("__u64", 0 / 0, ("value: %s is not an integer"):format(0 / 0))
			refused("__u64", 1 / 0, "value: inf is not an integer")
			refused("__u64", 2 ^ 53,
				"value: 9.007199254741e+15: a float this large may have lost bits; write it in hexadecimal")
		end)

		it("refuses other types by name", function()
			refused("__u32", "12", "value: expected an integer for unsigned int, got a string of 2 bytes")
			refused("__u32", true, "value: expected an integer for unsigned int, got boolean")
			refused("__u32", nil, "value: expected an integer for unsigned int, got nil")
			refused("struct ids", { uid = {} },
				"value.uid: expected an integer for unsigned int, got table")
		end)

		it("reads pointers as integers, and skips typedefs, qualifiers and type tags", function()
			local value = btf:decode("struct others", btf:encode("struct others",
				{ pointer = -2, next = 16, user = 3, call = 4, qualified = 4294967295, name = 5 }))
			assert.are.equal(-2, value.pointer)
			assert.are.equal(16, value.next)
			assert.are.equal(3, value.user)
			assert.are.equal(4, value.call)
			assert.are.equal(5, value.name)
			assert.are.equal(4294967295, value.qualified)
			refused("twice_t", -1, "value: -1 does not fit unsigned int")
		end)

		it("reads a lone char as a number", function()
			assert.are.equal(65, btf:decode("struct others", btf:encode("struct others",
				{ letter = 65 })).letter)
		end)
	end)

	it("reads bool as boolean, any bits but 0 as true, and takes nothing else", function()
		same("_Bool", true, "\1")
		same("_Bool", false, "\0")
		assert.is_true(btf:decode("_Bool", "\x80"))
		refused("_Bool", 1, "value: expected a boolean for _Bool, got number")
	end)

	describe("with floats", function()
		it("reads and writes both widths", function()
			same("double", 0.1, string.pack("<d", 0.1))
			same("float", 0.5, string.pack("<f", 0.5))
			assert.are.equal(string.pack("<d", 3), btf:encode("double", 3))
			assert.are.equal(math.huge, btf:decode("float", btf:encode("float", math.huge)))
		end)

		it("refuses what is no number, and what overflows", function()
			refused("float", "x", "value: expected a number for float, got a string of 1 bytes")
			refused("float", 1e300, "value: 1e+300 does not fit float")
		end)
	end)

	it("keeps __int128 as its sixteen bytes", function()
		same("__int128", "0123456789abcdef", "0123456789abcdef")
		refused("__int128", 1, "value: expected a string of 16 bytes for __int128, got number")
		refused("__int128", "short",
			"value: expected a string of 16 bytes for __int128, got a string of 5 bytes")
	end)

	describe("with enums", function()
		it("reads the name, or the number where there is none", function()
			same("struct enums", { state = "DONE", sign = "MINUS", small = "SMALL_B" },
				string.pack("<I4i4I1xxx", 7, -1, 200))
			same("enum state", 5, string.pack("<I4", 5))
		end)

		it("takes the name or the number", function()
			assert.are.equal(string.pack("<I4", 1000), btf:encode("enum state", "FAIL"))
			assert.are.equal(string.pack("<I4", 1000), btf:encode("enum state", 1000))
			assert.are.equal(string.pack("<i4", -5), btf:encode("enum sign", -5))
		end)

		it("refuses unknown names with the nearest, four letters too", function()
			refused("enum state", "BUSI", "value: no 'BUSI' in enum state (nearest: BUSY)")
			refused("struct enums", { state = "IDEL" },
				"value.state: no 'IDEL' in enum state (nearest: IDLE)")
			refused("enum state", "", "value: no '' in enum state")
			refused("enum state", "IDLE\0", "value: no 'IDLE' in enum state (nearest: IDLE)")
		end)

		it("refuses numbers that do not fit", function()
			refused("enum state", -1, "value: -1 does not fit enum state")
			refused("enum state", 4294967296, "value: 4294967296 does not fit enum state")
			refused("enum small", 256, "value: 256 does not fit enum small")
			refused("enum state", 1.5, "value: 1.5 is not an integer")
		end)

		it("tells the sign by the BTF's flag where there is one", function()
			local values = { { "A", 1 }, { "B", -2 } }
			local hand <close> = by_hand {
				{ "enum", "signed", 4, kflag = true, values = values },
				{ "enum", "unsigned", 4, values = { { "TOP", 0x80000000 } } },
				{ "enum64", "wide", 8, values = { { "HUGE", 1 << 40 }, { "ALL", -1 } } },
				{ "enum64", "wide_signed", 8, kflag = true, values = values },
			}
			assert.are.equal("B", hand:decode("enum signed", string.pack("<i4", -2)))
			assert.are.equal(-3, hand:decode("enum signed", string.pack("<i4", -3)))
			assert.are.equal("TOP", hand:decode("enum unsigned", string.pack("<I4", 0x80000000)))
			assert.are.equal(0xfffffffe, hand:decode("enum unsigned", string.pack("<i4", -2)))
			assert.are.equal("HUGE", hand:decode("enum wide", string.pack("<I8", 1 << 40)))
			assert.are.equal("ALL", hand:decode("enum wide", ("\xff"):rep(8)))
			assert.are.equal("B", hand:decode("enum wide_signed", string.pack("<i8", -2)))
			assert.are.equal(string.pack("<i8", -2), hand:encode("enum wide_signed", "B"))
			assert.are.equal(string.pack("<I8", 1 << 40), hand:encode("enum wide", "HUGE"))
			refused("enum signed", 0x80000000, "value: 2147483648 does not fit enum signed", hand)
		end)

		it("takes an old 8-byte enum's 32 bits as they are", function()
			local hand <close> = by_hand { { "enum", "e", 8, values = { { "TOP", 0x80000000 } } } }
			assert.are.equal("TOP", hand:decode("enum e", string.pack("<I8", 0x80000000)))
			assert.are.equal(string.pack("<I8", 0x80000000), hand:encode("enum e", "TOP"))
		end)

		it("does not mistake a bitfield for an enumerator that it cannot hold", function()
			local hand <close> = by_hand { { "enum", "e", 4, values = { { "BIG", 8 } } },
				{ "struct", "s", 4, kflag = true, members = { { "a", 1, 3 << 24 } } } }
			assert.are.same({ a = 0 }, hand:decode("struct s", "\0\0\0\0"))
		end)
	end)

	describe("with bitfields", function()
		local EXAMPLE <const> = { low = 5, middle = -16, high = 0xabcdef, wide = (1 << 60) - 2,
			flag = true, state = "DONE", after = 77 }

		it("reads and writes each in its own bits", function()
			same("struct bits", EXAMPLE, string.pack("<I1I3I4I8I1xxxxxxx", 5 | 16 << 3, 0xabcdef, 0,
				(1 << 60) - 2 | 1 << 60 | 7 << 61, 77))
			for name, value in pairs(EXAMPLE) do
				assert.are.equal(value,
					btf:decode("struct bits", btf:encode("struct bits", EXAMPLE), name))
				assert.are.equal(value,
					btf:decode("struct bits", btf:encode("struct bits", { [name] = value }), name))
			end
		end)

		it("leaves the neighbours at 0", function()
			assert.are.equal(string.pack("<I1xxxxxxxxxxxxxxxxxxxxxxx", 0xf8),
				btf:encode("struct bits", { middle = -1 }))
		end)

		it("refuses what does not fit", function()
			refused("struct bits", { low = 8 }, "value.low: 8 does not fit unsigned int:3")
			refused("struct bits", { low = -1 }, "value.low: -1 does not fit unsigned int:3")
			refused("struct bits", { middle = 16 }, "value.middle: 16 does not fit int:5")
			refused("struct bits", { middle = -17 }, "value.middle: -17 does not fit int:5")
			refused("struct bits", { wide = 1 << 60 },
				"value.wide: 1152921504606846976 does not fit unsigned long long:60")
			refused("struct bits", { state = "FAIL" }, "value.state: 1000 does not fit enum state:3")
			refused("struct bits", { low = "1234" },
				"value.low: expected an integer for unsigned int:3, got a string of 4 bytes")
			refused("struct bits", { flag = 1 }, "value.flag: expected a boolean for _Bool:1, got number")
		end)

		it("reads them in the old form too, where the integer has the bits", function()
			local hand <close> = by_hand {
				int("three", 4, 0, 3), int("five", 4, 1, 5), int("placed", 4, 0, 4, 9), int("whole", 4),
				{ "struct", "old", 8, members = { { "a", 1, 0 }, { "b", 2, 3 }, { "c", 3, 0 },
					{ "d", 4, 32 } } },
			}
			local value = { a = 6, b = -9, c = 13, d = 1 }
			local bytes = string.pack("<I4I4", 6 | (-9 & 31) << 3 | 13 << 9, 1)
			assert.are.equal(bytes, hand:encode("struct old", value))
			assert.are.same(value, hand:decode("struct old", bytes))
			for name in pairs(value) do
				assert.are.equal(value[name], hand:decode("struct old", bytes, name))
			end
			refused("struct old", { c = 16 }, "value.c: 16 does not fit placed:4", hand)
		end)

		it("reads 64 bits that lie across nine bytes", function()
			local hand <close> = by_hand {
				int("long", 8, 1),
				{ "struct", "across", 16, kflag = true, members = { { "a", 1, 64 << 24 | 5 },
					{ "b", 1, 59 << 24 | 69 } } },
			}
			for _, a in ipairs { math.mininteger, -1, 0x123456789abcdef0 } do
				local bytes = hand:encode("struct across", { a = a, b = -3 })
				assert.are.same({ a = a, b = -3 }, hand:decode("struct across", bytes))
			end
			assert.are.equal("\xe0" .. ("\xff"):rep(7) .. "\x1f" .. ("\0"):rep(7),
				hand:encode("struct across", { a = -1 }))
		end)
	end)

	describe("with structs and unions", function()
		it("reads and writes members by name, nested ones as tables", function()
			same("struct ids", { uid = 1, gid = 2 }, string.pack("<I4I4", 1, 2))
			assert.are.equal(string.pack("<I4xxxxI4xxxxI8I4I4I4xxxx", 1, 2, 3, 7, 8, 9),
				btf:encode("struct deep", { before = 1, inner = 2, whole = 3, ids = { uid = 7, gid = 8 },
					named = { word = 9 } }))
		end)

		it("sets to 0 what is left out, padding too", function()
			assert.are.equal(string.pack("<I4I4", 0, 5), btf:encode("struct ids", { gid = 5 }))
			assert.are.equal("\1" .. ("\0"):rep(7) .. "\2" .. ("\0"):rep(7) .. "\3" .. ("\0"):rep(7),
				btf:encode("struct padded", { tag = 1, value = 2, ["end"] = 3 }))
			assert.are.equal(("\0"):rep(40), btf:encode("struct deep", { ids = {}, named = {} }))
		end)

		it("flattens anonymous members both ways", function()
			local value = btf:decode("struct deep", string.pack("<I4xxxxI4xxxxI8I4I4I4xxxx", 1, 2,
				3 | 4 << 32, 5, 6, 0x0107))
			assert.are.same({ before = 1, inner = 2, whole = 3 | 4 << 32, low = 3, high = 4,
				ids = { uid = 5, gid = 6 }, named = { byte = 7, word = 0x0107 } }, value)
			assert.are.equal(btf:encode("struct deep", { low = 3, high = 4 }),
				btf:encode("struct deep", { whole = 3 | 4 << 32 }))
			assert.are.equal(4, btf:decode("struct deep", btf:encode("struct deep", { high = 4 }), "high"))
		end)

		it("refuses several members of one union", function()
			refused("struct deep", { whole = 1, high = 2 },
				"value: 'whole' and 'high' are members of one union; give one of them")
			refused("struct deep", { named = { byte = 1, word = 2 } },
				"value.named: 'byte' and 'word' are members of one union; give one of them")
		end)

		it("refuses unknown members with the nearest", function()
			refused("struct ids", { uidd = 1 }, "value: no member 'uidd' in struct ids (nearest: uid)")
			refused("struct ids", { size = 1 }, "value: no member 'size' in struct ids")
			local hand <close> = by_hand {
				int("int", 4),
				{ "struct", "s", 8, members = { { "uid", 1, 0 }, { "gid", 1, 32 } } },
			}
			refused("struct s", { ["uid\0gid"] = 1 },
				"value: no member 'uid' with a NUL behind it in struct s", hand)
			refused("struct deep", { hihg = 1 }, "value: no member 'hihg' in struct deep (nearest: high)")
			refused("struct deep", { ids = { gif = 1 } },
				"value.ids: no member 'gif' in struct ids (nearest: gid)")
			refused("struct ids", { 1, 2 }, "value: no member 1 in struct ids")
		end)

		it("refuses what is no table and no string of its size", function()
			refused("struct ids", 5, "value: expected a table for struct ids, got number")
			refused("struct ids", "1234567",
				"value: expected a table for struct ids, got a string of 7 bytes")
			refused("struct deep", { ids = false },
				"value.ids: expected a table for struct ids, got boolean")
		end)

		it("reads tables without their metamethods", function()
			local value = setmetatable({ uid = 1 }, { __index = function() error "called" end,
				__pairs = function() error "called" end })
			assert.are.equal(string.pack("<I4I4", 1, 0), btf:encode("struct ids", value))
		end)
	end)

	it("takes a string of exactly a type's size as its raw bytes", function()
		assert.are.equal("12345678", btf:encode("struct ids", "12345678"))
		assert.are.equal("1234\0\0\0\0", btf:encode("struct ids", { uid = "1234" }))
		assert.are.equal("12345678", btf:encode("double", "12345678"))
		assert.are.equal("\7\0\0\0", btf:encode("enum state", "\7\0\0\0"))
		assert.are.equal("\2", btf:encode("_Bool", "\2"))
		local arrays = btf:encode("struct arrays", { grid = "abcdefghijkl", list = ("x"):rep(16) })
		assert.are.equal(("x"):rep(16) .. "abcdefghijkl", arrays:sub(1, 28))
		assert.are.equal("123456789abc", btf:encode("struct ids", "123456789abc", 12))
		assert.are.equal("12345678\0\0\0\0", btf:encode("struct ids", "12345678", 12))
		assert.has_error(function() btf:encode("struct tail", "0123456789abcdef", 12) end,
			"value: expected a table for struct tail, got a string of 16 bytes")
	end)

	describe("with arrays", function()
		local VALUE <const> = {
			list = { 1, -2, 3, -4 }, grid = { { 1, 2, 3 }, { 4, 5, 6 } }, text = "hello",
			lines = { "one", "four" }, bytes = "\0\1\2\3", octets = "ab\0\0", flags = { true, false, true },
			pairs = { { uid = 1, gid = 2 }, { uid = 3, gid = 4 } }, states = { "BUSY", 3 },
		}

		it("reads and writes lists of every depth, and strings of char", function()
			same("struct arrays", VALUE, string.pack("<i4i4i4i4I2I2I2I2I2I2", 1, -2, 3, -4, 1, 2, 3, 4, 5, 6)
				.. "hello\0\0\0one\0four\0\1\2\3ab\0\0\1\0\1\0" .. string.pack("<I4I4I4I4I4I4", 1, 2, 3, 4, 1, 3))
		end)

		it("reads one element by its path, counted from 1", function()
			local bytes = btf:encode("struct arrays", VALUE)
			assert.are.equal(-2, btf:decode("struct arrays", bytes, "list[2]"))
			assert.are.equal(6, btf:decode("struct arrays", bytes, "grid[2][3]"))
			assert.are.same({ 4, 5, 6 }, btf:decode("struct arrays", bytes, "grid[2]"))
			assert.are.equal(3, btf:decode("struct arrays", bytes, "pairs[2].uid"))
			assert.are.equal("four", btf:decode("struct arrays", bytes, "lines[2]"))
			assert.are.equal(104, btf:decode("struct arrays", bytes, "text[1]"))
			assert.is_true(btf:decode("struct arrays", bytes, "flags[3]"))
			for _, path in ipairs { "", "list[0]", "grid[0]", "pairs[0].uid", "list[5]",
				"list[18446744073709551617]", "list[-1]", "list[1", "list[]", "list[1]x",
				"list.1", ".list", "list.", "list[1].x", "pairs[1]..uid", "pairs[1].[1]", "[1]", "lis",
				"listt", "list[99999999999999999999]", "list[4294967296]", "list [1]" } do
				assert.has_error(function() btf:decode("struct arrays", bytes, path) end)
			end
		end)

		it("sets to 0 what a list leaves out", function()
			assert.are.equal(string.pack("<i4i4i4i4", 7, 0, 8, 0),
				btf:encode("struct arrays", { list = { 7, nil, 8 } }):sub(1, 16))
		end)

		it("refuses too many elements, other keys and wrong elements", function()
			refused("struct arrays", { list = { 1, 2, 3, 4, 5 } },
				"value.list[5]: __s32[4] has the elements 1 to 4")
			refused("struct arrays", { list = { [0] = 1 } }, "value.list[0]: __s32[4] has the elements 1 to 4")
			refused("struct arrays", { list = { [math.mininteger] = 1 } },
				"value.list[-9223372036854775808]: __s32[4] has the elements 1 to 4")
			refused("struct arrays", { list = { x = 1 } },
				"value.list: expected a list for __s32[4], got the key 'x'")
			refused("struct arrays", { list = { [1.5] = 1 } },
				"value.list: expected a list for __s32[4], got the key '1.5'")
			refused("struct arrays", { list = 1 }, "value.list: expected a list for __s32[4], got number")
			refused("struct arrays", { grid = { { 1 }, { 1, 2, -3 } } },
				"value.grid[2][3]: -3 does not fit unsigned short")
			refused("struct arrays", { pairs = { {}, { uid = -1 } } },
				"value.pairs[2].uid: -1 does not fit unsigned int")
		end)

		it("ends a char string at its NUL, and gives bytes whole", function()
			local value = btf:decode("struct arrays", btf:encode("struct arrays",
				{ text = "12345678", bytes = "\1", octets = "a" }))
			assert.are.equal("12345678", value.text)
			assert.are.equal("\1\0\0\0", value.bytes)
			assert.are.equal("a\0\0\0", value.octets)
			assert.are.equal("ab", btf:decode("struct arrays", ("\0"):rep(28) .. "ab\0defgh"
				.. ("\0"):rep(44)).text)
		end)

		it("refuses strings that are too long, or would not come back", function()
			refused("struct arrays", { text = "123456789" },
				"value.text: a string of 9 bytes does not fit char[8]")
			refused("struct arrays", { bytes = "12345" },
				"value.bytes: a string of 5 bytes does not fit __u8[4]")
			refused("struct arrays", { text = "a\0b" }, "value.text: a NUL in the string would end it")
			refused("struct arrays", { lines = { "one", "fours" } },
				"value.lines[2]: a string of 5 bytes does not fit char[4]")
			refused("struct arrays", { text = { 1 } }, "value.text: expected a string for char[8], got table")
			assert.are.equal("a\0b45678", btf:encode("struct arrays", { text = "a\0b45678" }):sub(29, 36))
		end)

		it("reads bytes that have fewer bits as integers", function()
			local hand <close> = by_hand { int("three", 1, 0, 3), array(1, 2),
				{ "struct", "s", 2, members = { { "a", 2, 0 } } } }
			assert.are.same({ a = { 7, 1 } }, hand:decode("struct s", "\xff\x09"))
			assert.are.equal("\7\1", hand:encode("struct s", { a = { 7, 1 } }))
		end)

		it("reads elements without bytes", function()
			same("struct empties", { many = { {}, {}, {} }, none = {}, last = 9 }, "\9\0\0\0")
		end)
	end)

	describe("with a flexible end", function()
		local HEAD <const> = string.pack("<I8I4", 5, 2)

		it("takes the rest of the record, whole elements only", function()
			for count = 0, 5 do
				local items = {}
				for i = 1, count do items[i] = i end
				local bytes = HEAD .. string.pack("<" .. ("I4"):rep(count), table.unpack(items))
				for _, rest in ipairs { "", "x", "xxx" } do
					assert.are.same({ time = 5, count = 2, items = items },
						btf:decode("struct tail", bytes .. rest))
					assert.are.same(items, btf:decode("struct tail", bytes .. rest, "items"))
				end
			end
		end)

		it("reads char up to the NUL or the end", function()
			assert.are.equal("", btf:decode("struct text_tail", "\1\0\0\0").text)
			assert.are.equal("abc", btf:decode("struct text_tail", "\1\0\0\0abc").text)
			assert.are.equal("abc", btf:decode("struct text_tail", "\1\0\0\0abc\0def").text)
			assert.are.equal("abc", btf:decode("struct text_tail", "\1\0\0\0abc\0def", "text"))
		end)

		it("is found at the end of the last member, and nowhere else", function()
			assert.are.same({ kind = 1, tail = { time = 5, count = 2, items = { 7, 8 } } },
				btf:decode("struct tail_inside", "\1\0\0\0\0\0\0\0" .. HEAD .. string.pack("<I4I4", 7, 8)))
			assert.are.same({ tail = { count = 1, text = "" }, last = 0x64636261 },
				btf:decode("struct tail_before", "\1\0\0\0abcdefgh"))
			assert.are.equal(8, btf:decode("struct tail", HEAD .. string.pack("<I4I4", 7, 8), "items[2]"))
			assert.has_error(function() btf:decode("struct tail", HEAD, "items[2]") end)
			assert.has_error(function() btf:decode("struct tail", HEAD .. "1234", "items[1073741825]") end)
		end)

		it("is found in a union too", function()
			local hand <close> = by_hand { int("int", 4), int("char", 1), array(1, 0), array(2, 0),
				{ "union", "", 0, members = { { "items", 3, 0 }, { "text", 4, 0 } } },
				{ "struct", "s", 4, members = { { "kind", 1, 0 }, { "", 5, 32 } } } }
			assert.are.same({ kind = 1, items = { 0x64636261 }, text = "abcd" },
				hand:decode("struct s", "\1\0\0\0abcd"))
			assert.are.same({ 0x64636261 }, hand:decode("struct s", "\1\0\0\0abcd", "items"))
		end)

		it("is written into what room there is", function()
			assert.are.equal(HEAD .. string.pack("<I4I4I4", 7, 8, 0),
				btf:encode("struct tail", { time = 5, count = 2, items = { 7, 8 } }, 24))
			assert.are.equal("\3\0\0\0abc\0", btf:encode("struct text_tail", { count = 3, text = "abc" }, 8))
			assert.has_error(function() btf:encode("struct tail", { items = { 1, 2, 3 } }, 20) end,
				"value.items[3]: __u32[0] has the elements 1 to 2")
		end)
	end)

	describe("with too few bytes", function()
		it("refuses every length that is too short", function()
			for _, name in ipairs { "ids", "integers", "enums", "bits", "deep", "arrays", "others" } do
				local type = "struct " .. name
				local size = btf:size(type)
				for length = 0, size - 1 do
					assert.has_error(function() btf:decode(type, ("x"):rep(length)) end,
						("%s: %d bytes are too few, it has %d"):format(type, length, size))
				end
				btf:decode(type, ("x"):rep(size))
				btf:decode(type, ("x"):rep(size + 1))
			end
		end)

		it("needs no more than the fixed members before a flexible end", function()
			assert.has_error(function() btf:decode("struct tail", ("x"):rep(11)) end,
				"struct tail: 11 bytes are too few, it has 12")
			assert.are.same({}, btf:decode("struct tail", ("\0"):rep(12)).items)
		end)

		it("refuses one member that is cut, in every width", function()
			local whole = ("x"):rep(32)
			for name, behind in pairs { u8 = 1, s8 = 2, u16 = 4, s16 = 6, u32 = 12, s32 = 16, u64 = 24,
				s64 = 32 } do
				assert.is_number(btf:decode("struct integers", whole:sub(1, behind), name))
				for length = 0, behind - 1 do
					assert.has_error(function() btf:decode("struct integers", whole:sub(1, length), name) end)
				end
			end
		end)
	end)

	describe("with types that have no bytes", function()
		it("refuses them by name", function()
			local hand <close> = by_hand {
				int("int", 4), { "proto", nil, 1 }, { "forward", "later", 0 }, { "func", "work", 2 },
				{ "var", "global", 1, tail = "\0\0\0\0" }, { "typedef", "proto_t", 2 }, { "const", nil, 0 },
			}
			for id, name in pairs { [2] = "function", [3] = "struct later", [4] = "function" } do
				assert.has_error(function() hand:decode(id, "xxxx") end, name .. ": has no bytes to read")
				assert.has_error(function() hand:encode(id, 1, 4) end, ("value: %s has no bytes to write")
					:format(name))
				assert.has_error(function() hand:size(id) end)
			end
			assert.has_error(function() hand:decode("proto_t", "xxxx") end, "function: has no bytes to read")
			assert.has_error(function() hand:decode(5, "xxxx") end, "int: has no bytes to read")
			assert.has_error(function() hand:decode(7, "xxxx") end, "void: has no bytes to read")
		end)
	end)
end)

describe("the codec with hostile BTF", function()
	local CORRUPT <const> = "is the BTF damaged?"

	-- Neither may do more than raise or answer; one that hangs meets the deadline of its spec.
	local function harmless(btf, type, size)
		local results = { pcall(btf.decode, btf, type, ("x"):rep(size)) }
		pcall(btf.encode, btf, type, { a = 1, b = { a = { a = 1 } } }, size)
		pcall(btf.encode, btf, type, ("x"):rep(size), size)
		pcall(btf.size, btf, type)
		pcall(btf.type, btf, type)
		for _, path in ipairs(lab.slow and { "a", "zz" } or { "a", "b", "a.a.a.a", "a[1]", "a[4294967295]", "b.b.b.b.b.b.b", "zz" }) do
			pcall(btf.decode, btf, type, ("x"):rep(size), path)
		end
		return table.unpack(results)
	end

	it("refuses a struct that holds itself, by name and anonymously", function()
		for _, name in ipairs { "a", "" } do
			local btf <close> = by_hand { { "struct", "s", 8, members = { { name, 1, 0 } } } }
			local ok, message = harmless(btf, "struct s", 8)
			assert.is_false(ok)
			assert.are.equal("struct s: nested too deeply", message)
			local value = {}
			value.a = value
			ok, message = pcall(btf.encode, btf, "struct s", name == "a" and value or {})
			assert.is_false(ok)
			assert.truthy(message:find("the type is nested too deeply", 1, true))
			assert.is_false((pcall(btf.type, btf, "struct s")) and name == "")
		end
	end)

	it("refuses arrays of structs that hold themselves", function()
		local btf <close> = by_hand { array(2, 1), array(3, 1),
			{ "struct", "s", 8, members = { { "a", 1, 0 } } } }
		assert.is_false((harmless(btf, "struct s", 8)))
		local struct = { a = { { } } }
		struct.a[1][1] = struct
		assert.is_false((pcall(btf.encode, btf, "struct s", struct)))
	end)

	it("bounds the work when members overlap and multiply", function()
		for _, name in ipairs { "a", "" } do
			local members = {}
			for i = 1, 300 do members[i] = { name ~= "" and name .. i or "", 1, 0 } end
			local btf <close> = by_hand { { "struct", "s", 8, members = members } }
			assert.is_false((harmless(btf, "struct s", 8)))
			local chain = { int("int", 4) }
			for i = 2, 20 do
				local level = {}
				for j = 1, 60 do level[j] = { name ~= "" and name .. j or "", i - 1, 0 } end
				chain[i] = { "union", "u" .. i, 4, members = level }
			end
			local wide <close> = by_hand(chain)
			local ok, message = harmless(wide, "union u20", 4)
			assert.is_false(name ~= "" and ok)
			if name ~= "" then assert.truthy(message:find(CORRUPT, 1, true)) end
			if name == "" then
				for _, method in ipairs { "encode", "type" } do
					local fine, why = pcall(wide[method], wide, "union u20", {})
					assert.is_false(fine)
					assert.truthy(why:find(CORRUPT, 1, true))
				end
			end
		end
	end)

	it("refuses an array of itself, and typedefs in a circle", function()
		local btf <close> = by_hand {
			array(1, 2), { "typedef", "a_t", 3 }, { "typedef", "b_t", 2 },
			{ "struct", "s", 8, members = { { "a", 1, 0 } } },
			{ "struct", "t", 8, members = { { "a", 2, 0 } } },
		}
		for _, type in ipairs { 1, "a_t", "struct s", "struct t" } do
			assert.is_false((harmless(btf, type, 8)))
		end
	end)

	it("refuses arrays that are larger than their parent or than 32 bits", function()
		local btf <close> = by_hand {
			int("int", 4), array(1, 0x40000000), array(2, 0x40000000), array(1, 3),
			{ "struct", "s", 8, members = { { "a", 2, 0 } } },
			{ "struct", "t", 8, members = { { "a", 3, 0 } } },
			{ "struct", "u", 8, members = { { "a", 4, 0 } } },
			array(1, 0x3fffffff),
			{ "struct", "v", 0xffffffff, members = { { "a", 8, 0 } } },
		}
		for _, type in ipairs { "struct s", "struct t", "struct u", "struct v", 2, 3, 8 } do
			local ok, message = harmless(btf, type, 8)
			assert.is_false(ok)
			if type == "struct u" then
				assert.are.equal("struct u: member 'a' is not where it could be; " .. CORRUPT, message)
			end
		end
		assert.has_error(function() btf:encode("struct v", {}) end)
		local wrap <close> = by_hand { int("int", 4), array(1, 0x40000000), array(1, 4),
			array(3, 0x80000000), array(4, 0x80000000) }
		for _, id in ipairs { 2, 4, 5 } do
			assert.has_error(function() wrap:size(id) end)
			assert.is_false((harmless(wrap, id, 8)))
		end
	end)

	it("does not hang on many elements without bytes", function()
		local btf <close> = by_hand {
			{ "struct", "none", 0, members = {} }, array(1, 0xffffffff), array(2, 0xffff),
			{ "struct", "s", 8, members = { { "a", 2, 0 } } },
			{ "struct", "t", 8, members = { { "a", 3, 0 } } }, int("int", 4), array(6, 0), array(7, 0xffffffff),
			{ "struct", "u", 8, members = { { "a", 8, 0 } } },
		}
		for _, type in ipairs { 2, 3, 8, "struct s", "struct t", "struct u" } do
			assert.is_false((harmless(btf, type, 8)))
		end
	end)

	it("refuses members outside their parent and bits outside their integer", function()
		local btf <close> = by_hand {
			int("int", 4), int("odd", 4, 0, 40), int("none", 4, 0, 0), int("far", 4, 0, 16, 20),
			{ "struct", "a", 4, members = { { "a", 1, 32 } } },
			{ "struct", "b", 4, members = { { "a", 1, 0xfffffff8 } } },
			{ "struct", "c", 8, members = { { "a", 1, 3 } } },
			{ "struct", "d", 8, kflag = true, members = { { "a", 1, 33 << 24 } } },
			{ "struct", "e", 8, kflag = true, members = { { "a", 1, 255 << 24 } } },
			{ "struct", "f", 4, kflag = true, members = { { "a", 1, 8 << 24 | 30 } } },
			{ "struct", "g", 8, kflag = true, members = { { "a", 12, 8 << 24 } } },
			{ "struct", "h", 8, members = { { "b", 1, 0 } } },
			{ "struct", "i", 8, members = { { "a", 2, 0 } } },
			{ "union", "j", 4, members = { { "a", 1, 8 } } },
			{ "enum", "k", 3, values = {} }, { "enum", "l", 0, values = { { "A", 0 } } },
		}
		for letter in ("abcdefgij"):gmatch "." do
			local type = (letter == "j" and "union " or "struct ") .. letter
			assert.is_false((harmless(btf, type, 8)))
			assert.has_error(function() btf:decode(type, ("x"):rep(8), "a") end)
		end
		for _, type in ipairs { 2, 3, 4, "enum k", "enum l" } do
			assert.is_false((harmless(btf, type, 8)))
		end
	end)

	it("refuses a member behind a flexible end that the bytes do not reach", function()
		local btf <close> = by_hand { int("int", 4), array(1, 0),
			{ "struct", "s", 16, members = { { "a", 1, 96 }, { "b", 2, 0 } } } }
		assert.has_error(function() btf:decode("struct s", "1234") end, "struct s: too few bytes")
		assert.has_error(function() btf:encode("struct s", { a = 1 }, 4) end,
			"value.a: not where it could be; is the BTF damaged?")
	end)

	it("looks for members in structs and unions only", function()
		local btf <close> = by_hand { int("int", 4),
			{ "enum", "e", 4, values = { { "a", 1 }, { "", 0 } } },
			{ "struct", "s", 8, members = { { "", 2, 0 }, { "z", 1, 32 } } } }
		assert.has_error(function() btf:decode("struct s", "12345678", "a") end)
		assert.are.same({ z = 0x38373635 }, btf:decode("struct s", "12345678"))
	end)

	it("takes names that are missing, doubled or damaged", function()
		local btf <close> = by_hand {
			int("int", 4), { "struct", "", 8, members = { { "", 1, 0 }, { "a", 1, 32 } } },
			{ "struct", "s", 8, members = { { "a", 1, 0 }, { "a", 1, 32 } } },
		}
		assert.are.same({ a = 0x64636261 }, btf:decode(2, "xxxxabcd"))
		assert.is_true((harmless(btf, 3, 8)))
	end)

	it("survives every cut and thousands of changed bytes", function()
		local sources = { raw_btf {
			int("int", 4), int("char", 1), array(2, 8), { "enum", "e", 4, values = { { "A", 1 } } },
			{ "struct", "s", 24, members = { { "a", 1, 0 }, { "b", 6, 32 }, { "c", 3, 64 }, { "", 7, 128 } } },
			{ "union", "u", 4, members = { { "x", 1, 0 }, { "y", 4, 0 } } },
			{ "struct", "", 8, members = { { "z", 1, 0 }, { "t", 8, 32 } } }, array(1, 0),
		} }
		local function try(bytes)
			local btf <close> = core.btf { bytes = bytes }
			if not btf then return end
			for id = 1, 8 do
				pcall(btf.decode, btf, id, ("\1"):rep(32))
				pcall(btf.type, btf, id)
				local ok, value = pcall(btf.decode, btf, id, ("\0"):rep(24))
				if ok then pcall(btf.encode, btf, id, value, 24) end
			end
		end
		local source = sources[1]
		for length = 0, #source - 1 do try(source:sub(1, length)) end
		math.randomseed(20)
		for _ = 1, lab.times(3000) do
			local bytes = { source:byte(1, -1) }
			for _ = 1, math.random(4) do bytes[math.random(#bytes)] = math.random(0, 255) end
			try(string.char(table.unpack(bytes)))
		end
	end)
end)

describe("crumb.Btf", function()
	it("opens a file, its bytes and raw BTF alike", function()
		local bytes = slurp(FIXTURE)
		for _, source in ipairs { FIXTURE, { bytes = bytes }, { bytes = bytes, name = "x" } } do
			local btf <close> = assert(core.btf(source))
			assert.are.equal(8, btf:size "struct ids")
		end
		local raw <close> = by_hand { int("int", 4) }
		assert.are.equal(4, raw:size "int")
	end)

	it("opens raw BTF from a file", function()
		local path = os.tmpname()
		local file = assert(io.open(path, "wb"))
		file:write(raw_btf { int("int", 4) }):close()
		local btf <close> = assert(core.btf(path))
		os.remove(path)
		assert.are.equal(4, btf:size "int")
	end)

	it("opens the kernel's types", function()
		local file = io.open "/sys/kernel/btf/vmlinux"
		if not file then return pending "this kernel has no BTF" end
		file:close()
		local btf <close> = assert(core.btf())
		assert.is_true(btf:size "struct task_struct" > 1000)
		local value = btf:decode("struct task_struct", ("\0"):rep(btf:size "struct task_struct"))
		assert.are.equal("", value.comm)
		assert.are.equal(0, value.pid)
	end)

	it("says what is wrong with a file", function()
		local function refused(source, message, errno)
			local btf, why, number = core.btf(source)
			assert.is_nil(btf)
			assert.are.equal(message, why)
			assert.are.equal(errno, number)
		end
		refused("/nonexistent", "read the BTF of /nonexistent: No such file or directory", 2)
		refused("/tmp", "read the BTF of /tmp: it is a directory", 21)
		refused("/dev/null", "read the BTF of /dev/null: it is a device, not a file", 22)
		refused("/etc/passwd", "read the BTF of /etc/passwd: it is no ELF file and no BTF", 8)
		refused({ bytes = "" }, "read the BTF of the bytes: it is no ELF file and no BTF", 8)
		refused({ bytes = slurp "/bin/true", name = "true" },
			"read the BTF of true: it has no section .BTF; compile it with -g", 61)
		local _, why = core.btf { bytes = raw_btf { { "pointer", nil, 99 } } }
		assert.truthy(why:find("read the BTF of the bytes: ", 1, true))
		assert.truthy(why:find("(", 1, true), "libbpf's own words are missing: " .. why)
	end)

	it("refuses a big-endian machine's types", function()
		local body = string.pack(">I4I4I4I4", 1, KIND.int << 24, 4, 32)
		local btf, why = core.btf {
			bytes = string.pack(">I2BBI4I4I4I4I4", 0xeb9f, 1, 0, 24, 0, #body, #body, 5) .. body .. "\0int\0",
		}
		assert.is_nil(btf)
		assert.are.equal("read the BTF of the bytes: it is for a big-endian machine", why)
	end)

	it("does not wait for a FIFO", function()
		local path = os.tmpname()
		os.remove(path)
		assert(os.execute("mkfifo " .. path))
		local btf, why = core.btf(path)
		os.remove(path)
		assert.is_nil(btf)
		assert.truthy(why:find("it is a FIFO, not a file", 1, true), why)
	end)

	it("survives an object that is cut anywhere", function()
		local bytes = slurp(FIXTURE)
		for length = 0, #bytes - 1, 7 do
			local btf <close> = core.btf { bytes = bytes:sub(1, length) }
			if btf then pcall(btf.decode, btf, "struct arrays", ("x"):rep(80)) end
		end
	end)

	it("raises on wrong use", function()
		assert.has_error(function() core.btf(nil) end)
		assert.has_error(function() core.btf(5) end)
		assert.has_error(function() core.btf {} end)
		assert.has_error(function() core.btf { bytes = 5 } end)
		assert.has_error(function() core.btf { byte = "" } end)
		assert.has_error(function() core.btf "a\0b" end)
		local btf <close> = assert(core.btf(FIXTURE))
		for _, type in ipairs { 0, -1, 100000, 1.5, {}, true } do
			assert.has_error(function() btf:size(type) end)
		end
		assert.has_error(function() btf:encode("struct ids", {}, -1) end)
		assert.has_error(function() btf:encode("struct ids", {}, 1 << 40) end)
		assert.has_error(function() btf:encode("struct ids", {}, 7) end,
			"value: 7 bytes are too few for struct ids")
		assert.has_error(function() btf:encode("struct ids") end)
		assert.has_error(function() btf:decode "struct ids" end)
		btf:close()
		assert.is_true(btf:closed())
		assert.has_error(function() btf:size "struct ids" end)
	end)

	it("keeps the types when a finalizer closes it in the middle", function()
		local bytes = slurp(FIXTURE)
		finally(function() collectgarbage "generational" collectgarbage "incremental" end)
		local value = { before = 1, inner = 2, low = 3, high = 4, ids = { uid = 5, gid = 6 } }
		for method, arguments in pairs {
			type = { "struct deep" }, size = { "struct deep" }, encode = { "struct deep", value },
			decode = { "struct deep", ("\1"):rep(40) },
		} do
			local expected = (function()
				local btf <close> = assert(core.btf { bytes = bytes })
				return btf[method](btf, table.unpack(arguments))
			end)()
			local closed = 0
			for n = 1, 100 do
				local btf = assert(core.btf { bytes = bytes })
				collectgarbage()
				setmetatable({}, { __gc = function() btf:close() end })
				collectgarbage("incremental", 100, 100 + n, 2)
				for _ = 1, 50 do
					if btf:closed() then break end
					local done, result = pcall(btf[method], btf, table.unpack(arguments))
					if done then
						assert.are.same(expected, result)
					else
						assert.matches("this crumb.Btf is closed", result)
					end
				end
				if btf:closed() then closed = closed + 1 end
			end
			assert.is_true(closed > 0, method)
		end
	end)

	it("names the nearest type", function()
		local btf <close> = assert(core.btf(FIXTURE))
		for _, method in ipairs { "size", "type", "encode", "decode" } do
			local none, why, errno = btf[method](btf, "struct idz", "12345678")
			assert.is_nil(none)
			assert.are.equal("no type 'struct idz' (nearest: ids)", why)
			assert.are.equal(2, errno)
		end
		assert.are.equal("no type 'union ids'", select(2, btf:size "union ids"))
	end)

	it("finds types with and without the keyword", function()
		local btf <close> = assert(core.btf(FIXTURE))
		for name, size in pairs { ["struct ids"] = 8, ids = 8, ["struct  ids"] = 8, ["unsigned int"] = 4,
			["enum state"] = 4, state = 4, twice_t = 4, __u64 = 8, double = 8 } do
			assert.are.equal(size, btf:size(name))
		end
		for _, name in ipairs { "", "struct", "struct ", "enum ids", "structids" } do
			assert.is_nil((btf:size(name)))
		end
	end)

	it("prefers C's plain names to tags", function()
		local btf <close> = by_hand { { "enum", "x", 1, values = {} }, { "struct", "x", 2, members = {} },
			int("int", 4), { "typedef", "x", 3 }, { "union", "x", 8, members = {} }, { "forward", "x", 0 } }
		assert.are.equal(4, btf:size "x")
		assert.are.equal(2, btf:size "struct x")
		assert.are.equal(8, btf:size "union x")
		assert.are.equal(1, btf:size "enum x")
	end)

	it("describes a struct, its anonymous members as its own", function()
		local btf <close> = assert(core.btf(FIXTURE))
		local deep = btf:type "struct deep"
		assert.are.equal("struct deep", deep.name)
		assert.are.equal("struct", deep.kind)
		assert.are.equal(40, deep.size)
		local rows = {}
		for i, member in ipairs(deep.members) do
			rows[i] = ("%s %s@%d"):format(member.type, member.name, member.offset)
			assert.are.equal(member.type, btf:type(member.id).name)
		end
		assert.are.same({ "__u32 before@0", "__u32 inner@8", "__u64 whole@16", "__u32 low@16",
			"__u32 high@20", "struct ids ids@24", "union (anonymous) named@32" }, rows)
	end)

	it("describes bitfields, arrays, pointers, enums and plain types", function()
		local btf <close> = assert(core.btf(FIXTURE))
		local flag = btf:type("struct bits").members[5]
		assert.are.same({ name = "flag", type = "_Bool", id = flag.id, offset = 15, bits = 1,
			bit_offset = 4 }, flag)
		local members = btf:type("struct arrays").members
		assert.are.equal("__u16[2][3]", members[2].type)
		local grid = btf:type(members[2].id)
		assert.are.same({ "array", 2, "__u16[3]", 12 }, { grid.kind, grid.count, grid.element.name, grid.size })
		members = btf:type("struct others").members
		assert.are.equal("struct others *", members[6].type)
		assert.are.equal("const const char *", members[10].type)
		local next_one = btf:type(members[6].id)
		assert.are.same({ "pointer", "struct others", 8 }, { next_one.kind, next_one.element.name,
			next_one.size })
		local state = btf:type "enum state"
		assert.are.same({ { name = "IDLE", value = 0 }, { name = "BUSY", value = 1 },
			{ name = "DONE", value = 7 }, { name = "FAIL", value = 1000 } }, state.values)
		assert.is_true(btf:type("__s32").signed)
		assert.are.same({ "int", false }, { btf:type("__u32").kind, btf:type("__u32").signed })
		assert.are.same({ "bool", "float", "raw" }, { btf:type("_Bool").kind, btf:type("float").kind,
			btf:type("__int128").kind })
	end)
end)
