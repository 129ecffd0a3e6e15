--- position: where a message was raised, which is said to people only where it is in their own code.

-- What crumb's modules have in messages; those that core.so carries know no lines.
local PLACES <const> = { "^[^\n:]*crumb/[^\n:]*%.lua:%d+: ", "^%?:%-1: " }

local position = {}

--- A message without its place in crumb's own code.
---@param message string
---@return string
function position.cut(message)
	for _, place in ipairs(PLACES) do message = message:gsub(place, "") end
	return message
end

return position
