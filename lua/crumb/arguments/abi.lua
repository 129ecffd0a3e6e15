--- abi: which registers a function's parameters take when it is called, by the convention of its language.
--
-- Only integers and pointers are given a place; what else is passed moves the registers of those
-- that come after it, and is told why it has none.

local core <const> = require "crumb.core"

local abi = {}

local _ <const>, _ <const>, MACHINE <const> = core.versions()
local ARM <const> = MACHINE == "aarch64"
local NESTED <const>, MEMBERS <const>, ELEMENTS <const> = 8, 64, 16

-- How many registers of each convention hold integers.
local REGISTERS <const> = { c = ARM and 8 or 6, rust = ARM and 8 or 6, go = ARM and 16 or 9 }

local SCALARS <const> = { int = true, bool = true, enum = true, pointer = true }
local STRUCT <const> = "it is a struct passed by value"
local FLOAT <const> = "it is a floating-point number, whose registers BPF does not see"

local function is_struct(shape) return shape.kind == "struct" or shape.kind == "union" end

local function is_float(shape) return shape.kind == "float" or shape.floating end

-- The scalars that a type is made of, { at =, float = } each, in their order; nil: it cannot be told.
local function scalars_of(source, id, at, list, depth)
	local shape <const> = source:type(id)
	if not shape or depth > NESTED or #list > MEMBERS or shape.variants then return nil end
	if is_struct(shape) then
		for _, member in ipairs(shape.members) do
			if not scalars_of(source, member.id, at + member.offset, list, depth + 1) then return nil end
		end
		return list
	end
	if shape.kind == "array" then
		local element <const> = shape.count > 0 and source:type(shape.element.id)
		for index = 0, math.min(shape.count, ELEMENTS) - 1 do
			if not element or not element.size
				or not scalars_of(source, shape.element.id, at + index * element.size, list, depth + 1) then
				return nil
			end
		end
		return list
	end
	if shape.size == 0 then return list end
	if shape.kind ~= "float" and not SCALARS[shape.kind] then return nil end
	list[#list + 1] = { at = at, float = shape.kind == "float" }
	return list
end

-- How many of a small struct's 8-byte words are passed as integers.
local function words_of(scalars, size)
	local words <const>, floats = {}, true
	for _, one in ipairs(scalars) do
		if not one.float then words[one.at // 8], floats = true, false end
	end
	if ARM then return floats and 0 or (size + 7) // 8 end
	return (words[0] and 1 or 0) + (words[1] and 1 or 0)
end

local function c_struct(source, id, shape)
	if shape.by_reference then return 1, nil, true end
	if shape.size > 16 then
		if ARM then return 1, nil, true end
		return 0, STRUCT .. ", on the stack"
	end
	local scalars <const> = scalars_of(source, id, 0, {}, 0)
	if not scalars then return nil, STRUCT end
	return words_of(scalars, shape.size), STRUCT
end

-- Rust's own convention is not promised: what all its versions have in common.
local function rust_struct(source, id, shape)
	local scalars <const> = scalars_of(source, id, 0, {}, 0)
	if not scalars then return nil, STRUCT end
	if #scalars <= 2 then
		local count = 0
		for _, one in ipairs(scalars) do count = count + (one.float and 0 or 1) end
		return count, STRUCT
	end
	if shape.size <= 8 then return 1, STRUCT end
	return nil, STRUCT
end

-- Go takes a value apart, and passes all of it in registers or none.
local function go_struct(source, id, shape)
	local scalars <const> = scalars_of(source, id, 0, {}, 0)
	if not scalars or shape.size > 8 * REGISTERS.go then return 0, STRUCT .. ", on the stack" end
	local count = 0
	for _, one in ipairs(scalars) do count = count + (one.float and 0 or 1) end
	return count, STRUCT
end

local STRUCTS <const> = { c = c_struct, rust = rust_struct, go = go_struct }

-- How many registers a parameter takes; why it cannot be read (with nil: what follows is lost too); whether its
-- address is passed.
local function cost(source, id, convention)
	local shape <const> = source:type(id)
	if not shape then return nil, "its type cannot be read" end
	if SCALARS[shape.kind] then return 1 end
	if is_float(shape) then return 0, FLOAT end
	if shape.kind == "raw" and shape.size == 16 then return 2, "it has 16 bytes" end
	if shape.size == 0 then return 0, "it has no bytes" end
	if not is_struct(shape) and not (convention == "go" and shape.kind == "array") then
		return nil, "its type has no size"
	end
	return STRUCTS[convention](source, id, shape)
end

--- Whether a type is an integer or a pointer, which one register holds.
---@param source table
---@param id integer
---@return boolean
function abi.is_word(source, id)
	local shape <const> = source:type(id)
	return shape and SCALARS[shape.kind] or false
end

-- Whether the first register holds the address where the result goes; nil: it cannot be told.
local function returns_by_address(source, id, convention)
	local shape <const> = id ~= 0 and source:type(id)
	if not shape or not is_struct(shape) or ARM or convention == "go" then return false end
	if convention == "c" then return shape.by_reference or shape.size > 16 end
	local scalars <const> = scalars_of(source, id, 0, {}, 0)
	if scalars and #scalars <= 2 then return false end
	if shape.size > 16 then return true end
	return shape.size > 8 and nil
end

local function in_words(first, words)
	if words == 1 then return (", in arg%d"):format(first) end
	return words == 2 and (", in arg%d and arg%d"):format(first, first + 1) or ""
end

--- The register of each parameter, counted from 0.
--- Shape: { { word = N, indirect = true? } or { why = "…" }, ... }, with `total`, the words of all that are passed in
--- registers; `indirect`: the word is the address of a struct
---@param source table a type source: type(id) as crumb.Btf has it
---@param prototype { parameters: { id: integer }[], returns: { id: integer } }
---@param convention string c, rust or go
---@param most integer? how many words there are; nil: the machine's registers
---@return table[] places with `total`
function abi.places(source, prototype, convention, most)
	local places <const> = {}
	local limit <const> = most or REGISTERS[convention]
	local by_address <const> = returns_by_address(source, prototype.returns.id, convention)
	local used, lost = by_address and not most and 1 or 0, nil
	if by_address == nil then lost = "what is returned may take the first one" end
	for i, parameter in ipairs(prototype.parameters) do
		local words <const>, why, indirect = cost(source, parameter.id, convention)
		if lost then
			why = ("its register is not known: %s"):format(lost)
		elseif not words then
			lost = ("'%s' comes before it, and %s"):format(parameter.name or "?", why)
		elseif words > 0 and used + words > limit then
			why = ("it lies on the stack: %d registers hold arguments"):format(limit)
			if ARM and convention ~= "go" then used = limit end
		elseif not why then
			places[i] = { word = used, indirect = indirect }
			used = used + words
		else
			why = why .. in_words(used, words)
			used = used + words
		end
		places[i] = places[i] or { why = why }
	end
	places.total = not lost and used or nil
	return places
end

return abi
