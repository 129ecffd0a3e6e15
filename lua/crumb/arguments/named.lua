--- named: a prototype's parameters as the arguments of a scope.

local types <const> = require "crumb.expression.types"

local named = {}

-- Integers as wide as they are declared: what stands above them in a register or word is nobody's.
local function narrowed(load, type)
	if not load.context or not type.size or type.kind == "struct" then return load end
	return { context = load.context, width = type.size, signed = type.signed }
end

--- The arguments that have a name, each at the place it has, or unknown with the reason why it has none.
---@param source table a type source
---@param parameters { name: string, type: string, id: integer }[]
---@param places table[] as of abi.places
---@param load_of fun(word: integer): table? LOAD of a place's word
---@return { name: string, load: table, type: table, declared: string }[]
function named.arguments(source, parameters, places, load_of)
	local list <const> = {}
	for i, parameter in ipairs(parameters) do
		local place <const> = places[i]
		local load <const> = place.word and load_of(place.word)
		if parameter.name ~= "" and load then
			local type = types.of(source, parameter.id)
			if place.indirect then
				local target <const> = type
				type = { kind = "pointer", target = function() return target end }
			end
			list[#list + 1] = { name = parameter.name, load = narrowed(load, type), type = type, declared = parameter.type }
		elseif parameter.name ~= "" then
			list[#list + 1] = {
				name = parameter.name, load = { constant = 0 }, declared = parameter.type,
				type = { kind = "unknown", why = place.why or "it lies in a register that is not read here" },
			}
		end
	end
	return list
end

--- The type of what is returned, where that is a value in a register.
---@param source table
---@param prototype { returns: { id: integer } }
---@return table? TYPE
function named.result(source, prototype)
	local id <const> = prototype.returns.id
	local type <const> = id ~= 0 and types.of(source, id)
	local reads <const> = type and (type.kind == "int" or type.kind == "bool" or type.kind == "enum" or type.kind == "pointer")
	return reads and type or nil
end

return named
