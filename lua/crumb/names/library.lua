--- library: the files that a bare name in a target means.
--
-- Of a process, what that process has mapped; otherwise, and of one that has not become its program yet, the libraries in
-- the dynamic linker's cache. Never PATH, never LD_LIBRARY_PATH: the environment must not choose what root attaches to.

local binaries <const> = require "crumb.lazy" "crumb.binaries"
local core <const> = require "crumb.core"
local glob <const> = require "crumb.names.glob"
local mapped <const> = require "crumb.names.mapped"

local library = {}

local ENOENT <const>, EINVAL <const>, ENOTUNIQ <const> = 2, 22, 76

local CACHE_MAX <const> = 16 << 20
local HEADER <const>, ENTRY <const> = 48, 24

-- What glibc's ldconfig writes beside each 64-bit library of these machines.
local CACHE_FLAGS <const> = {
	x86_64 = 0x0303, aarch64 = 0x0a03, riscv = 0x1003, ppc64 = 0x0503, loongarch = 0x1203,
}

-- The string at an offset of the cache, nil when it does not end within; and how far it was looked for.
local function string_at(text, base, at)
	local from <const> = base + at
	local stop <const> = text:find("\0", from, true)
	if not stop or stop - from > 4096 then return nil, (stop or math.max(from, #text)) - from end
	return text:sub(from, stop - 1), stop - from
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
	local budget = 8 * #text -- overlapping strings could make a small file take all memory; true ones share little
	for i = 0, math.min(count, (#text - base + 1 - HEADER) // ENTRY) - 1 do
		local kind <const>, key <const>, value <const> = ("<I4I4I4"):unpack(text, base + HEADER + i * ENTRY)
		if kind == flags then
			local soname <const>, looked <const> = string_at(text, base, key)
			local path <const>, further <const> = string_at(text, base, value)
			budget = budget - looked - further
			if budget < 0 then break end
			if soname and path then list[#list + 1] = { soname = soname, path = path } end
		end
	end
	return list
end

-- "libc" and "libc.so" mean "libc.so.6"; a whole name means itself. A glob may match any of these.
local function meaning(name)
	local test <const> = glob.is(name) and glob.compile(name) or function(other) return other == name end
	return function(soname)
		if test(soname) then return true, true end
		local stem <const>, link <const> = soname:match "^(.-)%.so", soname:match "^(.-%.so)"
		return stem ~= nil and (test(stem) or test(link)), false
	end
end

local function wanted(name, list)
	local exact <const>, loose <const>, seen <const> = {}, {}, {}
	local means <const> = meaning(name)
	for _, entry in ipairs(list) do
		local meant <const>, whole <const> = means(entry.soname)
		if meant and not seen[entry.path] then
			seen[entry.path] = true
			loose[#loose + 1] = entry
			if whole then exact[#exact + 1] = entry end
		end
	end
	return #exact > 0 and not glob.is(name) and exact or loose
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
	local elf <close> = binaries.elf("/proc/self/exe")
	return elf and elf:machine()
end

local function stem_of(soname) return soname:match "^(.-)%.so" or soname end

local function near(name, list)
	if glob.is(name) then return "" end
	local names <const> = {}
	for i, entry in ipairs(list) do names[i] = stem_of(entry.soname) end
	return (select(2, core.nearest(name, names)))
end

-- A glob may mean several, a name one.
local function chosen(name, found)
	if #found == 1 or glob.is(name) then return found end
	return nil, ("'%s' may be %s: give the path"):format(name, paths_of(found)), ENOTUNIQ
end

-- A program of that name, to be named to people; which one is meant they say themselves.
local function program(name)
	for _, folder in ipairs { "/usr/bin/", "/usr/sbin/", "/bin/", "/usr/local/bin/" } do
		local file <close> = name:find "^[%w_.+-]+$" and binaries.elf(folder .. name) or nil
		if file then return folder .. name end
	end
end

--- The libraries of a name in the dynamic linker's cache.
---@param name string such as `libc` or `libc.so.6`, or a glob
---@param cache string? the cache's path
---@return { soname: string, path: string }[]?
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
	if #found > 0 then return chosen(name, found) end
	local path <const> = program(name)
	return nil, ("no library '%s' in %s%s; a program is given by its path, %sor by its name with pid = N")
		:format(name, cache, path and "" or near(name, list), path and path .. ", " or ""), ENOENT
end

-- libelf.so.1 may be a link to libelf-0.188.so: what counts is how the file calls itself.
local function by_soname(name, files)
	local list <const> = {}
	for _, file in ipairs(files) do
		local elf <close> = binaries.elf(file.open)
		local soname <const> = elf and elf:soname()
		if soname then list[#list + 1] = { soname = soname, path = file.path, open = file.open } end
	end
	return wanted(name, list)
end

-- The program or library as a process sees it.
local function in_process(name, pid)
	local files <const>, why <const>, err <const> = mapped.files(pid)
	if not files then return nil, why, err end
	local found = wanted(name, files)
	if #found == 0 then found = by_soname(name, files) end
	if #found > 0 then return chosen(name, found) end
	if #files == 0 then
		return nil, ("process %d has nothing mapped: it is one of the kernel's, or has ended"):format(pid), ENOENT
	end
	return nil, ("process %d has no '%s' mapped%s: give its path"):format(pid, name, near(name, files)), ENOENT
end

-- The program of a process: of one that waits to become it, what that will be. A script's is its interpreter.
local function program_of(pid)
	local path <const> = core.program(pid)
	if not path then return ("/proc/%d/exe"):format(pid) end
	local file <close> = io.open(path, "rb")
	return file and (file:read(256) or ""):match "^#![ \t]*(/[^ \t\n]+)" or path
end

--- The files that a name without a "/" means.
--- Shape: `open` is what to open, where that is not the path
---@param name string a library's name, a glob, or with a pid `exe` or the name of what is mapped
---@param pid integer?
---@return { path: string, open: string? }[]?
---@return string? reason
---@return integer? errno
function library.files(name, pid)
	if name == "exe" and not pid then return nil, "'exe' is the program of a process: give its pid", EINVAL end
	if name == "exe" then return { { path = program_of(pid) } } end
	-- What waits to become its program has mapped nothing of it yet.
	if not pid or core.program(pid) then return library.in_cache(name) end
	return in_process(name, pid)
end

return library
