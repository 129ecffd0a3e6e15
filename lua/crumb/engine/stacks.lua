--- stacks: the stacks that are keys of rows: a map of them for all tables, and who has just come into it.
--
-- Nothing tells when the last row with a stack is gone, so the map is exchanged for an empty one when it may be half full
-- and all tables were emptied since the last time. The one before is kept until then: what hit during the exchange may
-- have left its stack there.

---@class crumb.Stacks
---@field engine crumb.Engine
---@field tables table<crumb.Table, boolean> those with stacks among their keys; true: emptied since the last exchange
---@field used integer stacks that may be in the map of tables that were emptied
---@field holders table<table, true> who has numbers of stacks elsewhere than in tables
---@field before crumb.Map?
local Stacks = {}
Stacks.__index = Stacks

--- Pairs keep numbers of stacks: as long as there may be some, the map stays.
---@param holder table
---@param holds boolean
function Stacks:hold(holder, holds) self.holders[holder] = holds or nil end

--- A table with stacks among its keys.
function Stacks:add(one) self.tables[one] = false end

-- Rows that nobody can read any more may have left stacks.
function Stacks:remove(one)
	if self.tables[one] == nil then return end
	self.tables[one] = nil
	self.used = self.used + one.rows
end

local function all_emptied(tables)
	for _, emptied in pairs(tables) do
		if not emptied then return false end
	end
	return true
end

--- A table was emptied of so many rows, whose stacks have been looked up.
--- Errors: nil, message, errno; then the map stays.
---@param one crumb.Table
---@param rows integer
---@return true?, string?, integer?
function Stacks:emptied(one, rows)
	if self.tables[one] == nil then return true end
	self.tables[one], self.used = true, self.used + rows
	if 2 * self.used < self.engine.limits.stacks or next(self.holders) or not all_emptied(self.tables) then return true end
	local old <const> = self.engine.inner.stacks
	self.engine.inner.stacks = nil
	local made <const>, message <const>, errno <const> = self.engine:only "stacks"
	if not made then
		self.engine.inner.stacks = old
		return nil, message, errno
	end
	if self.before then self.before:close() end
	self.before, self.used = old, 0
	for each in pairs(self.tables) do self.tables[each] = false end
	return true
end

--- A stack by its number.
--- Shape: struct stack of bpf/wire.h
---@param number integer
---@return table?
function Stacks:find(number)
	local map <const> = self.engine.inner.stacks
	return map and map:lookup(number) or self.before and self.before:lookup(number)
end

--- Whether anybody keeps stacks.
---@return boolean
function Stacks:wanted() return next(self.tables) ~= nil or next(self.holders) ~= nil end

--- Calls a function with each process that has left a new stack since the last time, and that stack: who looks its names
--- up now has them when it has ended.
---@param call fun(known: table)
function Stacks:meet(call)
	if not self:wanted() then return end
	for pid, number in self.engine.maps.newcomers:each() do
		self.engine.maps.newcomers:delete(pid)
		local known <const> = self:find(number)
		if known then call(known) end
	end
end

function Stacks:close()
	if self.before then self.before:close() end
end

---@param engine crumb.Engine
---@return crumb.Stacks
return function(engine) return setmetatable({ engine = engine, tables = {}, holders = {}, used = 0 }, Stacks) end
