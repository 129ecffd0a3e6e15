--- condition: what decides, as a tree of tests.
--
-- { kind = "and" | "or", left, right }, { kind = "constant", value }, or a test { kind = "test", op, a, b | value, signed,
-- negated, comm, bytes, text | pattern | set | text_set, ast }. Negation stands in the tests only, since what cannot be
-- read makes a test false either way. `stable`: at the end of a call it is what it was at the beginning;
-- `of_beginning`: it can be told only there.

local cgroup <const> = require "crumb.lazy" "crumb.expression.cgroup"
local glob <const> = require "crumb.names.glob"
local limits <const> = require "crumb.expression.limits"
local name <const> = require "crumb.expression.name"
local path <const> = require "crumb.expression.path"

local condition = {}

local FEW <const> = 4 -- values of a set that are compared one by one

--- A condition that is always so.
function condition.constant(value)
	return { kind = "constant", value = value, stable = true }
end

local function join(kind, left, right)
	local decisive <const> = kind == "or"
	if left.kind == "constant" then return left.value == decisive and left or right end
	if right.kind == "constant" then return right.value == decisive and right or left end
	return { kind = kind, left = left, right = right, stable = left.stable and right.stable }
end

--- Both, or one that is always so.
function condition.both(left, right) return join("and", left, right) end

local function test(op, a, parts)
	parts.kind, parts.op, parts.a = "test", op, a
	if parts.stable == nil then parts.stable = (not a or a.stable) and (not parts.b or parts.b.stable) end
	return parts
end

--- A test of the process: whether it is in the family of that number.
function condition.followed(number)
	return test("FOLLOWED", nil, { value = number })
end

local function holds(op, a, b, signed)
	if op == "EQ" then return a == b end
	if op == "LT" then return signed and a < b or not signed and math.ult(a, b) end
	return signed and a <= b or not signed and not math.ult(b, a)
end

-- a op b, or its contrary.
local function compare(op, a, b, signed, negated)
	if a.op == "CONSTANT" and b.op == "CONSTANT" then
		return condition.constant(holds(op, a.value, b.value, signed) ~= negated)
	end
	-- The constant stands on the right: c < b is not b <= c.
	if a.op == "CONSTANT" then
		if op ~= "EQ" then op, negated = op == "LT" and "LE" or "LT", not negated end
		a, b = b, a
	end
	local parts <const> = { signed = op ~= "EQ" and signed or nil, negated = negated or nil }
	if b.op == "CONSTANT" then parts.value = b.value else parts.b = b end
	return test(op, a, parts)
end

-- The two words of comm, compared at once.
local function comm_equal(c, text, negated)
	local low <const>, high <const> = ("<i8i8"):unpack(text .. ("\0"):rep(16 - #text))
	return join(negated and "or" or "and",
		compare("EQ", c.graph:builtin "COMM_LOW", c.graph:constant(low), false, negated),
		compare("EQ", c.graph:builtin "COMM_HIGH", c.graph:constant(high), false, negated))
end

local function check_ends(c, text, ast)
	if text:find("\0", 1, true) then
		c:refuse(ast, "a text that is read ends before its first NUL, and this one has a NUL in it")
	end
end

-- The first bytes of a text, without a character that is cut.
local function cut(text, most)
	local short = text:sub(1, most)
	while #short > 0 and utf8.len(text) and not utf8.len(short) do short = short:sub(1, -2) end
	return short
end

local function check_text(c, what, text, ast, most)
	check_ends(c, text, ast)
	if what.kind == "comm" then
		if text:find("*", 1, true) then
			c:refuse(ast, "comm is compared with the text itself: for a pattern write comm like \"%s\"", text)
		end
		if #text > limits.COMM_BYTES then
			c:refuse(ast, "comm holds %d bytes, and this has %d: write \"%s\"", limits.COMM_BYTES, #text, cut(text, limits.COMM_BYTES))
		end
	elseif #text > most then
		c:refuse(ast, "too large: a text of %d bytes, and %s%d are compared", #text,
			most < limits.TEXT_BYTES and "only " or "at most ", most)
	end
end

-- What is compared as a text: "comm" or "string"; how many bytes of it are.
local function as_text(c, value, ast)
	if value.kind == "comm" then return value, limits.COMM_BYTES end
	if value.cgroup then c:refuse(ast, "a cgroup is compared by ==, ~= and in, with the path of its folder or its number") end
	local string <const> = path.string(c, value)
	if not string then
		if value.kind == "symbol" then
			c:refuse(ast, "the kernel does not know symbol: give the site a cookie of its own, and compare cookie")
		end
		c:refuse_kind(value, ast, "text")
	end
	if string.cell then
		c:refuse(ast, "a text that was kept is captured or a key, and not compared: compare it in `from`")
	end
	if string.cut and string.cut > limits.TEXT_BYTES then
		c:refuse(ast, "too large: %d bytes, at most %d are compared", string.cut, limits.TEXT_BYTES)
	end
	return string, math.min(string.size or limits.TEXT_BYTES, limits.TEXT_BYTES)
end

local function text_test(op, what, most, negated, parts)
	parts.negated = negated or nil
	if what.kind == "comm" then
		parts.comm, parts.stable = true, true
		return test(op, nil, parts)
	end
	parts.bytes = most < limits.TEXT_BYTES and most or nil
	parts.of_beginning = what.of_beginning
	parts.stable = what.of_beginning or false
	return test(op, what.address, parts)
end

local function text_equal(c, value, ast, text, text_ast, negated)
	if value.cgroup then
		local node <const>, ids <const> = cgroup.resolve(c, { text }, text_ast)
		return compare("EQ", node, c.graph:constant(ids[1]), false, negated)
	end
	local what <const>, most <const> = as_text(c, value, ast)
	check_text(c, what, text, text_ast, most)
	if what.kind == "comm" then return comm_equal(c, text, negated) end
	return text_test("TEXT_EQ", what, most, negated, { text = text, ast = ast })
end

local MIRRORED <const> = { ["<"] = ">", [">"] = "<", ["<="] = ">=", [">="] = "<=" }

local function operands(c, ast)
	if ast.right.tag == "name" then
		local left <const> = c:value(ast.left)
		return left, name.beside(c, ast.right, left)
	elseif ast.left.tag == "name" then
		local right <const> = c:value(ast.right)
		return name.beside(c, ast.left, right), right
	end
	return c:value(ast.left), c:value(ast.right)
end

local function equality_only(c, ast)
	if ast.op ~= "==" and ast.op ~= "~=" then
		for _, side in ipairs { ast.left, ast.right } do
			if side.tag == "string" and side.value:find "^%d+%w*$" then
				c:refuse(side, "a number stands without quotes: %s", side.value)
			end
		end
		c:refuse(ast, "texts are compared by ==, ~=, like and in")
	end
end

local function comparison(c, ast, negated)
	local left <const>, right <const> = operands(c, ast)
	if left.kind == "set" or right.kind == "set" then
		local list <const> = left.kind == "set" and ast.left or ast.right
		c:refuse(list, "a list is compared by in: %s in %s", c:text(list == ast.left and ast.right or ast.left), c:text(list))
	end
	local op = ast.op
	if op == "~=" then op, negated = "==", not negated end
	if right.kind == "text" or left.kind == "text" then
		equality_only(c, ast)
		if left.kind == "text" and right.kind == "text" then
			return condition.constant((left.text == right.text) ~= negated)
		elseif right.kind == "text" then
			return text_equal(c, left, ast.left, right.text, ast.right, negated)
		end
		return text_equal(c, right, ast.right, left.text, ast.left, negated)
	end
	for _, side in ipairs { { left, ast.left }, { right, ast.right } } do
		if side[1].kind == "comm" or side[1].kind == "string" then
			c:refuse(side[2], "'%s' is a text, and is compared with one in quotes", c:text(side[2]))
		elseif side[1].kind == "symbol" then
			as_text(c, side[1], side[2])
		end
	end
	local a, b = c:as_integer(left, ast.left), c:as_integer(right, ast.right)
	local signed <const> = not (a.unsigned or b.unsigned)
	if op == ">" or op == ">=" then a, b, op = b, a, MIRRORED[op] end
	return compare(op == "==" and "EQ" or op == "<" and "LT" or "LE", a.node, b.node, signed, negated)
end

-- How many characters a pattern asks for, and the least number of them; a set in brackets is one.
local function parts_of(pattern)
	local stars <const> = select(2, pattern:gsub("%*", ""))
	local plain <const> = pattern:gsub("%[[!^]?.[^%]]*%]", "?")
	return #plain - stars
end

local function like(c, ast, negated)
	local left <const>, right <const> = c:value(ast.left), c:value(ast.right)
	if right.kind ~= "text" then c:refuse(ast.right, "like takes a pattern in quotes: like \"ngin*\"") end
	local what <const>, most <const> = as_text(c, left, ast.left)
	local pattern <const> = right.text
	if not glob.is(pattern) then return text_equal(c, left, ast.left, pattern, ast.right, negated) end
	check_ends(c, pattern, ast.right)
	local parts <const> = parts_of(pattern)
	if what.kind == "comm" and parts > limits.COMM_BYTES then
		local short <const> = pattern:find "^[^*?%[]+%*$" and (": write \"%s*\""):format(cut(pattern, limits.COMM_BYTES)) or ""
		c:refuse(ast.right, "comm holds %d bytes, and this asks for %d%s", limits.COMM_BYTES, parts, short)
	end
	if parts > limits.PATTERN_PARTS then
		c:refuse(ast.right, "too large: a pattern of %d characters, at most %d", parts, limits.PATTERN_PARTS)
	end
	return text_test("TEXT_LIKE", what, most, negated, { pattern = pattern, ast = ast.left })
end

local function in_texts(c, ast, left, values, negated)
	local what <const>, most <const> = as_text(c, left, ast.left)
	for _, text in ipairs(values) do check_text(c, what, text, ast.right, most) end
	if #values == 1 then return text_equal(c, left, ast.left, values[1], ast.right, negated) end
	return text_test("TEXT_IN", what, most, negated, { text_set = values, ast = ast.left })
end

local function in_integers(c, a, values, negated)
	if #values > FEW then return test("IN", a, { set = values, negated = negated or nil }) end
	local all = condition.constant(negated)
	local kind <const>, seen <const> = negated and "and" or "or", {}
	for _, value in ipairs(values) do
		if not seen[value] then all = join(kind, all, compare("EQ", a, c.graph:constant(value), false, negated)) end
		seen[value] = true
	end
	return all
end

local function membership(c, ast, negated)
	local left <const> = c:value(ast.left)
	local right <const> = c:value(ast.right, left)
	if right.kind ~= "set" then
		c:refuse(ast.right, "in takes a list: {1, 2}, or a $parameter that is one")
	end
	local values <const> = right.values
	if #values == 0 then
		-- In nothing is nothing, and what cannot be read is not outside of it either.
		if not negated or left.kind ~= "integer" or not left.node.fails then return condition.constant(negated) end
		return test("EQ", left.node, { b = left.node })
	end
	if left.cgroup and type(values[1]) == "string" then
		local node <const>, ids <const> = cgroup.resolve(c, values, ast.right)
		return in_integers(c, node, ids, negated)
	end
	if type(values[1]) == "string" then return in_texts(c, ast, left, values, negated) end
	if left.kind == "comm" or left.kind == "string" then
		c:refuse(ast.right, "'%s' is a text, and this is a list of numbers", c:text(ast.left))
	end
	return in_integers(c, c:as_integer(left, ast.left).node, values, negated)
end

local COMPARISONS <const> = {
	["=="] = comparison, ["~="] = comparison, ["<"] = comparison, ["<="] = comparison, [">"] = comparison,
	[">="] = comparison,
	["in"] = membership, ["not in"] = function(c, ast, negated) return membership(c, ast, not negated) end,
	["like"] = like, ["not like"] = function(c, ast, negated) return like(c, ast, not negated) end,
}

local function is_condition(ast)
	if ast.tag == "group" then return is_condition(ast.inner) end
	if ast.tag == "unary" then return ast.op == "not" end
	return ast.tag == "binary" and (COMPARISONS[ast.op] ~= nil or ast.op == "and" or ast.op == "or")
end

-- What people write whose not binds otherwise, or who compare three at once.
local function check_sides(c, ast)
	local left <const> = ast.left
	if left.tag == "unary" and left.op == "not" then
		c:refuse(ast, "not takes what stands next to it alone: write not (%s %s %s)", c:text(left.operand), ast.op,
			c:text(ast.right))
	end
	if left.tag == "binary" and COMPARISONS[left.op] then
		c:refuse(ast, "two are compared at a time: write %s and %s %s %s", c:text(left), c:text(left.right), ast.op,
			c:text(ast.right))
	end
end

local function no_condition(c, ast, is_negated)
	local value <const>, words <const> = c:value(ast), c:text(ast)
	local op <const> = is_negated and "==" or "~="
	local text <const> = value.kind == "comm" or path.string(c, value)
	c:refuse(ast, "'%s' is no condition, which is a comparison%s", words,
		text and (': write %s %s ""'):format(words, op) or value.kind == "integer" and (": write %s %s 0"):format(words, op) or "")
end

--- The condition that an expression states.
---@param negated boolean
function condition.of(c, ast, negated)
	if ast.tag == "group" then return condition.of(c, ast.inner, negated) end
	if ast.tag == "unary" and ast.op == "not" then
		if not is_condition(ast.operand) then no_condition(c, ast.operand, true) end
		return condition.of(c, ast.operand, not negated)
	end
	if not is_condition(ast) then no_condition(c, ast, false) end
	if ast.op == "and" or ast.op == "or" then
		local left <const> = condition.of(c, ast.left, negated)
		return join((ast.op == "and") ~= negated and "and" or "or", left, condition.of(c, ast.right, negated))
	end
	check_sides(c, ast)
	return COMPARISONS[ast.op](c, ast, negated)
end

-- The first test in a condition that can be told only at a call's beginning.
local function first_of_beginning(tree)
	if tree.kind == "test" then return tree.of_beginning and tree or nil end
	if tree.kind == "constant" then return nil end
	return first_of_beginning(tree.left) or first_of_beginning(tree.right)
end

--- Cuts a condition of a call in two: what is decided at the beginning, and what at the end.
function condition.cut(c, tree)
	if tree.stable then return tree, condition.constant(true) end
	if tree.kind == "and" then
		local left_first <const>, left_then <const> = condition.cut(c, tree.left)
		local right_first <const>, right_then <const> = condition.cut(c, tree.right)
		return join("and", left_first, right_first), join("and", left_then, right_then)
	end
	local wrong <const> = first_of_beginning(tree)
	if wrong then
		c:refuse(wrong.ast, "a text of the entry is compared at the entry: not in one `or` with what is known at the return")
	end
	return condition.constant(true), tree
end

return condition
