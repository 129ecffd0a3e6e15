--- map: what crumb.Map does beyond one element: iteration that ends, queues by their own words.

local core <const> = require "crumb.core"

local Map <const>, metatable <const> = core.methods "crumb.Map"

local BATCH <const>, BATCH_BYTES <const> = 256, 1 << 22
local BATCHED <const> = {
	array = true, percpu_array = true,
	hash = true, percpu_hash = true, lru_hash = true, lru_percpu_hash = true,
}
local ENOSPC <const>, EOPNOTSUPP <const> = 28, 95

-- A batch must hold the fullest bucket, whose size nobody knows.
local function next_batch(map, size, position)
	local keys, values, following = map:lookup_batch(size, position)
	while not keys and following == ENOSPC and size < map.max_entries do
		size = size * 4
		keys, values, following = map:lookup_batch(size, position)
	end
	if not keys then error(values, 0) end
	return keys, values, following
end

local function each_batch(map)
	local size <const> = math.min(BATCH, math.max(1, BATCH_BYTES // (map.key_size + map.value_size)))
	local keys, values, position = next_batch(map, size)
	local i = 0
	return function()
		i = i + 1
		while not keys[i] do
			if not position then return nil end
			keys, values, position = next_batch(map, size, position)
			i = 1
		end
		return keys[i], values[i]
	end
end

-- All keys are read at once: between two steps of such a walk nobody may delete the key it stands on.
local function each_key(map)
	if map.type == "queue" or map.type == "stack" then
		error(("map %s is a %s, which has no keys: take its elements with pop"):format(map.name, map.type), 3)
	end
	local keys <const>, raw <const> = map:keys()
	if not keys then error(raw, 0) end
	local i = 0
	return function()
		while keys[i + 1] ~= nil do
			i = i + 1
			local value <const>, failure <const>, errno <const> = map:lookup(raw[i])
			if value ~= nil then return keys[i], value end
			if failure and errno ~= EOPNOTSUPP then error(failure, 0) end
		end
	end
end

--- Iterates over all elements; ends, and meets every key that stayed once, while the map changes.
--- Elements are read some hundred at a time: a value may be older than the loop's last step.
--- Errors: raises when the map cannot be read.
---@return fun(): any, any
function Map:each()
	if BATCHED[self.type] then return each_batch(self) end
	return each_key(self)
end

--- Adds to a queue or a stack.
---@param value any
---@return true?, string?, integer?
function Map:push(value) return self:update(nil, value) end

--- Takes from a queue (the oldest) or a stack (the newest); nil alone when it is empty.
---@return any, string?, integer?
function Map:pop() return self:lookup_and_delete(nil) end

--- What pop would take, left where it is; nil alone when it is empty.
---@return any, string?, integer?
function Map:peek() return self:lookup(nil) end

metatable.__pairs = Map.each

return Map
