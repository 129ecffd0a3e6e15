--- progress: what tells a person at a terminal how far an attachment is that takes long.

local core <const> = require "crumb.core"

local LONG <const> = 1000000000 -- ns that attaching takes before it is spoken of

---@param quiet boolean?
---@return nil|fun(done: integer, total: integer)
---@return table? shown wipes it out when it is closed
return function(quiet)
	if quiet or not core.terminal(2) then return nil end
	local began <const>, shown = core.now(), false
	return function(done, total)
		if core.now() - began <= LONG then return end
		shown = true
		io.stderr:write(("\rcrumb: attaching: %d of %d"):format(done, total))
	end, setmetatable({}, { __close = function()
		if shown then io.stderr:write "\r\27[K" end
	end })
end
