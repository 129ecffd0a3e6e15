-- crumb.names.library: the files that a path or a bare name means.
local binaries = require "crumb.binaries"
local core = require "crumb.core"
local Folder = require "support.folder"
local lab = require "support.lab"
local library = require "crumb.names.library"

local scratch, folder

local function spill(name, bytes) return scratch:write(name, bytes) end

setup(function()
	scratch = Folder.make()
	folder = scratch.path
end)

teardown(function() scratch:remove() end)

describe("names.library", function()
	local before
	before_each(function() before = lab.descriptors() end)
	after_each(function() assert.equal(before, lab.descriptors()) end)

	local function machine()
		local elf <close> = assert(binaries.elf "/proc/self/exe")
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
		if not lab.exists "/etc/ld.so.cache" then pending "there is no /etc/ld.so.cache" end
		local elf <close> = assert(binaries.elf(assert(library.files "libc")[1].path))
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
