--- kernel: which functions of the kernel a target means.
--
-- Read from /proc/kallsyms, and from tracefs what ftrace can reach. Both are kept as text and
-- searched, since a table of 100,000 names costs more than the first few questions do.

local core <const> = require "crumb.core"
local glob <const> = require "crumb.names.glob"

local kernel = {}

local Reader <const> = {}
Reader.__index = Reader

local ENOENT <const>, EACCES <const>, EINVAL <const>, ENOTUNIQ <const>, EOPNOTSUPP <const> = 2, 13, 22, 76, 95

-- So many questions are searched for; for more an index is made (it costs as much as 40).
local SEARCHES <const> = 32
local LISTED <const> = 8

---@class crumb.KernelSite
---@field symbol string the function's name
---@field address integer? its address, where the kernel shows addresses
---@field module string? the module it is in
---@field offset integer bytes after its start

---@class crumb.KernelPaths
---@field kallsyms string?
---@field tracefs string[]? where tracefs may be mounted
---@field blacklist string? the functions that kprobes refuse
---@field pmus string? the folder of perf's event sources

--- A reader of one kernel's names; `kernel.resolve` is one on the running kernel's files.
---@param paths crumb.KernelPaths?
function kernel.reader(paths)
	paths = paths or {}
	return setmetatable({
		kallsyms = paths.kallsyms or "/proc/kallsyms",
		tracefs = paths.tracefs or { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" },
		blacklist = paths.blacklist or "/sys/kernel/debug/kprobes/blacklist",
		pmus = paths.pmus or "/sys/bus/event_source/devices",
		questions = 0,
	}, Reader)
end

local function read_file(path)
	local file <close>, message <const>, err <const> = io.open(path, "r")
	if not file then return nil, message, err end
	return file:read("a")
end

-- The text of kallsyms. It is read once, and once more where a name is missing: modules come and go.
function Reader:symbols(again)
	if self.text and not (again and os.difftime(os.time(), self.read_at) >= 1) then return self.text end
	local text <const>, message <const>, err <const> = read_file(self.kallsyms)
	if not text then return nil, message, err end
	if text == "" then return nil, self.kallsyms .. " is empty", EACCES end
	self.text, self.read_at, self.questions = text, os.time(), 0
	self.index, self.reachable, self.refused = nil, nil, nil
	return text
end

local LINE <const> = "^(%x+) ([tTwW]) ([^\t\n]+)\t?%[?([^%]\n]*)"

-- The place in the text where the line at or before `at` begins.
local function line_start(text, at)
	while at > 1 and text:byte(at - 1) ~= 10 do at = at - 1 end
	return at
end

local function site_at(text, start)
	local address <const>, _, symbol <const>, module <const> = text:match(LINE, start)
	if not symbol then return nil end
	local value <const> = tonumber(address, 16)
	return {
		symbol = symbol,
		address = value ~= 0 and value or nil,
		module = module ~= "" and module or nil,
		offset = 0,
		start = start,
	}
end

local function make_index(text)
	local index <const> = {}
	for start, name in text:gmatch("()%x+ [tTwW] ([^\t\n]+)") do
		local known <const> = index[name]
		if not known then
			index[name] = start
		elseif type(known) == "table" then
			known[#known + 1] = start
		else
			index[name] = { known, start }
		end
	end
	return index
end

-- Every function of that very name.
function Reader:find(name)
	local text <const> = self.text
	local found <const> = {}
	self.questions = self.questions + 1
	if self.questions > SEARCHES then
		self.index = self.index or make_index(text)
		local starts = self.index[name] or {}
		if type(starts) ~= "table" then starts = { starts } end
		for _, start in ipairs(starts) do found[#found + 1] = site_at(text, start) end
		return found
	end
	local at = 1
	while true do
		local first <const>, last <const> = text:find(" " .. name, at, true)
		if not first then return found end
		local after <const> = text:byte(last + 1)
		if after == 10 or after == 9 or after == nil then
			found[#found + 1] = site_at(text, line_start(text, first))
		end
		at = last + 1
	end
end

-- The names of all functions that `test` likes, each once.
function Reader:names(test)
	local names <const>, seen <const> = {}, {}
	for name in self.text:gmatch(" [tTwW] ([^\t\n]+)") do
		if not seen[name] and (not test or test(name)) then
			seen[name] = true
			names[#names + 1] = name
		end
	end
	return names
end

-- The names in a file of them, one a line; false when it cannot be read or is empty.
local function name_set(path, pattern)
	local text <const> = read_file(path)
	if not text or text == "" then return false end
	local set <const> = {}
	for name in text:gmatch(pattern) do set[name] = true end
	return set
end

-- Whether a function can be probed, as far as the kernel lets that be known; else why not.
function Reader:probeable(symbol, by_kprobe)
	if self.refused == nil then
		self.refused = name_set(self.blacklist, "\t([^\t\n ]+)")
	end
	if by_kprobe and self.refused and self.refused[symbol] then return false, "the kernel keeps kprobes off it" end
	if self.reachable == nil then
		self.reachable = false
		for _, root in ipairs(self.tracefs) do
			self.reachable = self.reachable
				or name_set(root .. "/available_filter_functions", "([^ \n]+)[^\n]*\n?")
		end
	end
	if self.reachable and not self.reachable[symbol] then
		return false, "it is notrace, or assembly: ftrace does not reach it"
	end
	return true
end

-- Where the machine lists its event sources and kprobe is not among them, it has none.
function Reader:has_kprobes()
	local file <close> = io.open(self.pmus .. "/kprobe/type", "r")
	if file then return true end
	local sources <const> = core.directory(self.pmus)
	return not sources or #sources == 0
end

local function fail(target, err, format, ...)
	return nil, target.text .. ": " .. format:format(...), err
end

local function by_kprobe(target)
	return target.kind == "kprobe" or target.kind == "kretprobe"
end

local function listed(sites)
	local out <const> = {}
	for i, site in ipairs(sites) do
		if i > LISTED then
			out[#out + 1] = ("and %d more"):format(#sites - LISTED)
			break
		end
		out[#out + 1] = (site.address and ("0x%x"):format(site.address) or "an address that is hidden")
			.. (site.module and (" [%s]"):format(site.module) or "")
	end
	return table.concat(out, ", ")
end

-- Where a function is not there: variants that the compiler made of it, or the nearest names.
function Reader:missing(target)
	local symbol <const> = target.symbol
	local variants <const> = self:names(function(name)
		return name:sub(1, #symbol + 1) == symbol .. "."
	end)
	local whole
	for _, name in ipairs(variants) do
		whole = whole or (not name:find(".cold", 1, true) and name)
	end
	if whole then
		return fail(target, ENOENT, "'%s' exists only as %s, since the compiler changed its arguments; %s:%s takes it",
			symbol, table.concat(variants, ", "), target.kind, whole)
	end
	if #variants > 0 then
		return fail(target, EOPNOTSUPP, "'%s' exists, but cannot be probed: it is inlined (only %s is left)",
			symbol, table.concat(variants, ", "))
	end
	local _ <const>, near <const> = core.nearest(symbol, self:names())
	return fail(target, ENOENT, "no kernel function '%s'%s; it may be inlined or in a module that is not loaded",
		symbol, near)
end

-- How long a function can be: the way to the next symbol. nil when addresses are hidden.
function Reader:length(site)
	if not site.address then return nil end
	local at = self.text:find("\n", site.start, true)
	while at do
		local next_address <const> = tonumber(self.text:match("^%x+", at + 1) or "", 16)
		if not next_address then return nil end
		if math.ult(site.address, next_address) then return next_address - site.address end
		at = self.text:find("\n", at + 1, true)
	end
	return nil
end

local function clean(site)
	site.start = nil
	return site
end

function Reader:exact(target)
	local found = self:find(target.symbol)
	if #found == 0 and self:symbols(true) then found = self:find(target.symbol) end
	if #found == 0 then return self:missing(target) end
	local site <const> = found[1]
	if #found > 1 then
		local way <const> = site.address and by_kprobe(target)
			and ("; %s:0x%x takes the first"):format(target.kind, site.address) or ""
		return fail(target, ENOTUNIQ, "%d functions are called '%s': at %s%s", #found, target.symbol,
			listed(found), way)
	end
	local can <const>, why <const> = self:probeable(target.symbol, by_kprobe(target))
	if not can then
		return fail(target, EOPNOTSUPP, "'%s' exists, but cannot be probed: %s", target.symbol, why)
	end
	site.offset = target.offset or 0
	local length <const> = site.offset > 0 and self:length(site)
	if length and site.offset >= length then
		return fail(target, EINVAL, "+0x%x lies past the end of '%s', which has %d bytes", site.offset,
			site.symbol, length)
	end
	return { sites = { clean(site) } }
end

function Reader:matching(target)
	local sites <const>, skipped <const> = {}, {}
	local names <const> = self:names(glob.compile(target.symbol))
	for _, name in ipairs(names) do
		local can, why = self:probeable(name, by_kprobe(target))
		if can and name:find(".cold", 1, true) then can, why = false, "it is a part that is jumped to" end
		local found <const> = can and self:find(name) or {}
		if #found > 1 and not found[1].address then can, why = false, #found .. " functions are called so" end
		if can then
			for _, site in ipairs(found) do sites[#sites + 1] = clean(site) end
		else
			skipped[#skipped + 1] = { symbol = name, reason = why }
		end
	end
	if #sites == 0 and #skipped > 0 then
		return fail(target, EOPNOTSUPP, "of %d functions that match '%s' none can be probed (%s: %s)",
			#skipped, target.symbol, skipped[1].symbol, skipped[1].reason)
	end
	if #sites == 0 then return fail(target, ENOENT, "no kernel function matches '%s'", target.symbol) end
	return { sites = sites, skipped = skipped }
end

function Reader:at_address(target)
	local digits <const> = ("%016x"):format(target.address)
	local at <const> = self.text:find("\n" .. digits .. " ", 1, true)
	local start <const> = at and at + 1 or (self.text:sub(1, 17) == digits .. " " and 1)
	local place = start
	while place and self.text:sub(place, place + 16) == digits .. " " do
		local site <const> = site_at(self.text, place)
		if site then
			local can <const>, why <const> = self:probeable(site.symbol, true)
			if can then return { sites = { clean(site) } } end
			return fail(target, EOPNOTSUPP, "'%s' exists, but cannot be probed: %s", site.symbol, why)
		end
		place = (self.text:find("\n", place, true) or #self.text) + 1
	end
	if self.text:find("^0+ ") and not self.text:find("\n%x*[1-9a-f]%x* ") then
		return fail(target, EACCES, "addresses are hidden from this user: root sees them")
	end
	return fail(target, ENOENT, "no function begins at 0x%x", target.address)
end

--- The functions that a kprobe, kretprobe, fentry or fexit target means.
--- Shape: { sites = { crumb.KernelSite, ... }, skipped = { { symbol, reason }, ... } of a glob }
--- Errors: nil, message, errno: ENOENT no such function, ENOTUNIQ several of that name, EOPNOTSUPP it exists
--- and cannot be probed, or the kernel has no kprobes, EINVAL an offset past the end.
--- Source: /proc/kallsyms, tracefs' available_filter_functions, debugfs' kprobes/blacklist
---@param target crumb.Target
---@return { sites: crumb.KernelSite[], skipped: table[]? }?
---@return string? message
---@return integer? errno
function Reader:resolve(target)
	if by_kprobe(target) and not self:has_kprobes() then
		return fail(target, EOPNOTSUPP, "this kernel has no kprobes: it was built without CONFIG_KPROBE_EVENTS")
	end
	local text <const>, message <const>, err <const> = self:symbols()
	if not text then return fail(target, err, "the kernel's symbols cannot be read: %s", message) end
	if target.address then return self:at_address(target) end
	if not target.exact and glob.is(target.symbol) then return self:matching(target) end
	return self:exact(target)
end

local running

--- `Reader:resolve` for the running kernel, whose names are read once.
---@param target crumb.Target
---@return { sites: crumb.KernelSite[], skipped: table[]? }?
---@return string? message
---@return integer? errno
function kernel.resolve(target)
	running = running or kernel.reader()
	return running:resolve(target)
end

return kernel
