--- pythoncalls: which functions Python programs call, and how long that takes.

local FUNCTION <const> = { file = "str(arg0)", name = "str(arg1)", line = "arg2" }
local MICROSECOND <const> = 1000

-- Adds a call that has ended, with all that was called within; what recurs is in the time of the first one.
local function add(rows, call, took, recurs)
	local key <const> = ("%s\0%s\0%d"):format(call.file, call.name, call.line)
	local row <const> = rows[key] or { file = call.file, name = call.name, line = call.line, count = 0, total_us = 0, max_us = 0 }
	rows[key], row.count, row.max_us = row, row.count + 1, math.max(row.max_us, took)
	if not recurs then row.total_us = row.total_us + took end
end

-- The last of the calls up to one that are of this function. `line`: where it begins; at a return that is not known.
local function find(calls, event, last, line)
	for at = last, 1, -1 do
		local call <const> = calls[at]
		if call.name == event.name and call.file == event.file and (not line or call.line == line) then return at end
	end
end

-- Calls are nested: those of a thread that have begun are a stack. Of an event that was lost, only its own call is missing.
local function pair(rows)
	local threads <const> = {}
	return function(event)
		local calls <const> = threads[event.tid] or {}
		threads[event.tid] = calls
		if event.symbol == "python:function__entry" then
			calls[#calls + 1] = event
			return
		end
		local at <const> = find(calls, event, #calls)
		if not at then return end
		add(rows, calls[at], (event.time - calls[at].time) // MICROSECOND, find(calls, event, at - 1, calls[at].line))
		for i = #calls, at, -1 do calls[i] = nil end
	end
end

-- Shows the rows that there are, the longest first, and begins anew.
local function show(session, rows, top)
	local list <const> = {}
	for key, row in pairs(rows) do list[#list + 1], rows[key] = row, nil end
	table.sort(list, function(a, b) return a.total_us > b.total_us end)
	if list[1] then session:show(table.move(list, 1, math.min(top or #list, #list), 1, {})) end
end

return {
	summary = "Counts the calls of Python's functions, or shows how long they take.",
	example = "crumb pythoncalls --latency --top 10 -c 'python3 script.py'",
	options = function(parser, read)
		parser:option "--python":argname "PATH":description "Which; else that of -p or -c, or /usr/bin/python3."
		parser:option "--where":argname "EXPRESSION":description "Which calls: arg0 is the file, arg1 the name."
		parser:option "--top":argname "N":convert(read.count):description "Only the first."
		parser:flag "--latency":description "How long calls take, in microseconds, with those within."
	end,
	run = function(session, given)
		local settings <const> = session.settings
		local file <const> = given.python or (settings.pid or settings.command) and "exe" or "/usr/bin/python3"
		-- A process may have Python in a library; of a command that is not known before it runs.
		local function either(name)
			return {
				("usdt:%s:python:%s"):format(file, name), settings.pid and ("usdt:libpython3*:python:%s"):format(name),
			}
		end
		-- CPython 3.11 looks at functions only while somebody listens to lines.
		session:probe { either = either "line", enabled = false, capture = {} }
		if not given.latency then
			session.sort, session.top = "-count", given.top
			session:probe { either = either "function__entry", where = given.where, count = true, by = FUNCTION }
			return
		end
		local rows <const>, interval <const> = {}, settings.interval
		session:probe { either = either "function__*", where = given.where, capture = FUNCTION, handler = pair(rows) }
		if interval then session:every(interval, function() show(session, rows, given.top) end) end
		session:run()
		show(session, rows, given.top)
	end,
}
