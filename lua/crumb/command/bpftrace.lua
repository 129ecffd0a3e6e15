--- bpftrace: programs of that language, said in crumb's.

local block <const> = require "crumb.command.bpftrace.block"
local expression <const> = require "crumb.command.bpftrace.expression"
local grammar <const> = require "crumb.command.bpftrace.grammar"
local pair <const> = require "crumb.command.bpftrace.pair"
local rule <const> = require "crumb.command.bpftrace.rule"
local targets <const> = require "crumb.command.bpftrace.target"
local values <const> = require "crumb.command.bpftrace.values"

local bpftrace = {}

---@class crumb.BpftracePlace a block with what is known of it
---@field targets crumb.BpftraceTarget[]
---@field actions crumb.BpftraceAction[]
---@field values table<string, table> what its variables are
---@field lacks string[] what has no words in crumb

-- nil: it is not bpftrace's.
local function places_of(blocks)
	local places <const> = {}
	for i, tree in ipairs(blocks) do
		local place <const> = block.read(tree)
		place.targets = {}
		for at, text in ipairs(tree.targets) do
			place.targets[at] = targets.read(text)
			if not place.targets[at] then return nil end
		end
		places[i] = place
	end
	return places
end

local function context_of(place, call, parameters, kept)
	return { values = place.values, call = call, parameters = parameters, kept = kept or function() end }
end

local function targets_text(list)
	local texts <const> = {}
	for i, one in ipairs(list) do texts[i] = values.quoted(targets.words(one)) end
	return texts
end

local function parameters_text(parameters)
	local list <const> = {}
	for number in pairs(parameters) do
		list[#list + 1] = ("n%s = math.tointeger(arg[%s]) or arg[%s]"):format(number, number, number)
	end
	table.sort(list)
	return ("params = { %s }"):format(table.concat(list, ", "))
end

local function with(parts, where, options)
	if where then parts[#parts + 1] = "where = " .. values.quoted(where) end
	return table.move(options, 1, #options, #parts + 1, parts)
end

local function probe_text(parts)
	if #parts == 1 and parts[1]:sub(1, 1) == '"' then return "probe " .. parts[1] end
	return ("probe { %s }"):format(table.concat(parts, ", "))
end

local function key_text(keys, context)
	if #keys < 1 or #keys > 2 then expression.lacks "a span's key is one expression, or two" end
	local list <const> = {}
	for i, key in ipairs(keys) do list[i] = values.quoted(expression.words(key, context)) end
	return "key = " .. (#list == 1 and list[1] or ("{ %s }"):format(table.concat(list, ", ")))
end

local function span_text(its, place, of_beginning, where, options)
	local keeps <const>, captures <const> = pair.keeps(its.from), {}
	for i, one in ipairs(keeps.values) do
		captures[i] = ("%s = %s"):format(one.name, values.quoted(expression.words(one.value, of_beginning)))
	end
	local first <const>, last <const> = targets_text(its.from.targets), targets_text(place.targets)
	first[#first + 1] = key_text(keeps.keys, of_beginning)
	with(first, rule.condition(keeps.tests, of_beginning), #captures > 0
		and { ("capture = { %s }"):format(table.concat(captures, ", ")) } or {})
	last[#last + 1] = key_text(pair.keys(place, its.from), context_of(place, false, {}))
	local parts <const> = {
		("from = { %s }"):format(table.concat(first, ", ")), ("to = { %s }"):format(table.concat(last, ", ")),
	}
	return ("span { %s }"):format(table.concat(with(parts, where, options), ", "))
end

local function call_text(its, of_beginning, where, options)
	local before <const> = its.from and rule.condition(pair.keeps(its.from).tests, of_beginning)
	local parts <const> = targets_text(its.calls)
	parts[#parts + 1] = "returns = true"
	return probe_text(with(parts, rule.both(before, where), options))
end

-- Adds a line for each rule of a place: how many.
local function trace(lines, places, place)
	local parameters <const> = {}
	local its <const> = pair.of(places, place)
	local of_beginning <const> = its and its.from and context_of(its.from, false, parameters)
	local context <const> = context_of(place, its and its.calls ~= nil, parameters, pair.kept(places, its, of_beginning))
	local rules <const> = rule.list(place, context)
	for _, one in ipairs(rules) do
		local options <const>, line <const> = rule.options(one, context), { maps = {} }
		if next(parameters) then table.insert(options, 1, parameters_text(parameters)) end
		if its and its.calls then
			line.text = call_text(its, of_beginning, one.where, options)
		elseif its then
			line.text = span_text(its, place, of_beginning, one.where, options)
		else
			line.text = probe_text(with(targets_text(place.targets), one.where, options))
		end
		for _, action in ipairs(one.actions) do line.maps[action.map or false] = one.does == "aggregate" end
		lines[#lines + 1] = line
	end
	return #rules
end

local function print_text(action) return "print " .. values.quoted((action.text:gsub("\n$", ""))) end

local function is_plain_print(action) return action.does == "event" and #action.arguments == 0 end

-- How a probe is called in what follows, by the map whose rows it has; nil: none has.
local function name_of_rows(lines, map)
	for _, line in ipairs(lines) do
		if line.maps and line.maps[map] then
			line.name = line.name or map ~= "" and map or "rows"
			return line.name
		end
	end
end

-- Adds what is done again and again; returns what ends it all.
local function again(lines, place)
	local seconds <const>, parts, clears, ends = targets.seconds(place.targets[1].rest), {}, {}, nil
	for _, action in ipairs(place.actions) do clears[action.does == "clear" and action.map or false] = true end
	for _, action in ipairs(place.actions) do
		if action.does == "exit" then
			ends = ("run { duration = %g }"):format(seconds)
		elseif is_plain_print(action) then
			parts[#parts + 1] = print_text(action)
		elseif action.does == "print" then
			local name <const> = name_of_rows(lines, action.map)
			if name then parts[#parts + 1] = ("show(%s:read%s)"):format(name, clears[action.map] and " { clear = true }" or "()") end
		end
	end
	if #parts > 0 then
		lines[#lines + 1] = { text = ("every(%g, function() %s end)"):format(seconds, table.concat(parts, "; ")) }
	elseif not ends then
		place.lacks[#place.lacks + 1] = ("every(%g, function() … end) is called again and again; crumb -i %g prints rows so often")
			:format(seconds, seconds)
	end
	return ends
end

local NONE <const> = {
	watchpoint = "watchpoints: there are none; a probe where it is written tells as much",
	iter = "iter: BPF programs get no cookie there",
}

local OF_KIND <const> = {}

function OF_KIND.BEGIN(lines, _, place)
	for _, action in ipairs(place.actions) do
		if is_plain_print(action) then lines[#lines + 1] = { text = print_text(action) } end
	end
end

-- Rows are printed at the end by themselves.
function OF_KIND.END() end

function OF_KIND.interval() end

local function of_trace(lines, places, place)
	local count <const> = expression.try(place.lacks, trace, lines, places, place)
	if (count or 0) > 0 or pair.only_begins(places, place) then return end
	lines[#lines + 1] = { text = probe_text(targets_text(place.targets)) }
end

-- What its intervals do, and how it ends.
local function finish(lines, places)
	local ends
	for _, place in ipairs(places) do
		if place.targets[1].kind == "interval" then ends = again(lines, place) or ends end
	end
	if ends then lines[#lines + 1] = { text = ends } end
end

--- A program of bpftrace's as lines of crumb's.
--- Errors: nil when it is no such program, or one that is not understood.
---@param source string
---@return string[]? lines
---@return string[]? lacks what has no words here, and what does instead
function bpftrace.translate(source)
	local blocks <const> = grammar.parse(source)
	local places <const> = blocks and places_of(blocks)
	if not places then return nil end
	local lines <const>, texts <const>, lacks <const>, said <const> = {}, {}, {}, {}
	for _, place in ipairs(places) do
		local kind <const> = place.targets[1].kind
		place.lacks[#place.lacks + 1] = NONE[kind]
		if not NONE[kind] then (OF_KIND[kind] or of_trace)(lines, places, place) end
	end
	finish(lines, places)
	for i, line in ipairs(lines) do texts[i] = (line.name and line.name .. " = " or "") .. line.text end
	for _, place in ipairs(places) do
		for _, why in ipairs(place.lacks) do
			if not said[why] then lacks[#lacks + 1], said[why] = why, true end
		end
	end
	return texts, lacks
end

--- What is said of text that is bpftrace's and not Lua: the same in crumb's words, to be pasted, and what has none.
---@param source string
---@return string? answer nil: it is not bpftrace's
function bpftrace.answer(source)
	local lines <const>, lacks <const> = bpftrace.translate(source)
	if not lines then return nil end
	local parts <const> = { #lines > 0 and "this is bpftrace's language; in crumb's it is" or "this is bpftrace's language" }
	for _, line in ipairs(lines) do parts[#parts + 1] = "    " .. line end
	for _, why in ipairs(lacks) do parts[#parts + 1] = "    -- " .. why end
	return table.concat(parts, "\n")
end

return bpftrace
