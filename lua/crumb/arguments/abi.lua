--- abi: which registers a function's parameters take when it is called, in C's convention.
--
-- Only integers and pointers are given a place; what else is passed moves the registers of those
-- that come after it, and is told why it has none.

local core <const> = require "crumb.core"

local abi = {}

local _ <const>, _ <const>, MACHINE <const> = core.versions()
local REGISTERS <const> = MACHINE == "aarch64" and 8 or 6
local NESTED <const> = 8
local MEMBERS <const> = 64

local SCALARS <const> = { int = true, bool = true, enum = true, pointer = true }

-- Marks which of the 8-byte words of a struct hold something else than floating point; nil: it cannot be told.
local function mark_integers(source, id, at, words, depth)
	local shape <const> = source:type(id)
	if not shape or depth > NESTED then return nil end
	if shape.kind == "struct" or shape.kind == "union" then
		if #shape.members > MEMBERS then return nil end
		for _, member in ipairs(shape.members) do
			if not mark_integers(source, member.id, at + member.offset, words, depth + 1) then return nil end
		end
		return true
	end
	if shape.kind == "array" then
		local element <const> = shape.count > 0 and source:type(shape.element.id)
		if not element then return shape.count == 0 or nil end
		for index = 0, math.min(shape.count, 16) - 1 do
			if not mark_integers(source, shape.element.id, at + index * element.size, words, depth + 1) then return nil end
		end
		return true
	end
	if shape.kind == "none" or shape.kind == "raw" then return nil end
	if shape.kind ~= "float" then words[at // 8] = true end
	return true
end

-- How many integer registers a struct of up to 16 bytes takes; nil: it cannot be told.
local function words_of(source, id, size)
	local words <const> = {}
	if not mark_integers(source, id, 0, words, 0) then return nil end
	local floats <const> = not (words[0] or words[1])
	if MACHINE == "aarch64" then return floats and 0 or (size + 7) // 8 end
	return (words[0] and 1 or 0) + (words[1] and 1 or 0)
end

local STRUCT <const> = "it is a struct passed by value"

-- How many registers a parameter takes, and why it cannot be read: nil, a reason when what follows is lost too.
local function cost(source, id)
	local shape <const> = source:type(id)
	if not shape then return nil, "its type cannot be read" end
	if SCALARS[shape.kind] then return 1 end
	if shape.by_reference then return 1, "it is an object passed by reference" end
	if shape.kind == "float" then return 0, "it is a floating-point number, whose registers BPF does not see" end
	if shape.kind == "raw" and shape.size == 16 then
		if shape.float then return 0, "it is a floating-point number, whose registers BPF does not see" end
		return 2, "it is an integer of 16 bytes"
	end
	if shape.kind ~= "struct" and shape.kind ~= "union" then return nil, "its type has no size" end
	if shape.size > 16 then return MACHINE == "aarch64" and 1 or 0, STRUCT end
	local words <const> = words_of(source, id, shape.size)
	if not words then return nil, STRUCT end
	return words, STRUCT
end

--- The register of each parameter, counted from 0.
--- Shape: { { word = N, words = COUNT } or { why = "…" } }, `total` the words of all that are passed in registers
---@param source table a type source: type(id) as crumb.Btf has it
---@param parameters { id: integer }[]
---@param most integer? how many words there are; nil: the machine's registers
---@return table[] places with `total`
function abi.places(source, parameters, most)
	local places <const> = {}
	local limit <const> = most or REGISTERS
	local used, lost = 0, nil
	for i, parameter in ipairs(parameters) do
		local words, why = cost(source, parameter.id)
		if lost then
			why = ("it comes after one whose registers are not known (%s)"):format(lost)
		elseif not words then
			lost = why
		elseif words > 0 and used + words > limit then
			why = ("it lies on the stack: %d registers hold arguments"):format(limit)
			if MACHINE == "aarch64" then used = limit end
		else
			if not why then places[i] = { word = used } end
			used = used + words
		end
		places[i] = places[i] or { why = why }
	end
	places.total = not lost and used or nil
	return places
end

return abi
