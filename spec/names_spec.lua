-- crumb.names: what a target's words mean on a machine.
local binary = require "crumb.names.binary"
local choice = require "crumb.bpf.choice"
local lab = require "support.lab"
local core = require "crumb.core"
local files = require "crumb.names.files"
local glob = require "crumb.names.glob"
local kernel = require "crumb.names.kernel"
local library = require "crumb.names.library"
local target = require "crumb.target"
local tracepoint = require "crumb.names.tracepoint"
local usdt = require "crumb.names.usdt"

local FIXTURES = "build/fixtures/"
local folder

local function exists(path)
	local file <close> = io.open(path, "rb")
	return file ~= nil
end

local function fixture(name)
	local path = FIXTURES .. name
	if not exists(path) then pending("there is no " .. path .. " (built by make)") end
	return path
end

local function spill(name, bytes)
	local file <close> = assert(io.open(folder .. "/" .. name, "wb"))
	file:write(bytes)
	return folder .. "/" .. name
end

local function descriptors()
	collectgarbage()
	return #assert(core.directory "/proc/self/fd")
end

local function pid_of_self()
	local file <close> = assert(io.open("/proc/self/stat"))
	return file:read "n"
end

setup(function()
	folder = os.tmpname()
	os.remove(folder)
	assert(os.execute("mkdir " .. folder))
end)

teardown(function() os.execute("rm -r " .. folder) end)

describe("glob", function()
	local function matches(pattern, yes, no)
		local test = glob.compile(pattern)
		for name in yes:gmatch "%S+" do assert.is_true(test(name), pattern .. " should match " .. name) end
		for name in no:gmatch "%S+" do assert.is_false(test(name), pattern .. " should not match " .. name) end
	end

	it("takes stars", function()
		matches("*", "a main.x", "")
		matches("a*", "a ab abc", "b ba")
		matches("*a", "a ba aa", "ab")
		matches("a*a", "aa aba abaa", "a ab ba")
		matches("*ab*ab*", "abab xabyabz", "ab aab abba")
		matches("a*b*c", "abc aXbYc abbcc abcc", "acb ab abcd")
		matches("**", "a", "")
		matches("ab*ba", "abba abxba", "aba")
	end)

	it("takes question marks and sets", function()
		matches("a?c", "abc a.c", "ac abbc")
		matches("[abc]x", "ax bx cx", "dx abx x")
		matches("[a-c]x", "ax bx cx", "dx -x")
		matches("[!a-c]x", "dx -x ^x", "ax")
		matches("[^a-c]x", "dx", "ax")
		matches("f[0-9]*[!_]", "f1a f0_b", "f1_ fa f0")
		matches("[]]x", "]x", "[x")
		matches("[!]]x", "ax", "]x")
		matches("[a-]x", "ax -x", "bx")
		matches("[%]x", "%x", "ax")
		matches("[a-%]x", "", "ax %x bx")
		matches("[z-a]x", "", "ax zx mx")
		matches("[.]x", ".x", "ax")
		matches("[[]x", "[x", "]x")
		matches("[!!]x", "ax", "!x")
	end)

	it("takes everything else as it is", function()
		matches("main.(T).f*", "main.(T).f main.(T).fg", "mainx(T).f")
		matches("a%d*", "a%d a%dx", "a1")
		matches("a[", "a[", "a")
		matches("a[b", "a[b", "ab")
		matches("x^$*", "x^$ x^$y", "x")
	end)

	it("says which names are globs", function()
		for _, name in ipairs { "a*", "*", "a?", "[ab]" } do assert.is_true(glob.is(name)) end
		for _, name in ipairs { "a", "a::b(int)", "operator+", "a]", "" } do assert.is_false(glob.is(name)) end
	end)

	it("takes no longer for many stars", function()
		local test, name = glob.compile(("*a"):rep(40) .. "b"), ("a"):rep(4000)
		for _ = 1, lab.times(20) do assert.is_false(test(name)) end
	end)
end)

describe("names.binary", function()
	local before

	before_each(function() before = descriptors() end)
	after_each(function() assert.equal(before, descriptors()) end)

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
			local elf <close> = assert(core.elf(path))
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
		fails("uprobe:" .. FIXTURES .. "elf_pie:0x0", "the offset 0x0 lies in no executable segment", 22)
		fails("uprobe:" .. FIXTURES .. "elf_pie:+0x7fffffffffffffff", "lies in no executable segment", 22)
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
		fails("uprobe:" .. FIXTURES .. "elf_pie:elf_x*", "no function matches 'elf_x*'", 2)
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
		local elf <close> = assert(core.elf(path))
		local twins = elf:find "elf_twin"
		fails("uprobe:" .. path .. ":elf_twin", ("2 functions are called 'elf_twin': at offsets 0x%x, 0x%x; "
			.. "uprobe:%s:0xOFFSET takes one"):format(twins[1].offset, twins[2].offset, path), 76)
		assert.equal(twins[2].offset, sites(("uprobe:%s:0x%x"):format(path, twins[2].offset))[1].offset)
	end)

	it("refuses an IFUNC, with its likely implementations", function()
		local path = fixture "elf_pie"
		local elf <close> = assert(core.elf(path))
		local offset = elf:find("elf_fast")[1].offset
		fails("uprobe:" .. path .. ":elf_fast", "'elf_fast' is an IFUNC: the symbol is the resolver, which runs once "
			.. "and returns the function that is called (perhaps one of elf_fast_plain); to probe the resolver, use "
			.. ("uprobe:%s:0x%x"):format(path, offset), 95)
		assert.equal(1, #sites(("uprobe:%s:0x%x"):format(path, offset)))
		fails("uprobe:" .. path .. ":elf_fas[t]", "that can be probed (elf_fast: it is an IFUNC)", 95)
	end)

	it("takes versions, and the default one for a bare name", function()
		local path = fixture "libelf_versions.so"
		local elf <close> = assert(core.elf(path))
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
		local pid = pid_of_self()
		local _, _, path = sites("uprobe:exe:*", { pid = pid })
		assert.equal(("/proc/%d/exe"):format(pid), path)
		fails("uprobe:exe:main", "'exe' is the program of a process: give its pid", 22)
		fails("uprobe:exe:main", "open /proc/4194305/exe: No such file or directory", 2, { pid = 4194305 })
	end)

	it("takes a library as a process has it mapped", function()
		local pid = pid_of_self()
		local _, _, path = sites("uprobe:libelf:elf_begin", { pid = pid })
		assert.truthy(path:find("^/proc/" .. pid .. "/root/.*/libelf[^/]*$"), path)
		_, _, path = sites("uprobe:libelf.so.1:elf_begin", { pid = pid })
		assert.truthy(path:find("^/proc/" .. pid .. "/root/.*/libelf[^/]*$"), path)
		fails("uprobe:libnothing:f", ("process %d has no 'libnothing' mapped: give its path"):format(pid), 2,
			{ pid = pid })
		fails("uprobe:libc:f", "there is no process 4194305", 3, { pid = 4194305 })
	end)
end)

describe("names.library", function()
	local before
	before_each(function() before = descriptors() end)
	after_each(function() assert.equal(before, descriptors()) end)

	local function machine()
		local elf <close> = assert(core.elf "/proc/self/exe")
		return elf:machine()
	end

	-- A cache with these { flags, soname, path }, as ldconfig writes it.
	local function cache(entries)
		local strings, list = "", {}
		local base = 48 + 24 * #entries
		for i, entry in ipairs(entries) do
			local key = base + #strings
			strings = strings .. entry[2] .. "\0"
			local value = base + #strings
			strings = strings .. entry[3] .. "\0"
			list[i] = ("<I4I4I4I4I8"):pack(entry[1], key, value, 0, 0)
		end
		return "glibc-ld.so.cache1.1" .. ("<I4I4I4I4I4I4I4"):pack(#entries, #strings, 2, 0, 0, 0, 0)
			.. table.concat(list) .. strings
	end

	local X86 <const> = {
		{ 0x0303, "libz.so.1", "/lib/libz.so.1" },
		{ 0x0303, "libz.so", "/lib/libz.so" },
		{ 0x0003, "libc.so.6", "/lib32/libc.so.6" },
		{ 0x0303, "libc.so.6", "/lib/libc.so.6" },
		{ 0x0303, "libssl.so.3", "/lib/libssl.so.3" },
		{ 0x0303, "libssl.so.1.1", "/old/libssl.so.1.1" },
		{ 0x0303, "libfoo-2.0.so.0", "/lib/libfoo-2.0.so.0" },
	}

	local function look(name)
		if machine() ~= "x86_64" then pending "this cache is x86-64's" end
		local list, why, errno = library.in_cache(name, spill("cache", cache(X86)))
		local paths = {}
		for i, entry in ipairs(list or {}) do paths[i] = entry.path end
		return list and table.concat(paths, " "), why, errno
	end

	it("finds a library by its bare name and by its whole one", function()
		assert.equal("/lib/libc.so.6", look "libc")
		assert.equal("/lib/libc.so.6", look "libc.so")
		assert.equal("/lib/libc.so.6", look "libc.so.6")
		assert.equal("/lib/libz.so.1", look "libz")
		assert.equal("/lib/libz.so", look "libz.so")
		assert.equal("/old/libssl.so.1.1", look "libssl.so.1.1")
		assert.equal("/lib/libfoo-2.0.so.0", look "libfoo-2.0")
	end)

	it("finds all that a glob matches, each once", function()
		assert.equal("/lib/libssl.so.3 /old/libssl.so.1.1", look "libss*")
		assert.equal("/lib/libz.so.1", look "libz*")
		assert.equal("/lib/libc.so.6 /lib/libssl.so.3", look "lib*.so.[36]")
		assert.is_nil((look "libx*"))
	end)

	it("lists several, and the nearest where there is none", function()
		local path, why, errno = look "libssl"
		assert.is_nil(path)
		assert.equal("'libssl' may be /lib/libssl.so.3, /old/libssl.so.1.1: give the path", why)
		assert.equal(76, errno)
		path, why, errno = look "libsssl"
		assert.is_nil(path)
		assert.equal(("no library 'libsssl' in %s/cache (nearest: libssl); a program is given by its path, or by its name "
			.. "with pid = N")
			:format(folder), why)
		assert.equal(2, errno)
		assert.is_nil((look "c"))
		assert.is_nil((look "lib"))
		assert.is_nil((look ""))
		assert.is_nil((look "libc.so.7"))
	end)

	it("says where there is no cache", function()
		local path, why, errno = library.in_cache("libc", folder .. "/none")
		assert.is_nil(path)
		assert.equal(("'libc' has no '/', and there is no cache of libraries to find it in (%s/none): give its path")
			:format(folder), why)
		assert.equal(2, errno)
	end)

	it("finds the machine's own libc", function()
		if not exists "/etc/ld.so.cache" then pending "there is no /etc/ld.so.cache" end
		local elf <close> = assert(core.elf(assert(library.files "libc")[1].path))
		assert.equal(1, #elf:find "malloc")
	end)

	it("never looks in PATH or LD_LIBRARY_PATH", function()
		assert.is_nil((library.in_cache("ls", folder .. "/none")))
		assert.is_nil((library.files "ls"))
	end)

	it("takes no harm from a broken cache", function()
		local good = cache(X86)
		for length = 0, #good do library.parse_cache(good:sub(1, length), "x86_64") end
		for at = 1, #good do
			for _, byte in ipairs { "\0", "\xff" } do
				library.parse_cache(good:sub(1, at - 1) .. byte .. good:sub(at + 1), "x86_64")
			end
		end
		assert.equal(6, #library.parse_cache(good, "x86_64"))
		assert.equal(6, #library.parse_cache(("ld.so-1.7.0\0"):rep(4) .. good, "x86_64"))
		assert.is_nil(library.parse_cache(good, "vax"))
		assert.is_nil(library.parse_cache("", "x86_64"))
	end)

	it("takes no longer, and no more memory, where a cache's strings overlap, or have no end", function()
		local count <const> = 100000
		local entry <const> = ("<I4I4I4I4I8"):pack(0x303, 48 + 24 * count, 48 + 24 * count, 0, 0)
		local head <const> = "glibc-ld.so.cache1.1" .. ("<I4I4I4I4I4I4I4"):pack(count, 0, 2, 0, 0, 0, 0) .. entry:rep(count)
		local began <const> = core.now()
		local text <const> = head .. ("x"):rep(4000) .. "\0"
		assert.equal(8 * #text // 8000, #library.parse_cache(text, "x86_64"))
		assert.equal(0, #library.parse_cache(head .. ("x"):rep(4 << 20), "x86_64"))
		assert.is_true(core.now() - began < 5000000000)
	end)
end)

describe("names.kernel", function()
	local KALLSYMS <const> = [[
0000000000000000 A fixed_percpu_data
ffffffff81000000 T _stext
ffffffff81000100 T vfs_read
ffffffff81000140 t vfs_helper
ffffffff81000140 t vfs_helper_alias
ffffffff81000180 W weak_one
ffffffff810001c0 t twin
ffffffff81000200 t twin
ffffffff81000240 t only_isra.isra.0
ffffffff81000250 t only_isra.isra.0.cold
ffffffff81000260 t only_cold.cold
ffffffff81000270 t noreach
ffffffff81000280 t refused
ffffffff81000300 d vfs_data
ffffffff81000400 T vfs_write
ffffffffc0001000 t mod_one	[mod]
ffffffffc0001000 t vfs_read_mod	[mod]
ffffffffc0002000 t in_both	[one]
ffffffffc0003000 t in_both	[two]
]]
	local REACHABLE <const> = table.concat({
		"_stext", "vfs_read", "vfs_helper", "vfs_helper_alias", "weak_one", "twin", "only_isra.isra.0", "refused",
		"vfs_write", "mod_one [mod]", "vfs_read_mod [mod]", "in_both [one]", "in_both [two]", "",
	}, "\n")

	local before, reader

	before_each(function()
		before = descriptors()
		os.execute(("mkdir -p %s/pmus/kprobe %s/tracing"):format(folder, folder))
		spill("pmus/kprobe/type", "8\n")
		spill("tracing/available_filter_functions", REACHABLE)
		reader = kernel.reader {
			kallsyms = spill("kallsyms", KALLSYMS),
			tracefs = { folder .. "/none", folder .. "/tracing" },
			blacklist = spill("blacklist", "0xffffffff81000280-0xffffffff81000290\trefused\n"),
			pmus = folder .. "/pmus",
		}
	end)

	after_each(function()
		os.execute(("rm -r %s/pmus %s/tracing"):format(folder, folder))
		assert.equal(before, descriptors())
	end)

	local function site(text)
		local result = assert(reader:resolve(target.parse(text)))
		assert.equal(1, #result.sites)
		return result.sites[1]
	end

	local function fails(text, message, errno)
		local result, why, number = reader:resolve(target.parse(text))
		assert.is_nil(result)
		assert.equal(text .. ": " .. message, why)
		assert.equal(errno, number)
	end

	it("finds functions of every kind", function()
		assert.same({ symbol = "vfs_read", address = 0xffffffff81000100, size = 0x40, offset = 0 }, site "kprobe:vfs_read")
		assert.equal(0xffffffff81000180, site("kretprobe:weak_one").address)
		assert.equal(0xffffffff81000140, site("fentry:vfs_helper").address)
		assert.same({ symbol = "mod_one", address = 0xffffffffc0001000, size = 0x1000, module = "mod", offset = 0 },
			site "fexit:mod_one")
		assert.equal(0x10, site("kprobe:vfs_read+0x10").offset)
		assert.equal("only_isra.isra.0", site("kprobe:only_isra.isra.0").symbol)
	end)

	it("finds the last line, with and without its end", function()
		spill("kallsyms", "ffffffff81000100 T vfs_read\nffffffff81000200 T vfs_write")
		assert.equal(0xffffffff81000100, site("kprobe:vfs_read").address)
		assert.equal(0xffffffff81000200, site("kprobe:vfs_write").address)
	end)

	it("names the nearest", function()
		fails("kprobe:vfs_raed", "no kernel function 'vfs_raed' (nearest: vfs_read); it may be inlined or in a "
			.. "module that is not loaded", 2)
		fails("kprobe:vfs_data", "no kernel function 'vfs_data'; it may be inlined or in a module that is not loaded", 2)
	end)

	it("lists the functions of a name held twice, of which an address takes one", function()
		fails("kprobe:twin", "2 functions are called 'twin': at 0xffffffff810001c0, 0xffffffff81000200; "
			.. "kprobe:0xffffffff810001c0 takes the first", 76)
		fails("fentry:in_both",
			"2 functions are called 'in_both': at 0xffffffffc0002000 [one], 0xffffffffc0003000 [two]", 76)
		assert.same({ symbol = "twin", address = 0xffffffff81000200, size = 0x40, offset = 0, by_address = true },
			site "kprobe:0xffffffff81000200")
		fails("kprobe:0xffffffff81000201", "no function begins at 0xffffffff81000201", 2)
		fails("kprobe:0xffffffff81000300", "no function begins at 0xffffffff81000300", 2)
	end)

	it("knows what the compiler made of a function", function()
		fails("kprobe:only_isra", "'only_isra' exists only as only_isra.isra.0, only_isra.isra.0.cold, since the "
			.. "compiler changed its arguments; kprobe:only_isra.isra.0 takes it", 2)
		fails("kprobe:only_cold", "'only_cold' exists, but cannot be probed: it is inlined (only only_cold.cold is left)",
			95)
	end)

	it("tells what exists and cannot be probed from what does not exist", function()
		fails("kprobe:noreach",
			"'noreach' exists, but cannot be probed: it is notrace, or assembly: ftrace does not reach it", 95)
		fails("kprobe:refused", "'refused' exists, but cannot be probed: the kernel keeps kprobes off it", 95)
		fails("kprobe:0xffffffff81000280", "'refused' exists, but cannot be probed: the kernel keeps kprobes off it", 95)
		assert.equal("refused", site("fentry:refused").symbol)
	end)

	it("goes on where tracefs cannot be read", function()
		os.remove(folder .. "/tracing/available_filter_functions")
		os.remove(folder .. "/blacklist")
		assert.equal("noreach", site("kprobe:noreach").symbol)
		assert.equal("refused", site("kprobe:refused").symbol)
		fails("kprobe:only_c*",
			"of 1 functions that match 'only_c*' none can be probed (only_cold.cold: it is a part that is jumped to)", 95)
	end)

	it("refuses an offset past the function's end", function()
		assert.equal(0x3f, site("kprobe:vfs_helper+0x3f").offset)
		fails("kprobe:vfs_helper+0x40", "+0x40 lies past the end of 'vfs_helper', which has 64 bytes", 22)
	end)

	it("says first when the kernel has no kprobes, which fentry does not need", function()
		os.execute(("rm -r %s/pmus/kprobe; mkdir %s/pmus/uprobe"):format(folder, folder))
		fails("kprobe:no_such_function", "this kernel has no kprobes: it was built without CONFIG_KPROBE_EVENTS", 95)
		assert.equal("vfs_read", site("fentry:vfs_read").symbol)
		os.execute(("rm -r %s/pmus"):format(folder))
		assert.equal("vfs_read", site("kprobe:vfs_read").symbol) -- no sysfs: nobody knows
		os.execute(("mkdir %s/pmus"):format(folder))
	end)

	it("takes a glob, each function once, without what cannot be probed", function()
		local result = assert(reader:resolve(target.parse "kprobe:vfs_*"))
		local names = {}
		for _, each in ipairs(result.sites) do names[#names + 1] = each.symbol end
		assert.same({ "vfs_read", "vfs_helper", "vfs_helper_alias", "vfs_write", "vfs_read_mod" }, names)
		assert.same({}, result.skipped)
		result = assert(reader:resolve(target.parse "kprobe:*[ed]"))
		assert.same({ symbol = "refused", address = 0xffffffff81000280, size = 0x80, offset = 0,
			reason = "the kernel keeps kprobes off it" }, result.skipped[#result.skipped])
		result = assert(reader:resolve(target.parse "kprobe:twi?"))
		assert.same({ 0xffffffff810001c0, 0xffffffff81000200 }, { result.sites[1].address, result.sites[2].address })
		assert.is_true(result.sites[1].by_address and result.sites[2].by_address)
		fails("fentry:twi?", "of 2 functions that match 'twi?' none can be probed (twin: 2 functions are called so)", 95)
		fails("kprobe:zz*", "no kernel function matches 'zz*'", 2)
		fails("kprobe:only_c*", "of 1 functions that match 'only_c*' none can be probed (only_cold.cold: it is notrace, "
			.. "or assembly: ftrace does not reach it)", 95)
	end)

	it("takes no glob for what is to be an exact name", function()
		for _, text in ipairs { "kprobe:vfs_*", "fentry:vfs_rea?" } do
			local parsed = target.parse(text)
			parsed.exact = true
			local result, why, errno = reader:resolve(parsed)
			assert.is_nil(result)
			assert.truthy(why:find(("no kernel function '%s'"):format(parsed.symbol), 1, true), why)
			assert.equal(2, errno)
		end
	end)

	it("works where addresses are hidden", function()
		spill("kallsyms", (KALLSYMS:gsub("ffffffff%x+", ("0"):rep(16))))
		assert.same({ symbol = "vfs_read", offset = 0 }, site "kprobe:vfs_read")
		fails("kprobe:twin", "2 functions are called 'twin': at an address that is hidden, an address that is hidden", 76)
		fails("kprobe:0xffffffff81000200", "addresses are hidden from this user: root sees them", 13)
		assert.equal(0x1000, site("kprobe:vfs_read+0x1000").offset)
	end)

	it("reads the symbols again when a name is missing, a second later", function()
		assert.equal("vfs_read", site("kprobe:vfs_read").symbol)
		spill("kallsyms", KALLSYMS .. "ffffffffc0009000 t late\t[late]\n")
		fails("kprobe:late", "no kernel function 'late'; it may be inlined or in a module that is not loaded", 2)
		os.remove(folder .. "/tracing/available_filter_functions")
		assert.truthy(lab.eventually(function() return reader:resolve(target.parse "kprobe:late") end))
		assert.equal("late", site("kprobe:late").module)
	end)

	it("says when the symbols cannot be read", function()
		os.remove(folder .. "/kallsyms")
		fails("kprobe:x", ("the kernel's symbols cannot be read: read %s/kallsyms: No such file or directory"):format(folder), 2)
	end)

	it("reads the running kernel's", function()
		if not exists "/proc/kallsyms" then pending "there is no /proc/kallsyms" end
		local result = assert(kernel.resolve(target.parse "fentry:vfs_read"))
		assert.equal("vfs_read", result.sites[1].symbol)
		local none, why, errno = kernel.resolve(target.parse "fentry:vfs_reed")
		assert.is_nil(none)
		assert.truthy(why:find("fentry:vfs_reed: no kernel function 'vfs_reed' (nearest: vfs_read", 1, true), why)
		assert.equal(2, errno)
	end)
end)

describe("names.tracepoint", function()
	local before, root

	before_each(function()
		before = descriptors()
		root = folder .. "/tracefs"
		for _, path in ipairs { "sched/sched_switch", "sched/sched_wakeup", "irq/irq_handler_entry", "block/alike",
			"broken/nothing" } do
			os.execute(("mkdir -p %s/events/%s"):format(root, path))
		end
		for path, id in pairs { ["sched/sched_switch"] = 316, ["sched/sched_wakeup"] = 318,
			["irq/irq_handler_entry"] = 99, ["block/alike"] = 5 } do
			spill("tracefs/events/" .. path .. "/id", id .. "\n")
		end
		spill("tracefs/events/sched/enable", "0\n")
		spill("tracefs/events/sched/filter", "none\n")
		spill("tracefs/events/header_page", "\n")
	end)

	after_each(function()
		os.execute("rm -r " .. root)
		assert.equal(before, descriptors())
	end)

	local function resolve(category, name)
		return tracepoint.reader({ folder .. "/none", root }):resolve(category, name)
	end

	local function fails(category, name, message, errno)
		local result, why, number = resolve(category, name)
		assert.is_nil(result)
		assert.equal(("tracepoint:%s:%s: %s"):format(category, name, message), why)
		assert.equal(errno, number)
	end

	it("finds one", function()
		assert.same({ sites = { {
			symbol = "sched:sched_switch", category = "sched", name = "sched_switch", id = 316,
			path = root .. "/events/sched/sched_switch",
		} } }, resolve("sched", "sched_switch"))
	end)

	it("takes globs", function()
		local names = {}
		for _, site in ipairs(assert(resolve("*", "*")).sites) do names[#names + 1] = site.symbol end
		assert.same({ "block:alike", "irq:irq_handler_entry", "sched:sched_switch", "sched:sched_wakeup" }, names)
		assert.equal(2, #assert(resolve("sched", "sched_*")).sites)
		fails("sched", "x*", "no tracepoint 'x*' in sched", 2)
		fails("x*", "y", "no category 'x*'", 2)
	end)

	it("names the nearest, or where it is", function()
		fails("sched", "sched_swich", "no tracepoint 'sched_swich' in sched (nearest: sched_switch)", 2)
		fails("shed", "x", "no category 'shed' (nearest: sched)", 2)
		fails("irq", "sched_switch", "no tracepoint 'sched_switch' in irq (it is sched:sched_switch)", 2)
		fails("task", "sched_switch", "no category 'task' (it is sched:sched_switch)", 2)
		fails("sched", "enable", "no tracepoint 'enable' in sched", 2)
	end)

	it("refuses what would leave its folder, without looking", function()
		for _, word in ipairs { "..", ".", "", "../sched", "a/b", "a\0b", "a b", "a\n" } do
			fails(word, "x", "the category is not a name", 22)
			fails("sched", word, "the name is not a name", 22)
		end
	end)

	it("says when an event has no number", function()
		local result, why, errno = resolve("broken", "nothing")
		assert.is_nil(result)
		assert.truthy(why:find("tracepoint:broken:nothing: " .. root, 1, true), why)
		assert.equal(2, errno)
		spill("tracefs/events/broken/nothing/id", "x\n")
		fails("broken", "nothing", root .. "/events/broken/nothing/id holds no number", 22)
	end)

	it("names the command that mounts tracefs", function()
		os.execute(("rm -r %s; mkdir %s"):format(root, root))
		local _, why, errno = tracepoint.reader({ root }):resolve("sched", "sched_switch")
		assert.equal(("tracepoint:sched:sched_switch: tracefs is not mounted: mount -t tracefs tracefs %s"):format(root), why)
		assert.equal(19, errno)
		_, why, errno = tracepoint.reader({ folder .. "/none" }):resolve("sched", "sched_switch")
		assert.equal(("tracepoint:sched:sched_switch: this kernel has no tracefs (there is no %s/none)"):format(folder), why)
		assert.equal(19, errno)
	end)

	it("reads the running kernel's", function()
		local result, why = tracepoint.resolve("sched", "sched_switch")
		if not result then pending(why) end
		assert.equal("sched:sched_switch", result.sites[1].symbol)
		assert.is_true(result.sites[1].id > 0)
	end)
end)
