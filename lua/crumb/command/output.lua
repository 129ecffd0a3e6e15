--- output: events, rows and values, as lines for people, as JSON or as CSV.
--
-- Who writes learns whether it could be written: nil, message, errno, as io.write has it.

local date <const> = require "crumb.date"
local lazy <const> = require "crumb.lazy"
local show <const> = require "crumb.show"

local csv <const> = lazy "crumb.command.csv"
local json <const> = lazy "crumb.command.json"

-- What every event has, in this order; then come the captures, in the rule's.
local COMMON <const> = { "date", "time", "probe", "target", "symbol", "cookie", "pid", "tid", "uid", "gid", "comm", "cpu" }
local KINDS <const> = { cookie = "unsigned" }

---@class crumb.Output
---@field format "text"|"json"|"csv"
---@field names table<crumb.Probe, string> what its probes are called
---@field header string? of CSV, the last one that was written
local Output = {}
Output.__index = Output

-- Each line is flushed: who reads a pipe wants it now, and only flushing tells whether it could be written.
local function flushed(done, message, errno)
	if not done then return nil, message, errno end
	return io.stdout:flush()
end

local function write(line) return flushed(io.stdout:write(line, "\n")) end

-- The names of an event's fields, and the kinds of those that have one.
local function fields_of(event)
	local names <const>, kinds <const> = table.move(COMMON, 1, #COMMON, 1, {}), setmetatable({}, { __index = KINDS })
	for _, cell in ipairs(show.captures(event, event.probe.live.cells)) do
		if cell.name ~= "date" then names[#names + 1] = cell.name end
		kinds[cell.name] = cell.kind
	end
	return names, kinds
end

-- What is written of an event: its own fields, its probe's name, and the wall's time, unless a capture has that name.
local function values_of(self, event)
	return setmetatable({
		probe = self.names[event.probe], date = event.date == nil and date(event.time) or event.date,
	}, { __index = event })
end

-- CSV lines of one form share their header; another form begins after an empty line.
local function with_header(self, header, lines)
	if self.header == header then return table.concat(lines, "\n") end
	table.insert(lines, 1, header)
	if self.header then table.insert(lines, 1, "") end
	self.header = header
	return table.concat(lines, "\n")
end

--- Writes a line as it is.
---@param line string
---@return any? nil, message, errno: it could not
---@return string?, integer?
function Output.line(_, line) return write(line) end

--- Writes an event.
---@param event crumb.Event
---@return any? nil, message, errno: it could not
---@return string?, integer?
function Output:event(event)
	if self.format == "text" then return flushed(show.write(event)) end
	local names <const>, kinds <const> = fields_of(event)
	local values <const> = values_of(self, event)
	if self.format == "csv" then
		return write(with_header(self, csv.header(names), { csv.line(names, values, kinds) }))
	end
	if event.truncated then
		local cut <const> = {}
		for name in pairs(event.truncated) do cut[#cut + 1] = name end
		table.sort(cut)
		names[#names + 1] = "truncated"
		values.truncated = cut
	end
	return write(json.object(names, values, kinds))
end

-- A row as an object: what it is of, then its keys and values.
local function row_object(row, columns, extra)
	local names <const>, kinds <const> = { "date", "probe" }, {}
	for _, list in ipairs { columns.keys, columns.values } do
		for _, column in ipairs(list) do
			if column.name ~= "date" and column.name ~= "probe" then names[#names + 1] = column.name end
			kinds[column.name] = column.kind
		end
	end
	return json.object(names, setmetatable({}, { __index = function(_, name)
		if row[name] ~= nil then return row[name] end
		return extra[name]
	end }), kinds)
end

--- Writes rows of aggregates. `extra`: the `probe` whose they are, and a `date`, for JSON.
---@param rows table[]
---@param extra { probe: string?, date: string? }
---@return any? nil, message, errno: it could not
---@return string?, integer?
function Output:rows(rows, extra)
	if self.format == "text" then return flushed(show.write(rows)) end
	local columns <const> = show.columns(rows)
	if self.format == "csv" then
		local names <const>, lines <const> = csv.rows(rows, columns)
		return write(with_header(self, csv.header(names), lines))
	end
	local lines <const> = {}
	for i, row in ipairs(rows) do lines[i] = row_object(row, columns, extra) end
	return #lines == 0 or write(table.concat(lines, "\n"))
end

--- Writes anything.
---@param x any
---@return any? nil, message, errno: it could not
---@return string?, integer?
function Output:show(x)
	local kind <const> = type(x) == "table" and getmetatable(x) or nil
	local name <const> = type(kind) == "table" and kind.__name
	if self.format == "text" then return flushed(show.write(x)) end
	if name == "crumb.Probe" or name == "crumb.Span" then
		return x.live.columns and self:rows(assert(x:read()), { probe = self.names[x] }) or write(json.value(tostring(x)))
	end
	if type(x) == "table" and x.probe and x.time and x.comm then return self:event(x) end
	if type(x) == "table" and show.are_rows(x) then return self:rows(x, {}) end
	return write(self.format == "csv" and csv.value(x) or json.value(x))
end

local output = {}

---@param format "text"|"json"|"csv"
---@param names table<crumb.Probe, string>
---@return crumb.Output
function output.new(format, names) return setmetatable({ format = format, names = names }, Output) end

return output
