--- share: things that are made once for all who want the same, and unmade when nobody does any more.

---@class crumb.Share
local Share = {}
Share.__index = Share

---@class crumb.Shared
---@field key any
---@field users integer
---@field number integer what it is to the engine

--- The thing of that key, which is made when nobody has it.
--- Errors: what `make` returns instead: nil, message, errno.
---@param key any
---@param make fun(): integer?, string?, integer? its number
---@return crumb.Shared?, string?, integer?
function Share:take(key, make)
	local one = self.known[key]
	if not one then
		local number <const>, message <const>, errno <const> = make()
		if not number then return nil, message, errno end
		one = { key = key, number = number, users = 0 }
		self.known[key] = one
	end
	one.users = one.users + 1
	return one
end

--- Gives up what was taken; the last one unmakes it.
---@param one crumb.Shared
function Share:drop(one)
	one.users = one.users - 1
	if one.users > 0 then return end
	self.known[one.key] = nil
	self.unmake(one.number)
end

---@param unmake fun(number: integer)
---@return crumb.Share
return function(unmake) return setmetatable({ known = {}, unmake = unmake }, Share) end
