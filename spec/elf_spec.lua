-- crumb.Elf: what is read from ELF files, and which are refused.
local binaries = require "crumb.binaries"
local Elf = require "support.elf"
local lab = require "support.lab"

local LAYOUTS = { "elf_pie", "elf_exec", "elf_shifted", "elf_lld" }

-- Offsets in the ELF header and in a section header.
local TYPE, MACHINE, PHOFF, SHOFF, PHENTSIZE, PHNUM, SHENTSIZE, SHNUM = 16, 18, 32, 40, 54, 56, 58, 60
local SH_SIZE = 32

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

describe("crumb.Elf", function()
	local before

	setup(function() temporary = os.tmpname() end)
	teardown(function() os.remove(temporary) end)
	before_each(function() before = lab.descriptors() end)
	after_each(function()
		collectgarbage()
		assert.equal(before, lab.descriptors())
	end)

	local function refused(path, reason, errno)
		local elf, message, number = binaries.elf(path)
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
			local elf = binaries.elf(fixture "elf_pie")
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
			local _, message = binaries.elf(spill(cut))
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
			assert.error_matches(function() binaries.elf "/bin/ls\0x" end, "the path holds a NUL")
			assert.error_matches(function() binaries.elf {} end, "string expected, got table")
		end)
	end)

	describe("reads", function()
		for _, layout in ipairs(LAYOUTS) do
			it("where functions lie in " .. layout, function()
				local bytes = slurp(fixture(layout))
				local elf <close> = assert(binaries.elf(lab.fixtures .. layout))
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
			local elf <close> = assert(binaries.elf(fixture "elf_exec"))
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
			local elf <close> = assert(binaries.elf(fixture "elf_pie"))
			local twins = elf:find "elf_twin"
			assert.equal(2, #twins)
			assert.are_not.equal(twins[1].value, twins[2].value)
			assert.equal("local", twins[1].bind)
			assert.equal(elf:find("elf_one")[1].offset, elf:find("elf_alias")[1].offset)
			assert.equal("ifunc", elf:find("elf_fast")[1].type)
		end)

		it("imported functions, and whose they are", function()
			local elf <close> = assert(binaries.elf(fixture "elf_pie"))
			local found = elf:find "puts"
			assert.equal(1, #found)
			assert.is_true(found[1].imported)
			assert.is_nil(found[1].offset)
			assert.equal("libc.so.6", found[1].library)
			assert.equal("dynsym", found[1].table)
			assert.same({ "libc.so.6" }, elf:needed())
			assert.is_nil(elf:soname())
			local library <close> = assert(binaries.elf(fixture "libelf_versions.so"))
			assert.same({}, library:needed())
			assert.equal("libelf_versions.so.7", library:soname())
		end)

		it("versions", function()
			local elf <close> = assert(binaries.elf(fixture "libelf_versions.so"))
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
			local elf <close> = assert(binaries.elf(fixture "elf_pie"))
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
		local elf <close> = assert(binaries.elf(fixture "elf_pie"))
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
			local elf <close> = assert(binaries.elf(fixture "elf_stripped"))
			assert.is_true(elf:stripped())
			assert.same({}, elf:find "elf_one")
			assert.is_true(elf:find("puts")[1].imported)
			local whole <close> = assert(binaries.elf(fixture "elf_pie"))
			assert.is_false(whole:stripped())
			assert.is_true(elf:executable(whole:find("elf_one")[1].offset))
		end)

		it("USDT notes, each once", function()
			local elf <close> = assert(binaries.elf(fixture "elf_pie"))
			assert.same({ "elf_provider:first", "elf_provider:second", "other:first" }, elf:usdt())
			local none <close> = assert(binaries.elf(fixture "libelf_versions.so"))
			assert.same({}, none:usdt())
		end)

		it("the mark of Go", function()
			local go <close> = assert(binaries.elf(fixture "elf_go"))
			local c <close> = assert(binaries.elf(fixture "elf_pie"))
			assert.is_true(go:is_go())
			assert.is_false(c:is_go())
		end)

		it("the bounds of executable segments", function()
			local bytes = slurp(fixture "elf_exec")
			local elf <close> = assert(binaries.elf(lab.fixtures .. "elf_exec"))
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
			local elf = assert(binaries.elf(fixture "elf_pie"))
			assert.equal(before + 1, lab.descriptors())
			assert.is_true(elf:close())
			assert.equal(before, lab.descriptors())
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
				local elf <close> = assert(binaries.elf(path))
				return value(elf, "elf_one")
			end)()
			for _, method in ipairs { "find", "names", "usdt", "needed", "soname", "stripped", "is_go", "path", "machine",
				"offset", "executable" } do
				local closed = 0
				for n = 1, lab.slow and 20 or 60 do
					local elf = assert(binaries.elf(path))
					assert.equal(address, value(elf, "elf_one"))
					collectgarbage()
					setmetatable({}, { __gc = function() elf:close() end })
					collectgarbage("incremental", 100, 100 + n, 2)
					for _ = 1, 50 do
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
				-- Those that allocate nothing are never interrupted.
				if method == "find" or method == "names" or method == "usdt" then
					assert.is_true(closed > 0, method)
				end
			end
		end)

		it("gives the path of the file that it has open, even if that is unlinked", function()
			local elf <close> = assert(binaries.elf(spill(slurp(fixture "elf_pie"))))
			local descriptor = elf:path():match "^/proc/self/fd/(%d+)$"
			assert.truthy(descriptor)
			os.remove(temporary)
			assert.equal(slurp(lab.fixtures .. "elf_pie"), slurp(elf:path()))
			assert.equal(1, #elf:find "elf_one")
			local child = io.popen("cat /proc/self/fd/" .. descriptor .. " 2>/dev/null | wc -c")
			local inherited = child:read "n"
			child:close()
			assert.equal(0, inherited)
		end)
	end)
end)
