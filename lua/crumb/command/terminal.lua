--- terminal: what is known of the one that the command writes to.

local core <const> = require "crumb.core"

local terminal = {}

--- Whether colours are wanted: on a terminal that has some, and where NO_COLOR says nothing.
---@return boolean
function terminal.colours()
	return core.terminal(1) ~= nil and os.getenv "TERM" ~= "dumb" and (os.getenv "NO_COLOR" or "") == ""
end

--- Its size, or a likely one.
---@return integer rows
---@return integer columns
function terminal.size()
	local rows <const>, columns <const> = core.terminal(1)
	if not rows or rows == 0 or columns == 0 then return 24, 80 end
	return rows, columns
end

return terminal
