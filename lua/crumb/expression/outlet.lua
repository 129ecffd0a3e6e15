--- outlet: what becomes of a hit that was accepted: cells of an event, keys and sums of a table, cells of a pair.
--
-- First everything is read (and refused), then the steps are made that compute it.

local limits <const> = require "crumb.expression.limits"
local path <const> = require "crumb.expression.path"

local outlet = {}

-- Of a piece of memory that is captured with all other arguments.
local BYTES <const> = 256

local FIELDS <const> = {
	cookie = true, symbol = true, target = true, probe = true, time = true, pid = true, tid = true, uid = true, gid = true,
	comm = true, cpu = true, latency = true, retval = true, truncated = true,
}

--- The expressions of an option as { option =, name =, text = }: a list by number, then names in their order.
---@param option string
---@param given any
---@return table[]
function outlet.each(c, option, given)
	if type(given) == "string" then return { { option = option, name = given:match "^%s*(.-)%s*$", text = given } } end
	c.source = { option = option }
	if type(given) ~= "table" then
		c:refuse(nil, "expected a table of expressions, got %s", type(given))
	end
	local list <const>, names <const> = {}, {}
	for i, text in ipairs(given) do
		list[i] = { option = ("%s[%d]"):format(option, i), text = text,
			name = type(text) == "string" and text:match "^%s*(.-)%s*$" or nil }
	end
	for key in pairs(given) do
		local index <const> = math.tointeger(key)
		if type(key) == "string" then
			names[#names + 1] = key
		elseif not index or index < 1 or index > #list then
			c:refuse(nil, "there is [%s] in it: a list, or names", tostring(key))
		end
	end
	table.sort(names)
	for _, key in ipairs(names) do
		list[#list + 1] = { option = ("%s.%s"):format(option, key), name = key, text = given[key] }
	end
	return list
end

-- How a number is shown.
local function kind_of(value)
	local type <const> = value.type
	if value.shown then return value.shown end
	if type and (type.kind == "pointer" or type.kind == "enum" or type.kind == "bool") then return type.kind end
	return value.unsigned and "unsigned" or "integer"
end

local function values_of(value)
	return value.type and value.type.kind == "enum" and value.type.values or nil
end

-- The piece of a record that a value is, or what it cannot be; nil: it is a number.
local PIECES <const> = {
	string = function(value)
		if value.cell then return { kind = "SAVED", cell = value.cell, size = limits.SAVED_BYTES } end
		if value.of_beginning then return { kind = "SAVED", text = value, size = limits.SAVED_BYTES } end
		return { kind = "STRING", address = value.address, size = math.min(value.size or 256, limits.PIECE_BYTES) }
	end,
	bytes = function(value)
		return { kind = "BYTES", address = value.address, length = value.length, size = value.size }
	end,
	ntop = function(value, c)
		return { kind = "BYTES", address = value.address, length = c.graph:constant(value.size), size = value.size }
	end,
	kstack = function() return { kind = "KSTACK", size = limits.STACK_BYTES } end,
	ustack = function() return { kind = "USTACK", size = limits.STACK_BYTES } end,
}

local STORAGE <const> = { string = "string", bytes = "bytes", ntop = "bytes", kstack = "bytes", ustack = "bytes" }

-- What captured cannot be.
local function refuse_capture(c, value, ast)
	if value.kind == "comm" or value.kind == "symbol" then
		c:refuse(ast, "every event has %s already: leave it out", value.kind)
	elseif value.kind == "text" or value.kind == "set" then
		c:refuse(ast, "it is the same in every event: leave it out")
	elseif value.kind == "aggregate" then
		local type <const>, words <const> = value.type, c:text(ast)
		local size <const> = path.size_of(type)
		if type.kind == "struct" then
			c:refuse(ast, "'%s' is %s: write %s.%s, or bytes(%s, %d)", words, type.name or "a struct", words,
				type.names()[1] or "FIELD", words, size or 64)
		end
		c:refuse(ast, "'%s' is an array: write %s[0], or bytes(%s, %d)", words, words, words, size or 64)
	end
end

local function cell_of(c, one, value, ast)
	value = path.string(c, value) or path.network(c, value) or value
	refuse_capture(c, value, ast)
	local kind <const> = value.kind == "integer" and kind_of(value) or value.kind
	if value.node and STORAGE[kind] then -- the number of a stack that was kept
		return { name = one.name, kind = kind, storage = "integer" }, { kind = "SLOT", node = value.node }
	end
	return {
		name = one.name, kind = kind, storage = STORAGE[kind] or "integer", values = values_of(value), time = value.time or nil,
	}, PIECES[value.kind] and PIECES[value.kind](value, c) or { kind = "SLOT", node = value.node }
end

local function check_name(c, one)
	if not FIELDS[one.name] then return end
	c.source = { option = one.option }
	c:refuse(nil, "every event has '%s' of its own: %s", one.name,
		one.name == one.text and "leave it out" or "give the capture another name")
end

-- What every event of a pair tells.
local function of_pair(c, cells, pieces)
	if c.scope.pair ~= "call" and c.scope.pair ~= "to" then return end
	local names <const> = { "latency" }
	if c.scope.pair == "call" and c.scope.registers and c.scope.registers.retval then table.insert(names, 1, "retval") end
	for _, word in ipairs(names) do
		local ast <const> = c:parse("capture." .. word, word)
		cells[#cells + 1], pieces[#pieces + 1] = cell_of(c, { name = word }, c:value(ast), ast)
	end
end

-- Those of an event's fields that tell whose it is, and are those of the beginning where that captured them.
local WHOSE <const> = { "pid", "tid", "uid", "gid", "comm" }

local function of_beginning(c, cells, pieces)
	for _, word in ipairs(WHOSE) do
		if c.kept[word] then
			local ast <const> = c:parse("capture." .. word, word)
			cells[#cells + 1], pieces[#pieces + 1] = cell_of(c, { name = word }, c:value(ast), ast)
			cells[#cells].whose = true
		end
	end
end

-- The expression that captures an argument as a whole; nil: there is none.
local function whole(c, argument)
	local type <const>, text <const> = argument.type, "args." .. argument.name
	if type.kind == "unknown" or type.kind == "struct" then return nil end
	if type.kind ~= "array" or type.address or path.is_char(type.element()) then return text end
	local size <const> = path.size_of(type)
	local has_bytes <const> = c.scope.hook == "tracepoint" and path.size_of(type.element()) == 1 and size >= 1 and size <= BYTES
	return has_bytes and ("bytes(%s, %d)"):format(text, size) or nil
end

-- "args" stands for all arguments whose names and types are known.
local function with_arguments(c, list)
	local all <const> = {}
	for _, one in ipairs(list) do
		if one.text ~= "args" then
			all[#all + 1] = one
		else
			c.source = { option = one.option }
			if not c.scope.args then c:refuse(nil, "no names of arguments are known here: %s", c.scope.args_missing) end
			for _, argument in ipairs(c.scope.args) do
				local name <const> = FIELDS[argument.name] and "args_" .. argument.name or argument.name
				local text <const> = whole(c, argument)
				if text then all[#all + 1] = { option = one.option, name = name, text = text } end
			end
		end
	end
	return all
end

--- The cells of an event, and their pieces.
---@param given table|string|nil rule.capture
---@return table[] cells `whose`: it takes the place of a field that every event has
---@return table[] pieces
function outlet.captures(c, given)
	local cells <const>, pieces <const>, known <const> = {}, {}, {}
	for _, one in ipairs(given and with_arguments(c, outlet.each(c, "capture", given)) or {}) do
		local ast <const> = c:parse(one.option, one.text)
		check_name(c, one)
		if known[one.name] then c:refuse(nil, "there are two of this name") end
		known[one.name] = true
		cells[#cells + 1], pieces[#pieces + 1] = cell_of(c, one, c:value(ast), ast)
	end
	of_pair(c, cells, pieces)
	of_beginning(c, cells, pieces)
	c.source = { option = "capture" }
	if #cells > limits.CELLS then
		c:too_large("an event has %d values, at most %d", #cells, limits.CELLS)
	end
	local bytes = limits.RECORD_HEAD + 8 * #cells
	for _, piece in ipairs(pieces) do bytes = bytes + (piece.size or 0) end
	if bytes + 2 > limits.RECORD_BYTES then
		c:too_large("an event may have %d bytes, at most %d: say str(x, n) or bytes(x, n) with a smaller n", bytes,
			limits.RECORD_BYTES - 2)
	end
	return cells, pieces
end

-- A key, its words, and how it is shown.
local function key_of(c, value, ast)
	value = path.string(c, value) or value
	if value.kind == "integer" then
		return { kind = "SLOT", node = value.node }, 1, kind_of(value), values_of(value)
	elseif value.kind == "string" then
		if value.cut and value.cut ~= limits.TEXT_BYTES then
			c:refuse(ast, "a text that is a key is cut after %d bytes: write str(x)", limits.TEXT_BYTES)
		end
		if value.cell then return { kind = "SAVED_STRING", slot = value.cell }, 8, "string" end
		if value.of_beginning then return { kind = "SAVED_STRING", text = value }, 8, "string" end
		local size <const> = value.size and value.size < limits.TEXT_BYTES and value.size or nil
		return { kind = "STRING", node = value.address, size = size }, 8, "string"
	elseif value.kind == "comm" then
		return { kind = "COMM" }, 2, "comm"
	elseif value.kind == "symbol" then
		return { kind = "SITE" }, 1, "symbol"
	elseif value.kind == "kstack" or value.kind == "ustack" then
		if value.node then return { kind = "SLOT", node = value.node }, 1, value.kind end -- the number of one that was kept
		return { kind = value.kind:upper() }, 1, value.kind
	elseif value.kind == "bytes" then
		c:refuse(ast, "bytes are no key: write str(x), or u64[x]")
	elseif value.kind == "text" or value.kind == "set" then
		c:refuse(ast, "it is the same in every row: leave it out")
	end
	c:as_integer(value, ast)
end

--- The keys of a table, how they are shown, and their words.
function outlet.keys(c, given)
	local keys <const>, columns <const>, words = {}, {}, 0
	if given == nil then given = (c.scope.site_count or 1) > 1 and { "symbol" } or {} end
	for i, one in ipairs(outlet.each(c, "by", given)) do
		local ast <const> = c:parse(one.option, one.text)
		if i > limits.KEYS then c:too_large("a table has at most %d keys", limits.KEYS) end
		local key <const>, more <const>, kind <const>, values <const> = key_of(c, c:value(ast), ast)
		words = words + more
		keys[i], columns[i] = key, { name = one.name, kind = kind, values = values }
	end
	return keys, columns, words
end

local function check_step(c, one, min, max, step)
	c.source = { option = one.option }
	for i, number in ipairs { min or false, max or false, step or false } do
		if math.type(number) ~= "integer" then
			c:refuse(nil, "expected { \"expression\", min, max, step }; [%d] is %s", i + 1,
				number == false and "missing" or type(number) == "number" and number .. ", and no integer" or "a " .. type(number))
		end
	end
	if max <= min or step < 1 then
		c:refuse(nil, "min %d, max %d, step %d: max is larger than min, and step at least 1", min, max, step)
	end
	if math.ult(limits.BUCKETS, (max - min) // step + 2) or max - min < 0 then
		c:too_large("%d to %d by %d has more than %d buckets", min, max, step, limits.BUCKETS)
	end
end

local function is_lhist(given)
	return type(given) == "table" and type(given[1]) == "string" and given[2] ~= nil
end

-- The expressions of lhist, with the numbers that stand behind each.
local function lhists(c, given)
	local list <const> = {}
	if is_lhist(given) then given = { lhist = given } end
	if type(given) ~= "table" or given[1] ~= nil then
		c.source = { option = "lhist" }
		c:refuse(nil, "expected { \"expression\", min, max, step }, or names with such lists")
	end
	for _, one in ipairs(outlet.each(c, "lhist", given)) do
		local what <const> = one.text
		if one.name == "lhist" then one.option = "lhist" end
		if type(what) ~= "table" then
			c.source = { option = one.option }
			c:refuse(nil, "expected { \"expression\", min, max, step }, got %s", type(what))
		end
		check_step(c, one, what[2], what[3], what[4])
		list[#list + 1] = { option = one.option, name = one.name, text = what[1], min = what[2], max = what[3], step = what[4] }
	end
	return list
end

local OPS <const> = { "sum", "avg", "min", "max", "hist", "lhist" }
local ORDERED <const> = { MIN = true, MAX = true, LHIST = true }

-- The engine orders signed numbers: the first bit turned over, unsigned ones stand in the same order.
local function ordered(c, aggregate, value, op)
	if not ORDERED[op] then return end
	local turn <const> = c.graph:constant(math.mininteger)
	aggregate.node = c.graph:calculate("XOR", value.node, turn)
	if op ~= "LHIST" then return end
	if aggregate.min < 0 then c:refuse(nil, "the value has no sign: min is 0 or more, not %d", aggregate.min) end
	aggregate.min, aggregate.max = aggregate.min ~ turn.value, aggregate.max ~ turn.value
end

local function expressions_of(c, word, given)
	if word == "lhist" then return lhists(c, given) end
	local list <const> = outlet.each(c, word, given)
	if type(given) == "string" then list[1].name = word end
	if type(given) == "table" and given[1] ~= nil then
		c.source = { option = word }
		c:refuse(nil, "several of them have names: %s = { name = \"expression\" }", word)
	end
	return list
end

--- What a table counts: the aggregates with the nodes that they add, and the columns of its rows.
---@return table[] aggregates
---@return table[] columns
function outlet.aggregates(c, rule)
	local aggregates <const>, columns <const>, cells <const>, cell_count = {}, {}, {}, 0
	if rule.count then
		c.source = { option = "count" }
		if rule.count ~= true then c:refuse(nil, "expected true, got %s", type(rule.count)) end
		columns[1] = { name = "count", op = "COUNT" }
	end
	for _, word in ipairs(OPS) do
		for _, one in ipairs(rule[word] ~= nil and expressions_of(c, word, rule[word]) or {}) do
			local ast <const> = c:parse(one.option, one.text)
			local value <const> = c:integer(ast)
			local op <const> = word:upper()
			local shown <const> = kind_of(value)
			local column <const> = {
				name = one.name, op = op, time = value.time or nil,
				kind = (shown == "unsigned" or shown == "pointer") and shown or nil, min = one.min, max = one.max, step = one.step,
			}
			local aggregate <const> = {
				op = op == "AVG" and "SUM" or op, node = value.node, min = one.min, max = one.max, step = one.step,
			}
			if column.kind then ordered(c, aggregate, value, op) end
			if word == "hist" or word == "lhist" then
				aggregates[#aggregates + 1] = aggregate
				column.aggregate = #aggregates - 1
			else
				local key <const> = aggregate.op .. aggregate.node.id -- a sum and an average share theirs
				if not cells[key] then
					cells[key], aggregate.cell = cell_count, cell_count
					cell_count = cell_count + 1
					aggregates[#aggregates + 1] = aggregate
				end
				column.cell = cells[key]
			end
			columns[#columns + 1] = column
		end
	end
	if #aggregates > limits.AGGREGATES or cell_count > limits.ROW_CELLS then
		c:too_large("a row has %d sums, at most %d, and %d with histograms, at most %d", cell_count, limits.ROW_CELLS,
			#aggregates, limits.AGGREGATES)
	end
	return aggregates, columns
end

--- No two columns of a table have one name.
function outlet.check_columns(c, keys, values)
	local known <const> = {}
	for _, list in ipairs { keys, values } do
		for _, column in ipairs(list) do
			if known[column.name] then
				c.source = { option = list == keys and "by" or column.op:lower() }
				c:refuse(nil, "two columns are called '%s': give one another name", column.name)
			end
			known[column.name] = true
		end
	end
end

return outlet
