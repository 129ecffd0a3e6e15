--- pair: what one block keeps in a map for another one: whole calls, and spans.

local expression <const> = require "crumb.command.bpftrace.expression"
local targets <const> = require "crumb.command.bpftrace.target"
local values <const> = require "crumb.command.bpftrace.values"

local pair = {}

---@class crumb.BpftracePair
---@field from crumb.BpftracePlace? the block that keeps
---@field calls crumb.BpftraceTarget[]? where the two are whole calls

local function each_map(node, call)
	if node.tag == "map" then call(node) end
	for _, part in pairs(node) do
		if type(part) == "table" then each_map(part, call) end
	end
end

-- Calls with each map that a place reads.
local function each_read(place, call)
	for _, action in ipairs(place.actions) do
		for _, part in ipairs { action.tests, action.value or {}, action.arguments or {}, action.keys or {} } do
			each_map(part, call)
		end
	end
end

-- The block that fills a map in that way, and what does. What is filled at the beginning is a table of names.
local function filler_of(places, name, does)
	for _, place in ipairs(places) do
		for _, action in ipairs(place.targets[1].kind ~= "BEGIN" and place.actions or {}) do
			if action.does == does and action.map == name then return place, action end
		end
	end
end

local function is_moment(node) return node.tag == "name" and node.name == "nsecs" end

--- What begins elsewhere and ends at a place; nil: nothing does.
---@param places crumb.BpftracePlace[]
---@param place crumb.BpftracePlace
---@return crumb.BpftracePair?
function pair.of(places, place)
	local from, reads = nil, false
	each_read(place, function(map)
		local keeper <const> = filler_of(places, map.name, "keep")
		if keeper ~= place and not filler_of(places, map.name, "aggregate") then from, reads = from or keeper, true end
	end)
	if not reads then return nil end
	local calls <const> = targets.calls(place.targets, from and from.targets)
	return (from or calls) and { from = from, calls = calls } or nil
end

--- What a map stands for at the end of a pair, for the context of its expressions.
---@param places crumb.BpftracePlace[]
---@param its crumb.BpftracePair?
---@param of_beginning crumb.BpftraceContext? of expressions of its beginning
---@return fun(map: table): string?, string?
function pair.kept(places, its, of_beginning)
	return function(map)
		if not its then return nil end
		local keeper <const>, action <const> = filler_of(places, map.name, "keep")
		if not keeper then return "latency", "time" end
		if keeper ~= its.from then return nil end
		if is_moment(action.value) then return "latency", "time" end
		local words <const> = expression.words(action.value, of_beginning)
		if not its.calls then return pair.name(map.name) end
		return values.are_plain(words) and words or ("entry(%s)"):format(words)
	end
end

--- How a span calls what a map keeps.
---@param name string
---@return string
function pair.name(name) return name ~= "" and name or "kept" end

--- What a place keeps: conditions, keys, and the values that are no moments by their names.
---@param place crumb.BpftracePlace
---@return { tests: table[], keys: table[], values: { name: string, value: table }[] }
function pair.keeps(place)
	local found <const> = { tests = {}, keys = {}, values = {} }
	for _, action in ipairs(place.actions) do
		if action.does == "keep" then
			found.tests, found.keys = action.tests, action.keys
			if not is_moment(action.value) then
				found.values[#found.values + 1] = { name = pair.name(action.map), value = action.value }
			end
		end
	end
	return found
end

--- The keys by which a place finds what another one keeps.
---@param place crumb.BpftracePlace
---@param from crumb.BpftracePlace
---@return table[]
function pair.keys(place, from)
	local keys
	each_read(place, function(map)
		if not keys and filler_of({ from }, map.name, "keep") then keys = map.keys end
	end)
	return keys or {}
end

--- Whether a place does nothing but keep something for another one.
---@param places crumb.BpftracePlace[]
---@param place crumb.BpftracePlace
---@return boolean
function pair.only_begins(places, place)
	for _, action in ipairs(place.actions) do
		if action.does ~= "keep" then return false end
	end
	for _, other in ipairs(places) do
		local its <const> = other ~= place and pair.of(places, other)
		if its and its.from == place then return true end
	end
	return false
end

return pair
