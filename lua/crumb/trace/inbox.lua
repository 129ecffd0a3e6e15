--- inbox: a probe's events on the last part of their way: its handlers, those that wait for who iterates, the count.

local QUEUE <const> = 65536

---@class crumb.Inbox
---@field probe table the probe or span
---@field handler nil|fun(event: crumb.Event)|table<integer, fun(event: crumb.Event)>
---@field delivered integer events that the script has got
---@field dropped integer those it never will, for they were too many, or came when all was closed
---@field closed boolean
---@field first integer
---@field last integer
---@field queue table<integer, crumb.Event>
local Inbox = {}
Inbox.__index = Inbox

--- Sets who handles the events.
--- Errors: raises (level 0) for what is neither a function nor a table cookie -> function.
---@param handler nil|function|table<integer, function>
function Inbox:handle(handler)
	if handler == true then error("handler: expected a function, or a table cookie -> function, got true", 0) end
	for cookie, one in pairs(type(handler) == "table" and handler or {}) do
		if not math.tointeger(cookie) or type(one) ~= "function" then
			error(("handler: expected a table cookie -> function, there is [%s] = %s in it"):format(tostring(cookie),
				tostring(one)), 0)
		end
	end
	self.handler = handler or nil
end

--- Who handles an event; nil: who iterates.
---@param event crumb.Event
---@return nil|fun(event: crumb.Event)
function Inbox:handler_of(event)
	local handler <const> = self.handler
	if type(handler) == "table" then return handler[event.cookie] end
	return handler
end

--- How many events wait for who iterates.
---@return integer
function Inbox:waiting() return self.last - self.first + 1 end

--- Keeps an event for who iterates; when there are too many, the new one is dropped, and counted.
---@param event crumb.Event
function Inbox:push(event)
	if self:waiting() >= QUEUE then
		self.dropped = self.dropped + 1
		return
	end
	self.last = self.last + 1
	self.queue[self.last] = event
end

--- The oldest event that waits, left where it is.
---@return crumb.Event?
function Inbox:peek() return self.queue[self.first] end

---@return crumb.Event?
function Inbox:pop()
	local event <const> = self.queue[self.first]
	if not event then return nil end
	self.queue[self.first] = nil
	self.first = self.first + 1
	return event
end

--- Nothing is delivered any more: what waits is dropped, and counted.
function Inbox:close()
	self.closed = true
	self.dropped = self.dropped + self:waiting()
	self.queue, self.first, self.last = {}, 1, 0
end

---@param probe table
---@return crumb.Inbox
return function(probe)
	return setmetatable({ probe = probe, delivered = 0, dropped = 0, closed = false, first = 1, last = 0, queue = {} }, Inbox)
end
