--- compilation: what is known while one rule is compiled, and the value of each form of expression.
--
-- Kinds of values: "integer" and "aggregate" (crumb.expression.path), "string" { address, size, cut, of_beginning, cell },
-- "comm", "symbol", "kstack", "ustack", "bytes" { address, length, size }, "ksym" and "usym" { node }, "ntop" { address,
-- size }, "text" { text } and "set" { values }, which are constants.

local core <const> = require "crumb.core"
local lazy <const> = require "crumb.lazy"
local call <const> = lazy "crumb.expression.call"
local cast <const> = lazy "crumb.expression.cast"
local name <const> = require "crumb.expression.name"
local node <const> = require "crumb.expression.node"
local path <const> = require "crumb.expression.path"
local problem <const> = require "crumb.expression.problem"
local limits <const> = require "crumb.expression.limits"
local tree <const> = require "crumb.expression.tree"

local Compilation <const> = {}
Compilation.__index = Compilation

local compilation = {}

local ONE_CONTEXT <const> = { fentry = true, fexit = true }

--- Begins to compile a rule. `kept`: what the beginning of a span captured; `entry` is true inside of entry(x),
--- `finds` in the key of a span.
---@param rule table
---@param scope table
function compilation.begin(rule, scope)
	return setmetatable({
		rule = rule, scope = scope, kept = {}, source = { option = "rule" },
		graph = node.graph(ONE_CONTEXT[scope.hook], scope.goroutine),
	}, Compilation)
end

--- Raises a problem of a word, and of what stands there.
---@param ast table? nil: of the whole expression
function Compilation:refuse(ast, reason, ...)
	problem.raise(self.source, reason:format(...), ast and ast.pos, ast and ast.stop)
end

--- Raises the problem of a rule that does not fit.
function Compilation:too_large(reason, ...)
	problem.raise({ option = self.source.option }, "too large: " .. reason:format(...))
end

--- The words of a part of the expression, as they were written.
function Compilation:text(ast)
	return self.source.text:sub(ast.pos, ast.stop)
end

--- The last word of a path, to be pointed at.
function Compilation.last(_, ast)
	return { pos = ast.stop - #ast.name + 1, stop = ast.stop }
end

--- Reads the expression of an option, which problems are told of from now on.
---@param option string
---@param text any
---@return table ast
function Compilation:parse(option, text)
	self.source = { option = option }
	if type(text) ~= "string" then
		self:refuse(nil, "expected an expression, a string, got %s", type(text))
	end
	self.source.text = text
	local ast <const>, reason <const>, from <const>, to <const> = tree.of(text)
	if not ast then problem.raise(self.source, reason, from, to) end
	return ast
end

--- At the end of a call: what that was at its beginning.
function Compilation:of_beginning(of)
	return self.scope.pair == "call" and self.graph:saved(of) or of
end

local function group(c, ast) return c:value(ast.inner) end

local function number(c, ast)
	return { kind = "integer", node = c.graph:constant(ast.value) }
end

local function text(_, ast) return { kind = "text", text = ast.value } end

-- A copy; what is between or beside the elements is refused, not left out in silence.
local function list_of(c, ast, value)
	local count = 0
	for key in pairs(value) do
		count = count + 1
		if math.type(key) ~= "integer" or key < 1 or key > #value then
			c:refuse(ast, "%s is no list: there is [%s] in it", c:text(ast), tostring(key))
		end
	end
	if count < #value then c:refuse(ast, "%s is a list with holes", c:text(ast)) end
	return table.move(value, 1, count, 1, {})
end

local function only_integers_or_texts(c, ast, values)
	local first <const> = type(values[1])
	if #values > limits.SET_VALUES then
		c:refuse(ast, "too large: %d values, of at most %d", #values, limits.SET_VALUES)
	end
	for i, value in ipairs(values) do
		local integer <const> = first ~= "string" and core.integer(value)
		if first ~= "string" and not integer or first == "string" and type(value) ~= "string" then
			c:refuse(ast, "%s[%d] is %s: a list holds integers or texts, of one kind", c:text(ast), i,
				type(value) == "number" and tostring(value) or "a " .. type(value))
		end
		if integer ~= value and integer then values[i] = integer end
	end
	return values
end

local function param(c, ast)
	local params <const> = c.rule.params or {}
	local value <const> = params[ast.name]
	if type(value) == "number" then
		local bits <const>, reason <const> = core.integer(value)
		if not bits then c:refuse(ast, "the parameter %s: %s (it is %s)", ast.name, reason, tostring(value)) end
		return { kind = "integer", node = c.graph:constant(bits) }
	end
	if type(value) == "string" then return { kind = "text", text = value } end
	if type(value) == "table" then
		return { kind = "set", values = only_integers_or_texts(c, ast, list_of(c, ast, value)) }
	end
	if value ~= nil then
		c:refuse(ast, "the parameter %s is a %s: integers, texts and lists can be", ast.name, type(value))
	end
	local names <const> = {}
	for known in pairs(params) do names[#names + 1] = tostring(known) end
	local near <const> = select(2, core.nearest(ast.name, names))
	c:refuse(ast, "no parameter '%s'%s", ast.name, near ~= "" and near
		or (": give params = { %s = value }"):format(ast.name))
end

local function field(c, ast)
	local object <const> = ast.object
	if object.tag == "name" and object.name == "args" then return name.argument(c, ast) end
	if object.tag == "name" and object.name == "reg" then return name.register(c, ast) end
	return path.field(c, c:value(object), ast)
end

local function index(c, ast)
	local object <const> = ast.object
	local width <const>, signed <const> = call.width(object)
	if width then
		local address <const> = path.address(c, c:value(ast.index), ast.index)
		return { kind = "integer", node = c.graph:load(address, 0, width, signed), unsigned = width == 8 and not signed,
			base = address, offset = 0, size = width }
	end
	return path.index(c, c:value(object), ast)
end

local CALCULATE <const> = {
	["+"] = "ADD", ["-"] = "SUB", ["*"] = "MUL", ["/"] = "DIV", ["%"] = "MOD", ["&"] = "AND", ["|"] = "OR", ["~"] = "XOR",
	["<<"] = "SHL", [">>"] = "SHR",
}

-- Whether the sum or difference is a duration; times are differences to the beginning of the clock.
local function is_duration(op, left, right)
	return op == "SUB" and left.clock and right.clock
		or (op == "SUB" or op == "ADD") and left.time and right.time
end

local function binary(c, ast)
	local op <const> = CALCULATE[ast.op]
	if not op then c:refuse(ast, "a condition is no value: it decides in `where`") end
	if op == "XOR" and ast.right.tag == "string" then
		c:refuse(ast, "a pattern stands behind like: write %s like %s", c:text(ast.left), c:text(ast.right))
	end
	local left <const>, right <const> = c:integer(ast.left), c:integer(ast.right)
	local constant <const> = right.node.op == "CONSTANT" and right.node.value
	if op == "DIV" or op == "MOD" then
		if not constant then
			c:refuse(ast.right, "the kernel divides by a constant only: a number, or a $parameter")
		end
		if constant == 0 then c:refuse(ast.right, "division by zero") end
	end
	if constant and (op == "SHL" or op == "SHR") and (constant < 0 or constant > 63) then
		c:refuse(ast.right, "a shift is by 0 to 63 bits")
	end
	local unsigned <const> = left.unsigned or right.unsigned and op ~= "SHL" and op ~= "SHR" or false
	return {
		kind = "integer", node = c.graph:calculate(op, left.node, right.node, not unsigned),
		unsigned = unsigned, time = is_duration(op, left, right),
	}
end

local function unary(c, ast)
	if ast.op == "not" then c:refuse(ast, "a condition is no value: it decides in `where`") end
	local operand <const> = c:integer(ast.operand)
	local is_minus <const> = ast.op == "-"
	return {
		kind = "integer", unsigned = operand.unsigned,
		node = c.graph:calculate(is_minus and "MUL" or "XOR", operand.node, c.graph:constant(-1)),
	}
end

-- Values of a list that stands in the expression; `beside`: what it is compared with.
local function list(c, ast, beside)
	local values <const> = {}
	for i, item in ipairs(ast.items) do
		local value <const> = item.tag == "name" and beside and name.beside(c, item, beside) or c:value(item)
		if value.kind == "text" then
			values[i] = value.text
		elseif value.kind == "integer" and value.node.op == "CONSTANT" then
			values[i] = value.node.value
		else
			c:refuse(item, "a list holds constants: numbers, texts and $parameters")
		end
		if type(values[i]) ~= type(values[1]) then
			c:refuse(item, "a list holds numbers or texts, of one kind")
		end
	end
	return { kind = "set", values = values }
end

local VALUE <const> = {
	number = number, string = text, param = param, name = name.value, field = field, index = index,
	call = function(c, ast) return call.value(c, ast) end,
	group = group, binary = binary, unary = unary, list = list,
	cast = function(c, ast) return cast.value(c, ast) end,
}

--- The value of an expression.
---@param ast table
---@param beside table? the value that a list is compared with, whose names may stand there
function Compilation:value(ast, beside)
	return VALUE[ast.tag](self, ast, beside)
end

local INSTEAD <const> = {
	text = "is a text", set = "is a list", comm = "is a text", symbol = "is a text", string = "is a text",
	bytes = "is a piece of memory", kstack = "is a stack", ustack = "is a stack",
	ksym = "is for output only", usym = "is for output only", ntop = "is for output only",
}

-- Values that are no address of a text.
local NUMBERS <const> = {
	pid = true, tid = true, uid = true, gid = true, cpu = true, time = true, nsecs = true, elapsed = true, latency = true,
	cookie = true,
}

--- Raises that a value is not what stands there.
---@param wanted string "number" or "text"
function Compilation:refuse_kind(value, ast, wanted)
	if value.kind == "integer" and NUMBERS[ast.name] then
		self:refuse(ast, "'%s' is a number, and no text: write %s == 0", ast.name, ast.name)
	elseif value.kind == "integer" then
		self:refuse(ast, "'%s' is a number, and no text: write str(%s)", self:text(ast), self:text(ast))
	end
	self:refuse(ast, "'%s' %s, and no %s", self:text(ast), INSTEAD[value.kind] or "is a struct or an array", wanted)
end

--- A value that must be a number.
function Compilation:as_integer(value, ast)
	if value.kind == "integer" then return value end
	if value.kind == "aggregate" then
		local type <const> = value.type
		local names <const> = type.kind == "struct" and type.names() or nil
		self:refuse(ast, "'%s' is %s, and no number: write %s%s", self:text(ast),
			names and (type.name or "a struct") or "an array", self:text(ast),
			names and (names[1] and "." .. names[1] or ".FIELD") or "[0]")
	end
	self:refuse_kind(value, ast, "number")
end

--- The value of an expression that must be a number.
function Compilation:integer(ast)
	return self:as_integer(self:value(ast), ast)
end

return compilation
