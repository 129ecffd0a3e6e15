-- crumb.Elf: what is read from ELF files, and that hostile ones give errors and nothing worse.
local core = require "crumb.core"
local Elf = require "support.elf"
local lab = require "support.lab"

local FIXTURES = "build/fixtures/"
local LAYOUTS = { "elf_pie", "elf_exec", "elf_shifted", "elf_lld" }

-- Offsets in the ELF header and in a section header.
local TYPE, MACHINE, PHOFF, SHOFF, PHENTSIZE, PHNUM, SHENTSIZE, SHNUM = 16, 18, 32, 40, 54, 56, 58, 60
local SH_NAME, SH_TYPE, SH_OFFSET, SH_SIZE, SH_LINK, SH_ENTSIZE = 0, 4, 24, 32, 40, 56
local SYMTAB, DYNAMIC, NOTE, DYNSYM = 2, 6, 7, 11
local VERDEF, VERNEED, VERSYM = 0x6ffffffd, 0x6ffffffe, 0x6fffffff

local patch = Elf.patch
local temporary

local function slurp(path)
	local file = io.open(path, "rb")
	if not file then return nil end
	local bytes = file:read "a"
	file:close()
	return bytes
end

local function spill(bytes)
	local file = assert(io.open(temporary, "wb"))
	file:write(bytes)
	file:close()
	return temporary
end

local function fixture(name)
	local path = FIXTURES .. name
	if not slurp(path) then pending("there is no " .. path .. " (built by make)") end
	return path
end

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

local function descriptors()
	return #assert(core.directory "/proc/self/fd")
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
	local elf, message, errno = core.elf(temporary)
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

describe("crumb.Elf", function()
	local before

	setup(function() temporary = os.tmpname() end)
	teardown(function() os.remove(temporary) end)
	before_each(function() before = descriptors() end)
	after_each(function()
		collectgarbage()
		assert.equal(before, descriptors())
	end)

	local function refused(path, reason, errno)
		local elf, message, number = core.elf(path)
		assert.is_nil(elf)
		assert.equal(("open %s: %s"):format(path, reason), message)
		assert.equal(errno, number)
	end

	describe("refuses", function()
		it("a file that is not there", function()
			refused("/nowhere/at/all", "No such file or directory", 2)
		end)

		it("a directory", function() refused("/tmp", "it is a directory", 21) end)

		it("a device", function() refused("/dev/null", "it is a device, not a file", 22) end)

		it("a FIFO, without waiting for its other end", function()
			os.remove(temporary)
			finally(function() os.remove(temporary) end)
			if not os.execute("mkfifo " .. temporary) then pending "there is no mkfifo here" end
			refused(temporary, "it is a FIFO, not a file", 22)
		end)

		it("an empty file", function() refused(spill "", "the file is empty", 8) end)

		it("what is not ELF", function()
			refused(spill "#!/bin/sh\n", "it is not an ELF file", 8)
			refused(spill "\127EL", "it is not an ELF file", 8)
			refused(spill(("x"):rep(4096)), "it is not an ELF file", 8)
		end)

		it("a header that is cut off", function()
			local bytes = slurp(fixture "elf_pie")
			refused(spill(bytes:sub(1, 4)), "it is truncated: 4 bytes hold no ELF header", 8)
			refused(spill(bytes:sub(1, 63)), "it is truncated: 63 bytes hold no ELF header", 8)
		end)

		it("a 32-bit binary", function()
			local bytes = slurp(fixture "elf_pie")
			refused(spill(patch(bytes, 4, "\1")), "it is a 32-bit binary; crumb takes 64-bit ones", 8)
			refused(spill(patch(bytes, 4, "\3")), "its ELF class 3 is unknown", 8)
		end)

		it("another byte order and another version", function()
			local bytes = slurp(fixture "elf_pie")
			refused(spill(patch(bytes, 5, bytes:byte(6) == 1 and "\2" or "\1")),
				"its byte order is another machine's", 8)
			refused(spill(patch(bytes, 6, "\9")), "its ELF version 9 is unknown", 8)
		end)

		it("another machine's binary", function()
			local bytes = slurp(fixture "elf_pie")
			local elf = core.elf(fixture "elf_pie")
			local here = elf:machine()
			elf:close()
			refused(spill(patch(bytes, MACHINE, ("<I2"):pack(22))),
				("it is for another machine (s390x, number 22); this is %s"):format(here), 8)
			refused(spill(patch(bytes, MACHINE, ("<I2"):pack(4242))),
				("it is for another machine (unknown, number 4242); this is %s"):format(here), 8)
		end)

		it("what is neither program nor library", function()
			refused(fixture "elf_object.o", "it is an object file, not a program or a library", 8)
			local bytes = slurp(fixture "elf_pie")
			refused(spill(patch(bytes, TYPE, "\4\0")), "it is a core dump, not a program or a library", 8)
			refused(spill(patch(bytes, TYPE, "\9\0")), "its ELF type 9 is neither program nor library", 8)
		end)

		it("program headers that are missing or outside", function()
			local bytes = slurp(fixture "elf_pie")
			refused(spill(patch(bytes, PHNUM, "\0\0")), "it has no program headers", 8)
			refused(spill(patch(bytes, PHENTSIZE, "\1\0")), "it has no program headers", 8)
			for _, offset in ipairs { #bytes, #bytes - 1, 1 << 62, -1 } do
				refused(spill(patch(bytes, PHOFF, ("<i8"):pack(offset))),
					("it is truncated: its program headers end past its %d bytes"):format(#bytes), 8)
			end
		end)

		it("segments that end past the file", function()
			local bytes = slurp(fixture "elf_pie")
			local cut = bytes:sub(1, 0x1004)
			cut = patch(patch(cut, SHOFF, u64(0)), SHNUM, "\0\0")
			local _, message = core.elf(spill(cut))
			assert.truthy(message:find("truncated, or holds only debug information: segment %d+ ends past its 4100 bytes"))
		end)

		it("section headers that end past the file, or of another size", function()
			local bytes = slurp(fixture "elf_pie")
			local reason = ("it is truncated: its section headers end past its %d bytes"):format(#bytes)
			refused(spill(patch(bytes, SHNUM, "\255\127")), reason, 8)
			refused(spill(patch(bytes, SHOFF, u64(#bytes - 10))), reason, 8)
			refused(spill(patch(bytes, SHOFF, ("<i8"):pack(-64))), reason, 8)
			refused(spill(patch(bytes, SHENTSIZE, "\40\0")), "its section headers have 40 bytes, not 64", 8)
			refused(spill(bytes:sub(1, -2)),
				("it is truncated: its section headers end past its %d bytes"):format(#bytes - 1), 8)
		end)

		it("a count of sections that is larger than the file", function()
			local bytes = slurp(fixture "elf_pie")
			local first = ("<I8"):unpack(bytes, SHOFF + 1)
			for _, count in ipairs { 1 << 20, 1 << 32, 1 << 40, math.maxinteger } do
				local many = patch(patch(bytes, SHNUM, "\0\0"), first + SH_SIZE, u64(count))
				refused(spill(many),
					("it is truncated: its section headers end past its %d bytes"):format(#bytes), 8)
			end
		end)

		it("a path with a NUL, and what is no string", function()
			assert.error_matches(function() core.elf "/bin/ls\0x" end, "the path holds a NUL")
			assert.error_matches(function() core.elf {} end, "string expected, got table")
		end)
	end)

	describe("reads", function()
		for _, layout in ipairs(LAYOUTS) do
			it("where functions lie in " .. layout, function()
				local bytes = slurp(fixture(layout))
				local elf <close> = assert(core.elf(FIXTURES .. layout))
				if elf:machine() ~= "x86_64" then pending "the expected bytes are x86-64's" end
				local nop, ret = "\x90", "\xc3"
				for name, code in pairs {
					["elf_bare"] = nop .. ret,
					["main.(*S).f"] = nop .. nop .. ret,
					["example.com/pkg.F[go.shape.int, string]"] = nop .. ret,
					["a::b(int)"] = nop .. ret,
					["operator+"] = nop .. ret,
				} do
					local found = assert(elf:find(name))
					assert.equal(1, #found, name)
					local symbol = found[1]
					assert.equal(code, bytes:sub(symbol.offset + 1, symbol.offset + #code))
					assert.equal(symbol.offset, elf:offset(symbol.value))
					assert.is_true(elf:executable(symbol.offset))
					assert.equal(name == "elf_bare" and 0 or #code, symbol.size)
				end
			end)
		end

		it("everything about a symbol", function()
			local elf <close> = assert(core.elf(fixture "elf_exec"))
			local symbol = elf:find("main.(*S).f")[1]
			assert.same({
				name = "main.(*S).f", value = symbol.value, size = 3, offset = symbol.value - 0x400000,
				bind = "global", type = "func", table = "symtab", imported = false,
			}, symbol)
			assert.same({}, elf:find "elf_three")
			assert.same({}, elf:find "elf_sum") -- an object
			assert.same({}, elf:find "")
			assert.same({}, elf:find "elf_one\0")
		end)

		it("several functions of one name, several names of one function, and IFUNCs", function()
			local elf <close> = assert(core.elf(fixture "elf_pie"))
			local twins = elf:find "elf_twin"
			assert.equal(2, #twins)
			assert.are_not.equal(twins[1].value, twins[2].value)
			assert.equal("local", twins[1].bind)
			assert.equal(elf:find("elf_one")[1].offset, elf:find("elf_alias")[1].offset)
			assert.equal("ifunc", elf:find("elf_fast")[1].type)
		end)

		it("imported functions, and whose they are", function()
			local elf <close> = assert(core.elf(fixture "elf_pie"))
			local found = elf:find "puts"
			assert.equal(1, #found)
			assert.is_true(found[1].imported)
			assert.is_nil(found[1].offset)
			assert.equal("libc.so.6", found[1].library)
			assert.equal("dynsym", found[1].table)
			assert.same({ "libc.so.6" }, elf:needed())
			assert.is_nil(elf:soname())
			local library <close> = assert(core.elf(fixture "libelf_versions.so"))
			assert.same({}, library:needed())
			assert.equal("libelf_versions.so.7", library:soname())
		end)

		it("versions", function()
			local elf <close> = assert(core.elf(fixture "libelf_versions.so"))
			local seen = {}
			for _, name in ipairs { "elf_twice", "elf_gone", "elf_same", "elf_single" } do
				for _, symbol in ipairs(elf:find(name)) do
					seen[#seen + 1] = name .. (symbol.default and "@@" or "@") .. symbol.version
				end
			end
			table.sort(seen)
			assert.same({
				"elf_gone@ELF_1.0", "elf_gone@ELF_2.0", "elf_same@ELF_1.0", "elf_same@ELF_2.0",
				"elf_single@@ELF_1.0", "elf_twice@@ELF_2.0", "elf_twice@ELF_1.0",
			}, seen)
		end)

		it("all names of functions, each once, without imported ones and data", function()
			local elf <close> = assert(core.elf(fixture "elf_pie"))
			local count = {}
			for _, name in ipairs(elf:names()) do count[name] = (count[name] or 0) + 1 end
			for name, n in pairs(count) do assert.equal(1, n, name) end
			for _, name in ipairs { "main", "elf_one", "elf_alias", "elf_twin", "elf_bare", "operator+" } do
				assert.equal(1, count[name], name)
			end
			assert.is_nil(count.puts)
			assert.is_nil(count.elf_sum)
		end)

		it("places of functions by pattern", function()
		local elf <close> = assert(core.elf(fixture "elf_pie"))
		local symbol = elf:find("elf_one")[1]
		local places, skipped = elf:functions "elf_[!bcft]*"
		assert.same({ {
			symbol = "elf_one", names = { "elf_one", "elf_alias" }, offset = symbol.offset, address = symbol.value, size = symbol.size,
		} }, places)
		assert.same({}, skipped)
		places, skipped = elf:functions "elf_fast"
		assert.same({}, places)
		assert.same({ { symbol = "elf_fast", reason = "it is an IFUNC" } }, skipped)
		assert.same({ {}, {} }, { elf:functions "" })
		local all, last = elf:functions(), -1
		for _, place in ipairs(all) do
			assert.is_true(place.offset > last)
			last = place.offset
		end
		assert.is_true(#all > 12)
		assert.error_matches(function() elf:functions({}) end, "string expected")
	end)

	it("a stripped file", function()
			local elf <close> = assert(core.elf(fixture "elf_stripped"))
			assert.is_true(elf:stripped())
			assert.same({}, elf:find "elf_one")
			assert.is_true(elf:find("puts")[1].imported)
			local whole <close> = assert(core.elf(fixture "elf_pie"))
			assert.is_false(whole:stripped())
			assert.is_true(elf:executable(whole:find("elf_one")[1].offset))
		end)

		it("USDT notes, each once", function()
			local elf <close> = assert(core.elf(fixture "elf_pie"))
			assert.same({ "elf_provider:first", "elf_provider:second", "other:first" }, elf:usdt())
			local none <close> = assert(core.elf(fixture "libelf_versions.so"))
			assert.same({}, none:usdt())
		end)

		it("the mark of Go", function()
			local go <close> = assert(core.elf(fixture "elf_go"))
			local c <close> = assert(core.elf(fixture "elf_pie"))
			assert.is_true(go:is_go())
			assert.is_false(c:is_go())
		end)

		it("the bounds of executable segments", function()
			local bytes = slurp(fixture "elf_exec")
			local elf <close> = assert(core.elf(FIXTURES .. "elf_exec"))
			local seen = 0
			local at = ("<I8"):unpack(bytes, PHOFF + 1)
			for i = 0, ("<I2"):unpack(bytes, PHNUM + 1) - 1 do
				local kind, flags, offset, address, _, size = ("<I4I4I8I8I8I8"):unpack(bytes, at + 56 * i + 1)
				if kind == 1 and flags & 1 == 1 then
					seen = seen + 1
					assert.equal(offset, elf:offset(address))
					assert.equal(offset + size - 1, elf:offset(address + size - 1))
					assert.is_nil(elf:offset(address + size))
					assert.is_nil(elf:offset(address - 1))
					assert.is_true(elf:executable(offset))
					assert.is_true(elf:executable(offset + size - 1))
					assert.is_false(elf:executable(offset + size))
				end
			end
			assert.equal(1, seen)
			assert.is_false(elf:executable(0))
			assert.is_false(elf:executable(-1))
			assert.is_nil(elf:offset(-1))
			assert.is_nil(elf:offset(0))
		end)
	end)

	describe("as a handle", function()
		it("is closed once, and refuses to be used after", function()
			local elf = assert(core.elf(fixture "elf_pie"))
			assert.equal(before + 1, descriptors())
			assert.is_true(elf:close())
			assert.equal(before, descriptors())
			assert.is_true(elf:close())
			for _, method in ipairs {
				"find", "names", "stripped", "offset", "executable", "path", "machine", "is_go", "needed", "soname",
				"usdt",
			} do
				assert.error_matches(function() elf[method](elf, "x") end, "closed", nil, nil, method)
			end
		end)

		it("keeps its memory when a finalizer closes it in the middle of a method", function()
			local path = fixture "elf_pie"
			finally(function() collectgarbage "generational" collectgarbage "incremental" end)
			local function value(elf, name) return elf:find(name)[1].value end
			local argument = { find = "elf_twin", offset = 0x1000, executable = 0x1000 }
			local address <const> = (function()
				local elf <close> = assert(core.elf(path))
				return value(elf, "elf_one")
			end)()
			for _, method in ipairs { "find", "names", "usdt", "needed", "soname", "stripped", "is_go", "path", "machine",
				"offset", "executable" } do
				-- Those that allocate nothing are never interrupted, and in a large heap the others not soon.
				local allocates <const> = method == "find" or method == "names" or method == "usdt"
				local closed = 0
				for n = 1, lab.slow and 20 or 60 do
					local elf = assert(core.elf(path))
					assert.equal(address, value(elf, "elf_one"))
					collectgarbage()
					setmetatable({}, { __gc = function() elf:close() end })
					collectgarbage("incremental", 100, 100 + n, 2)
					for _ = 1, allocates and closed == 0 and 2000 or 50 do
						if elf:closed() then break end
						local done, found, message, errno = pcall(elf[method], elf, argument[method])
						if not done then
							assert.matches("this crumb.Elf is closed", found)
						elseif found == nil and method ~= "soname" then
							-- What has not been read yet is gone with the descriptor, and that is said.
							assert.is_string(message)
							assert.is_true(errno > 0)
						end
					end
					if elf:closed() then closed = closed + 1 end
					elf:close()
				end
				if allocates then assert.is_true(closed > 0, method) end
			end
		end)

		it("gives the path of the file that it has open, even if that is unlinked", function()
			local elf <close> = assert(core.elf(spill(slurp(fixture "elf_pie"))))
			local descriptor = elf:path():match "^/proc/self/fd/(%d+)$"
			assert.truthy(descriptor)
			os.remove(temporary)
			assert.equal(slurp(FIXTURES .. "elf_pie"), slurp(elf:path()))
			assert.equal(1, #elf:find "elf_one")
			local child = io.popen("cat /proc/self/fd/" .. descriptor .. " 2>/dev/null | wc -c")
			local inherited = child:read "n"
			child:close()
			assert.equal(0, inherited)
		end)
	end)

	describe("survives", function()
		it("a file that is truncated while it is open", function()
			local bytes = slurp(fixture "elf_pie")
			local elf <close> = assert(core.elf(spill(bytes)))
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
			local elf <close> = assert(core.elf(spill(patch(bytes, at + 4, ("<I4"):pack(0x10000)))))
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
			local elf <close> = assert(core.elf(spill(patched .. chain)))
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
		local elf <close> = assert(core.elf(spill(patched .. long)))
		assert.equal(1, #elf:find "elf_one")
	end)

	describe("says what is wrong with", function()
		local function symbols_fail(bytes, reason, errno)
			local elf <close> = assert(core.elf(spill(bytes)))
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
				local elf <close> = assert(core.elf(spill(patch(bytes, header + SH_SIZE, ("<i8"):pack(size)))))
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
			local elf <close> = assert(core.elf(spill(patch(bytes, header + SH_SIZE, u64(cut + 7)))))
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
			local elf <close> = assert(core.elf(spill(patched)))
			assert.equal(4096, #elf:find "elf_one")
		end)
	end)

	it("has no name that it would have to make up", function()
		local bytes = slurp(fixture "elf_pie")
		local elf <close> = assert(core.elf(spill(patch(bytes, section(bytes, SYMTAB) + SH_NAME, "\xff\xff\xff\x7f"))))
		assert.equal(1, #elf:find "elf_one") -- found by type, not by name
	end)
end)

describe("core.directory", function()
	it("lists what there is, without . and ..", function()
		local path = os.tmpname()
		os.remove(path)
		assert(os.execute("mkdir " .. path))
		local before = descriptors()
		assert.same({}, core.directory(path))
		for _, name in ipairs { "b", "a", ".c" } do io.open(path .. "/" .. name, "w"):close() end
		local names = core.directory(path)
		table.sort(names)
		assert.same({ ".c", "a", "b" }, names)
		assert.equal(before, descriptors())
		for _, name in ipairs(names) do os.remove(path .. "/" .. name) end
		os.remove(path)
	end)

	it("says why not", function()
		local names, message, errno = core.directory "/nowhere"
		assert.is_nil(names)
		assert.equal("list /nowhere: No such file or directory", message)
		assert.equal(2, errno)
		assert.equal(20, select(3, core.directory "/dev/null"))
		assert.error_matches(function() core.directory "/tmp\0/x" end, "it holds a NUL")
	end)
end)

describe("core.read", function()
	it("gives a regular file's bytes", function()
		local path = os.tmpname()
		finally(function() os.remove(path) end)
		local file <close> = assert(io.open(path, "wb"))
		file:write("a\0b"):flush()
		assert.equal("a\0b", core.read(path))
	end)

	it("refuses what is none, without waiting for it", function()
		local before = descriptors()
		for path, reason in pairs {
			["/nowhere"] = "read /nowhere: No such file or directory", ["/tmp"] = "read /tmp: it is a directory",
			["/dev/tty"] = "read /dev/tty: it is a device, not a file",
		} do
			local bytes, message = core.read(path)
			assert.is_nil(bytes)
			assert.equal(reason, message)
		end
		assert.equal(before, descriptors())
		assert.error_matches(function() core.read "/etc/passwd\0x" end, "the path holds a NUL")
	end)
end)
