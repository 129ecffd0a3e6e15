--- expression: a rule's expressions -> a plan of steps that the engine runs.
--
-- doc/design/0002-tracer.md says what a scope and a plan are. Each file here does one job: tree and grammar (text -> tree),
-- compilation, name, path and call (tree -> values, on the graph of node), condition (tree -> tests), outlet (what comes
-- of a hit), region (values and tests -> steps).

local compilation <const> = require "crumb.expression.compilation"
local condition <const> = require "crumb.lazy" "crumb.expression.condition"
local keep <const> = require "crumb.expression.keep"
local limits <const> = require "crumb.expression.limits"
local name <const> = require "crumb.expression.name"
local outlet <const> = require "crumb.expression.outlet"
local path <const> = require "crumb.expression.path"
local problem <const> = require "crumb.expression.problem"
local region <const> = require "crumb.expression.region"

local expression = {}

-- The condition of a rule that has none.
local ALWAYS <const> = { kind = "constant", value = true, stable = true }

-- What a probe's pid, tid and follow ask for.
local function filters_of(c)
	local rule <const> = c.rule
	local all = ALWAYS
	if rule.follow then all = condition.followed(rule.follow) end
	for _, word in ipairs { "pid", "tid" } do
		if rule[word] then
			all = condition.both(all, condition.of(c, c:parse(word, ("%s == %d"):format(word, rule[word])), false))
		end
	end
	return all
end

-- `where`, and before it the filters.
local function condition_of(c, filters)
	local all <const>, rule <const> = filters or filters_of(c), c.rule
	return rule.where == nil and all or condition.both(all, condition.of(c, c:parse("where", rule.where), false))
end

local function number_option(c, word)
	local value <const> = c.rule[word]
	if value == nil then return 0 end
	if math.type(value) ~= "integer" or value < 0 or value >= 1 << 32 then
		c.source = { option = word }
		c:refuse(nil, "expected an integer of 0 or more, got %s", tostring(value))
	end
	return value
end

-- What the rule wants to be done with a hit, read and checked.
local function outlets_of(c)
	local rule <const> = c.rule
	local aggregates <const>, values <const> = outlet.aggregates(c, rule)
	local has_table <const> = #values > 0
	local what <const> = { aggregates = aggregates, values = values, keys = {}, key_columns = {}, words = 0 }
	if has_table then
		what.keys, what.key_columns, what.words = outlet.keys(c, rule.by)
		outlet.check_columns(c, what.key_columns, values)
	elseif rule.by ~= nil then
		c.source = { option = "by" }
		c:refuse(nil, "it groups an aggregate, and there is none: add count = true")
	end
	what.event = rule.capture ~= nil or not has_table
	what.cells, what.pieces = {}, {}
	if what.event then what.cells, what.pieces = outlet.captures(c, rule.capture) end
	return what
end

-- Computes the outlets' values; the slots are filled in when they are known.
local function compute(run, what, saves)
	for _, piece in ipairs(what.pieces) do
		if piece.text then
			piece.cell = saves:text(piece.text, false)
		elseif piece.node or piece.address then
			piece.slot = run:result(piece.node or piece.address)
			piece.extent = piece.length and run:result(piece.length)
		end
	end
	for _, key in ipairs(what.keys) do
		if key.text then key.cell = saves:text(key.text, true) end
		if key.node then key.slot = run:result(key.node) end
	end
	for _, aggregate in ipairs(what.aggregates) do aggregate.slot = run:result(aggregate.node) end
end

local function slot_of(register)
	return type(register) == "table" and register.slot or register
end

local SIZED <const> = { STRING = true, BYTES = true }

local function outputs_of(pieces)
	local outputs <const> = {}
	for i, piece in ipairs(pieces) do
		outputs[i] = {
			kind = piece.kind, slot = slot_of(piece.slot or piece.cell), length = slot_of(piece.extent),
			size = SIZED[piece.kind] and piece.size or nil,
		}
	end
	return outputs
end

local function keys_of(keys)
	local list <const> = {}
	for i, key in ipairs(keys) do list[i] = { kind = key.kind, slot = slot_of(key.slot or key.cell), size = key.size } end
	return list
end

local IDENTITY <const> = { MIN = math.maxinteger, MAX = math.mininteger }

local function aggregate_of(aggregates)
	local list <const>, identity <const> = {}, {}
	for i = 1, limits.ROW_CELLS + 1 do identity[i] = 0 end
	for i, one in ipairs(aggregates) do
		list[i] = {
			op = one.op, slot = slot_of(one.slot), cell = one.cell, min = one.min, max = one.max, step = one.step,
		}
		if one.cell then identity[one.cell + 2] = IDENTITY[one.op] or 0 end
	end
	return list, identity
end

local function wants(what, kind)
	for _, list in ipairs { what.pieces, what.keys } do
		for _, one in ipairs(list) do
			if one.kind == kind then return true end
		end
	end
	return false
end

-- Whether a list has stacks, of outputs, keys or columns.
local function has_stacks(list)
	for _, one in ipairs(list) do
		local kind <const> = one.kind:upper()
		if kind == "KSTACK" or kind == "USTACK" then return true end
	end
	return false
end

local function has_row(values)
	for _, column in ipairs(values) do
		if column.op ~= "HIST" and column.op ~= "LHIST" then return true end
	end
	return false
end

-- The steps one after another, and where each of them begins.
local function join(c, regions)
	local steps <const>, starts, places = {}, {}, nil
	for i, run in ipairs(regions) do
		c.source = { option = run.option }
		starts[i], places = run:append(steps)
	end
	if #steps > limits.STEPS then
		c.source = { option = "rule" }
		c:too_large("it takes %d steps, at most %d", #steps, limits.STEPS)
	end
	return steps, starts, places
end

local function plan_of(c, what, pool)
	local aggregate <const>, identity <const> = aggregate_of(what.aggregates)
	return {
		outputs = outputs_of(what.pieces), saved = {}, by = keys_of(what.keys), key_words = what.words,
		aggregate = aggregate, identity = identity, key_slots = { 0, 0 },
		texts = pool.texts, patterns = pool.patterns, sets = pool.sets, text_sets = pool.text_sets,
		event = what.event, row = has_row(what.values), small = what.words <= limits.SMALL_WORDS,
		kstack = wants(what, "KSTACK"), ustack = wants(what, "USTACK"), stack_keys = has_stacks(what.keys),
		stack_columns = has_stacks(what.key_columns),
		call = c.scope.pair == "call",
		sample = number_option(c, "sample"), limit = number_option(c, "limit"),
		cells = what.cells, columns = { keys = what.key_columns, values = what.values },
	}
end

-- A region that goes on to the outlets of the hits that the condition lets through.
local function outlet_region(c, pool, saves, decides, what)
	local run <const> = region.new(c, pool, saves)
	run.option = "rule"
	local no <const> = region.label()
	c.source = { option = "where" }
	run:require(decides, no)
	compute(run, what, saves)
	run:accept(no)
	return run
end

-- The key of a span's ends, in two slots; one key fills both.
local function key_registers(c, run, no)
	local list <const> = c.rule.key ~= nil and outlet.each(c, "key", c.rule.key) or {}
	c.source = { option = "key" }
	if #list < 1 or #list > 2 then c:refuse(nil, "a span has a key of one or two expressions, not %d", #list) end
	local nodes <const>, slots <const> = {}, {}
	c.finds = true
	for i, one in ipairs(list) do nodes[i] = c:integer(c:parse(one.option, one.text)).node end
	c.finds = false
	for i, node in ipairs(nodes) do
		slots[i] = run:result(node)
		if node.fails then run:require_value(slots[i], no) end
	end
	return { slots[1], slots[2] or slots[1] }
end

local function at_hit(c, pool)
	local decides <const>, what <const> = condition_of(c), outlets_of(c)
	local run <const> = outlet_region(c, pool, nil, decides, what)
	local steps <const>, starts <const> = join(c, { run })
	local plan <const> = plan_of(c, what, pool)
	plan.steps, plan.open_start, plan.key_start, plan.start = steps, starts[1], starts[1], starts[1]
	return plan
end

-- The entry of a call: what is decided there, and what is kept for its return.
local function entry_of(c, pool, first, saves)
	local run <const> = region.new(c, pool)
	run.option = "entry"
	local no <const> = region.label()
	c.source = { option = "where" }
	run:require(first, no)
	c.source = { option = "entry" }
	local saved <const> = saves:outputs(c, run)
	run:accept(no)
	return run, saved
end

-- The return is compiled first: it tells what the entry must keep.
local function of_call(c, pool)
	local whole <const> = condition_of(c)
	local first <const>, last <const> = condition.cut(c, whole)
	local what <const>, saves <const> = outlets_of(c), keep.saves()
	local at_end <const> = outlet_region(c, pool, saves, last, what)
	local run <const>, saved <const> = entry_of(c, pool, first, saves)
	local steps <const>, starts <const> = join(c, { run, at_end })
	for _, list in ipairs { what.pieces, what.keys } do
		for _, one in ipairs(list) do
			if one.text then one.cell = one.cell.slot end
		end
	end
	local plan <const> = plan_of(c, what, pool)
	plan.steps, plan.open_start, plan.key_start, plan.start = steps, starts[1], starts[1], starts[2]
	plan.saved = outputs_of(saved)
	return plan
end

local OF_TABLES <const> = { "count", "sum", "avg", "min", "max", "hist", "lhist", "by" }

-- What `from` captures is kept in the pair, and has its names in `to`.
local function captures_of_from(c, saves)
	local list <const> = {}
	for _, one in ipairs(c.rule.capture and outlet.each(c, "capture", c.rule.capture) or {}) do
		local ast <const> = c:parse(one.option, one.text)
		if not one.name:find "^[%a_][%w_]*$" then
			c:refuse(nil, "it needs a name, by which `to` speaks of it: capture = { name = \"%s\" }", one.text)
		end
		local value = c:value(ast)
		value = path.string(c, value) or value
		if value.kind == "string" then
			list[#list + 1] = { name = one.name, piece = saves:text(value, false), value = value }
		elseif value.kind == "kstack" or value.kind == "ustack" then
			list[#list + 1] = { name = one.name, piece = saves:stack(value.kind), value = value }
		else
			value = c:as_integer(value, ast)
			local number <const> = saves:scalar({ a = value.node })
			list[#list + 1] = { name = one.name, cell = number, value = value }
		end
	end
	return list
end

local function check_from(c)
	for _, word in ipairs(OF_TABLES) do
		if c.rule[word] ~= nil then
			c.source = { option = word }
			c:refuse(nil, "the table is of the span: say it beside from and to")
		end
	end
end

local NO_OUTLETS <const> = {
	aggregates = {}, values = {}, keys = {}, key_columns = {}, words = 0, pieces = {}, cells = {}, event = false,
}

-- The plan of a beginning: its key, and what it keeps, by the names that the end has for it.
local function beginning(c, pool, keys, kept, captures)
	local plan <const> = plan_of(c, NO_OUTLETS, pool)
	plan.key_slots, plan.kept, plan.captures = { slot_of(keys[1]), slot_of(keys[2]) }, outputs_of(kept), {}
	for _, one in ipairs(captures) do
		local value <const> = one.value
		plan.captures[one.name] = {
			cell = one.piece and one.piece.slot or one.cell, kind = value.kind, unsigned = value.unsigned, type = value.type,
			time = value.time, clock = value.clock, shown = value.shown,
		}
	end
	for _, output in ipairs(kept) do
		if output.kind == "KSTACK" then plan.kstack = true end
		if output.kind == "USTACK" then plan.ustack = true end
	end
	plan.stack_keys = plan.kstack or plan.ustack
	return plan
end

local function of_from(c, pool)
	check_from(c)
	local decides <const>, saves <const> = condition_of(c), keep.saves()
	local captures <const> = captures_of_from(c, saves)
	local run <const> = region.new(c, pool)
	run.option = "from"
	local no <const> = region.label()
	c.source = { option = "where" }
	run:require(decides, no)
	c.source = { option = "capture" }
	local saved <const> = saves:outputs(c, run)
	local key_start <const> = run:forget()
	local keys <const> = key_registers(c, run, no)
	run:accept(no)
	local steps <const>, _ <const>, places <const> = join(c, { run })
	local plan <const> = beginning(c, pool, keys, saved, captures)
	plan.steps, plan.open_start, plan.key_start, plan.start, plan.saved = steps, 0, places[key_start], 0, plan.kept
	return plan
end

-- A span that begins when a call has returned. What it keeps takes the place of the outlets, of which it has none.
local function of_returning(c, pool)
	check_from(c)
	local first <const>, last <const> = condition.cut(c, condition_of(c))
	local saves <const>, kept <const> = keep.saves(), keep.saves()
	local captures <const> = captures_of_from(c, kept)
	local run <const> = region.new(c, pool, saves)
	run.option = "from"
	local no <const> = region.label()
	c.source = { option = "where" }
	run:require(last, no)
	c.source = { option = "capture" }
	local outputs <const> = kept:outputs(c, run)
	local keys <const> = key_registers(c, run, no)
	run:accept(no)
	local entry <const>, saved <const> = entry_of(c, pool, first, saves)
	local steps <const>, starts <const> = join(c, { entry, run })
	local plan <const> = beginning(c, pool, keys, outputs, captures)
	plan.steps, plan.open_start, plan.key_start, plan.start = steps, starts[1], starts[1], starts[2]
	plan.saved, plan.outputs, plan.begins = outputs_of(saved), plan.kept, true
	return plan
end

local function of_to(c, pool)
	local run <const> = region.new(c, pool)
	run.option = "key"
	local no <const> = region.label()
	local keys <const> = key_registers(c, run, no)
	run:accept(no)
	-- They are of the end, whose names those of the beginning may take.
	local from <const>, filters <const> = c.scope.from, filters_of(c)
	for word, kept in pairs(from.captures) do
		local value <const> = {}
		for key, field in pairs(kept) do value[key] = field end
		if kept.kind ~= "string" then value.node, value.cell = c.graph:kept(kept.cell), nil end
		c.kept[word] = value
	end
	local decides <const>, what <const> = condition_of(c, filters), outlets_of(c)
	local at_end <const> = outlet_region(c, pool, nil, decides, what)
	local steps <const>, starts <const> = join(c, { run, at_end })
	local plan <const> = plan_of(c, what, pool)
	plan.steps, plan.open_start, plan.key_start, plan.start = steps, starts[1], starts[1], starts[2]
	plan.key_slots, plan.saved = { slot_of(keys[1]), slot_of(keys[2]) }, from.kept
	return plan
end

local function build(rule, scope)
	local c <const>, pool <const> = compilation.begin(rule, scope), keep.pool()
	if scope.begins then return of_returning(c, pool) end
	if scope.pair == "call" then return of_call(c, pool) end
	if scope.pair == "from" then return of_from(c, pool) end
	if scope.pair == "to" then return of_to(c, pool) end
	return at_hit(c, pool)
end

--- Compiles a rule for the places where a scope's values lie.
--- Shape: the plan is in doc/design/0002-tracer.md; `rule` has where, capture, params, count, sum, avg, min, max, hist,
--- lhist, by, sample, limit, key (of spans), epoch (what `elapsed` counts from), pid, tid, follow (a family's number)
--- Errors: nil, message: the option, the reason, and the expression with the word marked.
---@param rule table
---@param scope table
---@return table? plan
---@return string? message
function expression.compile(rule, scope)
	return problem.catch(build, rule, scope)
end

--- What may be written in an expression of that scope.
---@param scope table
---@return string[] names values, then functions with their parenthesis
function expression.names(scope)
	local list <const> = name.list(scope, scope.from and scope.from.captures)
	for _, word in ipairs(name.FUNCTIONS) do list[#list + 1] = word .. "(" end
	return list
end

return expression
