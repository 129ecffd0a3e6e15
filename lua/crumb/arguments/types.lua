--- types: a type of a source such as the kernel's BTF, as an expression sees it.

local types = {}

local make

local function values_of(shape)
	local values <const> = {}
	for _, one in ipairs(shape.values) do values[one.name] = one.value end
	return values
end

local function struct(source, shape)
	local function member(name)
		for _, one in ipairs(shape.members) do
			if one.name == name then
				return {
					offset = one.offset, type = types.of(source, one.id), bit_offset = one.bit_offset, bits = one.bits,
				}
			end
		end
		return nil
	end
	local function names()
		local list <const> = {}
		for i, one in ipairs(shape.members) do list[i] = one.name end
		return list
	end
	return { kind = "struct", size = shape.size, name = shape.name, member = member, names = names }
end

make = {
	int = function(_, shape) return { kind = "int", size = shape.size, signed = shape.signed } end,
	bool = function(_, shape) return { kind = "bool", size = shape.size } end,
	enum = function(_, shape)
		return { kind = "enum", size = shape.size, signed = shape.signed, values = values_of(shape) }
	end,
	pointer = function(source, shape)
		return {
			kind = "pointer",
			target = function() return shape.element.id ~= 0 and types.of(source, shape.element.id) or nil end,
		}
	end,
	array = function(source, shape)
		return {
			kind = "array", count = shape.count,
			element = function() return types.of(source, shape.element.id) end,
		}
	end,
	struct = struct,
	union = struct,
}

--- The type with that id.
---@param source table with type(id), as crumb.Btf has it
---@param id integer
---@return table TYPE of doc/design/0002-tracer.md
function types.of(source, id)
	local shape <const>, why <const> = source:type(id)
	if not shape then return { kind = "unknown", why = why } end
	local of_kind <const> = make[shape.kind]
	if not of_kind then return { kind = "unknown", why = ("%s is no type that can be read"):format(shape.name) } end
	return of_kind(source, shape)
end

return types
