--- crumb.bpf: bring your own BPF.
--
-- Open an object file, set its globals, load it, attach its programs with cookies of your own,
-- update its maps with Lua tables, read its rings. The words are libbpf's.

local core <const> = require "crumb.core"
local lazy <const> = require "crumb.lazy"
local object_members <const> = require "crumb.bpf.object"
local options <const> = require "crumb.options"

require "crumb.bpf.attach"
require "crumb.bpf.link"
require "crumb.bpf.map"

local compile <const> = lazy "crumb.bpf.compile"
local features <const> = lazy "crumb.bpf.features"

local NO_PREALLOC <const> = 1
-- Where libbpf needs sizes that a person need not say.
local NO_KEY <const> = { queue = true, stack = true, ringbuf = true }

local bpf = {
	--- Opens a link that was pinned. Errors: nil, message, errno.
	pinned_link = core.pinned_link,
	--- Opens a map that was pinned; its keys and values are raw bytes. Errors: nil, message, errno.
	pinned_map = core.pinned_map,
	--- Opens BTF: a file's, or with no argument the kernel's. Errors: nil, message, errno.
	btf = core.btf,
	--- Nanoseconds of CLOCK_MONOTONIC, the clock of bpf_ktime_get_ns().
	now = core.now,
	--- Takes SIGINT until it is closed, as the loops over a ring do; `bpf.interrupted()` tells whether it came.
	interrupt = core.interrupt,
	interrupted = core.interrupted,
}

--- Compiles BPF C to an object's bytes; see crumb.bpf.compile.
function bpf.compile(source, given) return compile.compile(source, given) end

--- What this machine has, found by trying; see crumb.bpf.features.
function bpf.features() return features.all() end

-- libbpf makes map names of it: "filter.bpf.o" -> "filter".
local function object_name(path)
	local name <const> = path:match "[^/]*$":gsub("%..*$", ""):gsub("[^%w_]", "_")
	return name ~= "" and name or "object"
end

--- Makes a map that no object declares. Its keys and values are raw bytes, or integers of 1 to 8 bytes.
--- Errors: nil, message, errno; raises for wrong options.
--- Shape: { type =, name =, key_size =, value_size =, max_entries =, flags =, inner = }; `type` as in `map.type`; a ring
--- buffer's `max_entries` is rounded up to a power of two of pages; `inner`: a map like those that a map of maps will hold.
---@param given table
---@return crumb.Map?, string?, integer?
function bpf.map(given)
	options.check("bpf.map", given, {
		type = "string", name = "string", key_size = "integer", value_size = "integer",
		max_entries = "integer", flags = "integer", inner = "userdata",
	})
	if type(given) ~= "table" or not given.type then error("bpf.map: expected { type = … }", 2) end
	return options.call("bpf.map", core.map, {
		type = given.type, name = given.name or "crumb", inner = given.inner,
		key_size = given.key_size or NO_KEY[given.type] and 0 or 4,
		value_size = given.value_size or given.type == "ringbuf" and 0 or 4,
		max_entries = given.max_entries or 1,
		flags = given.flags or given.type == "lpm_trie" and NO_PREALLOC or 0,
	})
end

--- Opens a BPF object file.
--- Errors: nil, message, errno; raises for wrong use.
---@param source string|{ bytes: string, name: string? } a path, or an object file's bytes
---@return crumb.Object?, string?, integer?
function bpf.open(source)
	local given = source
	if type(source) == "string" then
		local bytes <const>, message <const>, errno <const> = options.call("bpf.open", core.read, source)
		if not bytes then return nil, "open: " .. message, errno end
		given = { bytes = bytes, name = source }
	end
	if given == nil then error("bpf.open: expected a path or { bytes = … }", 2) end
	options.check("bpf.open", given, { bytes = "string", name = "string" })
	if not given.bytes then error("bpf.open: expected a path or { bytes = … }", 2) end
	local object <const>, message <const>, errno <const> = core.object(given.bytes,
		object_name(given.name or "object"), given.name or "the given bytes")
	if not object then return nil, message, errno end
	return object_members(object)
end

return bpf
