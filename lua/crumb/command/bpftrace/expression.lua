--- expression: bpftrace's expressions in crumb's words.
--
-- What has no words here is raised as a table { lacks = why }.

local habits <const> = require "crumb.expression.habits"

local expression = {}

---@class crumb.BpftraceContext what stands around an expression
---@field values table<string, table> of variables
---@field kept fun(map: table): string?, string? what a map that another block fills stands for: its words; "time" of a moment
---@field call boolean? whether it is at the end of a whole call
---@field parameters table<string, boolean> those that are used: "1"

local NAMES <const> = {
	nsecs = "time", elapsed = "elapsed", pid = "pid", tid = "tid", uid = "uid", gid = "gid", cpu = "cpu", comm = "comm",
	cgroup = "cgroup", kstack = "kstack", ustack = "ustack", retval = "retval", func = "symbol", probe = "symbol",
	curtask = "task", username = "uid", args = "args",
}

local OPERATORS <const> = { ["||"] = "or", ["&&"] = "and", ["!="] = "~=", ["^"] = "~" }
local COMPARISONS <const> = { ["=="] = true, ["!="] = true, ["<"] = true, [">"] = true, ["<="] = true, [">="] = true }

-- How tight crumb's operators bind.
local PRECEDENCE <const> = {
	["or"] = 1, ["and"] = 2, ["=="] = 3, ["~="] = 3, ["<"] = 3, [">"] = 3, ["<="] = 3, [">="] = 3, ["|"] = 4, ["~"] = 5, ["&"] = 6,
	["<<"] = 7, [">>"] = 7, ["+"] = 8, ["-"] = 8, ["*"] = 9, ["/"] = 9, ["%"] = 9,
}
local UNARY <const>, WHOLE <const> = 10, 11

local INTEGERS <const> = {
	int8 = "s8", int16 = "s16", int32 = "s32", int64 = "s64", uint8 = "u8", uint16 = "u16", uint32 = "u32", uint64 = "u64",
	int = "s32", ["unsigned int"] = "u32", long = "s64", ["unsigned long"] = "u64", short = "s16", ["unsigned short"] = "u16",
	char = "s8", ["unsigned char"] = "u8", size_t = "u64", bool = "u8",
}

local function lacks(format, ...) error({ lacks = format:format(...) }, 0) end

local function quoted(text)
	if text:find "[%c]" then lacks "a text with control characters" end
	return "'" .. text:gsub("[\\']", "\\%0") .. "'"
end

local write

-- The words, in parentheses where they bind less than that.
local function within(node, context, least)
	local words <const>, binds <const> = write(node, context)
	return binds < least and "(" .. words .. ")" or words
end

local function number(node)
	local digits <const>, unit <const> = node.text:match "^([%de]+)(%l*)$"
	if digits and digits:find "e" then return ("%d"):format(tonumber(digits) // 1), WHOLE end
	return digits and digits .. (unit ~= "ns" and unit or "") or node.text, WHOLE
end

local function name(node)
	local word <const> = node.name
	local of_stack <const> = word:match "^sarg(%d)$"
	if of_stack then return ("u64[sp + %d]"):format(8 * (of_stack + 1)), WHOLE end
	if word:find "^arg[0-5]$" then return word, WHOLE end
	if NAMES[word] then return NAMES[word], WHOLE end
	local habit <const> = habits.NAMES[word] or habits.FUNCTIONS[word]
	lacks("%s: %s", word, habit or word:find "^%u[%u%d_]+$" and "a constant of a header is written as its number"
		or "there is nothing of that kind")
end

local function field(node, context)
	local object <const> = node.object
	if context.call and node.name == "ret" and object.tag == "name" and object.name == "args" then return "retval", WHOLE end
	return ("%s.%s"):format(within(object, context, WHOLE), node.name), WHOLE
end

local function index(node, context)
	return ("%s[%s]"):format(within(node.object, context, WHOLE), (write(node.index, context))), WHOLE
end

local function cast(node, context)
	local integer <const> = INTEGERS[node.type:gsub("_t$", node.type == "size_t" and "_t" or "")]
	if node.type:find "^%a+ [%w_]+$" and not integer and node.stars ~= "" then
		return ("(%s %s)%s"):format(node.type, node.stars, within(node.operand, context, WHOLE)), UNARY
	elseif integer and node.stars == "" then
		return ("%s(%s)"):format(integer, (write(node.operand, context))), WHOLE
	end
	return write(node.operand, context)
end

local NO_VALUE <const> = "a condition is no value: it decides in where"

local function unary(node, context)
	local operand <const> = node.operand
	if node.op == "*" then
		local integer <const> = operand.tag == "cast" and operand.stars == "*" and INTEGERS[operand.type:gsub("_t$", "")]
		if integer then return ("%s[%s]"):format(integer, (write(operand.operand, context))), WHOLE end
		lacks "*x: memory is read with its width, u64[x]"
	elseif node.op == "!" then
		lacks("!: %s", NO_VALUE)
	end
	return node.op .. within(operand, context, UNARY), UNARY
end

-- nsecs - @start[tid]
local function is_latency(node, context)
	local left <const>, right <const> = node.left, node.right
	if node.op ~= "-" or left.tag ~= "name" or left.name ~= "nsecs" or right.tag ~= "map" then return false end
	return select(2, context.kept(right)) == "time"
end

local function infix(node, context)
	local op <const> = OPERATORS[node.op] or node.op
	local binds <const> = PRECEDENCE[op]
	local left <const> = within(node.left, context, binds)
	return ("%s %s %s"):format(left, op, within(node.right, context, binds + 1)), binds
end

local function binary(node, context)
	if is_latency(node, context) then return "latency", WHOLE end
	if COMPARISONS[node.op] or node.op == "&&" or node.op == "||" then lacks("%s: %s", node.op, NO_VALUE) end
	return infix(node, context)
end

local CALLS <const> = {}

function CALLS.str(arguments, context)
	local first <const>, second <const> = arguments[1], arguments[2]
	if first.tag == "parameter" then return write(first, context) end
	local words <const> = write(first, context)
	if words:find "^entry%(str" then return words end
	return second and ("str(%s, %s)"):format(words, (write(second, context))) or ("str(%s)"):format(words)
end

function CALLS.buf(arguments, context)
	if not arguments[2] then lacks "buf(x): bytes(x, n) takes the size" end
	return ("bytes(%s, %s)"):format((write(arguments[1], context)), (write(arguments[2], context)))
end

function CALLS.reg(arguments)
	local register <const> = arguments[1].text or ""
	return (register == "sp" or register == "ip") and register or "reg." .. register
end

function CALLS.ntop(arguments, context)
	return ("ntop(%s)"):format((write(arguments[#arguments], context)))
end

function CALLS.kstack() return "kstack" end
function CALLS.ustack() return "ustack" end
function CALLS.ksym(arguments, context) return ("ksym(%s)"):format((write(arguments[1], context))) end
function CALLS.usym(arguments, context) return ("usym(%s)"):format((write(arguments[1], context))) end
function CALLS.cgroupid(arguments) return quoted(arguments[1].text or "") end
CALLS.kstr, CALLS.ustr = CALLS.str, CALLS.str

local function call(node, context)
	local word <const>, arguments <const> = node.name, node.arguments
	if INTEGERS[word] then return ("%s(%s)"):format(INTEGERS[word], (write(arguments[1], context))), WHOLE end
	if NAMES[word] and #arguments == 0 then return NAMES[word], WHOLE end
	local known <const> = CALLS[word]
	if not known then lacks("%s(): %s", word, habits.FUNCTIONS[word] or "there is no such function") end
	return known(arguments, context), WHOLE
end

local WRITERS <const> = {
	number = number, name = name, field = field, index = index, cast = cast, unary = unary, binary = binary, call = call,
	string = function(node) return quoted(node.text), WHOLE end,
	parameter = function(node, context)
		context.parameters[node.number] = true
		return "$n" .. node.number, WHOLE
	end,
	variable = function(node, context)
		local value <const> = context.values[node.name]
		if not value then lacks("$%s: there are no variables; the expression stands where it is used", node.name) end
		return write(value, context)
	end,
	map = function(node, context)
		local words <const>, what <const> = context.kept(node)
		if words and what ~= "time" then return words, WHOLE end
		lacks("@%s: what one place keeps for another is a span's: span { from = { TARGET, key = \"tid\", capture = { … } }, "
			.. "to = { … } }", node.name)
	end,
	choice = function() lacks "?: is not decided in the kernel: capture the values, and choose in the handler" end,
	tuple = function() lacks "(a, b): capture the values one by one" end,
	step = function() lacks "++ counts only rows: count = true" end,
}

-- The words of a node, and how tight they bind.
function write(node, context) return WRITERS[node.tag](node, context) end

-- strncmp(x, "abc", 3) as a pattern.
local function pattern(node, context)
	local arguments <const> = node.arguments
	local literal <const>, size <const> = arguments[2], arguments[3] and tonumber(arguments[3].text)
	if literal.tag ~= "string" or not size then lacks "strncmp of two values" end
	local text <const> = literal.text:sub(1, size):gsub("[*?%[]", "[%0]")
	return within(arguments[1], context, 4), quoted(text .. "*")
end

-- Whether it is strncmp that is compared with 0, or not at all: its node, and whether "unequal" is meant.
local function comparison_of_texts(node)
	local function is_strncmp(one) return one.tag == "call" and one.name == "strncmp" end
	if is_strncmp(node) then return node, true end
	if node.tag == "unary" and node.op == "!" and is_strncmp(node.operand) then return node.operand, false end
	if node.tag ~= "binary" or not is_strncmp(node.left) or node.right.text ~= "0" then return nil end
	if node.op == "==" then return node.left, false end
	return node.op == "!=" and node.left or nil, true
end

local function is_traced_command(node)
	local function is(one, word) return one.tag == "name" and one.name == word end
	return node.tag == "binary" and node.op == "==" and is(node.left, "pid") and is(node.right, "cpid")
end

--- A condition in crumb's words; nil: it holds of itself. And how tight it binds.
---@param node table
---@param context crumb.BpftraceContext
---@return string?
---@return integer?
function expression.condition(node, context)
	local texts <const>, unequal <const> = comparison_of_texts(node)
	if texts then
		local value <const>, wanted <const> = pattern(texts, context)
		return ("%s %slike %s"):format(value, unequal and "not " or "", wanted), PRECEDENCE["=="]
	end
	if is_traced_command(node) then return nil end
	if node.tag == "map" and context.kept(node) then return nil end
	if node.tag == "binary" and (node.op == "&&" or node.op == "||") then
		local left <const>, tight <const> = expression.condition(node.left, context)
		local right <const>, tighter <const> = expression.condition(node.right, context)
		local op <const> = OPERATORS[node.op]
		if not left or not right then return op == "and" and (left or right) or nil, left and tight or tighter end
		local binds <const> = PRECEDENCE[op]
		return ("%s %s %s"):format(tight < binds and "(" .. left .. ")" or left, op,
			tighter < binds and "(" .. right .. ")" or right), binds
	elseif node.tag == "unary" and node.op == "!" then
		local words <const>, binds <const> = expression.condition(node.operand, context)
		if not words then lacks "!@x: a span's end comes only where it has begun" end
		return "not " .. (binds < WHOLE and "(" .. words .. ")" or words), UNARY
	elseif node.tag == "binary" and COMPARISONS[node.op] then
		return infix(node, context)
	end
	return within(node, context, 4) .. " ~= 0", PRECEDENCE["=="]
end

--- An expression in crumb's words.
---@param node table
---@param context crumb.BpftraceContext
---@return string
function expression.words(node, context) return (write(node, context)) end

--- Raises what has no words here.
---@param format string
function expression.lacks(format, ...) lacks(format, ...) end

--- Calls a function; what it raises for want of words is added to a list.
---@param list string[]
---@param attempt function
---@return any result nil when it raised
function expression.try(list, attempt, ...)
	local done <const>, result <const> = pcall(attempt, ...)
	if done then return result end
	if type(result) ~= "table" then error(result, 0) end
	list[#list + 1] = result.lacks
	return nil
end

return expression
