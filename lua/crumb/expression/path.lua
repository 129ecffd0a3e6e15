--- path: what lies where: LOADs of a scope, fields, elements.
--
-- Values are tables { kind = "integer", node =, … } or { kind = "aggregate", base =, offset =, type = }: a struct or an
-- array, which has no value of its own but an address. An integer that lies in memory has base and offset too.

local core <const> = require "crumb.core"

local path = {}

local SCALAR <const> = { int = true, bool = true, enum = true, pointer = true }
local WIDTHS <const> = { [1] = true, [2] = true, [4] = true, [8] = true }

local function size_of(type)
	if type.kind == "pointer" then return 8 end
	if type.kind ~= "array" then return type.size end
	local element <const> = type.element()
	local size <const> = element and size_of(element)
	return size and type.count and size * type.count
end

path.size_of = size_of

--- Whether a text lies in an array of such elements, or behind a pointer to them.
function path.is_char(type)
	if not type or type.kind ~= "int" or type.size ~= 1 then return false end
	return type.char or type.char == nil and type.signed
end

--- An integer of that type.
function path.integer(node, type)
	local wide <const> = type.kind == "pointer" or size_of(type) == 8 and type.kind ~= "bool"
	return { kind = "integer", node = node, type = type, unsigned = wide and not type.signed }
end

local lower

-- The address in memory that a LOAD's offset is counted from.
local function address_of(c, load)
	local base <const> = lower(c, load.memory)
	if not load.index then return base end
	return c.graph:calculate("ADD", base, c.graph:calculate("MUL", lower(c, load.index), c.graph:constant(load.scale)))
end

-- The node of a LOAD. `type`: what its sign is.
function lower(c, load, type)
	local graph <const> = c.graph
	if load.register then return graph:register(load.register) end
	if load.constant then return graph:constant(load.constant) end
	local signed = load.signed
	if type and size_of(type) == load.width then signed = type.signed end
	if load.context then return graph:context(load.context, load.width, signed) end
	if load.memory then return graph:load(address_of(c, load), load.offset or 0, load.width, signed) end
	local location <const> = graph:context(load.data_location, 4, false)
	return graph:calculate("ADD", graph:builtin "CONTEXT",
		graph:calculate("AND", location, graph:constant(0xffff)))
end

-- The address that a LOAD loads from, and an offset; nil: it has none.
local function place_of(c, load)
	if load.context then return c.graph:builtin "CONTEXT", load.context end
	if load.memory then return address_of(c, load), load.offset or 0 end
	if load.constant or load.data_location then return lower(c, load), 0 end
	return nil
end

-- A type that is there and can be read.
local function readable(c, type, ast)
	if not type then c:refuse(ast, "nothing is known of what '%s' is", c:text(ast)) end
	if type.kind == "unknown" then c:refuse(ast, "'%s' cannot be read: %s", c:text(ast), type.why) end
	if SCALAR[type.kind] and not WIDTHS[size_of(type)] then
		c:refuse(ast, "'%s' cannot be read: it is of %d bytes", c:text(ast), size_of(type))
	end
	return type
end

--- What a LOAD of that type is. `of_beginning`: at the end of a call, what it was at its beginning.
function path.loaded(c, load, type, ast, of_beginning)
	readable(c, type, ast)
	local function kept(node) return of_beginning and c:of_beginning(node) or node end
	local base <const>, offset <const> = place_of(c, load)
	if not SCALAR[type.kind] then
		if not base then c:refuse(ast, "'%s' lies in registers: write arg0 … arg5", c:text(ast)) end
		return { kind = "aggregate", base = kept(base), offset = offset, type = type }
	end
	local node = lower(c, load, type)
	if load.register or load.constant or (load.width or 8) > size_of(type) then
		node = c.graph:convert(node, size_of(type), type.signed)
	end
	local value <const> = path.integer(kept(node), type)
	if base and not load.data_location and not of_beginning then value.base, value.offset = base, offset end
	return value
end

--- The 64 bits of a LOAD that has no type.
function path.untyped(c, load)
	return { kind = "integer", node = lower(c, load), shown = "untyped" }
end

local function bitfield(c, base, offset, member, type, ast)
	local bytes <const> = (member.bit_offset + member.bits + 7) // 8
	local width <const> = bytes <= 2 and bytes or bytes <= 4 and 4 or 8
	if bytes > 8 then c:refuse(ast, "'%s' cannot be read: its bits lie in %d bytes", c:text(ast), bytes) end
	local value <const> = path.integer(c.graph:bits(c.graph:load(base, offset, width, false), member.bit_offset,
		member.bits, type.signed), type)
	value.unsigned = value.unsigned and member.bits == 64
	return value
end

-- What lies at base + offset.
local function at(c, base, offset, type, ast)
	if not SCALAR[type.kind] then return { kind = "aggregate", base = base, offset = offset, type = type } end
	local value <const> = path.integer(c.graph:load(base, offset, size_of(type), type.signed), type)
	value.base, value.offset = base, offset
	return value, ast
end

-- The struct that a value is or points to, and where it is.
local function struct_of(c, value, ast)
	local base, offset, type = value.base, value.offset, value.type
	if value.kind ~= "aggregate" then
		if value.kind ~= "integer" or not type or type.kind ~= "pointer" then
			c:refuse(ast, "'%s' is no struct, so it has no fields", c:text(ast))
		end
		base, offset, type = value.node, 0, type.target()
		if not type then c:refuse(ast, "nothing is known of what '%s' points to: write u64[%s + 8]", c:text(ast), c:text(ast)) end
		readable(c, type, ast)
	end
	if type.kind ~= "struct" then
		local many <const> = type.kind == "array" or type.kind == "pointer"
		c:refuse(ast, "'%s' %s %s, which has no fields%s", c:text(ast), value.kind == "aggregate" and "is" or "points to",
			type.kind == "array" and "an array" or type.kind == "int" and "a number" or "a " .. type.kind,
			many and (": write %s[0]"):format(c:text(ast)) or "")
	end
	return base, offset, type
end

--- `value`.`name`
function path.field(c, value, ast)
	local base <const>, offset <const>, struct <const> = struct_of(c, value, ast.object)
	local member <const> = struct.member(ast.name)
	if not member then
		local _ <const>, near <const> = core.nearest(ast.name, struct.names())
		c:refuse(c:last(ast), "no member '%s' in %s%s", ast.name, struct.name or "this struct", near)
	end
	local type <const> = readable(c, member.type, ast)
	if member.bits then return bitfield(c, base, offset + member.offset, member, type, ast) end
	return at(c, base, offset + member.offset, type, ast)
end

--- `value`[`index`]
function path.index(c, value, ast)
	local base, offset, element, count = value.base, value.offset, nil, nil
	if value.kind == "aggregate" and value.type.kind == "array" then
		element, count = value.type.element(), value.type.count
	elseif value.kind == "integer" and value.type and value.type.kind == "pointer" then
		base, offset, element = value.node, 0, value.type.target()
	else
		c:refuse(ast.object, "'%s' is no array and no pointer that is known: memory is read as u64[%s]",
			c:text(ast.object), c:text(ast.object))
	end
	readable(c, element, ast)
	local size <const> = size_of(element)
	if not size or size == 0 then c:refuse(ast, "nothing is known of the size of '%s'", c:text(ast)) end
	local index <const> = c:integer(ast.index)
	if index.node.op == "CONSTANT" then
		local number <const> = index.node.value
		if count and count > 0 and (number < 0 or number >= count) then
			c:refuse(ast.index, "'%s' has elements 0 to %d", c:text(ast.object), count - 1)
		end
		return at(c, base, offset + number * size, element, ast)
	end
	base = c.graph:calculate("ADD", base, c.graph:calculate("MUL", index.node, c.graph:constant(size)))
	return at(c, base, offset, element, ast)
end

--- The address of the text that a value is or points to by its type, and the size of the array it lies in; nil: none.
function path.text(c, value)
	local type <const> = value.type
	if value.kind == "aggregate" and type.kind == "array" and path.is_char(type.element()) then
		return c.graph:calculate("ADD", value.base, c.graph:constant(value.offset)), type.count
	end
	if value.kind == "integer" and type and type.kind == "pointer" and path.is_char(type.target()) then
		return value.text_of_beginning or value.node, nil
	end
	return nil
end

--- The value as a text: what is one, or is one by its type; nil: it is none.
function path.string(c, value)
	if value.kind == "string" then return value end
	local address <const>, size <const> = path.text(c, value)
	if not address then return nil end
	return { kind = "string", address = address, size = size, of_beginning = value.text_of_beginning ~= nil }
end

local NETWORK <const> = { ["struct in_addr"] = true, ["struct in6_addr"] = true }

--- Whether something of that type is a network address.
function path.is_network(type)
	return (type.address or NETWORK[type.name] or false) and (size_of(type) == 4 or size_of(type) == 16)
end

--- The network address that a value is by its type; nil: it is none.
function path.network(c, value)
	if value.kind ~= "aggregate" or not path.is_network(value.type) then return nil end
	return {
		kind = "ntop", address = c.graph:calculate("ADD", value.base, c.graph:constant(value.offset)), size = size_of(value.type),
	}
end

--- The address that a value is or has, and how many bytes lie there, if that is known.
function path.address(c, value, ast)
	if value.kind == "aggregate" then
		return c.graph:calculate("ADD", value.base, c.graph:constant(value.offset)), size_of(value.type)
	end
	if value.kind ~= "integer" then c:refuse(ast, "'%s' is no address", c:text(ast)) end
	return value.node, nil
end

return path
