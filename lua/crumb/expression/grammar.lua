--- grammar: the form of an expression: text -> tree. What a name means is not known here.
--
-- A node is { tag =, pos =, stop = (its first and last byte), … }:
--	number { value } string { value } name { name } param { name } list { items }
--	field { object, name } index { object, index } call { name, arguments } group { inner }
--	unary { op, operand } binary { op, left, right } cast { type, stars, operand, word = where the type stands }

local lpeg <const> = require "lpeg"
local habits <const> = require "crumb.expression.habits"
local literal <const> = require "crumb.expression.literal"
local KEYWORDS <const> = require "crumb.expression.tree".KEYWORDS

local grammar = {}

local P <const>, R <const>, S <const>, V <const> = lpeg.P, lpeg.R, lpeg.S, lpeg.V
local C <const>, Cp <const>, Ct <const> = lpeg.C, lpeg.Cp, lpeg.Ct

-- Where the token begins that no rule could take: what is wrong stands there.
local furthest = 1

-- `end_of_token` is captured before the space that follows it.
local skip <const> = S " \t\r\n" ^ 0 * P(function(_, at)
	if at > furthest then furthest = at end
	return at
end)

local digit <const> = R "09"
local letter <const> = R("az", "AZ") + "_"
local alnum <const> = letter + digit

local function token(pattern) return pattern * Cp() * skip end
local function sign(text) return P(text) * skip end
local function word(text) return P(text) * -alnum end

local keyword <const> = word "and" + word "or" + word "not" + word "in" + word "like"
local identifier <const> = C(letter * alnum ^ 0)

local function node(tag, ...)
	local keys <const> = { ... }
	return function(pos, ...)
		local made <const> = { tag = tag, pos = pos }
		for i, key in ipairs(keys) do made[key] = (select(i, ...)) end
		made.stop = select(#keys + 1, ...) - 1
		return made
	end
end

local function number(pos, text, stop)
	local value <const>, wrong <const> = literal.number(text)
	return { tag = "number", value = value, wrong = wrong, pos = pos, stop = stop - 1 }
end

local function text_of(pos, text, stop)
	local value <const>, wrong <const> = literal.text(text)
	return { tag = "string", value = value, wrong = wrong, pos = pos, stop = stop - 1 }
end

-- What follows a primary: each makes of the node before it the one that holds it.
local function apply(primary, ...)
	for _, follow in ipairs { ... } do
		follow.object, follow.pos = primary, primary.pos
		primary = follow
	end
	return primary
end

local function postfix(tag, key)
	return function(value, stop) return { tag = tag, [key] = value, stop = stop - 1 } end
end

local SAME <const> = { ["&&"] = "and", ["||"] = "or", ["!="] = "~=", ["!"] = "not" }

local PRECEDENCE <const> = {
	["or"] = 1, ["and"] = 2,
	["=="] = 3, ["~="] = 3, ["<"] = 3, ["<="] = 3, [">"] = 3, [">="] = 3,
	["in"] = 3, ["not in"] = 3, ["like"] = 3, ["not like"] = 3,
	["|"] = 4, ["~"] = 5, ["&"] = 6, ["<<"] = 7, [">>"] = 7,
	["+"] = 8, ["-"] = 8, ["*"] = 9, ["/"] = 9, ["%"] = 9,
}

-- Operands and operators in turn -> a tree, by precedence; all operators associate to the left.
local function climb(list, at, least)
	local left = list[at]
	at = at + 1
	while list[at] and PRECEDENCE[list[at].op] >= least do
		local operator <const> = list[at]
		local right
		right, at = climb(list, at + 1, PRECEDENCE[operator.op] + 1)
		left = {
			tag = "binary", op = operator.op, left = left, right = right,
			pos = left.pos, stop = right.stop, at = operator.pos, at_stop = operator.stop,
		}
	end
	return left, at
end

local function operator(pos, text, stop)
	text = text:gsub("%s+", " ")
	return { op = SAME[text] or text, pos = pos, stop = stop - 1 }
end

local function unary(pos, text, operand)
	return { tag = "unary", op = SAME[text] or text, operand = operand, pos = pos, stop = operand.stop }
end

local function cast(pos, type_pos, type, type_stop, stars, operand)
	return {
		tag = "cast", type = type:gsub("%s+", " "), stars = #stars:gsub("%s", ""), operand = operand, pos = pos,
		stop = operand.stop, word = { pos = type_pos, stop = type_stop - 1 },
	}
end

local binary_sign <const> = P "==" + "~=" + "!=" + "<<" + ">>" + "<=" + ">=" + "<" + ">" + "&&" + "||" + "&" + "|"
	+ "~" + "+" + (P "-" - "->") + "*" + (P "/" - "//") + "%"
local space <const> = S " \t\r\n" ^ 1
local binary_word <const> = word "and" + word "or" + word "in" + word "like"
	+ P "not" * space * (word "in" + word "like")
local comma <const> = sign ","

local expression <const> = P {
	skip * V "expression" * -1,
	expression = Ct(V "unary" * ((Cp() * C(binary_sign + binary_word) * Cp() * skip / operator) * V "unary") ^ 0)
		/ function(list) return (climb(list, 1, 1)) end,
	unary = Cp() * C(word "not" + (P "!" - "!=") + "-" + "~") * skip * V "unary" / unary + V "cast" + V "postfix",
	cast = Cp() * sign "(" * (word "const" * skip) ^ -1 * Cp() * C((word "struct" + word "union") * space * letter * alnum ^ 0)
		* Cp() * skip * C(sign "*" ^ 1) * sign ")" * V "unary" / cast,
	postfix = V "primary" * (
		(P "->" + (P "." - "..")) * skip * token(identifier) / postfix("field", "name")
		+ sign "[" * V "expression" * token "]" / postfix("index", "index")
	) ^ 0 / apply,
	primary = Cp() * token(C(digit * (alnum + P "." * alnum) ^ 0)) / number
		+ Cp() * token(P '"' * C((P "\\" * 1 + (1 - S '"\\\n')) ^ 0) * '"') / text_of
		+ Cp() * token(P "'" * C((P "\\" * 1 + (1 - S "'\\\n")) ^ 0) * "'") / text_of
		+ Cp() * token(P "$" * identifier) / node("param", "name")
		+ Cp() * sign "(" * V "expression" * token ")" / node("group", "inner")
		+ Cp() * sign "{" * Ct((V "expression" * (comma * V "expression") ^ 0 * comma ^ -1) ^ -1) * token "}"
			/ node("list", "items")
		+ Cp() * (identifier - keyword) * skip * sign "(" * Ct((V "expression" * (comma * V "expression") ^ 0) ^ -1)
			* token ")" / node("call", "name", "arguments")
		+ Cp() * token(identifier - keyword) / node("name", "name"),
}

-- Where a parenthesis stands that nothing closes.
local function unclosed(text)
	local open <const> = {}
	local plain <const> = text:gsub("\\.", "  "):gsub("([\"']).-%1", function(quoted) return (" "):rep(#quoted) end)
	for at, char in plain:gmatch "()([%(%)%[%]{}])" do
		if char:find "[%(%[{]" then
			open[#open + 1] = at
		else
			open[#open] = nil
		end
	end
	return open[#open]
end

-- Whether a value could end before this place, so that an operator was to come.
local function after_value(text, at)
	local before <const> = text:sub(1, at - 1):gsub("%s+$", "")
	if before:find "%*%s*%)$" then return false end -- a cast
	return before:find "[%w_%)%]}\"']$" ~= nil and not KEYWORDS[before:match "[%a_]+$"]
end

-- What is wrong at the byte `at`, and the word that it stands in.
local function refusal(text, at)
	local reason <const>, from <const>, to <const> = habits.answer(text, at)
	if reason then return reason, from, to end
	if at > #text then
		local open <const> = unclosed(text)
		if open then return ("this %s is not closed"):format(text:sub(open, open)), open, open end
		return "it ends where a value should stand", math.max(1, #text), #text
	end
	local stop <const> = text:match("^[%w_]+()", at) or text:match("^%p%p?()", at) or at + 1
	local found <const> = text:sub(at, stop - 1):gsub("[%c\128-\255]", "?")
	return ("an %s should stand where '%s' is"):format(after_value(text, at) and "operator" or "expression", found),
		at, stop - 1
end

-- Literals are read while the text is, and told of here, where there is no way back any more.
local function wrong_literal(tree)
	if tree.wrong then return tree end
	for _, key in ipairs { "object", "index", "inner", "operand", "left", "right" } do
		local found <const> = tree[key] and wrong_literal(tree[key])
		if found then return found end
	end
	for _, one in ipairs(tree.items or tree.arguments or {}) do
		local found <const> = wrong_literal(one)
		if found then return found end
	end
	return nil
end

--- Reads an expression.
--- Errors: nil, reason, and the first and the last byte of what is wrong.
---@param text string
---@return table? tree
---@return string? reason
---@return integer? from
---@return integer? to
function grammar.parse(text)
	if not text:find "%S" then return nil, "it is empty" end
	furthest = 1
	local fine <const>, tree <const> = pcall(expression.match, expression, text)
	if not fine then return nil, "it is nested too deeply" end
	if not tree then return nil, refusal(text, furthest) end
	local wrong <const> = wrong_literal(tree)
	if wrong then return nil, wrong.wrong, wrong.pos, wrong.stop end
	return tree
end

return grammar
