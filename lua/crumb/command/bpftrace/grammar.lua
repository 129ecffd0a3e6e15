--- grammar: a program of bpftrace's -> tree. What it means is not known here.
--
-- A program is a list of blocks { targets, predicate?, statements }. Statements are { tag = }:
--	assign { to, op, value } call { name, arguments } if { test, statements, otherwise } loop { word }
-- and expressions:
--	number { text } string { text } name { name } map { name, keys } variable { name } parameter { number }
--	call { name, arguments } field { object, name } index { object, index } cast { type, operand }
--	unary { op, operand } binary { op, left, right } choice { test, left, right } step { op, operand } tuple { items }

local lpeg <const> = require "lpeg"

local P <const>, R <const>, S <const>, V <const> = lpeg.P, lpeg.R, lpeg.S, lpeg.V
local C <const>, Cc <const>, Cg <const>, Ct <const> = lpeg.C, lpeg.Cc, lpeg.Cg, lpeg.Ct

local LONGEST <const> = 65536

-- Lines for the preprocessor are passed over, too.
local space <const> = (S " \t\r\n" + (P "//" + "#") * (1 - P "\n") ^ 0 + P "/*" * (1 - P "*/") ^ 0 * "*/") ^ 0
local letter <const>, digit <const> = R("az", "AZ") + "_", R "09"
local alnum <const> = letter + digit

local function sign(text) return P(text) * space end
local function word(text) return P(text) * -alnum * space end
local function node(tag, pattern) return Ct(Cg(Cc(tag), "tag") * pattern) end
local function field(name, pattern) return Cg(pattern, name) end
local function list(pattern) return Ct((pattern * (sign "," * pattern) ^ 0) ^ -1) end

local identifier <const> = C(letter * alnum ^ 0) * space

local PRECEDENCE <const> = {
	["||"] = 1, ["&&"] = 2, ["|"] = 3, ["^"] = 4, ["&"] = 5, ["=="] = 6, ["!="] = 6, ["<"] = 7, [">"] = 7, ["<="] = 7, [">="] = 7,
	["<<"] = 8, [">>"] = 8, ["+"] = 9, ["-"] = 9, ["*"] = 10, ["/"] = 10, ["%"] = 10,
}

-- Operands and operators in turn -> a tree, by C's precedence.
local function climb(parts, at, least)
	local left = parts[at]
	at = at + 1
	while parts[at] and PRECEDENCE[parts[at]] >= least do
		local op <const> = parts[at]
		local right
		right, at = climb(parts, at + 1, PRECEDENCE[op] + 1)
		left = { tag = "binary", op = op, left = left, right = right }
	end
	return left, at
end

-- What follows a primary: each makes of the node before it the one that holds it.
local function apply(primary, ...)
	for _, follow in ipairs { ... } do
		follow[follow.tag == "step" and "operand" or "object"] = primary
		primary = follow
	end
	return primary
end

-- The slash that ends a predicate is no division.
local ending <const> = P "/" * space * "{"
local operator <const> = C(P "||" + "&&" + "==" + "!=" + "<<" + ">>" + "<=" + ">=" + "<" + ">" + "|" + "^" + "&"
	+ (P "+" - "++" - "+=") + (P "-" - "--" - "-=" - "->") + (P "*" - "*=") + (P "/" - "/=" - ending) + (P "%" - "%=")) * space

local ESCAPES <const> = { n = "\n", t = "\t", r = "\r" }

local text <const> = P '"' * lpeg.Cs((P "\\" * C(1) / function(c) return ESCAPES[c] or c end + (1 - S '"\\\n')) ^ 0) * '"' * space
local number <const> = C(P "0x" * R("09", "af", "AF") ^ 1 + digit ^ 1 * (P "e" * digit ^ 1) ^ -1) * S "uUlL" ^ 0
	* (C(P "ns" + "us" + "ms" + "s") * -alnum + Cc "") * space

local type_name <const> = (P "struct" + "union" + "enum") * S " \t" ^ 1 * letter * alnum ^ 0
	+ P "unsigned " ^ -1 * (P "uint" + "int") * digit ^ 0 * P "_t" ^ -1 + P "unsigned " ^ -1 * (P "char" + "short" + "long")
	+ P "void" + P "bool" + P "size_t"
local type_words <const> = (P "const" * S " \t" ^ 1) ^ -1 * C(type_name) * -alnum

local program <const> = P {
	space * Ct((V "declaration" + V "block") ^ 1) * -1,
	declaration = (word "struct" + word "union" + word "enum") * (letter * alnum ^ 0 * space) * V "braces" * sign ";" ^ -1,
	braces = sign "{" * ((1 - S "{}") ^ 1 + V "braces") ^ 0 * sign "}",
	block = Ct(field("targets", V "targets") * (sign "/" * field("predicate", V "expression") * sign "/") ^ -1
		* field("statements", V "body")),
	targets = Ct(C((1 - S " \t\r\n,{/") * (1 - S " \t\r\n,{") ^ 0) * space * (sign "," * C((1 - S " \t\r\n,{") ^ 1) * space) ^ 0),
	body = sign "{" * Ct((V "statement" + sign ";") ^ 0) * sign "}",
	statement = node("if", word "if" * sign "(" * field("test", V "expression") * sign ")" * field("statements", V "body")
			* (word "else" * field("otherwise", V "body" + Ct(V "statement"))) ^ -1)
		+ node("loop", field("word", C(P "unroll" + "while" + "for")) * -alnum * space * sign "(" * (1 - S ")") ^ 0 * sign ")"
			* V "body")
		+ node("assign", field("to", V "postfix") * field("op", C(P "=" - "==" + "+=" + "-=" + "|=" + "&=")) * space
			* field("value", V "expression")) * sign ";" ^ -1
		+ V "expression" * sign ";" ^ -1,
	expression = node("choice", field("test", V "binary") * sign "?" * field("left", V "expression") * sign ":"
			* field("right", V "expression"))
		+ V "binary",
	binary = Ct(V "unary" * (operator * V "unary") ^ 0) / function(parts) return (climb(parts, 1, 1)) end,
	unary = node("cast", sign "(" * field("type", type_words) * space * field("stars", C(P "*" ^ 0)) * space * sign ")"
			* field("operand", V "unary"))
		+ node("unary", field("op", C((P "!" - "!=") + (P "-" - "--") + "~" + "*")) * space * field("operand", V "unary"))
		+ node("step", field("op", C(P "++" + "--")) * space * field("operand", V "unary"))
		+ V "postfix",
	postfix = V "primary" * (
		node("field", (sign "->" + sign ".") * field("name", C(alnum ^ 1) * space))
		+ node("index", sign "[" * field("index", V "expression") * sign "]")
		+ node("step", field("op", C(P "++" + "--")) * space)
	) ^ 0 / apply,
	primary = node("number", field("text", number / function(digits, unit) return digits .. unit end))
		+ node("string", field("text", text))
		+ node("map", P "@" * field("name", C(alnum ^ 0)) * space
			* field("keys", sign "[" * list(V "expression") * sign "]" + Ct ""))
		+ node("parameter", P "$" * field("number", C(digit ^ 1)) * space)
		+ node("variable", P "$" * field("name", identifier))
		+ node("call", field("name", identifier) * sign "(" * field("arguments", list(V "expression")) * sign ")")
		+ node("tuple", sign "(" * field("items", Ct(V "expression" * (sign "," * V "expression") ^ 1)) * sign ")")
		+ sign "(" * V "expression" * sign ")"
		+ node("name", field("name", identifier)),
}

local grammar = {}

--- The blocks of a program; nil: it is none, or one that is not understood.
---@param source string
---@return table[]?
function grammar.parse(source)
	if #source > LONGEST then return nil end
	local done <const>, blocks <const> = pcall(program.match, program, source)
	return done and blocks or nil
end

return grammar
