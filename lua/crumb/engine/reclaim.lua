--- reclaim: when what programs and records may still refer to can be used again.
--
-- In this order: it is unpublished; a grace period that began later has passed; no pair refers to it; and, of what
-- records name, the reader has passed all that was written before. A grace period takes some 10 ms, so things wait
-- for it together.

local core <const> = require "crumb.core"

local HEAVY <const> = 256 -- some milliseconds for so much are little

---@class crumb.Reclaim
---@field weight integer of what waits
---@field waiting table[] for a grace period
---@field held table[] by pairs
---@field unread table[] what the reader has not passed yet, the oldest first
local Reclaim = {}
Reclaim.__index = Reclaim

--- Hands in what is unpublished.
---@param free fun() called when no program runs that has seen it
---@param held nil|fun(): boolean whether pairs still refer to it
---@param weight integer? what it costs while it waits, against a body's 1
function Reclaim:add(free, held, weight)
	self.waiting[#self.waiting + 1] = { free = free, held = held }
	self.weight = self.weight + (weight or 1)
end

--- Hands in, after the grace period, what records may name.
---@param free fun()
function Reclaim:after_reading(free)
	local mark <const> = self.ring and self.ring:mark()
	if not mark then return free() end
	self.unread[#self.unread + 1] = { free = free, mark = mark }
end

--- Frees what the reader has passed.
function Reclaim:passed()
	local unread <const>, first = self.unread, 1
	while unread[first] and self.ring:passed(unread[first].mark) do
		unread[first].free()
		first = first + 1
	end
	if first > 1 then
		local count <const> = #unread
		table.move(unread, first, count + first - 1, 1)
	end
end

local function sift(list, kept)
	for _, one in ipairs(list) do
		if one.held and one.held() then kept[#kept + 1] = one else one.free() end
	end
	return kept
end

--- Collects when much waits.
function Reclaim:tidy()
	if self.weight >= HEAVY then self:collect() end
end

--- Waits for a grace period, and frees all that waited for it and is not held.
--- Errors: nil, message, errno: then nothing is freed.
---@param passed boolean? it has passed for all that waits
---@return true?, string?, integer?
function Reclaim:collect(passed)
	if #self.waiting > 0 and not passed then
		local done <const>, message <const>, errno <const> = core.grace()
		if not done then return nil, message, errno end
	end
	local waiting <const>, held <const> = self.waiting, self.held
	self.waiting, self.held, self.weight = {}, {}, 0
	self.held = sift(waiting, sift(held, {}))
	self:passed()
	return true
end

---@return crumb.Reclaim
return function() return setmetatable({ waiting = {}, held = {}, unread = {}, weight = 0 }, Reclaim) end
