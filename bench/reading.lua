--- reading: what a record costs out of a ring, by crumb's iterators and by plain C.

local bpf <const> = require "crumb.bpf"
local reader <const> = require "reader"

local ROUNDS <const> = 21
local AT_ONCE <const> = { idle = 0 }

-- Each empties the ring and returns the number of its records. A loop of its own each, as in a script.
local WAYS <const> = {
	{ what = "ring:each, 3 integers", goal = 14, type = "struct record", run = function(ring)
		local count = 0
		for _, _, _ in ring:each("cookie", "time", "pid", AT_ONCE) do count = count + 1 end
		return count
	end },
	{ what = "ring:each, 6 integers", type = "struct record", run = function(ring)
		local count = 0
		for _, _, _, _, _, _ in ring:each("cookie", "time", "pid", "tid", "uid", "size", AT_ONCE) do count = count + 1 end
		return count
	end },
	{ what = "ring:events, tables of 6", goal = 75, type = "struct record", run = function(ring)
		local count = 0
		for _ in ring:events(AT_ONCE) do count = count + 1 end
		return count
	end },
	{ what = "ring:events, raw bytes", run = function(ring)
		local count = 0
		for _ in ring:events(AT_ONCE) do count = count + 1 end
		return count
	end },
}

local function by_crumb(object, way)
	local ring <close> = assert(object:ring("records", way.type))
	collectgarbage() -- that of the round before is not this one's cost
	local start <const> = os.clock()
	local count <const> = way.run(ring)
	return count, (os.clock() - start) * 1e9
end

--- One row a way of reading, in nanoseconds a record.
---@return { what: string, unit: string, goal: number?, crumb: number[], plain: number[] }[]
return function()
	local object <close> = assert(bpf.open "build/bench/reader.bpf.o")
	assert(object:load())
	local fill <const>, records <const> = object.programs.fill:fd(), object.maps.records:fd()
	local rows <const> = {}
	for i, way in ipairs(WAYS) do rows[i] = { what = way.what, unit = "ns", goal = way.goal, crumb = {}, plain = {} } end
	for round = 1, ROUNDS do
		for i, way in ipairs(WAYS) do
			reader.fill(fill)
			local expected <const>, plain <const> = reader.consume(records)
			reader.fill(fill)
			local count <const>, crumb <const> = by_crumb(object, way)
			assert(count == expected and count > 0, way.what .. ": not every record was read")
			rows[i].plain[round], rows[i].crumb[round] = plain / count, crumb / count
		end
	end
	return rows
end
