--- event: what the cells of a rule's records become in Lua.

local core <const> = require "crumb.core"
local lazy <const> = require "crumb.lazy"

local stack <const> = lazy "crumb.stack"

local event = {}

-- Of several names for one value the first in the alphabet, so that it is the same one in every run.
local function names_by_value(values)
	local names <const> = {}
	for name, value in pairs(values) do
		if not names[value] or name < names[value] then names[value] = name end
	end
	return function(value) return names[value] or value end
end

-- What stands before an IPv4 address in one of IPv6.
local MAPPED <const> = ("\0"):rep(10) .. "\xff\xff"

-- "ntop" of 4 bytes or of 16.
local function address(bytes)
	if #bytes == 4 then return ("%d.%d.%d.%d"):format(bytes:byte(1, 4)) end
	if bytes:sub(1, 12) == MAPPED then return "::ffff:" .. address(bytes:sub(13)) end
	local groups <const> = { (">I2I2I2I2I2I2I2I2"):unpack(bytes) }
	local first, length, at = nil, 1, 1
	while at <= 8 do
		local last = at
		while last <= 8 and groups[last] == 0 do last = last + 1 end
		if last - at > length then first, length = at, last - at end
		at = math.max(last, at + 1)
	end
	local words <const> = {}
	for i = 1, 8 do words[i] = ("%x"):format(groups[i]) end
	if not first then return table.concat(words, ":") end
	return table.concat(words, ":", 1, first - 1) .. "::" .. table.concat(words, ":", first + length)
end

local function symbol_of(frames)
	local frame <const> = frames[1]
	if not frame or not frame.name then return frame and ("0x%x"):format(frame.address) end
	return frame.offset == 0 and frame.name or ("%s+0x%x"):format(frame.name, frame.offset)
end

-- By the kind of a cell, what makes a value of what the record has.
local CONVERT <const> = {
	bool = function(value) return value ~= 0 end,
	kstack = function(bytes) return stack.kernel(bytes) end,
	ustack = function(bytes, pid) return stack.user(bytes, pid) end,
	ksym = function(value) return symbol_of(stack.kernel(("<i8"):pack(value))) end,
	usym = function(value, pid) return symbol_of(stack.user(("<i8"):pack(value), pid)) end,
	ntop = address,
}

--- The layout of a plan's records.
---@param cells { name: string, kind: string, storage: string, values: table<string, integer>? }[] a plan's
---@param resolve table<string, fun(word: integer): any> by kind: what only the trace knows, such as a site's name
---@return crumb.Layout
function event.layout(cells, resolve)
	local list <const> = {}
	for i, cell in ipairs(cells) do
		list[i] = {
			name = cell.name, kind = cell.storage,
			convert = cell.values and names_by_value(cell.values)
				or cell.storage == "integer" and resolve[cell.kind] or CONVERT[cell.kind],
		}
	end
	return core.layout(list)
end

return event
