-- crumb.names.binary and crumb.names.usdt: which places of a file a target means.
local binary = require "crumb.names.binary"
local choice = require "crumb.bpf.choice"
local binaries = require "crumb.binaries"
local core = require "crumb.core"
local files = require "crumb.names.files"
local Folder = require "support.folder"
local lab = require "support.lab"
local target = require "crumb.target"
local usdt = require "crumb.names.usdt"

local scratch

local function fixture(name)
	local path = lab.fixtures .. name
	if not lab.exists(path) then pending("there is no " .. path .. " (built by make)") end
	return path
end

local function spill(name, bytes) return scratch:write(name, bytes) end

setup(function()
	scratch = Folder.make()
end)

teardown(function() scratch:remove() end)

describe("names.binary", function()
	local before

	before_each(function() before = lab.descriptors() end)
	after_each(function() assert.equal(before, lab.descriptors()) end)

	-- The sites (or probes) as text says them, what a glob skipped, and the file's path.
	local function resolve(text, options, exact)
		local parsed <const> = target.parse(text)
		parsed.exact = exact
		local opened <close> = choice.files()
		local list <const>, message <const>, failed <const> = files.open(opened, parsed, options and options.pid)
		if not list then return nil, message, failed end
		local resolver <const> = parsed.kind == "usdt" and usdt.probes or binary.sites
		local sites <const>, skipped <const>, errno <const> = resolver(parsed, list[1].elf)
		if not sites then return nil, skipped, errno end
		return sites, skipped, list[1].path
	end

	local function sites(text, options)
		local found <const>, skipped <const>, path <const> = resolve(text, options)
		return assert(found, skipped), skipped, path
	end

	local function fails(text, message, errno, options)
		local result, why, number = resolve(text, options)
		assert.is_nil(result)
		if why:sub(1, #text + 2) ~= text .. ": " or not why:find(message, 1, true) then
			error("the message is: " .. why)
		end
		assert.equal(errno, number)
	end

	for _, layout in ipairs { "elf_pie", "elf_exec", "elf_shifted", "elf_lld" } do
		it("finds the right place in " .. layout, function()
			local path = fixture(layout)
			local elf <close> = assert(binaries.elf(path))
			local symbol = elf:find("elf_two")[1]
			assert.same({ {
				symbol = "elf_two", offset = symbol.offset, address = symbol.value, size = symbol.size,
			} }, sites("uprobe:" .. path .. ":elf_two"))
			local inside = sites("uprobe:" .. path .. ":main.(*S).f+1")[1]
			local whole = elf:find("main.(*S).f")[1]
			assert.equal(whole.offset + 1, inside.offset)
			assert.equal(whole.value + 1, inside.address)
		end)
	end

	it("gives the file open, and its path", function()
		local path, opened <close> = fixture "elf_pie", choice.files()
		local file = assert(files.open(opened, target.parse("uprobe:" .. path .. ":elf_one")))[1]
		assert.equal(path, file.path)
		assert.truthy(file.elf:path():find "^/proc/self/fd/%d+$")
	end)

	it("takes a path that is relative", function()
		assert.equal(1, #sites("uprobe:./" .. fixture "elf_pie" .. ":elf_one"))
	end)

	it("takes exact names before globs", function()
		local path = fixture "elf_pie"
		assert.equal("main.(*S).f", sites("uprobe:" .. path .. ":main.(*S).f")[1].symbol)
		assert.equal("example.com/pkg.F[go.shape.int, string]",
			sites("uprobe:" .. path .. ":example.com/pkg.F[go.shape.int, string]")[1].symbol)
		assert.equal("a::b(int)", sites("uprobe:" .. path .. ":a::b(int)")[1].symbol)
		assert.equal("operator+", sites("uprobe:" .. path .. ":operator+")[1].symbol)
		assert.equal("operator+", sites("uprobe:" .. path .. ":operator++1")[1].symbol)
	end)

	it("names what is near to a method of Go's, whose star is no glob's", function()
		local path = "uprobe:" .. fixture "elf_pie"
		fails(path .. ":main.(*T).f", "no symbol 'main.(*T).f' (nearest: main.(*S).f", 2)
		fails(path .. ":main.(*T).*", "no function matches 'main.(*T).*'", 2)
		fails(path .. ":none(*)", "no function matches 'none(*)'", 2)
	end)

	it("takes no glob for what is to be an exact name", function()
		local path = fixture "elf_pie"
		for name, found in pairs { ["elf_*"] = false, ["elf_on?"] = false, elf_one = true, ["main.(*S).f"] = true } do
			local places, why, errno = resolve("uprobe:" .. path .. ":" .. name, nil, true)
			if found then
				assert.equal(name, places[1].symbol)
			else
				assert.is_nil(places)
				assert.truthy(why:find(("no symbol '%s'"):format(name), 1, true), why)
				assert.equal(2, errno)
			end
		end
	end)

	it("makes sites of a glob unique by offset, in its order, with all their names", function()
		local found, skipped = sites("uprobe:" .. fixture "elf_pie" .. ":elf_*")
		local names, last = {}, -1
		for _, site in ipairs(found) do
			assert.is_true(site.offset > last)
			last = site.offset
			names[#names + 1] = table.concat(site.names or { site.symbol }, "=")
		end
		table.sort(names)
		assert.same({
			"elf_bare", "elf_call_twin", "elf_fast_plain", "elf_one=elf_alias", "elf_twin", "elf_twin", "elf_two",
		}, names)
		assert.same({ { symbol = "elf_fast", reason = "it is an IFUNC" } }, skipped)
	end)

	it("takes an offset in the file, stripped or not", function()
		local offset = sites("uprobe:" .. fixture "elf_pie" .. ":elf_one")[1].offset
		for _, path in ipairs { "elf_pie", "elf_stripped" } do
			for _, kind in ipairs { "uprobe", "uretprobe" } do
				assert.same({ { offset = offset } },
					sites(("%s:%s:0x%x"):format(kind, fixture(path), offset)))
			end
		end
		fails("uprobe:" .. lab.fixtures .. "elf_pie:0x0", "the offset 0x0 lies in no executable segment", 22)
		fails("uprobe:" .. lab.fixtures .. "elf_pie:+0x7fffffffffffffff", "lies in no executable segment", 22)
	end)

	it("leaves out instructions that the kernel would emulate as others", function()
		if select(3, core.versions()) ~= "x86_64" then return pending "the kernel's fault is that of x86" end
		local path <const> = fixture "elf_pie"
		local found <const>, skipped <const> = sites("uprobe:" .. path .. ":vector_*")
		local names <const>, reasons <const> = {}, {}
		for i, site in ipairs(found) do names[i] = site.symbol end
		for _, one in ipairs(skipped) do reasons[one.symbol] = one.reason end
		assert.same({ "vector_none_sse", "vector_none_pop" }, names)
		local why <const> = "it begins with a vector instruction, which the kernel would emulate as another one"
		assert.same({ vector_vex = why, vector_vex3 = why, vector_evex = why, vector_segment = why }, reasons)
		fails("uprobe:" .. path .. ":vector_evex", "'vector_evex' exists, but cannot be probed: " .. why, 95)
		fails(("uprobe:%s:0x%x"):format(path, found[1].offset - 6), "cannot be probed: " .. why, 95) -- vector_segment
	end)

	it("refuses an offset past the function's end, or out of the segment", function()
		local path = fixture "elf_pie"
		fails("uprobe:" .. path .. ":main.(*S).f+3", "+0x3 lies past the end of 'main.(*S).f', which has 3 bytes", 22)
		for name, inside in pairs { ["main.(*S).f"] = 2, elf_bare = 1 } do
			local whole = sites("uprobe:" .. path .. ":" .. name)[1]
			assert.equal(whole.offset + inside, sites(("uprobe:%s:%s+%d"):format(path, name, inside))[1].offset)
		end
		fails("uprobe:" .. path .. ":elf_bare+0x100000", "+0x100000 after 'elf_bare' lies in no executable segment", 22)
		fails("uprobe:" .. path .. ":code_long+3",
			"+0x3 lies within an instruction of 'code_long': the nearest ones begin at +0x1 and +0x6", 22)
		fails("uprobe:" .. path .. ":code_bound+1",
			"+0x1 lies within an instruction of 'code_bound': the nearest ones begin at +0x0", 22)
		for _, inside in ipairs { 1, 6 } do
			assert.equal(1, #sites(("uprobe:%s:code_long+%d"):format(path, inside)))
		end
		assert.equal(1, #sites("uprobe:" .. path .. ":code_data+7")) -- what lies before it is no instruction
		fails("uprobe:" .. path .. ":elf_*+1", "an offset goes with one name, not with a glob", 22)
	end)

	it("names the nearest of an unknown symbol", function()
		fails("uprobe:" .. fixture "elf_pie" .. ":elf_onne", "no symbol 'elf_onne' (nearest: elf_one", 2)
		fails("uprobe:" .. lab.fixtures .. "elf_pie:elf_x*", "no function matches 'elf_x*'", 2)
	end)

	it("says that a file is stripped, and that an offset works", function()
		local path = fixture "elf_stripped"
		fails("uprobe:" .. path .. ":elf_one", "no symbol 'elf_one'; the file is stripped, so it names only what "
			.. "it exports: an offset works, uprobe:" .. path .. ":0xOFFSET", 2)
		fails("uprobe:" .. path .. ":elf_*", "no function matches 'elf_*'; the file is stripped", 2)
	end)

	it("says where an imported function lives", function()
		for _, name in ipairs { "elf_pie", "elf_stripped" } do
			fails("uretprobe:" .. fixture(name) .. ":puts",
				"'puts' is only imported here; it lives in libc.so.6: use uretprobe:libc.so.6:puts", 2)
		end
	end)

	it("lists the places of a name held twice, of which an offset takes one", function()
		local path = fixture "elf_pie"
		local elf <close> = assert(binaries.elf(path))
		local twins = elf:find "elf_twin"
		fails("uprobe:" .. path .. ":elf_twin", ("2 functions are called 'elf_twin': at offsets 0x%x, 0x%x; "
			.. "uprobe:%s:0xOFFSET takes one"):format(twins[1].offset, twins[2].offset, path), 76)
		assert.equal(twins[2].offset, sites(("uprobe:%s:0x%x"):format(path, twins[2].offset))[1].offset)
	end)

	it("refuses an IFUNC, with its likely implementations", function()
		local path = fixture "elf_pie"
		local elf <close> = assert(binaries.elf(path))
		local offset = elf:find("elf_fast")[1].offset
		fails("uprobe:" .. path .. ":elf_fast", "'elf_fast' is an IFUNC: the symbol is the resolver, which runs once "
			.. "and returns the function that is called (perhaps one of elf_fast_plain); to probe the resolver, use "
			.. ("uprobe:%s:0x%x"):format(path, offset), 95)
		assert.equal(1, #sites(("uprobe:%s:0x%x"):format(path, offset)))
		fails("uprobe:" .. path .. ":elf_fas[t]", "that can be probed (elf_fast: it is an IFUNC)", 95)
	end)

	it("takes versions, and the default one for a bare name", function()
		local path = fixture "libelf_versions.so"
		local elf <close> = assert(binaries.elf(path))
		local at = {}
		for _, name in ipairs { "elf_twice", "elf_gone", "elf_same", "elf_single" } do
			for _, symbol in ipairs(elf:find(name)) do at[name .. "@" .. symbol.version] = symbol.offset end
		end
		for word, expected in pairs {
			["elf_twice"] = "elf_twice@ELF_2.0",
			["elf_twice@ELF_2.0"] = "elf_twice@ELF_2.0",
			["elf_twice@@ELF_2.0"] = "elf_twice@ELF_2.0",
			["elf_twice@ELF_1.0"] = "elf_twice@ELF_1.0",
			["elf_gone@ELF_1.0"] = "elf_gone@ELF_1.0",
			["elf_gone@ELF_2.0"] = "elf_gone@ELF_2.0",
			["elf_single"] = "elf_single@ELF_1.0",
			["elf_same"] = "elf_same@ELF_1.0",
		} do
			local found = sites("uprobe:" .. path .. ":" .. word)
			assert.equal(1, #found)
			assert.equal(at[expected], found[1].offset, word)
		end
		fails("uprobe:" .. path .. ":elf_twice@@ELF_1.0",
			"no such version of 'elf_twice'; there are elf_twice@@ELF_2.0, elf_twice@ELF_1.0", 2)
		fails("uprobe:" .. path .. ":elf_twice@ELF_9", "no such version of 'elf_twice'; there are", 2)
		fails("uprobe:" .. path .. ":elf_twisted@ELF_9", "no symbol 'elf_twisted'", 2)
		fails("uprobe:" .. path .. ":elf_gone", "2 functions are called 'elf_gone': at offsets", 76)
		fails("uprobe:" .. path .. ":elf_gone", "(elf_gone@ELF_1.0)", 76)
		assert.equal(6, #sites("uprobe:" .. path .. ":elf_*"))
	end)

	it("refuses a uretprobe on Go, but not a uprobe", function()
		local path = fixture "elf_go"
		fails("uretprobe:" .. path .. ":main.(*S).f", "a uretprobe breaks Go programs", 95)
		fails("uretprobe:" .. path .. ":0x1000", "a uretprobe breaks Go programs", 95)
		assert.equal(1, #sites("uprobe:" .. path .. ":main.(*S).f"))
	end)

	it("checks that a USDT probe exists", function()
		local path = fixture "elf_pie"
		assert.equal("second", sites("usdt:" .. path .. ":elf_provider:second")[1].name)
		fails("usdt:" .. path .. ":elf_provider:secund",
			"no USDT probe 'elf_provider:secund' (nearest: elf_provider:second", 2)
		fails("usdt:" .. path .. ":x:y",
			"no USDT probe 'x:y'; there are elf_provider:first, elf_provider:second, other:first", 2)
		fails("usdt:" .. fixture "libelf_versions.so" .. ":x:y", "the file has no USDT probes", 2)
	end)

	it("says what a file is that it cannot take", function()
		fails("uprobe:/nowhere/x:f", "open /nowhere/x: No such file or directory", 2)
		fails("uprobe:/tmp:f", "open /tmp: it is a directory", 21)
		fails("uprobe:" .. spill("script", "#!/bin/sh\n") .. ":f", "it is not an ELF file", 8)
		fails("usdt:/dev/null:p:n", "it is a device, not a file", 22)
	end)

	it("takes `exe` of a process", function()
		local pid = lab.pid()
		local _, _, path = sites("uprobe:exe:*", { pid = pid })
		assert.equal(("/proc/%d/exe"):format(pid), path)
		fails("uprobe:exe:main", "'exe' is the program of a process: give its pid", 22)
		fails("uprobe:exe:main", "open /proc/4194305/exe: No such file or directory", 2, { pid = 4194305 })
	end)

	it("takes a library as a process has it mapped", function()
		local pid = lab.pid()
		local _, _, path = sites("uprobe:libelf:elf_begin", { pid = pid })
		assert.truthy(path:find("^/proc/" .. pid .. "/root/.*/libelf[^/]*$"), path)
		_, _, path = sites("uprobe:libelf.so.1:elf_begin", { pid = pid })
		assert.truthy(path:find("^/proc/" .. pid .. "/root/.*/libelf[^/]*$"), path)
		fails("uprobe:libnothing:f", ("process %d has no 'libnothing' mapped: give its path"):format(pid), 2,
			{ pid = pid })
		fails("uprobe:libc:f", "there is no process 4194305", 3, { pid = 4194305 })
	end)
end)
