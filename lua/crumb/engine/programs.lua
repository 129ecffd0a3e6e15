--- programs: which of the engine's programs serves a site, each loaded when it is first wanted.
--
-- Each is loaded from a further copy of the engine's object, which shares the first one's maps. A tracepoint takes a
-- program once, and a fentry program is loaded for one function: who finds a copy taken gets another.

local core <const> = require "crumb.core"
local lazy <const> = require "crumb.lazy"
local members <const> = require "crumb.bpf.object"

local features <const> = lazy "crumb.bpf.features"
local kernel <const> = lazy "crumb.names.kernel"

local ESRCH <const> = 3

local Programs = {}
Programs.__index = Programs

-- By the kind of a site: the program, and the multi hook that is better where the kernel has it, with its program.
local PROGRAMS <const> = {
	kprobe = { "on_probe", "kprobe.multi", "on_kprobe_multi" },
	uprobe = { "on_probe", "uprobe.multi", "on_uprobe_multi" },
	tracepoint = { "on_tracepoint" }, rawtracepoint = { "on_raw_tp" },
	fentry = { "on_fentry" }, fexit = { "on_fexit" },
	profile = { "on_perf_event" }, software = { "on_perf_event" }, hardware = { "on_perf_event" },
}
PROGRAMS.kretprobe, PROGRAMS.uretprobe = PROGRAMS.kprobe, PROGRAMS.uprobe

local OWN <const> = { [".rodata.copy"] = true, no_programs = true } -- the maps that each copy has for itself

-- Of these, what a copy's program may be attached to only once.
local ONCE <const> = { tracepoint = true, fentry = true, fexit = true }

--- What is the same for sites that one program serves; nil: this site may take one of its own.
---@param site crumb.Site
---@return string?
function Programs.lane(site)
	local hook <const> = site.hook or site.kind
	if ONCE[hook] then return nil end
	return hook == "kprobe" and (site.offset or 0) ~= 0 and "kprobe+" or hook
end

--- The program for a site.
---@param site crumb.Site
---@return string name
---@return string mechanism "uprobe.multi", or the hook
---@return string? why it is not the multi one
function Programs.serving(site)
	local hook <const> = site.hook or site.kind
	local row <const> = PROGRAMS[hook]
	if not row[2] then return row[1], hook end
	if hook == "kprobe" and (site.offset or 0) ~= 0 then return row[1], hook, "kprobe.multi takes no offset" end
	local multi <const> = features.hook(row[2])
	if multi.available then return row[3], row[2] end
	return row[1], hook, multi.why
end

local function open_copy(self, name, target, with_pairs)
	local object <const>, message <const>, errno <const> = core.object(self.bytes, "crumb", "the engine")
	if not object then return nil, message, errno end
	members(object)
	for other, program in pairs(object.programs) do program:set_autoload(other == name) end
	local program <const> = object.programs[name]
	if target then
		local chosen <const>, why <const>, number <const> = program:set_attach_target(target)
		if not chosen then
			object:close()
			return nil, number == ESRCH and ("the kernel's BTF has no '%s'%s"):format(target, kernel.near(target)) or why, number
		end
	end
	object.globals.with_pairs = with_pairs
	for map_name, map in pairs(object.maps) do
		if OWN[map_name] then goto continue end
		local shared <const>, why <const>, number <const> = map:share(self.maps[map_name])
		if not shared then
			object:close()
			return nil, why, number
		end
		::continue::
	end
	local loaded <const>, why <const>, number <const> = object:load()
	if not loaded then
		object:close()
		return nil, ("load the engine's %s: %s"):format(name, why), number
	end
	return { object = object, program = program, target = target, with_pairs = with_pairs, taken = {} }
end

--- A loaded program that can be attached to the site; until `release` nobody else gets it for that.
--- Errors: nil, message, errno.
---@param site crumb.Site
---@param name string? nil: what serves the site
---@param with_pairs boolean? whether pairs begin or end there
---@return { program: crumb.Program }? copy
---@return string?, integer?
function Programs:take(site, name, with_pairs)
	name = name or Programs.serving(site)
	local hook <const> = site.hook or site.kind
	local target <const> = (hook == "fentry" or hook == "fexit") and site.name or nil
	local place <const> = ONCE[hook] and site.key or nil
	local copies <const> = self.copies[name] or {}
	self.copies[name] = copies
	for _, copy in ipairs(copies) do
		if copy.target == target and (copy.with_pairs or not with_pairs) and not (place and copy.taken[place]) then
			if place then copy.taken[place] = true end
			return copy
		end
	end
	local copy <const>, message <const>, errno <const> = open_copy(self, name, target, with_pairs or false)
	if not copy then
		local refused <const> = features.refused(hook, 1)
		return nil, refused and ("attach %s: %s"):format(site.target, refused) or message, errno
	end
	if place then copy.taken[place] = true end
	copies[#copies + 1] = copy
	return copy
end

--- What was attached to the site by this copy is detached.
---@param site crumb.Site
function Programs.release(copy, site)
	if site.key then copy.taken[site.key] = nil end
end

function Programs:close()
	for _, copies in pairs(self.copies) do
		for _, copy in ipairs(copies) do copy.object:close() end
	end
	self.copies = {}
end

---@param bytes string the engine's object
---@param maps table<string, crumb.Map> the first copy's
function Programs.new(bytes, maps) return setmetatable({ bytes = bytes, maps = maps, copies = {} }, Programs) end

return Programs
