-- Go's own table of functions: what it says is what the symbols say, and hostile ones give errors and nothing worse.
local binaries = require "crumb.binaries"
local core = require "crumb.core"
local Elf = require "support.elf"

local FIXTURES = "build/fixtures/"

local LAYOUTS = { "go_plain", "go_stripped", "go_pie", "go_pie_stripped", "go_linked", "go_linked_pie" }
local PAD = 31 -- what fills the gap to the next function, at most
local ENOENT, ENOEXEC, EINVAL = 2, 8, 22

local patch, section, slurp = Elf.patch, Elf.section, Elf.slurp
local temporary

local function fixture(name)
	local bytes = slurp(FIXTURES .. name)
	if not bytes then pending("there is no " .. name .. " (built by make where there is Go)") end
	return bytes
end

local function opened(bytes)
	return binaries.elf(Elf.spill(temporary, bytes))
end

-- The functions that Go's own tool finds in the symbols, by address, as Go's table names them.
local function by_go(name)
	local status, output = core.execute { "/usr/bin/env", "go", "tool", "nm", "-size", "-sort=address", FIXTURES .. name }
	if status ~= 0 then pending "there is no Go here whose tool could say" end
	local functions, bounds = {}, {}
	for address, size, symbol in output:gmatch " *(%x+) +(%d+) [tT] ([^\n]+)\n" do
		local known = {
			name = symbol:gsub("%[.*%]", "[...]"):gsub("%.abi0$", ""), address = tonumber(address, 16), size = tonumber(size),
		}
		functions[#functions + 1], bounds[symbol] = known, known.address
	end
	local ours = {}
	for _, known in ipairs(functions) do
		local inside = known.address >= bounds["runtime.text"] and known.address < bounds["runtime.etext"]
		if inside and known.size > 0 then ours[#ours + 1] = known end
	end
	return ours
end

local function asked(elf, offset)
	local found, message, errno = elf:go_function(offset)
	return found and found.name or message, errno
end

setup(function() temporary = os.tmpname() end)
teardown(function() os.remove(temporary) end)

describe("Go's table of functions", function()
	for _, layout in ipairs { "go_plain", "go_pie", "go_linked", "go_linked_pie" } do
		it("says what the symbols say, in " .. layout, function()
			fixture(layout)
			local elf <close> = assert(binaries.elf(FIXTURES .. layout))
			local functions = by_go(layout)
			assert.is_true(#functions > 1000)
			for _, known in ipairs(functions) do
				local offset = elf:offset(known.address)
				local found = elf:go_function(offset)
				assert.same({ known.name, offset }, { found.name, found.offset })
				assert.is_true(found.size >= known.size and found.size - known.size <= PAD, known.name)
				assert.equal(offset, elf:go_function(offset + known.size - 1).offset)
			end
		end)
	end

	it("stays in a stripped program", function()
		for _, pair in ipairs { { "go_plain", "go_stripped" }, { "go_pie", "go_pie_stripped" } } do
			fixture(pair[1])
			local whole <close> = assert(binaries.elf(FIXTURES .. pair[1]))
			local stripped <close> = assert(binaries.elf(FIXTURES .. pair[2]))
			assert.equal(".gopclntab", table.remove(stripped:sources()))
			for _, name in ipairs { "main.wander", "main.(*Server).Serve", "main.main" } do
				local symbol = whole:find(name)[1]
				assert.equal(name, stripped:go_function(symbol.offset).name)
			end
		end
	end)

	it("tells what was written by hand", function()
		fixture "go_plain"
		local elf <close> = assert(binaries.elf(FIXTURES .. "go_plain"))
		assert.is_true(elf:go_function(elf:find("main.byHand.abi0")[1].offset).assembly)
		assert.is_false(elf:go_function(elf:find("main.wander")[1].offset).assembly)
	end)

	it("has no function outside of the code, and none in what is not Go's", function()
		fixture "go_plain"
		local elf <close> = assert(binaries.elf(FIXTURES .. "go_plain"))
		assert.same({ "find a Go function: none lies there", ENOENT }, { asked(elf, 0x7fffffff) })
		assert.same({ "find a Go function: none lies there", ENOENT }, { asked(elf, 0) })
		local other <close> = assert(binaries.elf(FIXTURES .. "elf_pie"))
		assert.same({ "read Go's functions: No such file or directory", ENOENT }, { asked(other, 0x1000) })
	end)
end)

-- Two functions of 16 bytes, `a` and `b`, where the code of a fixture begins.
local function table_of(version, text, relative)
	local names = "a\0b\0"
	if version == "1.2" then
		-- header, count, three addresses with two places, two records, names
		local records = 16 + 5 * 8
		local at = records + 2 * 48
		return ("<I4 BBBB I8 I8I8 I8I8 I8"):pack(0xfffffffb, 0, 0, 1, 8, 2, text, records, text + 16, records + 48, text + 32)
			.. ("<I8I4"):pack(text, at) .. ("\0"):rep(36) .. ("<I8I4"):pack(text + 16, at + 2) .. ("\0"):rep(36) .. names
	elseif version == "1.16" then
		local places = 5 * 8
		local head = ("<I4 BBBB I8I8I8I8I8I8I8"):pack(0xfffffffa, 0, 0, 1, 8, 2, 0, 64, 0, 0, 0, 68)
		return head .. names .. ("<I8I8 I8I8 I8"):pack(text, places, text + 16, places + 48, text + 32)
			.. ("<I8I4"):pack(text, 0) .. ("\0"):rep(36) .. ("<I8I4"):pack(text + 16, 2) .. ("\0"):rep(36)
	end
	local magic, flag = 0xfffffff0, 37
	if version == "1.20" then magic, flag = 0xfffffff1, 41 end
	local function record(entry, name, bits)
		return ("<I4I4"):pack(entry, name) .. ("\0"):rep(flag - 8) .. string.char(bits) .. ("\0"):rep(47 - flag)
	end
	local head = ("<I4 BBBB I8I8I8I8I8I8I8I8"):pack(magic, 0, 0, 1, 8, 2, 0, relative and 0 or text, 72, 0, 0, 0, 76)
	return head .. names .. ("<I4I4 I4I4 I4"):pack(0, 20, 16, 20 + 48, 32) .. record(0, 0, 0) .. record(16, 2, 4)
end

local function names_of(bytes, offset)
	local elf <close> = assert(opened(bytes))
	local known = {}
	for i, at in ipairs { 0, 15, 16, 31, 32 } do
		local found = elf:go_function(offset + at)
		known[i] = found and ("%s %d %d %s"):format(found.name, found.offset - offset, found.size, found.version) or "none"
	end
	return known, elf:go_function(offset + 16)
end

describe("The form of the table", function()
	for _, version in ipairs { "1.2", "1.16", "1.18", "1.20" } do
		it("of Go " .. version .. " is read", function()
			local bytes = fixture "go_stripped"
			local code, text = section(bytes, ".text")
			local known, last = names_of(patch(bytes, section(bytes, ".gopclntab"), table_of(version, text)), code)
			local a, b = "a 0 16 " .. version, "b 16 16 " .. version
			assert.same({ a, a, b, b, "none" }, known)
			assert.equal(version >= "1.18" and version ~= "1.2", last.assembly)
		end)
	end

	it("of Go 1.26 does not tell where the code begins: the module's data does", function()
		local bytes = fixture "go_stripped"
		local code, text = section(bytes, ".text")
		bytes = patch(bytes, section(bytes, ".gopclntab"), table_of("1.20", text, true))
		local elf <close> = assert(opened(bytes))
		assert.same({ "read Go's functions: its Go table does not tell where the code begins", ENOEXEC }, { asked(elf, code) })
		local module, _, _, name_at = section(bytes, ".go.buildinfo")
		bytes = patch(patch(bytes, name_at, ".go.module\0"), module + 176, ("<I8"):pack(text))
		assert.equal("a 0 16 1.20", names_of(bytes, code)[1])
	end)

	it("of a position-independent program is relocated", function()
		local bytes = fixture "go_pie_stripped"
		local code = section(bytes, ".text")
		local head = section(bytes, ".data.rel.ro.gopclntab")
		local elf <close> = assert(opened(patch(bytes, head + 24, ("\0"):rep(8))))
		local whole <close> = assert(binaries.elf(FIXTURES .. "go_pie_stripped"))
		assert.same(whole:go_function(code + 4096), elf:go_function(code + 4096))
	end)
end)

describe("A hostile table", function()
	local function refused(bytes)
		local elf <close> = assert(opened(bytes))
		return { asked(elf, (section(bytes, ".text"))) }
	end
	local function damaged(at)
		return { "read Go's functions: its Go table is damaged at function " .. at, ENOEXEC }
	end

	it("is refused where it is of no known form, or ends too early", function()
		local bytes = fixture "go_stripped"
		local at = section(bytes, ".gopclntab")
		assert.same({ "read Go's functions: its Go table has an unknown form", ENOEXEC }, refused(patch(bytes, at, "\xf2")))
		assert.same({ "read Go's functions: its Go table has an unknown form", ENOEXEC }, refused(patch(bytes, at + 7, "\4")))
		local truncated = { "read Go's functions: its Go table is truncated", ENOEXEC }
		assert.same(truncated, refused(patch(bytes, at + 8, ("<I8"):pack(0))))
		assert.same(truncated, refused(patch(bytes, at + 8, ("<I8"):pack(-1))))
		assert.same(truncated, refused(patch(bytes, at + 8, ("<I8"):pack(1 << 22))))
		assert.same(truncated, refused(patch(bytes, at + 32, ("<I8"):pack(-8))))
		assert.same(truncated, refused(patch(bytes, at + 64, ("<I8"):pack(-8))))
	end)

	it("is refused where it points out of itself or of the code", function()
		local bytes = fixture "go_stripped"
		local at = section(bytes, ".gopclntab")
		local places = at + ("<I8"):unpack(bytes, at + 65)
		assert.same(damaged(2), refused(patch(bytes, places + 8 * 3, ("<I4"):pack(0))))
		assert.same(damaged(3), refused(patch(bytes, places + 8 * 3 + 4, ("<I4"):pack(0x7fffffff))))
		local record = places + ("<I4"):unpack(bytes, places + 8 * 3 + 5)
		assert.same(damaged(3), refused(patch(bytes, record + 4, ("<I4"):pack(0x7fffffff))))
		local outside = { "read Go's functions: its Go table lies outside of its code", ENOEXEC }
		local count = ("<I8"):unpack(bytes, at + 9)
		assert.same(outside, refused(patch(bytes, places + 8 * count, ("<I4"):pack(0x7fffffff))))
		assert.same({ "read Go's functions: its Go table does not tell where the code begins", ENOEXEC },
			refused(patch(bytes, at + 24, ("<I8"):pack(1))))
	end)

	it("is refused where its first function lies outside, even if there is code at address 0", function()
		local bytes = fixture "go_stripped"
		local code, text = section(bytes, ".text")
		bytes = patch(bytes, section(bytes, ".gopclntab"), table_of("1.16", text))
		local at = ("<I8"):unpack(bytes, 33)
		while ("<I4I4"):unpack(bytes, at + 1) ~= 1 or ("<I4"):unpack(bytes, at + 5) & 1 == 0 do at = at + 56 end
		local outside = { "read Go's functions: its Go table lies outside of its code", ENOEXEC }
		assert.same(outside, refused(patch(bytes, at + 16, ("<I8"):pack(0))))
		assert.equal("a 0 16 1.16", names_of(bytes, code)[1])
	end)

	it("takes no more memory where sections of relocations overlap", function()
		local bytes = fixture "go_stripped"
		bytes = patch(bytes, section(bytes, ".gopclntab"), table_of("1.20", 0, true))
		local headers, count = ("<I8"):unpack(bytes, 41), ("<I2"):unpack(bytes, 61)
		local all = ("<I4I4I8I8I8I8I4I4I8I8"):pack(0, 4, 0, 0, 0, #bytes, 0, 0, 8, 24)
		local table_at = #bytes
		bytes = bytes .. bytes:sub(headers + 1, headers + 64 * count) .. all:rep(400)
		bytes = patch(patch(bytes, 40, ("<I8"):pack(table_at)), 60, ("<I2"):pack(count + 400))
		local function pages()
			local file <close> = assert(io.open "/proc/self/statm")
			return select(2, file:read("n", "n"))
		end
		local before = pages()
		local elf <close> = assert(opened(bytes))
		assert.same({ "read Go's functions: its Go table does not tell where the code begins", ENOEXEC },
			{ asked(elf, (section(bytes, ".text"))) })
		assert.is_true((pages() - before) * 4096 < 16 * #bytes)
	end)

	it("whose names overlap beyond reason is refused in time", function()
		local bytes = fixture "go_stripped"
		local at, _, size = section(bytes, ".gopclntab")
		local _, text = section(bytes, ".text")
		local name_bytes, count = 4000, (size - 72 - 4096) // 8 - 10
		local head = ("<I4 BBBB I8I8I8I8I8I8I8I8"):pack(0xfffffff1, 0, 0, 1, 8, count, 0, text, 72, 0, 0, 0, 72 + 4096)
		local places = {}
		for i = 1, count do places[i] = ("<I4I4"):pack(i, count * 8 + 4) end
		local long = head .. ("x"):rep(name_bytes) .. ("\0"):rep(4096 - name_bytes) .. table.concat(places)
		local began = core.now()
		local end_and_record = ("<I4"):pack(count + 1) .. ("\0"):rep(48)
		assert.same(damaged(8 * size // name_bytes), refused(patch(bytes, at, long .. end_and_record)))
		assert.is_true(core.now() - began < 2000000000)
	end)

	it("answers or refuses, whatever bytes it has", function()
		for _, layout in ipairs(LAYOUTS) do
			local bytes = fixture(layout)
			local found, at, _, size = pcall(section, bytes, ".gopclntab")
			if not found then found, at, _, size = pcall(section, bytes, ".data.rel.ro.gopclntab") end
			if not found then at, _, size = section(bytes, ".data.rel.ro") end
			local code = section(bytes, ".text")
			local random = 1
			for round = 1, 60 do
				random = random * 6364136223846793005 + 1442695040888963407
				local spread = round % 2 == 0 and 96 or size - 8
				local where = at + math.tointeger((random >> 33) % spread)
				local elf <close> = assert(opened(patch(bytes, where, ("<I4"):pack(random & 0xffffffff))))
				for offset = code, code + 200000, 20000 do
					local _, errno = asked(elf, offset)
					assert.is_true(errno == nil or errno == ENOENT or errno == ENOEXEC)
				end
			end
		end
	end)
end)

describe("The code", function()
	it("is read within executable segments", function()
		fixture "go_plain"
		local elf <close> = assert(binaries.elf(FIXTURES .. "go_plain"))
		local bytes = slurp(FIXTURES .. "go_plain")
		local code, _, size = section(bytes, ".text")
		assert.equal(bytes:sub(code + 1, code + 64), elf:code(code, 64))
		for _, place in ipairs { { -1, 1 }, { code, size + (8 << 20) }, { #bytes, 1 }, { 1 << 62, 1 } } do
			local nothing, message, errno = elf:code(place[1], place[2])
			assert.same({ nil, "read the code: it lies in no executable segment", EINVAL }, { nothing, message, errno })
		end
		assert.has_error(function() elf:code(code, 0) end)
		local nothing, message, errno = elf:code(code, (16 << 20) + 1)
		assert.same({ nil, "read the code: it has more than 16 MiB", 27 }, { nothing, message, errno })
	end)
end)
