--- attachment: what attaches a probe or a span: sites with their numbers, by the engine's programs, as few links as can be.

require "crumb.bpf.link"

local core <const> = require "crumb.core"
local links <const> = require "crumb.bpf.links"
local programs <const> = require "crumb.engine.programs"

---@class crumb.Part sites that one program is attached to
---@field copy table of the engine's programs
---@field link crumb.Link
---@field sites crumb.Site[]
---@field bits integer[]
---@field mechanism string
---@field pid integer? that the kernel leaves all others out for

---@class crumb.Attachment
---@field engine crumb.Engine
---@field parts crumb.Part[]
---@field taken { copy: table, site: crumb.Site }[]
local Attachment = {}
Attachment.__index = Attachment

local ROLE <const> = 32 -- the bit of the kernel's cookie where it begins

local FILTERED <const> = { uprobe = true, uretprobe = true }

-- Whether the kernel itself can leave other processes out. A uprobe.multi link means one thread until 6.10, and a perf
-- event always does.
local function filters(site, multi)
	if not FILTERED[site.hook or site.kind] then return false end
	if not multi then return true end
	local _ <const>, release <const> = core.versions()
	local major <const>, minor <const> = release:match "^(%d+)%.(%d+)"
	return tonumber(major) * 1000 + tonumber(minor) >= 6010
end

-- The sites by the loaded copy that serves them.
local function groups_of(self, sites, bits)
	local groups <const>, by_copy <const> = {}, {}
	for i, site in ipairs(sites) do
		local name <const>, mechanism <const> = programs.serving(site)
		local copy <const>, message <const>, errno <const> = self.engine.programs:take(site, name, bits[i] >> ROLE ~= 0)
		if not copy then return nil, message, errno end
		self.taken[#self.taken + 1] = { copy = copy, site = site }
		local group = by_copy[copy]
		if not group then
			group = { copy = copy, sites = {}, bits = {}, mechanism = mechanism }
			by_copy[copy] = group
			groups[#groups + 1] = group
		end
		group.sites[#group.sites + 1], group.bits[#group.bits + 1] = site, bits[i]
	end
	return groups
end

local function without_refused(part)
	local sites <const>, bits <const> = {}, {}
	for i, site in ipairs(part.sites) do
		if not site.reason then sites[#sites + 1], bits[#bits + 1] = site, part.bits[i] end
	end
	return sites, bits
end

--- Attaches sites, each with the integer that the engine is to get there.
--- Errors: nil, message, errno; what is attached by then goes with `close`.
---@param sites crumb.Site[]
---@param bits integer[]
---@param pid integer? only this process, where the kernel can tell
---@param skipped crumb.Site[]? collects the sites that the kernel refuses; nil: the first is an error
---@return true?, string?, integer?
function Attachment:add(sites, bits, pid, skipped)
	local groups <const>, message <const>, errno <const> = groups_of(self, sites, bits)
	if not groups then return nil, message, errno end
	for _, part in ipairs(groups) do
		local program <const>, first <const> = part.copy.program, part.sites[1]
		part.link = program:link()
		self.parts[#self.parts + 1] = part
		part.pid = pid and filters(first, program.attach_type ~= nil) and pid or nil
		local done <const>, why <const>, number <const> =
			links.attach(part.link, program, part.sites, part.bits, part.pid, skipped)
		if not done then return nil, why, number end
		part.sites, part.bits = without_refused(part)
	end
	return true
end

--- Attaches a part's program to these of its sites only; nothing is missed there meanwhile, but may come twice.
--- Errors: nil, message, errno, and then all stays as it was.
---@param part crumb.Part whose program is a multi one
---@param sites crumb.Site[]
---@param bits integer[]
---@return true?, string?, integer?
function Attachment:keep(part, sites, bits)
	local before <const>, program <const> = part.link, part.copy.program
	if #sites == 0 then return self:drop(part) end
	local link <const> = program:link()
	local done <const>, message <const>, errno <const> = links.attach(link, program, sites, bits, part.pid)
	if not done then
		link:close()
		return nil, message, errno
	end
	part.link, part.sites, part.bits = link, sites, bits
	return before:close()
end

--- Detaches a part.
---@param part crumb.Part
---@return true?, string?, integer?
function Attachment:drop(part)
	for i, one in ipairs(self.parts) do
		if one == part then table.remove(self.parts, i) end
	end
	return part.link:close()
end

local function plural(count, what) return ("%d %s%s"):format(count, what, count == 1 and "" or "s") end

--- How it is attached: "uprobe.multi: 3 sites, 1 kernel link".
---@return string
function Attachment:mechanism()
	local ways <const>, texts <const> = {}, {}
	for _, part in ipairs(self.parts) do
		local way <const> = ways[part.mechanism] or { sites = 0, links = 0 }
		ways[part.mechanism] = way
		way.sites, way.links = way.sites + #part.sites, way.links + #part.link
	end
	for name, way in pairs(ways) do
		texts[#texts + 1] = ("%s: %s, %s"):format(name, plural(way.sites, "site"), plural(way.links, "kernel link"))
	end
	table.sort(texts)
	return table.concat(texts, "; ")
end

--- Times that the kernel itself did not run the program, shared by all that have such a link or use the program.
---@return integer? missed by links; nil: this kernel does not tell
---@return integer? recursion_misses of the programs
function Attachment:missed()
	local missed, recursion, seen <const> = nil, nil, {}
	for _, one in ipairs(self.parts) do
		for part = 1, #one.link do
			local info <const> = one.link:info(part)
			if info and info.missed then missed = (missed or 0) + info.missed end
		end
	end
	for _, one in ipairs(self.taken) do
		local program <const> = one.copy.program
		local info <const> = not seen[program] and program:info()
		if info and info.recursion_misses then recursion = (recursion or 0) + info.recursion_misses end
		seen[program] = true
	end
	return missed, recursion
end

--- Detaches.
function Attachment:close()
	for _, part in ipairs(self.parts) do part.link:close() end
	for _, one in ipairs(self.taken) do programs.release(one.copy, one.site) end
	self.parts, self.taken = {}, {}
end

---@param engine crumb.Engine
---@return crumb.Attachment
return function(engine) return setmetatable({ engine = engine, parts = {}, taken = {} }, Attachment) end
