-- codec: BTF-typed bytes <-> Lua values.
local by_hand = require "support.by_hand"
local core = require "crumb.core"

local FIXTURE <const> = "build/fixtures/types.bpf.o"

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
			local hand <close> = by_hand.open {
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
			local hand <close> = by_hand.open { { "enum", "e", 8, values = { { "TOP", 0x80000000 } } } }
			assert.are.equal("TOP", hand:decode("enum e", string.pack("<I8", 0x80000000)))
			assert.are.equal(string.pack("<I8", 0x80000000), hand:encode("enum e", "TOP"))
		end)

		it("does not mistake a bitfield for an enumerator that it cannot hold", function()
			local hand <close> = by_hand.open { { "enum", "e", 4, values = { { "BIG", 8 } } },
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
			local hand <close> = by_hand.open {
				by_hand.int("three", 4, 0, 3), by_hand.int("five", 4, 1, 5), by_hand.int("placed", 4, 0, 4, 9), by_hand.int("whole", 4),
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
			local hand <close> = by_hand.open {
				by_hand.int("long", 8, 1),
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
			local hand <close> = by_hand.open {
				by_hand.int("int", 4),
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
			local hand <close> = by_hand.open { by_hand.int("three", 1, 0, 3), by_hand.array(1, 2),
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
			local hand <close> = by_hand.open { by_hand.int("int", 4), by_hand.int("char", 1), by_hand.array(1, 0), by_hand.array(2, 0),
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
			local hand <close> = by_hand.open {
				by_hand.int("int", 4), { "proto", nil, 1 }, { "forward", "later", 0 }, { "func", "work", 2 },
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
