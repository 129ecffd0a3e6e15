--- object: what a crumb.Object does beyond libbpf's calls: members by name, globals as fields, loading, rings.

local core <const> = require "crumb.core"
local options <const> = require "crumb.options"
local rights <const> = require "crumb.bpf.rights"

local Object <const> = core.methods "crumb.Object"

local EPERM <const> = 1

local function names_of(list)
	local names <const> = {}
	for name in pairs(list) do names[#names + 1] = name end
	table.sort(names)
	return names
end

local function no_such(what, name, names)
	local _ <const>, near <const> = core.nearest(tostring(name), names)
	return ("no %s '%s'%s"):format(what, tostring(name),
		near ~= "" and near or names[1] and (" (there are: %s)"):format(table.concat(names, ", ")) or " (there are none)")
end

-- programs and maps, by name; a wrong one is answered with what is near.
local function collection(list, what)
	return setmetatable({}, {
		__index = function(_, name)
			local member <const> = list[name]
			if member == nil then error(no_such(what, name, names_of(list)), 2) end
			return member
		end,
		__newindex = function() error(("%ss are the object's: they cannot be set"):format(what), 2) end,
		__pairs = function() return next, list end,
	})
end

local function globals(object)
	return setmetatable({}, {
		__index = function(_, name)
			local found <const>, value <const> = object:get_global(name)
			if not found then error(no_such("global", name, object:global_names()), 2) end
			return value
		end,
		__newindex = function(_, name, value)
			if object.failed then error(("global %s: the object failed to load: open it again"):format(name), 2) end
			local done <const>, result <const> = pcall(object.set_global, object, name, value)
			if not done then error(result, 2) end
			if not result then error(no_such("global", name, object:global_names()), 2) end
		end,
		__pairs = function()
			local names <const>, i = object:global_names(), 0
			return function()
				i = i + 1
				if names[i] then return names[i], select(2, object:get_global(names[i])) end
			end
		end,
	})
end

-- What of EPERM is not for want of rights: a program's section that this kernel refuses.
local function refused_section(object, message)
	local failed <const> = message:match "prog '([^']+)': BPF program load failed"
	for name, program in pairs(object.programs) do
		if name == failed and (program.type == "tracing" or program.type == "lsm") then
			return ("this kernel refuses programs of section %s (%s) even to root: see bpf.features(); a kprobe or tracepoint may do")
				:format(program.section, name)
		end
	end
end

-- The message of a load that failed. Where rights or a lockdown explain it, the verifier's words only hide that.
local function explained(object, message, errno)
	local reason <const> = errno == EPERM and rights.refusal() or rights.sealed()
	if reason then return ("%s: %s"):format(message:match "^[^\n]*", reason) end
	local hint <const> = errno == EPERM and refused_section(object, message)
	return hint and ("%s\n%s"):format(message, hint) or message
end

--- Loads the programs and makes the maps.
--- Errors: nil, message with the end of the verifier's log, errno; raises when it is loaded already.
---@return crumb.Object?, string?, integer?
function Object:load()
	if self.failed then error(("object:load: %s failed to load: open it again"):format(self.name), 2) end
	local done <const>, message <const>, errno <const> = options.call("object:load", self.raw_load, self)
	if done then return self end
	core.set_field(self, "failed", true)
	return nil, explained(self, message, errno), errno
end

local function member_of(collected, name) return collected[name] end

--- Opens a ring on one of the object's maps; `ring:add` takes more.
--- Errors: nil, message, errno; raises when there is no such map or type.
---@param map string|crumb.Map
---@param type_name string? the BTF type of the records, such as "struct event"; nil: raw bytes
---@param handler fun(event: any, map: crumb.Map)? for `ring:poll`
---@return crumb.Ring?, string?, integer?
function Object:ring(map, type_name, handler)
	require "crumb.bpf.ring"
	if type(map) == "string" then map = options.call("object:ring", member_of, self.maps, map) end
	local ring <const>, message <const>, errno <const> = options.call("object:ring", core.ring, self)
	if not ring then return nil, message, errno end
	local done <const>, added <const>, why <const>, number <const> = pcall(ring.add, ring, map, type_name, handler)
	if done and added then return ring end
	ring:close()
	if not done then options.call("object:ring", error, added, 0) end
	return nil, why, number
end

--- Gives an object that was just opened its members by name.
return function(object)
	core.set_field(object, "programs", collection(object.programs, "program"))
	core.set_field(object, "maps", collection(object.maps, "map"))
	core.set_field(object, "globals", globals(object))
	return object
end
