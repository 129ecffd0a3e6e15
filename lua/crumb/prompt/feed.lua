--- feed: what comes from the trace while a line is typed: when to look, and how much of it is written.
--
-- Events come in batches, so that a terminal has a moment for what is typed.

local core <const> = require "crumb.core"
local output <const> = require "crumb.command.output"

local SECOND <const> = 1000000000
local REST <const> = SECOND // 20 -- between two batches
local LONGEST <const> = 0.03 -- seconds of a batch
local LINES <const> = 100 -- that are written of a batch

---@class crumb.Feed
---@field session crumb.Session
---@field guard crumb.Guard
---@field ready integer ns of core.now(): no batch before
---@field busy boolean whether the last batch brought something
---@field kinds table<string, integer> what handlers and functions of `every` raised, and how often
local Feed = {}
Feed.__index = Feed

--- What to wait for, and how long at most.
---@return integer? descriptor
---@return integer timeout ns
function Feed:waits()
	local now <const> = core.now()
	if not self.session:tracing() then return nil, SECOND end
	if self.busy and now < self.ready then return nil, self.ready - now end
	local pollable <const> = self.session.opened:pollable()
	return pollable.pollfd, math.min(SECOND, math.floor(pollable.timeout() * SECOND))
end

--- Whether a batch is due, now that the descriptor is readable, or not.
---@param readable boolean
---@return boolean
function Feed:due(readable)
	if not self.session:tracing() then return false end
	return core.now() >= self.ready and (readable or self.busy or self.session.opened:pollable().timeout() <= 0)
end

-- What is raised again and again is said the first time, the tenth, the hundredth …
local function tell(self, what)
	local count <const> = (self.kinds[what] or 0) + 1
	self.kinds[what] = count
	if count == 1 then
		self.session:say("%s", what)
	elseif math.tointeger(10 ^ math.floor(math.log(count, 10) + 1e-9)) == count then
		self.session:say("%s (%d times)", what, count)
	end
end

local function is_interruption(message) return type(message) == "string" and message:find "interrupted!$" ~= nil end

-- A handler that had to be interrupted would have to be again with the next event.
local function failed(self, message, event)
	if is_interruption(message) then
		event.probe.handler = nil
		self.session:say("%s: its handler was interrupted, and is taken off", self.session.names[event.probe])
		return
	end
	tell(self, ("%s: handler: %s"):format(self.session.names[event.probe], self.explain(message)))
end

local function batch(self)
	local live <const> = self.session
	local _ <close> = live.output:hold()
	local handled <const>, left_out <const> = live:deliver {
		most = LONGEST, lines = live.output.format == "text" and LINES or nil,
	}
	self.busy = handled > 0
	if left_out > 0 then live:print(("… and %d more events; run() shows all"):format(left_out)) end
	live:look()
end

--- Delivers a batch. What a function of `every` raises is told, too.
function Feed:deliver()
	local done <const>, message <const> = self.guard:call(batch, self)
	self.ready = core.now() + REST
	if done then return end
	if output.is_unwritable(message) then error(message, 0) end
	if is_interruption(message) then
		self.session:say("%s", self.explain(message))
	else
		tell(self, self.explain(message))
	end
end

---@param live crumb.Session
---@param guard crumb.Guard
---@param explain fun(message: any): string of what a handler raised
---@return crumb.Feed
local function new(live, guard, explain)
	local self <const> = setmetatable({
		session = live, guard = guard, explain = explain, ready = 0, busy = false, kinds = {},
	}, Feed)
	live.failed = function(message, event) failed(self, message, event) end
	return self
end

return { new = new }
