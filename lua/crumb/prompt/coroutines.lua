--- coroutines: Lua's, for what is typed: Ctrl-C interrupts the one that runs, and with it who has resumed it.

-- What resuming gave; an interrupt ends all.
local function resumed(done, ...)
	local message <const> = ...
	if not done and type(message) == "string" and message:find "interrupted!$" then error(message, 0) end
	return done, ...
end

-- What a wrapped one gave.
local function unwrapped(co, done, ...)
	if done then return ... end
	coroutine.close(co)
	error((...), type((...)) == "string" and 2 or 0)
end

--- The library, with a guard that is told which coroutine runs.
---@param guard crumb.Guard
---@return table
return function(guard)
	local function resume(co, ...) return resumed(guard:resume(coroutine.resume, co, ...)) end
	local function wrap(body)
		local co <const> = coroutine.create(body)
		return function(...) return unwrapped(co, resume(co, ...)) end
	end
	return setmetatable({ resume = resume, wrap = wrap }, { __index = coroutine })
end
