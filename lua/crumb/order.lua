--- order: events of all processors by their times. They come nearly so: a processor's are in order, but one may be late.

local order <const> = {}

---@class crumb.Order
---@field show fun(event: table)
---@field events table[] that wait
---@field newest integer of what has come
---@field known integer what was there at the step before is complete up to this time
local Order = {}
Order.__index = Order

local function by_time(a, b)
	if a.time == b.time then return a.place < b.place end
	return a.time < b.time
end

--- Takes an event.
---@param event table
function Order:add(event)
	self.count = self.count + 1
	self.events[#self.events + 1] = { time = event.time, place = self.count, event = event }
	self.newest = math.max(self.newest, event.time)
end

local function give(self, limit)
	table.sort(self.events, by_time)
	local given = 0
	while self.events[given + 1] and self.events[given + 1].time <= limit do
		given = given + 1
		self.show(self.events[given].event)
	end
	self.events = table.move(self.events, given + 1, #self.events, 1, {})
end

--- Shows what had come by the last step; called in intervals that are longer than an event is late.
function Order:step()
	give(self, self.known)
	self.known = self.newest
end

--- Shows the rest.
function Order:finish() give(self, math.maxinteger) end

--- Gives events to a function in the order of their times.
---@param show fun(event: table)
---@return crumb.Order
function order.new(show)
	return setmetatable({ show = show, events = {}, count = 0, newest = math.mininteger, known = math.mininteger }, Order)
end

return order
