--- aggregate: rows of the engine's tables, as Lua has them.
--
-- A key is the words of the rule's keys, then one that tells a row (bucket 0) from the buckets of its histograms, which
-- are rows of their own (bpf/wire.h: ROW_WORD). What belongs to one row is put together here; who keeps the tables
-- and what a site, a cookie or a stack is called is known elsewhere.

local core <const> = require "crumb.core"

local aggregate = {}

---@class crumb.KeyColumn
---@field name string
---@field kind string integer unsigned pointer bool enum comm string symbol cookie kstack ustack, or any that `resolve` has
---@field values table<string, integer>? of an enum

---@class crumb.ValueColumn
---@field name string
---@field op "COUNT"|"SUM"|"AVG"|"MIN"|"MAX"|"HIST"|"LHIST"
---@field cell integer? of SUM, AVG, MIN and MAX: which of the row's cells, from 0
---@field aggregate integer? of HIST and LHIST: which of the plan's aggregates, from 0
---@field min integer? of LHIST, as max and step
---@field max integer?
---@field step integer?
---@field kind string? "unsigned" or "pointer": how it is shown
---@field time boolean? in nanoseconds

---@class crumb.Columns
---@field keys crumb.KeyColumn[]
---@field values crumb.ValueColumn[]

---@class crumb.Bucket
---@field low integer the smallest value in it; math.mininteger: it has none
---@field high integer the largest; math.maxinteger: it has none
---@field count integer

local WORD <const> = 8
local WORDS <const> = { comm = 2, string = 8 } -- all others: one
local ROW_FORMAT <const> = "=i8i8i8i8i8i8i8i8"
local UNSIGNED <const> = { unsigned = true, pointer = true, cookie = true }

-- Of several names for one value the first in the alphabet, so that it is the same one in every run.
local function names_by_value(values)
	local names <const> = {}
	for name, value in pairs(values) do
		local other <const> = names[value]
		if not other or name < other then names[value] = name end
	end
	return names
end

local function key_readers(columns)
	local readers <const>, at = {}, 1
	for i, column in ipairs(columns.keys) do
		local words <const> = WORDS[column.kind] or 1
		readers[i] = {
			column = column, first = at, last = at + words * WORD - 1, failed = 1 << (i - 1),
			names = column.values and names_by_value(column.values),
		}
		at = at + words * WORD
	end
	return readers, at
end

local function key_value(reader, key, resolve)
	local column <const> = reader.column
	if WORDS[column.kind] then return (key:sub(reader.first, reader.last):match "^[^\0]*") end
	local word <const> = ("=i8"):unpack(key, reader.first)
	if resolve[column.kind] then
		local value <const> = resolve[column.kind](word)
		if value == nil then return word end
		return value
	end
	if column.kind == "bool" then return word ~= 0 end
	return reader.names and reader.names[word] or word
end

-- A module lies elsewhere in each process.
local function frame_identity(frame)
	if not (frame.name or frame.module) then return tostring(frame.address) end
	return ("%s+%s %s"):format(frame.name, frame.offset, frame.module)
end

-- Two rows whose keys read the same are one row.
local function identity_of(value)
	local shown = value
	if type(value) == "table" then
		local frames <const> = {}
		for i, frame in ipairs(value) do frames[i] = frame_identity(frame) end
		shown = table.concat(frames, "\n")
	end
	return ("%s %s"):format(type(value), shown)
end

local function log2_bounds(index)
	if index == 0 then return math.mininteger, -1 end
	if index == 1 then return 0, 0 end
	local low <const> = 1 << (index - 2)
	return low, low - 1 + low
end

local function linear_bounds(column, index)
	local steps <const> = (column.max - column.min + column.step - 1) // column.step
	if index == 0 then return math.mininteger, column.min - 1 end
	if index > steps then return column.max, math.maxinteger end
	local low <const> = column.min + (index - 1) * column.step
	return low, math.min(low + column.step, column.max) - 1
end

-- The bucket of what is negative is the last one of numbers without a sign.
local function in_order(column, counts)
	if column.op ~= "HIST" or not UNSIGNED[column.kind] or not counts or not counts[0] then return counts end
	local turned <const> = { [65] = counts[0] }
	for index, count in pairs(counts) do
		if index > 0 then turned[index] = count end
	end
	return turned
end

local function histogram(column, counts)
	local first, last
	counts = in_order(column, counts)
	for index in pairs(counts or {}) do
		first, last = math.min(first or index, index), math.max(last or index, index)
	end
	local buckets <const> = {}
	for index = first or 0, last or -1 do
		local low, high
		if column.op == "HIST" then
			low, high = log2_bounds(index)
		else
			low, high = linear_bounds(column, index)
		end
		buckets[#buckets + 1] = { low = low, high = high, count = counts[index] or 0 }
	end
	return buckets
end

-- What a cell of a new row holds (a plan's `identity`): nothing was measured.
local NOTHING <const> = { MIN = math.maxinteger, MAX = math.mininteger }

local COMBINE <const> = { SUM = function(a, b) return a + b end, MIN = math.min, MAX = math.max }
COMBINE.AVG = COMBINE.SUM

local function add_row(group, columns, words)
	group.count = group.count + words[1]
	for _, column in ipairs(columns.values) do
		local combine <const> = COMBINE[column.op]
		if combine then
			local word <const>, had <const> = words[column.cell + 2], group.cells[column.name]
			group.cells[column.name] = had and combine(had, word) or word
		end
	end
end

-- Of these the engine has unsigned numbers with their first bit turned over.
local TURNED <const> = { MIN = true, MAX = true }

local function as_float(sum, unsigned)
	return unsigned and sum < 0 and (sum >> 1) * 2.0 + (sum & 1) or sum
end

local function value_of(column, group)
	if column.op == "COUNT" then return group.count end
	if column.op == "HIST" or column.op == "LHIST" then return histogram(column, group.counts[column.aggregate]) end
	local cell <const>, unsigned <const> = group.cells[column.name], UNSIGNED[column.kind]
	if column.op == "AVG" then return cell and group.count > 0 and as_float(cell, unsigned) / group.count or nil end
	if cell == NOTHING[column.op] and group.count == 0 then return nil end
	return cell and unsigned and TURNED[column.op] and cell ~ math.mininteger or cell
end

local ORDER <const> = { boolean = 1, number = 2, string = 3, table = 4 }

local function total(buckets)
	local sum = 0
	for _, bucket in ipairs(buckets) do sum = sum + (bucket.count or 0) end
	return sum
end

-- -1, 0 or 1; histograms by how much they hold. What is missing or could not be read comes first.
local function compare(a, b, unsigned)
	local kind_a <const>, kind_b <const> = ORDER[type(a)] or 0, ORDER[type(b)] or 0
	if kind_a ~= kind_b then return kind_a < kind_b and -1 or 1 end
	if kind_a == ORDER.table then a, b = total(a), total(b) end
	if a == b or kind_a < ORDER.number then return a == b and 0 or a and 1 or -1 end
	local less
	if unsigned and math.type(a) == "integer" and math.type(b) == "integer" then
		less = math.ult(a, b)
	else
		less = a < b
	end
	return less and -1 or 1
end

-- Rows draw themselves, since they know their columns.
local function new_rows(columns)
	return setmetatable({}, {
		__name = "crumb.Rows",
		columns = columns,
		__tostring = function(rows) return require("crumb.show").rows(rows, columns) end,
	})
end

local Collector <const> = {}
Collector.__index = Collector

local function group_of(collector, key, row_word)
	local failed <const> = row_word >> 32
	local raw <const> = key:sub(1, collector.row_word - 1) .. failed
	local group = collector.by_key[raw]
	if group then return group end
	local values <const>, identities <const> = {}, {}
	for i, reader in ipairs(collector.readers) do
		local value = false
		if failed & reader.failed == 0 then value = key_value(reader, key, collector.resolve) end
		values[i], identities[i] = value, ("s4"):pack(identity_of(value))
	end
	local identity <const> = table.concat(identities)
	group = collector.by_identity[identity]
	if not group then
		group = { keys = values, identity = identity, count = 0, cells = {}, counts = {} }
		collector.by_identity[identity] = group
		collector.groups[#collector.groups + 1] = group
	end
	collector.by_key[raw] = group
	return group
end

--- Adds what `map:lookup_batch` gave, as raw bytes: several batches, or tables, whose rows with the same keys add up.
---@param keys string[]
---@param values string[]
function Collector:add(keys, values)
	for i, key in ipairs(keys) do
		local row_word <const> = ("=I8"):unpack(key, self.row_word)
		local group <const> = group_of(self, key, row_word)
		local words <const> = { ROW_FORMAT:unpack(values[i]) }
		local bucket <const> = row_word & 0xffff
		if bucket == 0 then
			add_row(group, self.columns, words)
		else
			local which <const> = row_word >> 16 & 0xffff
			local counts <const> = group.counts[which] or {}
			group.counts[which] = counts
			counts[bucket - 1] = (counts[bucket - 1] or 0) + words[1]
		end
	end
end

--- The rows, in the order of their keys.
--- Shape: { symbol = "malloc", comm = "ls", count = 12, latency = { { low = 4, high = 7, count = 12 } } }
---@return table[] rows
function Collector:rows()
	local columns <const> = self.columns
	table.sort(self.groups, function(a, b)
		for i, column in ipairs(columns.keys) do
			local order <const> = compare(a.keys[i], b.keys[i], UNSIGNED[column.kind])
			if order ~= 0 then return order < 0 end
		end
		return a.identity < b.identity
	end)
	local rows <const> = new_rows(columns)
	for i, group in ipairs(self.groups) do
		local row <const> = {}
		for at, column in ipairs(columns.keys) do row[column.name] = group.keys[at] end
		for _, column in ipairs(columns.values) do row[column.name] = value_of(column, group) end
		rows[i] = row
	end
	return rows
end

--- Begins to put rows together.
---@param columns crumb.Columns
---@param resolve table<string, fun(word: integer): any>? by kind of column: what a word means, such as a site's name;
--- nil: the word stays
---@return table collector with `add` and `rows`
function aggregate.collect(columns, resolve)
	local readers <const>, row_word <const> = key_readers(columns)
	return setmetatable({
		columns = columns, resolve = resolve or {}, readers = readers, row_word = row_word,
		groups = {}, by_key = {}, by_identity = {},
	}, Collector)
end

--- The rows of one table, read whole.
---@param columns crumb.Columns
---@param keys string[] raw bytes
---@param values string[]
---@param resolve table<string, fun(word: integer): any>?
---@return table[] rows
function aggregate.rows(columns, keys, values, resolve)
	local collector <const> = aggregate.collect(columns, resolve)
	collector:add(keys, values)
	return collector:rows()
end

local function columns_of(rows)
	local known <const>, names <const> = {}, {}
	local columns <const> = (getmetatable(rows) or {}).columns
	for _, list in ipairs(columns and { columns.keys, columns.values } or {}) do
		for _, column in ipairs(list) do
			known[column.name], names[#names + 1] = column, column.name
		end
	end
	return columns and known, names
end

-- "-count" -> the field, and whether the largest comes first.
local function criterion(word, known, names)
	local minus <const>, field <const> = tostring(word):match "^(%-?)(.*)$"
	if known and not known[field] then
		local _ <const>, near <const> = core.nearest(field, names)
		error(("sort: there is no column '%s'%s"):format(field,
			near ~= "" and near or (" (there are %s)"):format(table.concat(names, ", "))), 0)
	end
	return { field = field, falling = minus == "-", unsigned = known and UNSIGNED[known[field].kind] }
end

local function before(criteria, a, b)
	for _, by in ipairs(criteria) do
		local order <const> = compare(a[by.field], b[by.field], by.unsigned)
		if order ~= 0 then return (order < 0) ~= by.falling end
	end
	return nil
end

--- Sorts rows in place by a field: "latency", "-count" (the largest first), a list of such, or a function as
--- for table.sort. Rows that are equal stay as they are; a histogram counts for how much it holds.
--- Errors: raises (level 0) for a column that is not there.
---@param rows table[]
---@param by string|string[]|fun(a: table, b: table): boolean
---@return table[] rows the same
function aggregate.sort(rows, by)
	if type(by) == "function" then
		table.sort(rows, by)
		return rows
	end
	local words <const> = type(by) == "table" and by or { by }
	local known <const>, names <const> = columns_of(rows)
	local criteria <const>, place <const> = {}, {}
	for i, word in ipairs(words) do criteria[i] = criterion(word, known, names) end
	for i, row in ipairs(rows) do place[row] = i end
	table.sort(rows, function(a, b)
		local first <const> = before(criteria, a, b)
		if first == nil then return place[a] < place[b] end
		return first
	end)
	return rows
end

--- Leaves the first n rows.
---@param rows table[]
---@param n integer
---@return table[] rows the same
function aggregate.top(rows, n)
	for i = #rows, math.min(n, #rows) + 1, -1 do rows[i] = nil end
	return rows
end

return aggregate
