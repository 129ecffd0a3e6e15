-- Random rules, with what they mean by plain arithmetic that knows nothing of the compiler.
--
-- A world is { registers = { ARG0 = … ARG5 }, memory = { [address] = bytes } }, of which only that memory can be read. It
-- has `kernel` set when a rule reads at an address of the kernel's, where there may be something.
local machine = require "support.machine"

local rules = {}

local CALCULATE = machine.CALCULATE
local OPS = {
	["+"] = "ADD", ["-"] = "SUB", ["*"] = "MUL", ["&"] = "AND", ["|"] = "OR", ["~"] = "XOR", ["<<"] = "SHL", [">>"] = "SHR",
	["/"] = "DIV", ["%"] = "MOD",
}
local SIGNS = { "+", "-", "*", "&", "|", "~", "<<", ">>", "/", "%" }
local INTERESTING = { 0, 1, 2, 7, 63, 255, 256, 4096, 0x7fffffff, 0x80000000, 0xffffffff, math.maxinteger }
local WIDTHS = { u8 = "<I1", s8 = "<i1", u16 = "<I2", s16 = "<i2", u32 = "<I4", s32 = "<i4", u64 = "<I8", s64 = "<i8" }
local WORDS = { "u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64" }
local random = math.random

local function one_of(list) return list[random(#list)] end

--- An expression as text, its value (nil: unreadable) and whether it is unsigned, told without the compiler.
function rules.number(world, depth)
	local kind = depth == 0 and random(2) or random(6)
	if kind == 1 then
		local constant = one_of(INTERESTING)
		return ("%d"):format(constant), constant, false
	elseif kind == 2 then
		local register = "ARG" .. random(0, 5)
		return register:lower(), world.registers[register], false
	end
	local text, value, unsigned = rules.number(world, depth - 1)
	if kind == 3 then
		local word = one_of(WORDS)
		local size = WIDTHS[word]:match "%d"
		local narrow = value and WIDTHS[word]:unpack((("<i8"):pack(value)))
		if size == "8" then narrow = value end
		return ("%s(%s)"):format(word, text), narrow, word == "u64"
	elseif kind == 4 then
		local word = one_of(WORDS)
		local base <const>, bytes <const> = next(world.memory)
		local offset = value and value - base
		world.kernel = world.kernel or value ~= nil and value < 0
		local there = offset and offset >= 0 and offset <= #bytes - tonumber(WIDTHS[word]:match "%d")
		local read = there and (WIDTHS[word]:unpack(bytes, offset + 1)) or nil
		return ("%s[%s]"):format(word, text), read, word == "u64"
	end
	local sign <const> = one_of(SIGNS)
	local other, second, other_unsigned
	if sign == "/" or sign == "%" or (sign == "<<" or sign == ">>") and random(2) == 1 then
		second = sign:find "[/%%]" and one_of { 1, 2, 3, 16, 1000, math.maxinteger } or random(0, 63)
		other = ("%d"):format(second)
	else
		other, second, other_unsigned = rules.number(world, depth - 1)
		if (sign == "<<" or sign == ">>") and not other:find "arg" then return text, value, unsigned end
	end
	local result_unsigned = unsigned or other_unsigned and sign ~= "<<" and sign ~= ">>"
	local result
	if value and second then result = CALCULATE[OPS[sign]](value, second, not result_unsigned) end
	return ("(%s %s %s)"):format(text, sign, other), result, result_unsigned
end

local COMPARE = {
	["=="] = function(a, b) return a == b end, ["~="] = function(a, b) return a ~= b end,
	["<"] = function(a, b, less) return less(a, b) end, [">"] = function(a, b, less) return less(b, a) end,
	["<="] = function(a, b, less) return not less(b, a) end, [">="] = function(a, b, less) return not less(a, b) end,
}
local COMPARISONS = { "==", "~=", "<", "<=", ">", ">=" }

--- A condition as text, and whether it holds.
function rules.condition(world, depth, negated)
	local kind = depth == 0 and 1 or random(4)
	if kind == 1 then
		local left, a, a_unsigned = rules.number(world, 2)
		local right, b, b_unsigned = rules.number(world, 2)
		local sign = one_of(COMPARISONS)
		local less = (a_unsigned or b_unsigned) and math.ult or function(x, y) return x < y end
		return ("%s %s %s"):format(left, sign, right), a ~= nil and b ~= nil and COMPARE[sign](a, b, less) ~= negated
	elseif kind == 2 then
		local text, truth = rules.condition(world, depth - 1, not negated)
		return ("not (%s)"):format(text), truth
	end
	local left, a = rules.condition(world, depth - 1, negated)
	local right, b = rules.condition(world, depth - 1, negated)
	local both = (kind == 3) ~= negated
	return ("(%s) %s (%s)"):format(left, kind == 3 and "and" or "or", right), both and a and b or not both and (a or b)
end

--- What registers are filled with: addresses of the memory, its ends, and numbers of all sizes.
function rules.register(base, size)
	return one_of { base, base + 4, base + size - 1, random(0, 3), -1, random(0), one_of(INTERESTING) }
end

return rules
