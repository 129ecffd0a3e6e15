--- call: the functions of the language.

local core <const> = require "crumb.core"
local habits <const> = require "crumb.lazy" "crumb.expression.habits"
local limits <const> = require "crumb.expression.limits"
local name <const> = require "crumb.expression.name"
local numbers <const> = require "crumb.expression.numbers"
local path <const> = require "crumb.expression.path"

local call = {}

local INTEGERS <const> = {
	u8 = { 1, false }, u16 = { 2, false }, u32 = { 4, false }, u64 = { 8, false },
	s8 = { 1, true }, s16 = { 2, true }, s32 = { 4, true }, s64 = { 8, true },
}

--- The width in bytes and the sign that a word such as u32 stands for; nil: it is none.
function call.width(ast)
	local integer <const> = ast.tag == "name" and INTEGERS[ast.name]
	if integer then return integer[1], integer[2] end
	return nil
end

-- A number of bytes that must be known when the rule is made.
local function size_argument(c, ast, most, hint)
	local value <const> = c:integer(ast)
	local size <const> = value.node.op == "CONSTANT" and value.node.value
	if not size then c:refuse(ast, "the size is a number or a $parameter%s", hint or "") end
	if size < 1 or size > most then c:refuse(ast, "the size is 1 to %d bytes, not %d", most, size) end
	return size
end

local function str(c, ast)
	local first <const>, second <const> = ast.arguments[1], ast.arguments[2]
	local value <const> = c:value(first)
	if value.kind == "comm" then c:refuse(ast, "comm is a text already: write comm") end
	if value.kind == "string" then c:refuse(ast, "'%s' is a text already", c:text(first)) end
	local address, held = path.text(c, value)
	if not address then address, held = path.address(c, value, first) end
	local size <const> = second
		and size_argument(c, second, limits.PIECE_BYTES, ": bytes(x, n) takes any expression for n")
	return { kind = "string", address = address, size = size or held, cut = size }
end

local function bytes(c, ast)
	local first <const>, second <const>, third <const> = table.unpack(ast.arguments)
	local address <const> = path.address(c, c:value(first), first)
	local length <const> = c:integer(second).node
	local most = 256
	if third then
		most = size_argument(c, third, limits.PIECE_BYTES)
	elseif length.op == "CONSTANT" then
		most = size_argument(c, second, limits.PIECE_BYTES)
	end
	return { kind = "bytes", address = address, length = length, size = most }
end

-- Values of the beginning: what is inside is computed there.
local function entry(c, ast)
	local pair <const>, argument <const> = c.scope.pair, ast.arguments[1]
	if pair == "to" then
		c:refuse(ast, "entry(x) is of calls: let `from` capture x, and write its name here")
	elseif pair ~= "call" then
		c:refuse(ast, "there is no entry to look back to: %s", pair == "from" and "write x alone"
			or "write x alone, or add returns = true")
	elseif c.entry then
		c:refuse(ast, "this is of the entry already")
	end
	c.entry = true
	local value <const> = c:value(argument)
	c.entry = false
	if value.kind == "aggregate" then
		local address <const>, size <const> = path.text(c, value)
		if address then return { kind = "string", address = address, size = size, of_beginning = true } end
	elseif value.kind == "string" then
		return { kind = "string", address = value.address, size = value.size, cut = value.cut, of_beginning = true }
	end
	if value.kind ~= "integer" then
		c:refuse(argument, "only numbers and str(x) are kept from the entry%s",
			value.kind == "comm" and ": an event has comm, which is the thread's" or "")
	end
	local kept <const> = { kind = "integer", node = c.graph:saved(value.node) }
	for _, key in ipairs { "unsigned", "type", "time", "clock", "shown" } do kept[key] = value[key] end
	-- Captured, or compared with a text, it is the text that was there.
	kept.text_of_beginning = path.text(c, value)
	return kept
end

local function converted(c, ast)
	local width <const>, signed <const> = table.unpack(INTEGERS[ast.name])
	local value <const> = c:integer(ast.arguments[1])
	return {
		kind = "integer", node = c.graph:convert(value.node, width, signed), unsigned = width == 8 and not signed,
		time = value.time, size = width,
	}
end

-- The bytes of a number in the other order: as many as its type has.
local function bswap(c, ast)
	local argument <const>, graph <const> = ast.arguments[1], c.graph
	local value <const> = c:integer(argument)
	local size <const> = value.size or value.type and path.size_of(value.type)
	if not size then
		c:refuse(argument, "how many bytes '%s' has is not known: write bswap(u16(%s)), or u32", c:text(argument), c:text(argument))
	end
	local swapped = graph:constant(0)
	for byte = 0, size - 1 do
		local one <const> = graph:bits(value.node, 8 * byte, 8, false)
		swapped = graph:calculate("OR", swapped, graph:calculate("SHL", one, graph:constant(8 * (size - 1 - byte))))
	end
	return { kind = "integer", node = swapped, size = size, unsigned = size == 8 }
end

local function symbolic(kind)
	return function(c, ast) return { kind = kind, node = c:integer(ast.arguments[1]).node } end
end

-- A number that has a name.
local function named(word)
	return function(c, ast)
		return { kind = "integer", node = c:integer(ast.arguments[1]).node, type = numbers.type(word) }
	end
end

-- The address of a network address, and its 4 or 16 bytes.
local function ntop(c, ast)
	local first <const>, second <const> = ast.arguments[1], ast.arguments[2]
	local value <const> = c:value(first)
	local address, size
	if value.kind == "integer" and value.type and value.type.kind == "pointer" then
		local target <const> = value.type.target()
		address, size = value.node, target and target.kind ~= "unknown" and path.size_of(target) or nil
	elseif value.kind == "integer" and value.base then
		address = c.graph:calculate("ADD", value.base, c.graph:constant(value.offset))
		size = value.size or path.size_of(value.type)
	else
		address, size = path.address(c, value, first)
	end
	if second then size = size_argument(c, second, 16) end
	if size ~= 4 and size ~= 16 then
		c:refuse(second or ast, "an address has 4 or 16 bytes%s: write ntop(x, 4) or ntop(x, 16)",
			size and (", not %d"):format(size) or "")
	end
	return { kind = "ntop", address = address, size = size }
end

-- Each with the least and the most number of arguments, and how it is written.
local FUNCTIONS <const> = {
	str = { str, 1, 2, "str(x), or str(x, n)" },
	bytes = { bytes, 2, 3, "bytes(x, n), or bytes(x, n, max)" },
	entry = { entry, 1, 1, "entry(x)" },
	ksym = { symbolic "ksym", 1, 1, "ksym(x)" },
	usym = { symbolic "usym", 1, 1, "usym(x)" },
	bswap = { bswap, 1, 1, "bswap(x)" },
	ntop = { ntop, 1, 2, "ntop(x), or ntop(x, n)" },
	errno = { named "errno", 1, 1, "errno(x)" },
	signal = { named "signal", 1, 1, "signal(x)" },
	syscall = { named "syscall", 1, 1, "syscall(x)" },
	disk = { named "disk", 1, 1, "disk(x)" },
}
for word in pairs(INTEGERS) do FUNCTIONS[word] = { converted, 1, 1, word .. "(x)" } end

local function unknown(c, ast)
	local word <const> = ast.name
	local where <const> = { pos = ast.pos, stop = ast.pos + #word - 1 }
	local habit <const> = habits.FUNCTIONS[word]
	if habit then c:refuse(where, "no function '%s': %s", word, habit) end
	for _, known in ipairs(name.list(c.scope)) do
		if known == word then c:refuse(ast, "%s is a value, and no function: write %s", word, word) end
	end
	c:refuse(where, "no function '%s'%s", word, (select(2, core.nearest(word, name.FUNCTIONS))))
end

--- What a function gives.
function call.value(c, ast)
	local known <const> = FUNCTIONS[ast.name]
	if not known then unknown(c, ast) end
	local count <const> = #ast.arguments
	if count < known[2] or count > known[3] then
		c:refuse(ast, "%s takes %s: write %s", ast.name, known[2] == known[3] and ("%d argument%s"):format(known[2],
			known[2] == 1 and "" or "s") or ("%d or %d arguments"):format(known[2], known[3]), known[4])
	end
	return known[1](c, ast)
end

return call
