-- crumb.Elf: hostile files give errors, in time, and nothing worse.
local binaries = require "crumb.binaries"
local Elf = require "support.elf"
local lab = require "support.lab"


-- Offsets in the ELF header and in a section header.
local MACHINE, SHOFF, SHNUM = 18, 40, 60
local SH_NAME, SH_TYPE, SH_OFFSET, SH_SIZE, SH_LINK, SH_ENTSIZE = 0, 4, 24, 32, 40, 56
local SYMTAB, DYNAMIC, NOTE, DYNSYM = 2, 6, 7, 11
local VERDEF, VERNEED, VERSYM = 0x6ffffffd, 0x6ffffffe, 0x6fffffff

local patch, slurp = Elf.patch, Elf.slurp
local temporary

local function fixture(name)
	local path = lab.fixtures .. name
	if not lab.exists(path) then pending("there is no " .. path .. " (built by make)") end
	return path
end

local function spill(bytes) return Elf.spill(temporary, bytes) end

local function u64(n)
	return ("<I8"):pack(n)
end

-- Where the header of the first section of a type lies, and what it says.
local function section(bytes, kind)
	local offset, count = ("<I8"):unpack(bytes, SHOFF + 1), ("<I2"):unpack(bytes, SHNUM + 1)
	for i = 1, count - 1 do
		local at = offset + 64 * i
		if ("<I4"):unpack(bytes, at + SH_TYPE + 1) == kind then
			return at, ("<I8"):unpack(bytes, at + SH_OFFSET + 1), ("<I8"):unpack(bytes, at + SH_SIZE + 1)
		end
	end
	error("no section of type " .. kind)
end

local function linked(bytes, header)
	local index = ("<I4"):unpack(bytes, header + SH_LINK + 1)
	local at = ("<I8"):unpack(bytes, SHOFF + 1) + 64 * index
	return at, ("<I8"):unpack(bytes, at + SH_OFFSET + 1), ("<I8"):unpack(bytes, at + SH_SIZE + 1)
end

-- Asks everything there is to ask; an answer is a value, or nil with message and errno.
local function ask_all(elf)
	local function check(value, message, errno)
		if value == nil then
			assert.is_string(message)
			assert.is_true(math.type(errno) == "integer" and errno > 0)
		end
		return value
	end
	local names = check(elf:names())
	for i, name in ipairs(names or {}) do
		if i > 10 then break end
		check(elf:find(name))
	end
	check(elf:find "elf_one")
	check(elf:functions())
	check(elf:functions "*a*")
	check(elf:needed())
	elf:soname()
	check(elf:usdt())
	elf:is_go()
	elf:stripped()
	elf:offset(0x1000)
	elf:executable(0x1000)
end

-- Opens the temporary file and asks everything; returns the refusal, if it was refused.
local function try_temporary()
	local elf, message, errno = binaries.elf(temporary)
	if not elf then
		assert.is_string(message)
		assert.is_true(math.type(errno) == "integer" and errno > 0)
		return message, errno
	end
	ask_all(elf)
	assert.is_true(elf:close())
end

-- A function that tries the bytes with some of them overwritten, without writing all of them again.
local function mutant(bytes)
	spill(bytes)
	local function write(at, what)
		local file <close> = assert(io.open(temporary, "r+b"))
		file:seek("set", at)
		file:write(what)
	end
	local turn, every = 0, lab.slow and 20 or 1
	return function(at, what)
		turn = turn + 1
		if turn % every > 0 then return "left to faster machines" end
		write(at, what)
		local message = try_temporary()
		write(at, bytes:sub(at + 1, at + #what))
		return message
	end
end

describe("crumb.Elf of a hostile file", function()
	local before

	setup(function() temporary = os.tmpname() end)
	teardown(function() os.remove(temporary) end)
	before_each(function() before = lab.descriptors() end)
	after_each(function()
		collectgarbage()
		assert.equal(before, lab.descriptors())
	end)
	describe("survives", function()
		it("a file that is truncated while it is open", function()
			local bytes = slurp(fixture "elf_pie")
			local elf <close> = assert(binaries.elf(spill(bytes)))
			spill(bytes:sub(1, 100))
			local found, message, errno = elf:find "elf_one"
			assert.is_nil(found)
			assert.truthy(message:find("^read the symbols: section"), message)
			assert.equal(5, errno)
			ask_all(elf)
		end)

		it("a binary cut at many lengths", function()
			local bytes = slurp(fixture "elf_pie")
			local function cut(length)
				spill(bytes:sub(1, length))
				assert.is_string(try_temporary())
			end
			for length = 0, 1000, lab.slow and 140 or 7 do cut(length) end
			for length = 1001, #bytes - 1, lab.slow and 2020 or 101 do cut(length) end
			for length = #bytes - lab.times(70), #bytes - 1 do cut(length) end
		end)

		it("every bit of the ELF header and of three program headers turned", function()
			local bytes = slurp(fixture "elf_pie")
			local try, opened = mutant(bytes), 0
			for at = 0, 64 + 56 * 3 - 1 do
				for bit = 0, 7 do
					if not try(at, string.char(bytes:byte(at + 1) ~ (1 << bit))) then opened = opened + 1 end
				end
			end
			assert.is_true(opened > lab.times(100))
		end)

		it("both ends of every field of the section headers set to extremes", function()
			local ends = { 0, 3, 4, 7, 8, 15, 16, 23, 24, 31, 32, 39, 40, 43, 44, 47, 48, 55, 56, 63 }
			for _, name in ipairs { "elf_pie", "libelf_versions.so" } do
				local bytes = slurp(fixture(name))
				local try = mutant(bytes)
				local first, count = ("<I8"):unpack(bytes, SHOFF + 1), ("<I2"):unpack(bytes, SHNUM + 1)
				for header = first, first + 64 * (count - 1), 64 do
					for _, at in ipairs(ends) do
						if bytes:byte(header + at + 1) ~= 0 then try(header + at, "\0") end
						try(header + at, "\xff")
					end
				end
			end
		end)

		it("tables of symbols, strings, versions, notes and needed libraries overwritten", function()
			for name, kinds in pairs {
				elf_pie = { SYMTAB, DYNSYM, DYNAMIC, NOTE, VERNEED, VERSYM },
				["libelf_versions.so"] = { DYNSYM, VERDEF, VERSYM },
			} do
				local bytes = slurp(fixture(name))
				local try = mutant(bytes)
				for _, kind in ipairs(kinds) do
					local header, offset, size = section(bytes, kind)
					for _, byte in ipairs { "\0", "\1", "\xff", "\x7f" } do
						try(offset, byte:rep(size))
						for at = 0, math.min(size, 100) - 1 do try(offset + at, byte) end
						if kind ~= NOTE and kind ~= VERSYM then
							local _, strings, length = linked(bytes, header)
							try(strings, byte:rep(length))
						end
					end
				end
			end
		end)

		it("notes that say more than there is", function()
			local bytes = slurp(fixture "elf_pie")
			local try = mutant(bytes)
			local at = assert(bytes:find("stapsdt\0", 1, true)) - 13
			for field = 0, 4, 4 do
				for _, size in ipairs { 0xffffffff, 0x7fffffff, 0x10000, 1, 0 } do
					try(at + field, ("<I4"):pack(size))
				end
			end
			-- A description that would end outside is none, though its strings lie within.
			local elf <close> = assert(binaries.elf(spill(patch(bytes, at + 4, ("<I4"):pack(0x10000)))))
			assert.same({}, elf:usdt())
		end)

		it("versions that go round in circles", function()
			for name, kind in pairs { ["libelf_versions.so"] = VERDEF, elf_pie = VERNEED } do
				local bytes = slurp(fixture(name))
				local try = mutant(bytes)
				local _, offset, size = section(bytes, kind)
				for at = 0, size - 4, 4 do
					for _, step in ipairs { 1, 2, 4, 20 } do try(offset + at, ("<I4"):pack(step)) end
				end
			end
		end)
	end)

	it("follows definitions of versions only as far as they can lie beside one another", function()
		local bytes = slurp(fixture "libelf_versions.so")
		local header = section(bytes, VERDEF)
		local _, strings = linked(bytes, header)
		local name = bytes:find("ELF_2.0\0", strings + 1, true) - 1 - strings
		-- So many overlapping definitions, and then a true one of the version with number 2.
		local function version_behind(count)
			local chain = ("<I4"):pack(4):rep(count) .. ("<I4"):pack(20)
				.. ("<I2I2I2I2I4I4I4I4I4"):pack(1, 0, 2, 1, 0, 20, 0, name, 0)
			chain = chain .. ("\0"):rep(400)
			local patched = patch(patch(bytes, header + SH_OFFSET, u64(#bytes)), header + SH_SIZE, u64(#chain))
			local elf <close> = assert(binaries.elf(spill(patched .. chain)))
			return elf:find("elf_single")[1].version
		end
		assert.equal("ELF_2.0", version_behind(10))
		assert.is_nil(version_behind(1000))
	end)

	it("takes no file with more segments than symbols can be held against in time", function()
		local function segments(count)
			return "\127ELF\2\1\1" .. ("\0"):rep(9) .. ("<I2I2I4I8I8I8I4I2I2I2I2I2I2"):pack(3,
				("<I2"):unpack(slurp(fixture "elf_pie"), MACHINE + 1), 1, 0, 64, 0, 0, 64, 56, count, 64, 0, 0)
				.. ("<I4I4I8I8I8I8I8I8"):pack(1, 5, 0, 0, 0, 64, 64, 4096):rep(count)
		end
		spill(segments(128))
		assert.is_nil((try_temporary()))
		spill(segments(129))
		assert.equal(("open %s: it has 129 program headers, more than 128"):format(temporary), (try_temporary()))
	end)

	it("takes no longer for versions that overlap", function()
		local bytes = slurp(fixture "elf_pie")
		local header = section(bytes, VERNEED)
		local long = ("<I4"):pack(4):rep(1 << 18)
		local patched = patch(patch(bytes, header + SH_OFFSET, u64(#bytes)), header + SH_SIZE, u64(#long))
		local elf <close> = assert(binaries.elf(spill(patched .. long)))
		assert.equal(1, #elf:find "elf_one")
	end)

	describe("says what is wrong with", function()
		local function symbols_fail(bytes, reason, errno)
			local elf <close> = assert(binaries.elf(spill(bytes)))
			local found, message, number = elf:find "elf_one"
			assert.is_nil(found)
			assert.equal("read the symbols: " .. reason, message)
			assert.equal(errno, number)
			local names, again = elf:names()
			assert.is_nil(names)
			assert.equal(message, again)
			assert.equal(0x1000, elf:offset(0x1000)) -- the rest can still be used
		end

		it("symbols of another size", function()
			local bytes = slurp(fixture "elf_pie")
			symbols_fail(patch(bytes, section(bytes, SYMTAB) + SH_ENTSIZE, u64(0)),
				"its symbols have 0 bytes, not 24", 8)
		end)

		it("symbols that lie outside", function()
			local bytes = slurp(fixture "elf_pie")
			local header = section(bytes, SYMTAB)
			for _, size in ipairs { #bytes, 1 << 40, -1, math.mininteger } do
				local elf <close> = assert(binaries.elf(spill(patch(bytes, header + SH_SIZE, ("<i8"):pack(size)))))
				local found, message = elf:find "elf_one"
				assert.is_nil(found)
				assert.truthy(message:find("section %d+ ends past its " .. #bytes .. " bytes"), message)
			end
		end)

		it("strings that are not there", function()
			local bytes = slurp(fixture "elf_pie")
			symbols_fail(patch(bytes, section(bytes, SYMTAB) + SH_LINK, ("<I4"):pack(4000)),
				"it has no section 4000", 8)
			symbols_fail(patch(bytes, section(bytes, SYMTAB) + SH_LINK, ("<I4"):pack(0)), "it has no section 0", 8)
		end)

		it("names without an end", function()
			local bytes = slurp(fixture "elf_pie")
			local header = linked(bytes, section(bytes, SYMTAB))
			local _, offset, size = linked(bytes, section(bytes, SYMTAB))
			local cut = bytes:find("elf_one\0", offset + 1, true) - 1 - offset
			local elf <close> = assert(binaries.elf(spill(patch(bytes, header + SH_SIZE, u64(cut + 7)))))
			assert.is_true(cut + 7 < size)
			assert.same({}, elf:find "elf_one")
			assert.equal(2, #elf:find "elf_twin") -- its name lies before
		end)

		it("a small file whose names would take hours", function()
			local bytes = slurp(fixture "elf_pie")
			local header = section(bytes, SYMTAB)
			local strings = linked(bytes, header)
			local count = 20000
			local symbol = ("<I4BBI2I8I8"):pack(1, 0x12, 0, 1, 0x1000, 1)
			local name = "\0" .. ("n"):rep(4000) .. "\0"
			local grown = patch(bytes, header + SH_OFFSET, u64(#bytes))
			grown = patch(grown, header + SH_SIZE, u64(24 * count))
			grown = patch(grown, strings + SH_OFFSET, u64(#bytes + 24 * count))
			grown = patch(grown, strings + SH_SIZE, u64(#name))
			symbols_fail(grown .. symbol:rep(count) .. name, "its symbols' names overlap beyond reason", 8)
		end)

		it("more functions of one name than anyone wants to see", function()
			local bytes = slurp(fixture "elf_pie")
			local header = section(bytes, SYMTAB)
			local _, strings = linked(bytes, header)
			local name = bytes:find("elf_one\0", strings + 1, true) - 1 - strings
			local grown, count = { bytes }, 5000
			for i = 1, count do
				grown[i + 1] = ("<I4BBI2I8I8"):pack(name, 0x12, 0, 1, 0x1000 + i, 1)
			end
			local patched = table.concat(grown)
			patched = patch(patched, header + SH_OFFSET, u64(#bytes))
			patched = patch(patched, header + SH_SIZE, u64(24 * count))
			local elf <close> = assert(binaries.elf(spill(patched)))
			assert.equal(4096, #elf:find "elf_one")
		end)
	end)

	it("has no name that it would have to make up", function()
		local bytes = slurp(fixture "elf_pie")
		local elf <close> = assert(binaries.elf(spill(patch(bytes, section(bytes, SYMTAB) + SH_NAME, "\xff\xff\xff\x7f"))))
		assert.equal(1, #elf:find "elf_one") -- found by type, not by name
	end)
end)
