--- events: what one of the engine's records costs out of a ring, as an event or as values, and in plain C.

local bpf <const> = require "crumb.bpf"
local core <const> = require "crumb.core"
local reader <const> = require "reader"

local ROUNDS <const> = 21

local function finish() return false end

-- Each empties the ring and returns the number of its records.
local WAYS <const> = {
	{ what = "trail, tables of 9", limit = 500, run = function(trail)
		local count = 0
		for _ in trail {} do count = count + 1 end
		return count
	end },
	{ what = "trail, 3 integers", limit = 125, run = function(trail)
		local count = 0
		for _, _, _ in trail { fields = { "pid", "size", "time" } } do count = count + 1 end
		return count
	end },
	{ what = "trail, 3 integers of one owner", run = function(trail)
		local count = 0
		for _, _, _ in trail { fields = { "pid", "size", "time" }, owner = "mine", other = finish } do count = count + 1 end
		return count
	end },
	{ what = "trail, comm, symbol, 1 integer", run = function(trail)
		local count = 0
		for _, _, _ in trail { fields = { "comm", "symbol", "size" } } do count = count + 1 end
		return count
	end },
}

local function by_crumb(object, way, options)
	local ring <close> = assert(object:ring "records")
	collectgarbage() -- that of the round before is not this one's cost
	local start <const> = os.clock()
	local count <const> = way.run(function(more)
		for name, value in pairs(options) do more[name] = value end
		return ring:trail(more)
	end)
	return count, (os.clock() - start) * 1e9
end

--- One row a way of reading, in nanoseconds a record.
---@return { what: string, unit: string, goal: number?, crumb: number[], plain: number[] }[]
return function()
	local object <close> = assert(bpf.open "build/bench/events.bpf.o")
	assert(object:load())
	local fill <const>, records <const> = object.programs.fill:fd(), object.maps.records:fd()
	local layout <const> = core.layout { { name = "size", kind = "integer" }, { name = "tag", kind = "integer" } }
	local sites <const> = {}
	for i = 1, 8 do sites[i] = { "mine", __index = { symbol = "symbol" .. i, cookie = i } } end
	local options <const> = { layouts = { layout, layout }, sites = sites, pause = finish }
	local rows <const> = {}
	for i, way in ipairs(WAYS) do rows[i] = { what = way.what, unit = "ns", limit = way.limit, crumb = {}, plain = {} } end
	for round = 1, ROUNDS do
		for i, way in ipairs(WAYS) do
			reader.fill(fill)
			local expected <const>, plain <const> = reader.consume(records)
			reader.fill(fill)
			local count <const>, crumb <const> = by_crumb(object, way, options)
			assert(count == expected and count > 0, way.what .. ": not every record was read")
			rows[i].plain[round], rows[i].crumb[round] = plain / count, crumb / count
		end
	end
	return rows
end
