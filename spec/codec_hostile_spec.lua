-- codec: BTF that is damaged, or made to do harm.
local by_hand = require "support.by_hand"
local core = require "crumb.core"
local lab = require "support.lab"

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
			local btf <close> = by_hand.open { { "struct", "s", 8, members = { { name, 1, 0 } } } }
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
		local btf <close> = by_hand.open { by_hand.array(2, 1), by_hand.array(3, 1),
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
			local btf <close> = by_hand.open { { "struct", "s", 8, members = members } }
			assert.is_false((harmless(btf, "struct s", 8)))
			local chain = { by_hand.int("int", 4) }
			for i = 2, 20 do
				local level = {}
				for j = 1, 60 do level[j] = { name ~= "" and name .. j or "", i - 1, 0 } end
				chain[i] = { "union", "u" .. i, 4, members = level }
			end
			local wide <close> = by_hand.open(chain)
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
		local btf <close> = by_hand.open {
			by_hand.array(1, 2), { "typedef", "a_t", 3 }, { "typedef", "b_t", 2 },
			{ "struct", "s", 8, members = { { "a", 1, 0 } } },
			{ "struct", "t", 8, members = { { "a", 2, 0 } } },
		}
		for _, type in ipairs { 1, "a_t", "struct s", "struct t" } do
			assert.is_false((harmless(btf, type, 8)))
		end
	end)

	it("refuses arrays that are larger than their parent or than 32 bits", function()
		local btf <close> = by_hand.open {
			by_hand.int("int", 4), by_hand.array(1, 0x40000000), by_hand.array(2, 0x40000000), by_hand.array(1, 3),
			{ "struct", "s", 8, members = { { "a", 2, 0 } } },
			{ "struct", "t", 8, members = { { "a", 3, 0 } } },
			{ "struct", "u", 8, members = { { "a", 4, 0 } } },
			by_hand.array(1, 0x3fffffff),
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
		local wrap <close> = by_hand.open { by_hand.int("int", 4), by_hand.array(1, 0x40000000), by_hand.array(1, 4),
			by_hand.array(3, 0x80000000), by_hand.array(4, 0x80000000) }
		for _, id in ipairs { 2, 4, 5 } do
			assert.has_error(function() wrap:size(id) end)
			assert.is_false((harmless(wrap, id, 8)))
		end
	end)

	it("does not hang on many elements without bytes", function()
		local btf <close> = by_hand.open {
			{ "struct", "none", 0, members = {} }, by_hand.array(1, 0xffffffff), by_hand.array(2, 0xffff),
			{ "struct", "s", 8, members = { { "a", 2, 0 } } },
			{ "struct", "t", 8, members = { { "a", 3, 0 } } }, by_hand.int("int", 4), by_hand.array(6, 0), by_hand.array(7, 0xffffffff),
			{ "struct", "u", 8, members = { { "a", 8, 0 } } },
		}
		for _, type in ipairs { 2, 3, 8, "struct s", "struct t", "struct u" } do
			assert.is_false((harmless(btf, type, 8)))
		end
	end)

	it("refuses members outside their parent and bits outside their integer", function()
		local btf <close> = by_hand.open {
			by_hand.int("int", 4), by_hand.int("odd", 4, 0, 40), by_hand.int("none", 4, 0, 0), by_hand.int("far", 4, 0, 16, 20),
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
		local btf <close> = by_hand.open { by_hand.int("int", 4), by_hand.array(1, 0),
			{ "struct", "s", 16, members = { { "a", 1, 96 }, { "b", 2, 0 } } } }
		assert.has_error(function() btf:decode("struct s", "1234") end, "struct s: too few bytes")
		assert.has_error(function() btf:encode("struct s", { a = 1 }, 4) end,
			"value.a: not where it could be; is the BTF damaged?")
	end)

	it("looks for members in structs and unions only", function()
		local btf <close> = by_hand.open { by_hand.int("int", 4),
			{ "enum", "e", 4, values = { { "a", 1 }, { "", 0 } } },
			{ "struct", "s", 8, members = { { "", 2, 0 }, { "z", 1, 32 } } } }
		assert.has_error(function() btf:decode("struct s", "12345678", "a") end)
		assert.are.same({ z = 0x38373635 }, btf:decode("struct s", "12345678"))
	end)

	it("takes names that are missing, doubled or damaged", function()
		local btf <close> = by_hand.open {
			by_hand.int("int", 4), { "struct", "", 8, members = { { "", 1, 0 }, { "a", 1, 32 } } },
			{ "struct", "s", 8, members = { { "a", 1, 0 }, { "a", 1, 32 } } },
		}
		assert.are.same({ a = 0x64636261 }, btf:decode(2, "xxxxabcd"))
		assert.is_true((harmless(btf, 3, 8)))
	end)

	it("survives every cut and thousands of changed bytes", function()
		local sources = { by_hand.bytes {
			by_hand.int("int", 4), by_hand.int("char", 1), by_hand.array(2, 8), { "enum", "e", 4, values = { { "A", 1 } } },
			{ "struct", "s", 24, members = { { "a", 1, 0 }, { "b", 6, 32 }, { "c", 3, 64 }, { "", 7, 128 } } },
			{ "union", "u", 4, members = { { "x", 1, 0 }, { "y", 4, 0 } } },
			{ "struct", "", 8, members = { { "z", 1, 0 }, { "t", 8, 32 } } }, by_hand.array(1, 0),
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
