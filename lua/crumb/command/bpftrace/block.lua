--- block: what the blocks of a program do: aggregates, events, what is kept for other blocks, what is printed.

local expression <const> = require "crumb.command.bpftrace.expression"

local block = {}

---@class crumb.BpftraceAction
---@field does "aggregate"|"event"|"keep"|"print"|"clear"|"exit"|"say"
---@field tests table[] conditions under which it does
---@field map string? of an aggregate, of what is kept, printed, cleared
---@field keys table[]?
---@field op string? of an aggregate: count, sum, …
---@field value table? what is kept; what is aggregated
---@field arguments table[]? of an event; of lhist
---@field text string? that is printed

local AGGREGATES <const> = {
	count = true, sum = true, avg = true, min = true, max = true, hist = true, lhist = true, stats = true,
}

-- What has nothing to say for: events have their time, and a span forgets by itself.
local SILENT <const> = { time = true, delete = true, zero = true, strftime = true }

local INSTEAD <const> = {
	join = "join(x): a capture is one text: str(u64[x]), str(u64[x + 8]) …; crumb execsnoop shows whole commands",
	system = "system(): a handler may do it: handler = function(event) os.execute \"…\" end",
	cat = "cat(): a handler may do it: handler = function(event) print(io.open(\"…\"):read \"a\") end",
	signal = "signal(): crumb only looks: a handler may send one, some time later",
	override = "override(): crumb only looks",
}

local CALLS <const>, STATEMENTS <const> = {}, {}

function CALLS.printf(found, node, tests)
	local format <const> = node.arguments[1]
	if not format or format.tag ~= "string" then expression.lacks "printf without a format" end
	found.actions[#found.actions + 1] = {
		does = "event", tests = tests, arguments = table.move(node.arguments, 2, #node.arguments, 1, {}), text = format.text,
	}
end

local function of_map(does)
	return function(found, node, tests)
		local map <const> = node.arguments[1]
		if map and map.tag == "map" then
			found.actions[#found.actions + 1] = { does = does, tests = tests, map = map.name }
		elseif map and does == "print" then
			found.actions[#found.actions + 1] = { does = "event", tests = tests, arguments = node.arguments, text = "" }
		end
	end
end

CALLS.print, CALLS.clear = of_map "print", of_map "clear"

function CALLS.exit(found, _, tests) found.actions[#found.actions + 1] = { does = "exit", tests = tests } end

local function aggregate(found, map, op, value, tests, arguments)
	found.actions[#found.actions + 1] = {
		does = "aggregate", tests = tests, map = map.name, keys = map.keys, op = op, value = value, arguments = arguments,
	}
end

local function collect(found, list, tests)
	for _, statement in ipairs(list) do
		local known <const> = STATEMENTS[statement.tag] or function() end -- a value alone does nothing
		expression.try(found.lacks, known, found, statement, tests)
	end
end

function STATEMENTS.call(found, node, tests)
	if SILENT[node.name] then return end
	local known <const> = CALLS[node.name]
	if not known then expression.lacks("%s", INSTEAD[node.name] or node.name .. "(): there is no such action") end
	known(found, node, tests)
end

STATEMENTS["if"] = function(found, node, tests)
	local function with(test) return table.move({ test }, 1, 1, #tests + 1, table.move(tests, 1, #tests, 1, {})) end
	collect(found, node.statements, with(node.test))
	if node.otherwise then collect(found, node.otherwise, with { tag = "unary", op = "!", operand = node.test }) end
end

function STATEMENTS.loop(_, node)
	expression.lacks("%s: there are no loops: one expression is a capture, a key, or a condition", node.word)
end

function STATEMENTS.step(found, node, tests)
	if node.operand.tag ~= "map" then expression.lacks "variables do not change: the expression stands where it is used" end
	if node.op == "--" then expression.lacks("@%s--: rows only grow; two probes count both directions", node.operand.name) end
	aggregate(found, node.operand, "count", nil, tests)
end

function STATEMENTS.assign(found, node, tests)
	local to <const>, value <const> = node.to, node.value
	if to.tag == "variable" and node.op == "=" then
		found.values[to.name] = value
	elseif to.tag ~= "map" then
		expression.lacks "variables do not change: the expression stands where it is used"
	elseif node.op == "+=" then
		aggregate(found, to, "sum", value, tests)
	elseif node.op ~= "=" then
		expression.lacks("@%s %s: rows only grow: sum = \"x\" adds", to.name, node.op)
	elseif value.tag == "call" and AGGREGATES[value.name] then
		aggregate(found, to, value.name, value.arguments[1], tests, value.arguments)
	else
		found.actions[#found.actions + 1] = { does = "keep", tests = tests, map = to.name, keys = to.keys, value = value }
	end
end

--- What a block does.
--- Shape: { actions, values = variables' expressions, lacks = what has no words here }
---@param tree table of grammar
---@return table
function block.read(tree)
	local found <const> = { actions = {}, values = {}, lacks = {} }
	collect(found, tree.statements, { tree.predicate })
	return found
end

return block
