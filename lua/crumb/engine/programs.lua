--- programs: which of the engine's programs serves a site, each loaded when it is first wanted.
--
-- Each is loaded from a further copy of the engine's object, which shares the first one's maps. A tracepoint takes a
-- program once, and a fentry program is loaded for one function: who finds a copy taken gets another.
-- What is attached only goes on to what serves: a program with the features that are wanted there, in whose place comes
-- another, between two hits, when more are; the first stays loaded with its copy. Those that want few are of an object of
-- their own, which loads sooner.

local core <const> = require "crumb.core"
local lazy <const> = require "crumb.lazy"
local members <const> = require "crumb.bpf.object"

local available <const> = lazy "crumb.bpf.features"
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
	local multi <const> = available.hook(row[2])
	if multi.available then return row[3], row[2] end
	return row[1], hook, multi.why
end

local function choose(object, names, target)
	for _, program in pairs(object.programs) do program:set_autoload(false) end
	for _, name in ipairs(names) do
		local program <const> = object.programs[name]
		program:set_autoload(true)
		if target then
			local chosen <const>, why <const>, errno <const> = program:set_attach_target(target)
			if not chosen then
				return nil, errno == ESRCH and ("the kernel's BTF has no '%s'%s"):format(target, kernel.near(target)) or why, errno
			end
		end
	end
	return true
end

-- All maps but the copy's own are the first object's; `serving`: another copy's.
local function share_maps(self, object, serving)
	for name, map in pairs(object.maps) do
		local from = self.maps[name]
		if name == ".rodata.copy" then from = nil elseif name == "serving" then from = serving end
		if from then
			local shared <const>, why <const>, errno <const> = map:share(from)
			if not shared then return nil, why, errno end
		end
	end
	return true
end

-- A further copy of the object, with some programs loaded.
local function load_copy(self, names, target, features, serving)
	local bytes <const> = features & ~self.few == 0 and self.few_bytes or core.engine()
	local object <const>, message <const>, errno <const> = core.object(bytes, "crumb", "the engine")
	if not object then return nil, message, errno end
	members(object)
	object.globals.features = features
	local done, why, number = choose(object, names, target)
	if done then done, why, number = share_maps(self, object, serving) end
	if done then
		done, why, number = object:load()
		if not done then why = ("load the engine's %s: %s"):format(names[1], why) end
	end
	if done then return object end
	object:close()
	return nil, why, number
end

local function serving_name(name) return (name:gsub("^on_", "serve_")) end

-- Puts a loaded program in the place of the one that serves.
local function exchange(copy, object, features)
	local done <const>, message <const>, errno <const> =
		copy.object.maps.serving:update(0, object.programs[serving_name(copy.name)])
	if not done then return nil, message, errno end
	copy.features = features
	return true
end

-- What has no features serves its hits itself.
local function open_copy(self, name, target, features)
	local object <const>, message <const>, errno <const> =
		load_copy(self, features and { name, serving_name(name) } or { name }, target, features or 0)
	if not object then return nil, message, errno end
	local copy <const> = { object = object, program = object.programs[name], name = name, target = target, taken = {} }
	if not features then return copy end
	local done <const>, why <const>, number <const> = exchange(copy, object, features)
	if done then return copy end
	object:close()
	return nil, why, number
end

--- Makes sure that what serves a copy's hits has these features. No hit is missed, or comes twice.
--- Errors: nil, message, errno, and then it serves as before.
---@param copy table
---@param features integer bits of enum feature
---@return true?, string?, integer?
function Programs:provide(copy, features)
	local wanted <const> = features | copy.features
	if wanted == copy.features then return true end
	local object <const>, message <const>, errno <const> =
		load_copy(self, { serving_name(copy.name) }, copy.target, wanted, copy.object.maps.serving)
	if not object then return nil, message, errno end
	local done <const>, why <const>, number <const> = exchange(copy, object, wanted)
	if not done then
		object:close()
		return nil, why, number
	end
	if copy.richer then copy.richer:close() end
	copy.richer = object
	return true
end

--- A loaded program that can be attached to the site; until `release` nobody else gets it for that.
--- Errors: nil, message, errno.
---@param site crumb.Site
---@param name string? nil: what serves the site
---@param features integer? bits of enum feature; nil: it is a program that knows none
---@return { program: crumb.Program }? copy
---@return string?, integer?
function Programs:take(site, name, features)
	name = name or Programs.serving(site)
	local hook <const> = site.hook or site.kind
	local target <const> = (hook == "fentry" or hook == "fexit") and site.name or nil
	local place <const> = ONCE[hook] and site.key or nil
	local copies <const> = self.copies[name] or {}
	self.copies[name] = copies
	for _, copy in ipairs(copies) do
		if copy.target == target and not (place and copy.taken[place]) then
			if features then
				local done <const>, message <const>, errno <const> = self:provide(copy, features)
				if not done then return nil, message, errno end
			end
			if place then copy.taken[place] = true end
			return copy
		end
	end
	local copy <const>, message <const>, errno <const> = open_copy(self, name, target, features)
	if not copy then
		local refused <const> = available.refused(hook, 1)
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
		for _, copy in ipairs(copies) do
			copy.object:close()
			if copy.richer then copy.richer:close() end
		end
	end
	self.copies = {}
end

---@param bytes string the engine's object that has few features
---@param few integer bits of enum feature that these are
---@param maps table<string, crumb.Map> the first copy's
function Programs.new(bytes, few, maps)
	return setmetatable({ few_bytes = bytes, few = few, maps = maps, copies = {} }, Programs)
end

return Programs
