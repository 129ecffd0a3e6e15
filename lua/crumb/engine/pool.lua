--- pool: numbers that are taken and given back, the elements of a map that something may have for itself.

---@class crumb.Pool
---@field first integer
---@field last integer
---@field next integer the lowest that was never taken
---@field free integer[] those that were given back
local Pool = {}
Pool.__index = Pool

--- Takes a number; nil when all are taken.
---@return integer?
function Pool:take()
	local number <const> = table.remove(self.free)
	if number or self.next > self.last then return number end
	self.next = self.next + 1
	return self.next - 1
end

--- Takes so many; nil, and none is taken, when so many are not left.
---@param count integer
---@return integer[]?
function Pool:take_many(count)
	if self:left() < count then return nil end
	local free <const> = self.free
	local given_back <const> = math.min(#free, count)
	local numbers <const> = table.move(free, #free - given_back + 1, #free, 1, {})
	for i = #free, #free - given_back + 1, -1 do free[i] = nil end
	for i = given_back + 1, count do
		numbers[i] = self.next
		self.next = self.next + 1
	end
	return numbers
end

--- Gives back what was taken, once.
---@param number integer
function Pool:give(number) self.free[#self.free + 1] = number end

--- How many can be taken.
---@return integer
function Pool:left() return self.last - self.next + 1 + #self.free end

--- How many there are.
---@return integer
function Pool:size() return self.last - self.first + 1 end

--- The numbers from `first` to `last`, all of them free.
---@param first integer
---@param last integer
---@return crumb.Pool
return function(first, last)
	return setmetatable({ first = first, last = last, next = first, free = {} }, Pool)
end
