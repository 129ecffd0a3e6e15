--- crumb.bpf: bring your own BPF.
--
-- Open an object file, set its globals, load it, attach its programs with cookies of your own,
-- update its maps with Lua tables, read its rings. The words are libbpf's.

local core <const> = require "crumb.core"
local options <const> = require "crumb.options"

require "crumb.bpf.attach"
require "crumb.bpf.link"
require "crumb.bpf.map"
require "crumb.bpf.ring"

local bpf = {
	compile = require "crumb.bpf.compile",
	features = require "crumb.bpf.features".all,
	--- Opens a link that was pinned. Errors: nil, message, errno.
	pinned_link = core.pinned_link,
	--- Opens a map that was pinned; its keys and values are raw bytes. Errors: nil, message, errno.
	pinned_map = core.pinned_map,
	--- Opens BTF: a file's, or with no argument the kernel's. Errors: nil, message, errno.
	btf = core.btf,
}

local Object <const> = core.methods "crumb.Object"

local EPERM <const> = 1
local NO_PREALLOC <const> = 1
-- Where libbpf needs sizes that a person need not say.
local NO_KEY <const> = { queue = true, stack = true, ringbuf = true }

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

-- programs and maps: plain tables that tell what is near when a name is wrong.
local function collection(list, what)
	return setmetatable(list, {
		__index = function(_, name) error(no_such(what, name, names_of(list)), 2) end,
		__newindex = function() error(("%ss are the object's: nothing can be added"):format(what), 2) end,
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

-- libbpf makes map names of it: "filter.bpf.o" -> "filter".
local function object_name(path)
	local name <const> = path:match "[^/]*$":gsub("%..*$", ""):gsub("[^%w_]", "_")
	return name ~= "" and name or "object"
end

-- Why a kernel says EPERM to a program, as far as it can be told from here.
local function permission_hint(object)
	local status <close> = assert(io.open "/proc/self/status")
	local effective <const> = math.tointeger(tonumber(status:read("a"):match "CapEff:%s*(%x+)", 16)) or 0
	-- CAP_SYS_ADMIN, or CAP_PERFMON and CAP_BPF.
	if effective & 1 << 21 == 0 and effective & 3 << 38 ~= 3 << 38 then
		return "loading needs root, or CAP_BPF and CAP_PERFMON"
	end
	for name, program in pairs(object.programs) do
		if program.type == "tracing" or program.type == "lsm" then
			return ("this kernel refuses programs of section %s (%s) even to root: see bpf.features(); a kprobe or tracepoint may do")
				:format(program.section, name)
		end
	end
end

--- Loads the programs and makes the maps.
--- Errors: nil, message with the end of the verifier's log, errno; raises when it is loaded already.
---@return crumb.Object?, string?, integer?
function Object:load()
	local done <const>, message <const>, errno <const> = self:raw_load()
	if done then return self end
	local hint <const> = errno == EPERM and permission_hint(self)
	return nil, hint and ("%s\n%s"):format(message, hint) or message, errno
end

--- Makes a map that no object declares. Its keys and values are raw bytes, or integers of 1 to 8 bytes.
--- Errors: nil, message, errno; raises for wrong options.
---@param given { type: string, name: string?, key_size: integer?, value_size: integer?, max_entries: integer?, flags: integer?, inner: crumb.Map? }
---  `type` as in `map.type`; a ring buffer's `max_entries` is rounded up to a power of two of pages; `inner`: a map
---  like those that a map of maps will hold
---@return crumb.Map?, string?, integer?
function bpf.map(given)
	options.check("bpf.map", given, {
		type = "string", name = "string", key_size = "integer", value_size = "integer",
		max_entries = "integer", flags = "integer", inner = "userdata",
	})
	if type(given) ~= "table" or not given.type then error("bpf.map: expected { type = … }", 2) end
	local done <const>, map <const>, message <const>, errno <const> = pcall(core.map, {
		type = given.type, name = given.name or "crumb", inner = given.inner,
		key_size = given.key_size or NO_KEY[given.type] and 0 or 4,
		value_size = given.value_size or given.type == "ringbuf" and 0 or 4,
		max_entries = given.max_entries or 1,
		flags = given.flags or given.type == "lpm_trie" and NO_PREALLOC or 0,
	})
	if not done then error(map, 2) end
	return map, message, errno
end

--- Opens a BPF object file.
--- Errors: nil, message, errno; raises for wrong use.
---@param source string|{ bytes: string, name: string? } a path, or an object file's bytes
---@return crumb.Object?, string?, integer?
function bpf.open(source)
	local given = source
	if type(source) == "string" then
		local bytes <const>, message <const>, errno <const> = core.read(source)
		if not bytes then return nil, "open: " .. message, errno end
		given = { bytes = bytes, name = source }
	end
	if given == nil then error("bpf.open: expected a path or { bytes = … }", 2) end
	options.check("bpf.open", given, { bytes = "string", name = "string" })
	if not given.bytes then error("bpf.open: expected a path or { bytes = … }", 2) end
	local object <const>, message <const>, errno <const> = core.object(given.bytes,
		object_name(given.name or "object"), given.name or "the given bytes")
	if not object then return nil, message, errno end
	collection(object.programs, "program")
	collection(object.maps, "map")
	core.set_field(object, "globals", globals(object))
	return object
end

--- Opens a ring on one of the object's maps; `ring:add` takes more.
--- Errors: nil, message, errno; raises when there is no such map or type.
---@param map string|crumb.Map
---@param type_name string? the BTF type of the records, such as "struct event"; nil: raw bytes
---@param handler fun(event: any, map: crumb.Map)? for `ring:poll`
---@return crumb.Ring?, string?, integer?
function Object:ring(map, type_name, handler)
	if type(map) == "string" then map = self.maps[map] end
	local ring <const>, message <const>, errno <const> = core.ring(self)
	if not ring then return nil, message, errno end
	local done <const>, added <const>, why <const>, number <const> = pcall(ring.add, ring, map, type_name, handler)
	if done and added then return ring end
	ring:close()
	if not done then error(added, 2) end
	return nil, why, number
end

return bpf
