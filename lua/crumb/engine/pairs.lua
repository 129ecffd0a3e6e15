--- pairs: what has begun and not ended, as the engine keeps it.

local core <const> = require "crumb.core"

local pairs_of = {}

--- Iterates over the pairs: the key { owner, a, b }, and the pair { time, site, body, args }.
---@param engine crumb.Engine
---@return fun(): table?, table?
function pairs_of.each(engine)
	local map <const> = engine.inner.pairs
	if not map then return function() return nil end end
	return map:each()
end

--- Takes out the pairs that never will end: they count as abandoned where they began.
---@param engine crumb.Engine
---@param gone fun(key: table, pair: table): boolean
function pairs_of.sweep(engine, gone)
	for key, pair in pairs_of.each(engine) do
		-- Meanwhile it may have ended, and another begun under its key: what is taken is counted.
		local taken <const> = gone(key, pair) and engine.inner.pairs:lookup_and_delete(key)
		if taken then
			engine:count(taken.site, "abandoned", 1)
			engine.references:add(taken.body, 0, -1)
		end
	end
end

--- Whether the thread of a call is there no more, or, of a goroutine's, the process: goroutines come and go unseen.
---@param key table
---@return boolean
function pairs_of.caller_gone(key)
	-- A namespace numbers other threads than the kernel does.
	if core.pid_namespace() ~= 0 then return false end
	local file <close> = io.open(("/proc/%d/stat"):format(key.process ~= 0 and key.process or key.a & 0xffffffff))
	return file == nil
end

return pairs_of
