-- crumb.expression: random rules, run as plans, against arithmetic that knows nothing of the compiler. SEED and RULES
-- choose others, and how many.
local expression = require "crumb.expression"
local machine = require "support.machine"
local scope = require "support.scope"

describe("random rules", function()
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

	-- An expression as text, its value (nil: unreadable) and whether it is unsigned, told without the compiler.
	local function number(world, depth)
		local kind = depth == 0 and random(2) or random(6)
		if kind == 1 then
			local constant = one_of(INTERESTING)
			return ("%d"):format(constant), constant, false
		elseif kind == 2 then
			local register = "ARG" .. random(0, 5)
			return register:lower(), world.registers[register], false
		end
		local text, value, unsigned = number(world, depth - 1)
		if kind == 3 then
			local word = one_of(WORDS)
			local size = WIDTHS[word]:match "%d"
			local narrow = value and WIDTHS[word]:unpack((("<i8"):pack(value)))
			if size == "8" then narrow = value end
			return ("%s(%s)"):format(word, text), narrow, word == "u64"
		elseif kind == 4 then
			local word = one_of(WORDS)
			local offset = value and value - 0x1000
			local there = offset and offset >= 0 and offset <= 16 - tonumber(WIDTHS[word]:match "%d")
			local read = there and (WIDTHS[word]:unpack(world.memory[0x1000], offset + 1)) or nil
			return ("%s[%s]"):format(word, text), read, word == "u64"
		end
		local sign <const> = one_of(SIGNS)
		local other, second, other_unsigned
		if sign == "/" or sign == "%" or (sign == "<<" or sign == ">>") and random(2) == 1 then
			second = sign:find "[/%%]" and one_of { 1, 2, 3, 16, 1000, math.maxinteger } or random(0, 63)
			other = ("%d"):format(second)
		else
			other, second, other_unsigned = number(world, depth - 1)
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

	local function condition(world, depth, negated)
		local kind = depth == 0 and 1 or random(4)
		if kind == 1 then
			local left, a, a_unsigned = number(world, 2)
			local right, b, b_unsigned = number(world, 2)
			local sign = one_of(COMPARISONS)
			local less = (a_unsigned or b_unsigned) and math.ult or function(x, y) return x < y end
			return ("%s %s %s"):format(left, sign, right), a ~= nil and b ~= nil and COMPARE[sign](a, b, less) ~= negated
		elseif kind == 2 then
			local text, truth = condition(world, depth - 1, not negated)
			return ("not (%s)"):format(text), truth
		end
		local left, a = condition(world, depth - 1, negated)
		local right, b = condition(world, depth - 1, negated)
		local both = (kind == 3) ~= negated
		return ("(%s) %s (%s)"):format(left, kind == 3 and "and" or "or", right), both and a and b or not both and (a or b)
	end

	it("are what their words say", function()
		math.randomseed(tonumber(os.getenv "SEED") or 7)
		local too_large, rules = 0, tonumber(os.getenv "RULES") or 3000
		for _ = 1, rules do
			local bytes = {}
			for i = 1, 16 do bytes[i] = string.char(random(0, 255)) end
			local world = { registers = {}, memory = { [0x1000] = table.concat(bytes) } }
			for i = 0, 5 do
				world.registers["ARG" .. i] = one_of { 0x1000, 0x1004, 0x100f, random(0, 3), -1, random(0), one_of(INTERESTING) }
			end
			local where, truth = condition(world, 3, false)
			local first, x = number(world, 3)
			local second, y = number(world, 3)
			local plan, message = expression.compile({ where = where, capture = { x = first, y = second } }, scope.uprobe())
			if plan then
				local one = machine.new(world)
				assert.equal(truth, one:run(plan, plan.start), where)
				if truth then assert.same({ x = x or false, y = y or false }, one:event(plan), first .. " and " .. second) end
			else
				assert.truthy(message:find "too large", message)
				too_large = too_large + 1
			end
		end
		assert.truthy(too_large * 10 < rules, too_large)
	end)
end)
