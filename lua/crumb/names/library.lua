--- library: the file that a path in a target means.
--
-- A path with a "/" is itself. A bare name is a library: of a process what that process has
-- mapped, otherwise what the dynamic linker's cache has. Never PATH, never LD_LIBRARY_PATH: the
-- environment must not choose what root attaches to.

local core <const> = require "crumb.core"

local library = {}

local ENOENT <const>, ESRCH <const>, EINVAL <const>, ENOTUNIQ <const> = 2, 3, 22, 76

local CACHE_MAX <const> = 16 << 20
local HEADER <const>, ENTRY <const> = 48, 24

-- What glibc's ldconfig writes beside each 64-bit library of these machines.
local CACHE_FLAGS <const> = {
	x86_64 = 0x0303, aarch64 = 0x0a03, riscv = 0x1003, ppc64 = 0x0503, loongarch = 0x1203,
}

-- The string at an offset of the cache; nil when it does not end within.
local function string_at(text, base, at)
	local from <const> = base + at
	local stop <const> = text:find("\0", from, true)
	if not stop or stop - from > 4096 then return nil end
	return text:sub(from, stop - 1)
end

--- The libraries in a dynamic linker's cache.
--- Shape: { { soname = "libc.so.6", path = "/lib/.../libc.so.6" }, ... }
---@param text string the bytes of ld.so.cache
---@param machine string as elf:machine() says
---@return { soname: string, path: string }[]?
function library.parse_cache(text, machine)
	local flags <const> = CACHE_FLAGS[machine]
	local base <const> = text:find("glibc-ld.so.cache1.1", 1, true)
	if not flags or not base or #text - base + 1 < HEADER then return nil end
	local count <const> = ("<I4"):unpack(text, base + 20)
	local list <const> = {}
	for i = 0, math.min(count, (#text - base + 1 - HEADER) // ENTRY) - 1 do
		local kind <const>, key <const>, value <const> = ("<I4I4I4"):unpack(text, base + HEADER + i * ENTRY)
		if kind == flags then
			local soname <const>, path <const> = string_at(text, base, key), string_at(text, base, value)
			if soname and path then list[#list + 1] = { soname = soname, path = path } end
		end
	end
	return list
end

-- "libc" and "libc.so" mean "libc.so.6"; a whole name means itself.
local function means(name, soname)
	return soname == name or soname:match("^(.-)%.so") == name or soname:match("^(.-%.so)") == name
end

local function wanted(name, list)
	local exact <const>, loose <const>, seen <const> = {}, {}, {}
	for _, entry in ipairs(list) do
		if not seen[entry.path] and means(name, entry.soname) then
			seen[entry.path] = true
			loose[#loose + 1] = entry
			if entry.soname == name then exact[#exact + 1] = entry end
		end
	end
	return #exact > 0 and exact or loose
end

local function paths_of(list)
	local paths <const> = {}
	for i, entry in ipairs(list) do paths[i] = entry.path end
	return table.concat(paths, ", ")
end

-- A development package's libz.so beside libz.so.1 is the same library by another name.
local function without_links(list)
	if #list < 2 then return list end
	local versioned <const> = {}
	for _, entry in ipairs(list) do
		if not entry.soname:find("%.so$") then versioned[#versioned + 1] = entry end
	end
	return #versioned > 0 and versioned or list
end

-- Of this machine, which is that of the program that runs us.
local function own_machine()
	local elf <close> = core.elf("/proc/self/exe")
	return elf and elf:machine()
end

--- The path of a library in the dynamic linker's cache.
---@param name string such as `libc` or `libc.so.6`
---@param cache string? the cache's path
---@return string? path
---@return string? reason
---@return integer? errno
function library.in_cache(name, cache)
	cache = cache or "/etc/ld.so.cache"
	local file <close> = io.open(cache, "rb")
	local list <const> = file and library.parse_cache(file:read(CACHE_MAX) or "", own_machine())
	if not list then
		return nil, ("'%s' has no '/', and there is no cache of libraries to find it in (%s): give its path")
			:format(name, cache), ENOENT
	end
	local found <const> = without_links(wanted(name, list))
	if #found == 1 then return found[1].path end
	if #found > 1 then
		return nil, ("'%s' may be %s: give the path"):format(name, paths_of(found)), ENOTUNIQ
	end
	local names <const> = {}
	for _, entry in ipairs(list) do names[#names + 1] = entry.soname:match("^(.-)%.so") end
	local _ <const>, near <const> = core.nearest(name, names)
	return nil, ("no library '%s' in %s%s; a program is given by its path"):format(name, cache, near), ENOENT
end

-- Each file that a process has mapped, once.
local function mapped_files(pid)
	local file <close>, _, err <const> = io.open(("/proc/%d/maps"):format(pid), "r")
	if not file then
		if err == ENOENT then return nil, ("there is no process %d"):format(pid), ESRCH end
		return nil, ("the files of process %d cannot be seen"):format(pid), err
	end
	local list <const>, seen <const> = {}, {}
	for line in file:lines() do
		local path <const> = line:match("^%x+%-%x+ %S+ %x+ %x+:%x+ %d+%s+(/.*)$")
		if path and not seen[path] then
			seen[path] = true
			list[#list + 1] = { soname = path:match("[^/]*$"), path = ("/proc/%d/root%s"):format(pid, path) }
		end
	end
	return list
end

-- libelf.so.1 may be a link to libelf-0.188.so: what counts is how the file calls itself.
local function by_soname(name, files)
	local list <const> = {}
	for _, entry in ipairs(files) do
		local elf <close> = core.elf(entry.path)
		local soname <const> = elf and elf:soname()
		if soname then list[#list + 1] = { soname = soname, path = entry.path } end
	end
	return wanted(name, list)
end

-- The library as a process sees it: what it has mapped, in its own mount namespace.
local function in_process(name, pid)
	local files <const>, why <const>, err <const> = mapped_files(pid)
	if not files then return nil, why, err end
	local found = wanted(name, files)
	if #found == 0 then found = by_soname(name, files) end
	if #found == 1 then return found[1].path end
	if #found > 1 then
		return nil, ("'%s' may be %s: give the path"):format(name, paths_of(found)), ENOTUNIQ
	end
	return nil, ("process %d has no library '%s' mapped: give its path"):format(pid, name), ENOENT
end

--- The path to open for what a target calls its path.
---@param name string a path with a `/`, a library's bare name, or `exe` with a pid
---@param pid integer?
---@return string? path
---@return string? reason
---@return integer? errno
function library.path(name, pid)
	if name:find("/", 1, true) then return name end
	if name == "exe" then
		if not pid then return nil, "'exe' is the program of a process: give its pid", EINVAL end
		return ("/proc/%d/exe"):format(pid)
	end
	if pid then return in_process(name, pid) end
	return library.in_cache(name)
end

return library
