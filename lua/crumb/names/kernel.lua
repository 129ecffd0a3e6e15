--- kernel: which functions of the kernel a target means, and which of them can be probed.
--
-- The names are csrc/kernel_names.c's; what ftrace can reach and what kprobes refuse is in tracefs and debugfs, where
-- that can be read.

local core <const> = require "crumb.core"
local glob <const> = require "crumb.names.glob"

local kernel = {}

local Reader <const> = {}
Reader.__index = Reader

local ENOENT <const>, EINVAL <const>, ENOTUNIQ <const>, EOPNOTSUPP <const> = 2, 22, 76, 95

local LISTED <const> = 8

---@class crumb.KernelSite
---@field symbol string the function's name
---@field address integer? its address, where the kernel shows addresses
---@field size integer? bytes up to the next symbol
---@field module string? the module it is in
---@field offset integer bytes after its start
---@field by_address boolean? its name may be another's too

---@class crumb.KernelPaths
---@field kallsyms string?
---@field tracefs string[]? where tracefs may be mounted
---@field blacklist string? the functions that kprobes refuse
---@field pmus string? the folder of perf's event sources
---@field types nil|fun(): crumb.Btf? the kernel's types, without which fentry and fexit cannot be

--- A reader of one kernel's names; `kernel.resolve` is one on the running kernel's files.
---@param paths crumb.KernelPaths?
function kernel.reader(paths)
	paths = paths or {}
	return setmetatable({
		names = core.kernel_names(paths.kallsyms),
		tracefs = paths.tracefs or { "/sys/kernel/tracing", "/sys/kernel/debug/tracing" },
		blacklist = paths.blacklist or "/sys/kernel/debug/kprobes/blacklist",
		pmus = paths.pmus or "/sys/bus/event_source/devices",
		types = paths.types,
	}, Reader)
end

-- Reads the names where they have not been read, or may be old; what was known of them goes.
function Reader:refresh()
	local again <const>, message <const>, err <const> = self.names:refresh()
	if again == nil then return nil, message, err end
	if again then self.reachable, self.refused = nil, nil end
	return again
end

-- Where ftrace says what it can reach: by address since 6.5, which tells functions of one name apart.
local LISTS <const> = { "/available_filter_functions_addrs", "/available_filter_functions" }

-- Marks what ftrace can reach, as far as the kernel says so.
function Reader:mark()
	if self.reachable ~= nil then return end
	self.reachable = false
	for _, root in ipairs(self.tracefs) do
		for _, list in ipairs(LISTS) do
			self.reachable = self.reachable or self.names:mark(root .. list) or false
		end
	end
end

-- The functions that kprobes refuse, by name; nothing where they cannot be read.
local function read_refused(path)
	local file <close> = io.open(path, "r")
	local set <const> = {}
	for name in (file and file:read "a" or ""):gmatch "\t([^\t\n ]+)" do set[name] = true end
	return set
end

-- Whether a function can be probed, as far as the kernel lets that be known; else why not.
function Reader:probeable(site, by_kprobe)
	self.refused = self.refused or read_refused(self.blacklist)
	if by_kprobe and self.refused[site.symbol] then return false, "the kernel keeps kprobes off it" end
	-- Where addresses are hidden, ftrace's cannot be compared with them.
	if self.reachable and site.address and not site.marked then
		return false, "it is notrace, or assembly: ftrace does not reach it"
	end
	return true
end

-- Why fentry and fexit cannot be at a function of the kernel's own; nil: nothing is known against it.
function Reader:undescribed(site)
	if self.btf == nil then self.btf = self.types and self.types() or false end
	if not self.btf or site.module or self.btf:prototype(site.symbol) then return nil end
	return "the kernel's BTF does not describe it"
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

local function unreadable(target, message, err)
	return fail(target, err, "the kernel's symbols cannot be read: %s", message)
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
	local variants <const>, whole = {}, nil
	for i, site in ipairs(self.names:match(glob.escape(symbol) .. ".*")) do
		variants[i] = site.symbol
		whole = whole or (not site.symbol:find(".cold", 1, true) and site.symbol)
	end
	if whole then
		return fail(target, ENOENT, "'%s' exists only as %s, since the compiler changed its arguments; %s:%s takes it",
			symbol, table.concat(variants, ", "), target.kind, whole)
	end
	if #variants > 0 then
		return fail(target, EOPNOTSUPP, "'%s' exists, but cannot be probed: it is inlined (only %s is left)",
			symbol, table.concat(variants, ", "))
	end
	return fail(target, ENOENT, "no kernel function '%s'%s; it may be inlined or in a module that is not loaded",
		symbol, self.names:near(symbol))
end

local function clean(site, offset)
	site.marked, site.offset = nil, offset or 0
	return site
end

function Reader:exact(target)
	local found = self.names:find(target.symbol)
	if #found == 0 then
		local again <const>, message <const>, err <const> = self:refresh() -- modules come and go
		if again == nil then return unreadable(target, message, err) end
		self:mark()
		found = self.names:find(target.symbol)
	end
	if #found == 0 then return self:missing(target) end
	local site <const> = found[1]
	if #found > 1 then
		local way <const> = site.address and by_kprobe(target)
			and ("; %s:0x%x takes the first"):format(target.kind, site.address) or ""
		return fail(target, ENOTUNIQ, "%d functions are called '%s': at %s%s", #found, target.symbol,
			listed(found), way)
	end
	local can <const>, why <const> = self:probeable(site, by_kprobe(target))
	if not can then
		return fail(target, EOPNOTSUPP, "'%s' exists, but cannot be probed: %s", target.symbol, why)
	end
	local offset <const> = target.offset or 0
	if site.size and offset >= site.size then
		return fail(target, EINVAL, "+0x%x lies past the end of '%s', which has %d bytes", offset, site.symbol, site.size)
	end
	return { sites = { clean(site, offset) } }
end

-- How many functions have each name.
local function count_names(found)
	local counts <const> = {}
	for _, site in ipairs(found) do counts[site.symbol] = (counts[site.symbol] or 0) + 1 end
	return counts
end

function Reader:matching(target)
	local found <const>, kprobe <const> = self.names:match(target.symbol), by_kprobe(target)
	local counts <const>, sites <const>, skipped <const> = count_names(found), {}, {}
	for _, site in ipairs(found) do
		local can, why = self:probeable(site, kprobe)
		local alike <const> = counts[site.symbol]
		if can and site.symbol:find(".cold", 1, true) then can, why = false, "it is a part that is jumped to" end
		if can and alike > 1 and not (site.address and kprobe) then
			can, why = false, alike .. " functions are called so"
		end
		if can and not kprobe then
			why = self:undescribed(site)
			can = not why
		end
		if can then
			site.by_address = alike > 1 or nil
			sites[#sites + 1] = clean(site)
		else
			site.reason = why
			skipped[#skipped + 1] = clean(site)
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
	local found <const>, _, err <const> = self.names:starting(target.address)
	if not found then return fail(target, err, "addresses are hidden from this user: root sees them") end
	local site <const> = found[1]
	if not site then return fail(target, ENOENT, "no function begins at 0x%x", target.address) end
	local can <const>, why <const> = self:probeable(site, true)
	if not can then return fail(target, EOPNOTSUPP, "'%s' exists, but cannot be probed: %s", site.symbol, why) end
	site.by_address = true
	return { sites = { clean(site) } }
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
		return fail(target, EOPNOTSUPP, "this kernel has no kprobes: it was built without CONFIG_KPROBE_EVENTS; "
			.. "tracepoints, system calls and uprobes are there")
	end
	local done <const>, message <const>, err <const> = self.names:load()
	if not done then return unreadable(target, message, err) end
	self:mark()
	if target.address then return self:at_address(target) end
	if not target.exact and glob.is(target.symbol) then return self:matching(target) end
	return self:exact(target)
end

-- What the kernel calls to go through the programs of a tracepoint: one for each tracepoint, of modules too.
local ITERATOR <const> = "__traceiter_"

--- The raw tracepoints that a name or a glob means.
--- Errors: nil, message, errno: ENOENT there is none.
---@param target crumb.Target
---@return string[]? names
---@return string? message
---@return integer? errno
function Reader:raw_tracepoints(target)
	local found = self.names:find(ITERATOR .. target.name)
	if found and #found == 0 and glob.is(target.name) then found = self.names:match(ITERATOR .. target.name) end
	if not found then return unreadable(target, select(2, self.names:load())) end
	local names <const>, seen <const> = {}, {}
	for _, site in ipairs(found) do
		local name <const> = site.symbol:sub(#ITERATOR + 1)
		if not seen[name] then names[#names + 1], seen[name] = name, true end
	end
	table.sort(names)
	if #names > 0 then return names end
	if glob.is(target.name) then return fail(target, ENOENT, "no tracepoint matches '%s'", target.name) end
	for i, site in ipairs(self.names:match(ITERATOR .. "*")) do names[i] = site.symbol:sub(#ITERATOR + 1) end
	return fail(target, ENOENT, "no tracepoint '%s'%s", target.name, (select(2, core.nearest(target.name, names))))
end

local running

local function reader()
	running = running or kernel.reader { types = core.btf }
	return running
end

--- `Reader:resolve` for the running kernel, whose names are read once.
---@param target crumb.Target
---@return { sites: crumb.KernelSite[], skipped: table[]? }?
---@return string? message
---@return integer? errno
function kernel.resolve(target)
	return reader():resolve(target)
end

--- `Reader:raw_tracepoints` for the running kernel.
---@param target crumb.Target
---@return string[]?, string?, integer?
function kernel.raw_tracepoints(target)
	return reader():raw_tracepoints(target)
end

--- " (nearest: a, b)", or "": which kernel functions a name may have been meant to be.
---@param name string
---@return string
function kernel.near(name) return reader().names:near(name) or "" end

--- The function that holds an address of the running kernel.
--- Errors: nil alone when nobody knows; nil, message, errno when addresses are hidden.
---@param address integer
---@return string? name
---@return integer|string|nil offset or the message
---@return string|integer|nil module or the errno
function kernel.at(address)
	return reader().names:at(address)
end

return kernel
