--- show: what people look at: an event as a line, rows as bpftrace draws them, stacks for flame graphs.
--
-- `show(x [, file])` writes, since a person asked for it; all else returns text.

local binaries <const> = require "crumb.lazy" "crumb.binaries"
local date <const> = require "crumb.date"
local draw <const> = require "crumb.show.draw"
local stack <const> = require "crumb.stack"
local text <const> = require "crumb.show.text"

local show = {}

-- What every event has; the line begins with it, or leaves it out. `truncated` says which captures were cut.
local COMMON <const> = {
	time = true, pid = true, tid = true, uid = true, gid = true, comm = true, cpu = true, truncated = true,
	cookie = true, symbol = true, target = true, probe = true,
}
local DEPTH <const> = 4

local function sorted_names(t)
	local names <const> = {}
	for name in pairs(t) do names[#names + 1] = name end
	table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
	return names
end

--- Whether it is a list of tables with names.
---@param x table
---@return boolean
function show.are_rows(x)
	for _, row in ipairs(x) do
		if type(row) ~= "table" then return false end
		for name in pairs(row) do
			if type(name) ~= "string" then return false end
		end
	end
	return #x > 0
end

-- A list of frames, or of buckets: of those there may be none.
local function list_column(list)
	local first <const> = list[1]
	if type(first) == "table" and not first.count then return { kind = "ustack" } end
	return { op = "HIST" }
end

-- Of rows that a script has put together: numbers are values, other things are keys.
local function columns_in(rows)
	local kinds <const>, columns <const> = {}, { keys = {}, values = {} }
	for _, row in ipairs(rows) do
		for name, value in pairs(row) do
			if type(value) == "table" then
				kinds[name] = list_column(value)
			else
				kinds[name] = kinds[name] or { op = type(value) == "number" and "SUM" or nil }
			end
		end
	end
	for _, name in ipairs(sorted_names(kinds)) do
		local column <const> = kinds[name]
		column.name = name
		local list <const> = column.op and columns.values or columns.keys
		list[#list + 1] = column
	end
	return columns
end

--- The columns that rows know, or else what is in them.
---@param rows table[]
---@return crumb.Columns
function show.columns(rows)
	return (getmetatable(rows) or {}).columns or columns_in(rows)
end

--- Rows of aggregates: a table, or a histogram for each key.
---@param rows table[]
---@param columns crumb.Columns? nil: those that the rows know, or else what is in them
---@return string
function show.rows(rows, columns)
	return draw.rows(rows, columns or show.columns(rows))
end

local function captures_in(event, known)
	local cells <const>, by_name <const> = {}, {}
	for _, cell in ipairs(known or {}) do by_name[cell.name] = cell end
	for _, name in ipairs(sorted_names(event)) do
		if not COMMON[name] then
			cells[#cells + 1] = by_name[name] or { name = name, kind = type(event[name]) == "table" and "ustack" or nil }
		end
	end
	return cells
end

--- The captures in the rule's order, or, when a handler has changed them or the rule has been, in that of their names.
---@param event crumb.Event
---@param cells { name: string, kind: string? }[]? the rule's
---@return { name: string, kind: string? }[]
function show.captures(event, cells)
	local own <const> = captures_in(event, cells)
	for _, cell in ipairs(cells or {}) do
		if event[cell.name] == nil then return own end
	end
	return cells and #cells == #own and cells or own
end

local function who(event)
	local thread <const> = event.tid and event.tid ~= event.pid and "/" .. event.tid or ""
	return ("%s[%s%s]"):format(text.escape(tostring(event.comm or "?")), event.pid, thread)
end

--- An event as a line: when, who, where, what was captured, and how long a call took. Stacks follow it, a line each frame.
--- Shape: `21:13:24.123456 ls[4711] malloc size=32 latency=12.3us`; `…` follows what was cut
---@param event crumb.Event
---@param cells { name: string, kind: string?, time: boolean? }[]? the captures in order, as a plan has them
---@return string
function show.event(event, cells)
	local words <const>, lines <const>, latency = { (date(event.time):sub(12)), who(event) }, {}, nil
	local place <const> = event.symbol or event.target
	if place then words[#words + 1] = text.word(binaries.demangle(place) or place) end
	local cut <const> = event.truncated or {}
	for _, cell in ipairs(show.captures(event, cells)) do
		local name <const>, value <const> = cell.name, event[cell.name]
		if name == "latency" then
			latency = value
		elseif type(value) == "table" then
			lines[#lines + 1] = "    " .. text.escape(name)
			draw.stack(lines, value, "        ")
		elseif cell.time and math.type(value) == "integer" then
			words[#words + 1] = ("%s=%s"):format(name, draw.duration(value))
		else
			words[#words + 1] = draw.words(event, { cell })[1] .. (cut[name] and "…" or "")
		end
	end
	latency = latency or event.latency
	if latency then words[#words + 1] = "latency=" .. draw.duration(latency) end
	table.insert(lines, 1, table.concat(words, " "))
	return table.concat(lines, "\n")
end

local function dump(x, depth)
	if type(x) == "string" then return text.quote(x) end
	if type(x) ~= "table" or depth == 0 then return type(x) == "table" and "{ ... }" or text.escape(tostring(x)) end
	local words <const> = {}
	for i, item in ipairs(x) do words[i] = dump(item, depth - 1) end
	local length <const> = #words
	for _, name in ipairs(sorted_names(x)) do
		if not (math.type(name) == "integer" and name >= 1 and name <= length) then
			local plain <const> = type(name) == "string" and name:find "^[%a_][%w_]*$"
			local key <const> = plain and name or ("[%s]"):format(dump(name, 0))
			words[#words + 1] = ("%s = %s"):format(key, dump(x[name], depth - 1))
		end
	end
	return #words > 0 and ("{ %s }"):format(table.concat(words, ", ")) or "{}"
end

local function is_event(x)
	return math.type(x.time) == "integer" and type(x.comm) == "string" and x.pid ~= nil
end

--- Anything as text for a terminal: an event, rows, a probe, any value.
---@param x any
---@return string
function show.text(x)
	if type(x) == "string" then return text.escape(x) end
	local metatable <const> = getmetatable(x)
	if type(metatable) == "table" and metatable.__tostring then return tostring(x) end
	if type(x) ~= "table" then return text.escape(tostring(x)) end
	if is_event(x) then return show.event(x) end
	if show.are_rows(x) then return show.rows(x) end
	return dump(x, DEPTH)
end

local function stack_columns(columns)
	local stacks <const>, others <const> = {}, {}
	for _, column in ipairs(columns.keys) do
		if column.kind == "kstack" or column.kind == "ustack" then
			stacks[#stacks + 1] = column
		else
			others[#others + 1] = column
		end
	end
	-- The kernel was called by the program.
	table.sort(stacks, function(a, b) return a.kind > b.kind end)
	return stacks, others
end

local function counted_column(columns, name)
	for _, column in ipairs(columns.values) do
		if column.name == name or not name and (column.op == "COUNT" or column.op == "SUM") then return column.name end
	end
	for _, column in ipairs(columns.values) do
		if not name and column.op == "HIST" then return column.name end
	end
	error(name and ("folded: no column '%s'"):format(name) or "folded: nothing is counted: give the rule a count or sum", 0)
end

local function amount(value)
	if type(value) ~= "table" then return math.tointeger(value or 0) or math.floor(value) end
	local sum = 0
	for _, bucket in ipairs(value) do sum = sum + bucket.count end
	return sum
end

local function folded_key(row, stacks, others)
	local words <const> = {}
	for _, column in ipairs(others) do
		-- A semicolon parts frames.
		words[#words + 1] = draw.value(row[column.name], column, text.escape):gsub(";", "_")
	end
	local before <const> = #words
	for _, column in ipairs(stacks) do
		local frames <const> = row[column.name]
		if type(frames) == "table" and #frames > 0 then words[#words + 1] = text.escape(stack.folded(frames)) end
	end
	-- Of two stacks one may be missing: a thread of the kernel has none of a program's.
	if #words == before then words[1 + before] = "?" end
	return table.concat(words, ";")
end

--- Rows with stacks among their keys as what flame graphs are made of: "comm;main;malloc 12", a line a stack.
--- Errors: raises (level 0) when there is no stack among the keys, or nothing that counts.
---@param rows table[]
---@param columns crumb.Columns? nil: those that the rows know
---@param name string? of the column that counts; nil: the first count or sum
---@return string
function show.folded(rows, columns, name)
	columns = columns or show.columns(rows)
	local stacks <const>, others <const> = stack_columns(columns)
	if #stacks == 0 then error("folded: no stack is among the keys: give the rule by = \"ustack\" or \"kstack\"", 0) end
	local counted <const>, sums <const>, lines <const> = counted_column(columns, name), {}, {}
	for _, row in ipairs(rows) do
		local key <const> = folded_key(row, stacks, others)
		sums[key] = (sums[key] or 0) + amount(row[counted])
	end
	for _, key in ipairs(sorted_names(sums)) do lines[#lines + 1] = ("%s %d"):format(key, sums[key]) end
	return table.concat(lines, "\n")
end

--- Writes what `show.text` says of it.
---@param x any
---@param file file*? io.stdout
---@return file*? file nil, message, errno: it could not be written
---@return string?, integer?
function show.write(x, file)
	if file and io.type(file) ~= "file" then
		error(("crumb.show: expected an open file to write to, got %s"):format(io.type(file) or type(file)), 2)
	end
	return (file or io.stdout):write(show.text(x), "\n")
end

return setmetatable(show, { __call = function(_, ...) return show.write(...) end })
