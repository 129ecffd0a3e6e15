--- rule: what a block does as the options of crumb's probes: conditions, captures, aggregates and their keys.

local expression <const> = require "crumb.command.bpftrace.expression"
local targets <const> = require "crumb.command.bpftrace.target"
local values <const> = require "crumb.command.bpftrace.values"

local rule = {}

---@class crumb.BpftraceRule what one probe can do: of one condition, and aggregates of one list of keys
---@field where string?
---@field by string? as an option
---@field does "aggregate"|"event"
---@field actions crumb.BpftraceAction[]

--- Conditions as one; nil: there is none.
---@param tests table[]
---@param context crumb.BpftraceContext
---@return string?
function rule.condition(tests, context)
	local all
	for _, test in ipairs(tests) do
		all = all and { tag = "binary", op = "&&", left = all, right = test } or test
	end
	return all and (expression.condition(all, context))
end

--- Both of two conditions.
---@param first string?
---@param second string?
---@return string?
function rule.both(first, second)
	if not first or not second then return first or second end
	local function part(text) return text:find "%f[%w]or%f[%W]" and "(" .. text .. ")" or text end
	return part(first) .. " and " .. part(second)
end

-- What events have not of themselves; of calls they have retval, too.
local function captures_of(action, context)
	local list <const> = {}
	for _, argument in ipairs(action.arguments) do
		if not (argument.tag == "call" and argument.name == "strftime") then
			local words <const> = expression.words(argument, context)
			if not values.OWN[words] or words == "retval" and not context.call then list[#list + 1] = words end
		end
	end
	return list
end

-- lhist(x, min, max, step)
local function steps_of(arguments, context)
	local list <const> = {}
	for i = 1, 4 do
		if not arguments[i] then expression.lacks "lhist takes four arguments" end
		local words <const> = expression.words(arguments[i], context)
		list[i] = i == 1 and values.quoted(words) or words
	end
	return ("{ %s }"):format(table.concat(list, ", "))
end

local STATS <const> = { "count", "avg", "sum" }

-- op -> its columns, { name, text }, and the ops in their order.
local function columns_of(actions, context)
	local columns <const>, order <const> = {}, {}
	local function add(op, map, text)
		if not columns[op] then columns[op], order[#order + 1] = {}, op end
		table.insert(columns[op], { name = map ~= "" and map or op, text = text })
	end
	local function text_of(op, action)
		if op == "count" then return "true" end
		if op == "lhist" then return steps_of(action.arguments, context) end
		return values.quoted(expression.words(action.value, context))
	end
	for _, action in ipairs(actions) do
		for _, op in ipairs(action.op == "stats" and STATS or { action.op }) do
			if op ~= "count" or not columns.count then add(op, action.map, text_of(op, action)) end -- all counts are one
		end
	end
	return columns, order
end

local function column_text(op, list)
	if #list == 1 then return ("%s = %s"):format(op, list[1].text) end
	local parts <const> = {}
	for i, one in ipairs(list) do parts[i] = ("%s = %s"):format(one.name, one.text) end
	return ("%s = { %s }"):format(op, table.concat(parts, ", "))
end

local function by_text(keys, context, of_targets)
	if #keys == 0 then return targets.are_many(of_targets) and "by = {}" or nil end
	local list <const> = {}
	for i, key in ipairs(keys) do list[i] = expression.words(key, context) end
	return "by = " .. values.table(list)
end

local DOES <const> = { aggregate = columns_of, event = function(actions, context) return captures_of(actions[1], context) end }

-- Puts an action to the rule that can do it; raises what has no words.
local function place_action(rules, action, context, of_targets)
	local where <const> = rule.condition(action.tests, context)
	local by <const> = action.does == "aggregate" and by_text(action.keys, context, of_targets) or nil
	DOES[action.does]({ action }, context)
	for _, known in ipairs(rules) do
		if known.where == where and known.by == by and known.does == action.does then
			known.actions[#known.actions + 1] = action
			return
		end
	end
	rules[#rules + 1] = { where = where, by = by, does = action.does, actions = { action } }
end

--- The rules of a place.
---@param place crumb.BpftracePlace what has no words is added to its `lacks`
---@param context crumb.BpftraceContext
---@return crumb.BpftraceRule[]
function rule.list(place, context)
	local rules <const> = {}
	for _, action in ipairs(place.actions) do
		if DOES[action.does] then
			expression.try(place.lacks, place_action, rules, action, context, place.targets)
		end
	end
	return rules
end

--- What a rule asks for, each option as it is written.
---@param its crumb.BpftraceRule
---@param context crumb.BpftraceContext
---@return string[]
function rule.options(its, context)
	local parts <const> = {}
	if its.does == "event" then
		local captures <const> = {}
		for _, action in ipairs(its.actions) do
			local list <const> = captures_of(action, context)
			table.move(list, 1, #list, #captures + 1, captures)
		end
		if #captures > 0 then parts[1] = "capture = " .. values.table(captures, true) end
		return parts
	end
	local columns <const>, order <const> = columns_of(its.actions, context)
	for _, op in ipairs(order) do parts[#parts + 1] = column_text(op, columns[op]) end
	parts[#parts + 1] = its.by
	return parts
end

return rule
