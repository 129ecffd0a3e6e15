--- output: events, rows and values, as lines for people, as JSON or as CSV.
--
-- Who writes learns whether it could be written: nil, message, errno, as io.write has it; `output.written` raises that.

local core <const> = require "crumb.core"
local lazy <const> = require "crumb.lazy"

local crumb <const> = lazy "crumb"
local csv <const> = lazy "crumb.command.csv"
local json <const> = lazy "crumb.command.json"
local show <const> = lazy "crumb.show"
local text <const> = lazy "crumb.show.text"

local EPIPE <const> = 32

-- What every event has, in this order; then come the captures, in the rule's.
local COMMON <const> = { "date", "time", "probe", "target", "symbol", "cookie", "pid", "tid", "uid", "gid", "comm", "cpu" }
local KINDS <const> = { cookie = "unsigned" }

---@class crumb.Output
---@field session crumb.Session whose probes' names it writes
---@field format "text"|"json"|"csv"
---@field held string[]? lines that are not written yet
---@field before fun()? called before something is written
---@field header string? of CSV, the last one that was written
---@field columns table of CSV: the names of events' fields, in order and as keys
local Output = {}
Output.__index = Output

local output = {}

-- Each line is flushed: who reads a pipe wants it now, and only flushing tells whether it could be written.
local function flushed(done, message, errno)
	if not done then return nil, message, errno end
	return io.stdout:flush()
end

-- Writes a line, or keeps it for when they are written together.
local function write(self, line)
	if self.held then
		self.held[#self.held + 1] = line
		return true
	end
	if self.before then self.before() end
	return flushed(io.stdout:write(line, "\n"))
end

local function write_lines(self, lines) return write(self, table.concat(lines, "\n")) end

-- The names of an event's fields, and the kinds of those that have one.
local function fields_of(event)
	local names <const>, kinds <const> = table.move(COMMON, 1, #COMMON, 1, {}), setmetatable({}, { __index = KINDS })
	for _, cell in ipairs(show.captures(event, event.probe.live.cells)) do
		if cell.name ~= "date" then names[#names + 1] = cell.name end
		kinds[cell.name] = cell.kind
	end
	return names, kinds
end

-- CSV's columns: those of all events so far, and what the session says that handlers add; and the kinds of this event's.
local function columns_of(self, event)
	local names <const>, kinds <const> = fields_of(event)
	local fields <const>, columns <const> = self.session.fields or {}, self.columns
	table.move(fields, 1, #fields, #names + 1, names)
	for _, name in ipairs(names) do
		if not columns[name] then
			columns[#columns + 1] = name
			columns[name] = true
		end
	end
	return columns, kinds
end

-- What is written of an event: its own fields, its probe's name, and the wall's time, unless a capture has that name.
local function values_of(self, event)
	return setmetatable({
		probe = self.session.names[event.probe], date = event.date == nil and crumb.date(event.time) or event.date,
	}, { __index = event })
end

-- CSV lines of one form share their header; another form begins after an empty line.
local function with_header(self, header, lines)
	if self.header == header then return lines end
	table.insert(lines, 1, header)
	if self.header then table.insert(lines, 1, "") end
	self.header = header
	return lines
end

--- Writes a line: to a terminal without what it would obey, as traced text may be in it.
---@param line string
---@return any? nil, message, errno: it could not
---@return string?, integer?
function Output:line(line) return write(self, core.terminal(1) and text.lines(line) or line) end

--- What is written until this is closed is written then, at once: for who has a screen to keep whole.
---@return table to be closed; it raises what `output.written` does
function Output:hold()
	self.held = {}
	return setmetatable({}, { __close = function()
		if #self.held > 0 then self:flush() end
		self.held = nil
	end })
end

--- Writes what is held, or raises what `output.written` does: what follows is written by others.
function Output:flush()
	if self.before then self.before() end
	if self.held and #self.held > 0 then output.written(io.stdout:write(table.concat(self.held, "\n"), "\n")) end
	self.held = self.held and {}
	output.written(io.stdout:flush())
end

--- Writes what has these names, as an object or as a line of CSV.
---@param values table
---@param names string[]
---@param kinds table<string, string|false>?
---@param line string? what people are to read
---@return any? nil, message, errno: it could not
---@return string?, integer?
function Output:record(values, names, kinds, line)
	if self.format == "text" then return write(self, line) end
	kinds = kinds or {}
	if self.format == "json" then return write(self, json.object(names, values, kinds)) end
	return write_lines(self, with_header(self, csv.header(names), { csv.line(names, values, kinds) }))
end

--- Writes an event.
---@param event crumb.Event
---@return any? nil, message, errno: it could not
---@return string?, integer?
function Output:event(event)
	if self.format == "text" then return write(self, show.text(event)) end
	local values <const> = values_of(self, event)
	if self.format == "csv" then return self:record(values, columns_of(self, event)) end
	local names <const>, kinds <const> = fields_of(event)
	if event.truncated then
		local cut <const> = {}
		for name in pairs(event.truncated) do cut[#cut + 1] = name end
		table.sort(cut)
		names[#names + 1] = "truncated"
		values.truncated = cut
	end
	return self:record(values, names, kinds)
end

-- Whether rows are of more than one probe.
local function are_many(probes)
	local count = 0
	for _, probe in ipairs(probes) do count = count + (probe:has_rows() and 1 or 0) end
	return count > 1
end

-- What tells rows of one time and probe from those of others; CSV has it where there are others.
local function origin_columns(self, origin)
	local everything <const> = self.format == "json"
	local wanted <const> = {
		date = everything or self.session.settings.interval ~= nil, probe = everything or are_many(self.session.probes),
	}
	local columns <const> = {}
	for _, name in ipairs { "date", "probe" } do
		if wanted[name] and origin[name] then columns[#columns + 1] = { name = name } end
	end
	return columns
end

-- Rows, and their columns, with their origin before them, unless a key has that name.
local function with_origin(self, rows, columns, origin)
	local keys <const>, whole <const>, taken <const> = origin_columns(self, origin), {}, {}
	for _, list in ipairs { columns.keys, columns.values } do
		for _, column in ipairs(list) do taken[column.name] = true end
	end
	for i = #keys, 1, -1 do
		if taken[keys[i].name] then table.remove(keys, i) end
	end
	table.move(columns.keys, 1, #columns.keys, #keys + 1, keys)
	for i, row in ipairs(rows) do
		whole[i] = setmetatable({}, { __index = function(_, name)
			if row[name] == nil and not taken[name] then return origin[name] end
			return row[name]
		end })
	end
	return whole, { keys = keys, values = columns.values }
end

local function row_objects(rows, columns)
	local names <const>, kinds <const>, lines <const> = {}, {}, {}
	for _, list in ipairs { columns.keys, columns.values } do
		for _, column in ipairs(list) do
			names[#names + 1] = column.name
			kinds[column.name] = column.kind
		end
	end
	for i, row in ipairs(rows) do lines[i] = json.object(names, row, kinds) end
	return lines
end

--- Writes rows of aggregates.
---@param rows table[]
---@param origin { probe: string?, date: string? } whose they are, and of which time
---@return any? nil, message, errno: it could not
---@return string?, integer?
function Output:rows(rows, origin)
	if self.format == "text" then return write(self, show.text(rows)) end
	if #rows == 0 and (self.format == "json" or self.header) then return true end
	local whole <const>, columns <const> = with_origin(self, rows, show.columns(rows), origin)
	if self.format == "csv" then
		local names <const>, lines <const> = csv.rows(whole, columns)
		return write_lines(self, with_header(self, csv.header(names), lines))
	end
	return write_lines(self, row_objects(whole, columns))
end

--- Writes anything.
---@param x any
---@return any? nil, message, errno: it could not
---@return string?, integer?
function Output:show(x)
	local kind <const> = type(x) == "table" and getmetatable(x) or nil
	local name <const> = type(kind) == "table" and kind.__name
	if self.format == "text" then return write(self, show.text(x)) end
	if name == "crumb.Probe" or name == "crumb.Span" then
		return x:has_rows() and self:rows(assert(x:read()), { probe = self.session.names[x] }) or write(self, json.value(tostring(x)))
	end
	if type(x) == "table" and x.probe and x.time and x.comm then return self:event(x) end
	if type(x) == "table" and show.are_rows(x) then return self:rows(x, {}) end
	if type(x) == "table" and not kind and next(x) == nil then return true end -- no rows
	return write(self, self.format == "csv" and csv.value(x) or json.value(x))
end

-- What cannot be written ends everything: quietly when nobody reads any more. An object, so that no position stands in it.
local Unwritable <const> = { __tostring = function(self) return self.message end }

--- Passes on what a write returned, or raises that it failed.
---@param done any?
---@param message string?
---@param errno integer?
---@return any
function output.written(done, message, errno)
	if done then return done end
	error(setmetatable({ message = "write to standard output: " .. tostring(message), errno = errno }, Unwritable), 0)
end

--- Writes text, or raises.
---@param ... string
function output.put(...) output.written(flushed(io.stdout:write(...))) end

--- Whether an error says that the standard output cannot be written to.
---@param message any
---@return boolean
function output.is_unwritable(message) return getmetatable(message) == Unwritable end

--- Whether an error says that nobody reads the standard output any more.
---@param message any
---@return boolean
function output.is_broken_pipe(message) return output.is_unwritable(message) and message.errno == EPIPE end

---@param session { settings: crumb.Settings } a session, unless only lines and records are written
---@return crumb.Output
function output.new(session)
	return setmetatable({ session = session, format = session.settings.format, columns = {} }, Output)
end

return output
