--- types: TYPEs of doc/design/0002-tracer.md, made from a source such as the kernel's BTF.
--
-- A source has type(id_or_name) as crumb.Btf has it. A type is made when it is asked for, and once.

local types = {}

local known <const> = setmetatable({}, { __mode = "k" })

local function unknown(why) return { kind = "unknown", why = why } end

local function enum_values(shape)
	local values <const> = {}
	for _, one in ipairs(shape.values) do values[one.name] = one.value end
	return values
end

-- A type that is only declared is looked for by its name.
local function completed(source, shape)
	if shape.kind ~= "none" or not shape.name:find "^%a+ [%w_]+$" then return shape end
	local full <const> = source:type(shape.name)
	return full and full.kind ~= "none" and full or shape
end

local function of_reference(source, reference)
	return function() return reference.id ~= 0 and types.of(source, reference.id) or nil end
end

local function struct(source, shape)
	local by_name, names
	local function list()
		by_name, names = {}, {}
		for i, one in ipairs(shape.members) do by_name[one.name], names[i] = one, one.name end
	end
	local function member(name)
		if not by_name then list() end
		local one <const> = by_name[name]
		if not one then return nil end
		return { offset = one.offset, type = types.of(source, one.id), bit_offset = one.bit_offset, bits = one.bits }
	end
	return {
		kind = "struct", size = shape.size, name = shape.name, member = member,
		names = function()
			if not names then list() end
			return names
		end,
	}
end

local MAKE <const> = {
	int = function(_, shape)
		local name <const> = shape.name:gsub("%f[%w]const%f[%W]%s*", ""):gsub("%f[%w]volatile%f[%W]%s*", "")
		return { kind = "int", size = shape.size, signed = shape.signed, char = name:find "^%a-%s?char$" ~= nil }
	end,
	bool = function(_, shape) return { kind = "bool", size = shape.size } end,
	enum = function(_, shape)
		return { kind = "enum", size = shape.size, signed = shape.signed, values = enum_values(shape) }
	end,
	pointer = function(source, shape) return { kind = "pointer", target = of_reference(source, shape.element) } end,
	array = function(source, shape)
		return { kind = "array", count = shape.count, element = of_reference(source, shape.element) }
	end,
	struct = struct,
	union = struct,
}

--- The type with that id, or name.
---@param source table
---@param id integer|string
---@return table TYPE of kind "unknown" when there is none that can be read
function types.of(source, id)
	local of_source = known[source]
	if not of_source then
		of_source = {}
		known[source] = of_source
	end
	if of_source[id] then return of_source[id] end
	local shape <const>, why <const> = source:type(id)
	local full <const> = shape and completed(source, shape)
	local make <const> = full and MAKE[full.kind]
	local made <const> = make and make(source, full)
		or unknown(why or ("%s holds nothing that can be read"):format(shape.name))
	of_source[id] = made
	return made
end

return types
