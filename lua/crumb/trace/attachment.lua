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
---@field mechanism string "uprobe.multi", or the hook
---@field why string? it is not the multi one
---@field pid integer? that the kernel leaves all others out for

---@class crumb.Attachment
---@field engine crumb.Engine
---@field parts crumb.Part[]
---@field taken { copy: table, site: crumb.Site }[] what is nobody else's until it is released
---@field features integer bits of enum feature that its programs have
local Attachment = {}
Attachment.__index = Attachment

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

local function take(self, site)
	local name <const>, mechanism <const>, why <const> = programs.serving(site)
	local copy <const>, message <const>, errno <const> = self.engine.programs:take(site, name, self.features)
	if not copy then return nil, message, errno end
	return { copy = copy, sites = {}, bits = {}, mechanism = mechanism, why = why }
end

-- The sites by the loaded copy that serves them. Of what is taken, `taken` collects site and copy.
local function parts_of(self, sites, bits, taken)
	local parts <const>, by_copy <const>, by_lane <const> = {}, {}, {}
	for i, site in ipairs(sites) do
		local lane <const> = programs.lane(site)
		local part = lane and by_lane[lane]
		if not part then
			local fresh <const>, message <const>, errno <const> = take(self, site)
			if not fresh then return nil, message, errno end
			if not lane then taken[#taken + 1] = { site = site, copy = fresh.copy } end
			part = by_copy[fresh.copy]
			if not part then
				part = fresh
				by_copy[fresh.copy], parts[#parts + 1] = part, part
			end
			if lane then by_lane[lane] = part end
		end
		local at <const> = #part.sites + 1
		part.sites[at], part.bits[at] = site, bits[i]
	end
	return parts
end

--- Has its programs do what these features are, from now on.
--- Errors: nil, message, errno, and then what they did before.
---@param features integer bits of enum feature
---@return true?, string?, integer?
function Attachment:need(features)
	local wanted <const> = self.features | features
	for _, part in ipairs(self.parts) do
		local done <const>, message <const>, errno <const> = self.engine.programs:provide(part.copy, wanted)
		if not done then return nil, message, errno end
	end
	self.features = wanted
	return true
end

--- Attaches sites, each with the integer that the engine is to get there; a site may come several times.
--- `pid`: only this process, where the kernel can tell; `skipped` collects the sites that the kernel refuses, without it
--- the first is an error; `progress(done, total)` is called now and then where there is a link for each site.
--- Errors: nil, message, errno; what is attached by then goes with `close`.
---@param sites crumb.Site[]
---@param bits integer[]
---@param given { pid: integer?, skipped: crumb.Site[]?, progress: nil|fun(done: integer, total: integer) }
---@return true?, string?, integer?
function Attachment:add(sites, bits, given)
	local parts <const>, message <const>, errno <const> = parts_of(self, sites, bits, self.taken)
	if not parts then return nil, message, errno end
	for _, part in ipairs(parts) do
		local program <const> = part.copy.program
		part.link = program:link()
		self.parts[#self.parts + 1] = part
		part.pid = given.pid and filters(part.sites[1], program.attach_type ~= nil) and given.pid or nil
		local attached <const>, why <const>, number <const> = links.attach(part.link, program, part.sites, part.bits, {
			pid = part.pid, skipped = given.skipped, progress = given.progress,
		})
		if not attached then return nil, why, number end
		part.sites, part.bits = attached.sites, attached.bits
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
	local done <const>, message <const>, errno <const> = links.attach(link, program, sites, bits, { pid = part.pid })
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

--- How it is attached: "uprobe.multi: 3 sites, 1 kernel link".
---@return string
function Attachment:mechanism()
	local ways <const>, order <const> = {}, {}
	for _, part in ipairs(self.parts) do
		local name <const> = part.mechanism .. (part.why or "")
		local way = ways[name]
		if not way then
			way = { name = part.mechanism, why = part.why, sites = 0, links = 0 }
			ways[name], order[#order + 1] = way, name
		end
		way.sites, way.links = way.sites + #part.sites, way.links + #part.link
	end
	table.sort(order)
	for i, name in ipairs(order) do
		local way <const> = ways[name]
		order[i] = links.describe(way.name, way.sites, way.links, way.why)
	end
	return table.concat(order, "; ")
end

--- Times that the kernel itself did not run the program, shared by all that have such a link or use the program.
---@return integer? missed by links; nil: this kernel does not tell
---@return integer? recursion_misses of the programs
function Attachment:missed()
	local missed, recursion, seen <const> = nil, nil, {}
	for _, part in ipairs(self.parts) do
		for i = 1, #part.link do
			local info <const> = part.link:info(i)
			if info and info.missed then missed = (missed or 0) + info.missed end
		end
		local program <const> = part.copy.program
		local info <const> = not seen[program] and program:info()
		if info and info.recursion_misses then recursion = (recursion or 0) + info.recursion_misses end
		seen[program] = true
	end
	return missed, recursion
end

--- Detaches, beginnings before ends.
function Attachment:close()
	for i = #self.parts, 1, -1 do self.parts[i].link:close() end
	for _, one in ipairs(self.taken) do programs.release(one.copy, one.site) end
	self.parts, self.taken = {}, {}
end

---@param engine crumb.Engine
---@return crumb.Attachment
return function(engine) return setmetatable({ engine = engine, parts = {}, taken = {}, features = 0 }, Attachment) end
