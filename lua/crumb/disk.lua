--- disk: block devices by the kernel's numbers, which tracepoints tell, and by their names.

local core <const> = require "crumb.core"

local MINOR_BITS <const> = 20

-- /proc/diskstats has those too that are no files, such as the paths of a disk that has several.
local function each()
	local file <const> = io.open "/proc/diskstats"
	local lines <const> = file and file:lines() or function() end
	return function()
		local major <const>, minor <const>, name <const> = (lines() or ""):match "^%s*(%d+)%s+(%d+)%s+(%S+)"
		if name then return tonumber(major) << MINOR_BITS | tonumber(minor), name end
		if file then file:close() end
	end
end

local disk <const> = {}

--- The numbers of those that there are now, by name.
---@return table<string, integer>
function disk.all()
	local numbers <const> = {}
	for number, name in each() do numbers[name] = number end
	return numbers
end

--- The name of a block device by its number, or its number by its name: 265289728 and "vda".
--- Shape: the number is the kernel's own, with the minor one in the low 20 bits
---@param which integer|string
---@return string|integer|nil other nil: there is no such device
function disk.find(which)
	local wanted <const>, why <const> = core.integer(which)
	if type(which) ~= "string" and not wanted then error(("disk: %s, or a name"):format(why), 2) end
	for number, name in each() do
		if name == which then return number end
		if number == wanted then return name end
	end
	return nil
end

return disk
