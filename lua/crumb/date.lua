--- date: when, on the wall's clock, something happened by the kernel's CLOCK_MONOTONIC.

local core <const> = require "crumb.core"

local SECOND <const> = 1000000000
-- Both clocks run at one rate; what lies between them changes only when somebody sets the wall's, or by a suspend.
local STEP <const> = SECOND // 1000

local offset, measured
local shown_second, shown

-- The wall's clock minus CLOCK_MONOTONIC, from the closest of a few readings.
local function measure()
	local best, closest = 0, math.maxinteger
	for _ = 1, 5 do
		local before <const> = core.now()
		local wall <const> = core.wall()
		local took <const> = core.now() - before
		if took < closest then best, closest = wall - before - took // 2, took end
	end
	return best
end

local function current_offset()
	local now <const> = core.now()
	if not measured or now - measured > SECOND then
		local found <const> = measure()
		if not offset or math.abs(found - offset) > STEP then offset = found end
		measured = now
	end
	return offset
end

--- The local date and time of an event: "2026-11-24 21:13:24.123456".
--- Units: nanoseconds of CLOCK_MONOTONIC, as in `event.time`.
---@param time integer
---@return string date
---@return integer seconds since 1970
---@return integer nanoseconds of that second
return function(time)
	local ns <const>, why <const> = core.integer(time)
	if not ns then error("date: " .. why, 2) end
	local wall <const> = ns + current_offset()
	local seconds <const>, rest <const> = wall // SECOND, wall % SECOND
	if seconds ~= shown_second then shown_second, shown = seconds, os.date("%Y-%m-%d %H:%M:%S", seconds) end
	return ("%s.%06d"):format(shown, rest // 1000), seconds, rest
end
