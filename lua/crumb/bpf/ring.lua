--- ring: when to wait for records, when to stop, and to whom they go.
--
-- csrc/reader.c takes and decodes the records; it asks here only when there are none.

local core <const> = require "crumb.core"
local options <const> = require "crumb.options"

local Ring <const> = core.methods "crumb.Ring"

-- A program may submit without waking its reader: its records are seen after so long.
local SLICE <const> = 50000000

-- What the reader does when no record waits: true, look again; false, end.
local function pause(ring, idle, deadline)
	local seen, quiet_since
	return function(delivered)
		local now = core.now()
		if delivered ~= seen then seen, quiet_since = delivered, now end
		local limit <const> = math.min(deadline or math.maxinteger,
			idle and quiet_since + idle or math.maxinteger)
		-- The limit first: records that are no events would never let it be reached.
		while now < limit and not core.interrupted() and not ring:closed() do
			if ring:wait(math.min(SLICE, limit - now)) then return true end
			now = core.now()
		end
		return false
	end
end

local function reader(ring, what, fields, given)
	options.check(what, given, { idle = "number", duration = "number" })
	local idle <const> = options.duration(what .. ": idle", given.idle)
	local duration <const> = options.duration(what .. ": duration", given.duration)
	local deadline <const> = duration and core.now() + duration
	return ring:reader(fields, pause(ring, idle, deadline), deadline)
end

-- The fourth value of a generic for is closed at its end: SIGINT is ours no longer than the loop.
local function iterate(iterator)
	return iterator, nil, nil, assert(core.interrupt())
end

--- Adds a map to the ring.
---@param map crumb.Map of type ringbuf
---@param type_name string? the BTF type of its records; nil: events are raw bytes
---@param handler fun(event: any, map: crumb.Map)? for `ring:poll`
---@return crumb.Ring?, string?, integer?
function Ring:add(map, type_name, handler)
	if handler ~= nil and type(handler) ~= "function" then
		error(("ring:add: expected a function as handler, got %s"):format(type(handler)), 2)
	end
	local done <const>, message <const>, errno <const> = options.call("ring:add", self.add_map, self, map, type_name)
	if not done then return nil, message, errno end
	if not self.handlers then core.set_field(self, "handlers", {}) end
	self.handlers[map] = handler
	return self
end

--- Iterates over the records: `for event, map in ring:events { idle = 1 } do … end`.
--- Ends after `idle` seconds without a record, after `duration` seconds, on Ctrl-C, or when the ring is closed.
---@param given { idle: number?, duration: number? }?
---@return fun(): any, crumb.Map
function Ring:events(given)
	return iterate((options.call("ring:events", reader, self, "ring:events", nil, given or {})))
end

--- Iterates over the records' fields as positional values: `for pid, comm in ring:each("pid", "comm") do`.
--- The fast road: no table is made. A last argument that is a table has the options of `events`.
---@param ... string|table
---@return fun(): ...
function Ring:each(...)
	local fields <const> = { ... }
	local given <const> = type(fields[#fields]) == "table" and table.remove(fields) or {}
	if #fields == 0 then error("ring:each: name the fields to read, or use ring:events", 2) end
	return iterate((options.call("ring:each", reader, self, "ring:each", fields, given)))
end

--- Delivers records to their maps' handlers: those there are, and those that come within `timeout`.
--- Units: seconds; 0: only what has come by now.
---@param timeout number? 0
---@return integer? delivered nil once closed
function Ring:poll(timeout)
	if self:closed() then return nil end
	local nanoseconds <const> = options.duration("ring:poll", timeout or 0)
	local mine <const> = self.handlers or {}
	for _, map in ipairs(self.maps) do
		if not mine[map] then
			error(("ring:poll: map %s has no handler: give one to object:ring or ring:add, or use ring:events")
				:format(map.name), 2)
		end
	end
	local deadline <const> = core.now() + nanoseconds
	local wait <const> = nanoseconds > 0 and pause(self, nil, deadline) or function() return false end
	local count = 0
	for event, map in self:reader(nil, wait, nanoseconds > 0 and deadline or nil, nanoseconds == 0) do
		count = count + 1
		mine[map](event, map)
	end
	return count
end

--- What an event loop needs (cqueues' protocol): a descriptor, what to wait for, and how long at most.
---@return { pollfd: integer, events: string, timeout: fun(): number }
function Ring:pollable()
	local ring <const> = self
	return {
		pollfd = ring:fd(),
		events = "r",
		timeout = function() return not ring:closed() and ring:wait(0) and 0 or SLICE / 1e9 end,
	}
end

return Ring
