--- session: what scripts, `-e`, tools and the prompt have at hand: one trace, and functions bound to it, which raise.
--
-- The trace is opened when it is first wanted. `finish` does what a script left open: it runs, prints aggregates, and
-- says what was lost.

local core <const> = require "crumb.core"
local lazy <const> = require "crumb.lazy"
local crumb <const> = lazy "crumb"
local notices <const> = lazy "crumb.command.notices"
local options <const> = require "crumb.options"
local output <const> = require "crumb.command.output"
local position <const> = lazy "crumb.position"
local progress <const> = require "crumb.command.progress"
local text <const> = lazy "crumb.show.text"
local words <const> = lazy "crumb.command.words"

local written <const> = output.written

local SIGNALLED <const> = 128
local SITES <const> = 16384 -- of a trace, unless more are meant

---@class crumb.Settings what the command line says for all probes
---@field duration number?
---@field interval number?
---@field pid integer?
---@field follow boolean?
---@field max_sites integer? places that a probe has at most
---@field command string[]?
---@field format "text"|"json"|"csv"
---@field quiet boolean?
---@field verbose boolean?

---@class crumb.Session
---@field settings crumb.Settings
---@field env table the globals of scripts; what it has not is Lua's
---@field probes crumb.Probe[] in their order
---@field names table<crumb.Probe, string> "p1", …
---@field took table<crumb.Probe, integer> ns that attaching took
---@field failed nil|fun(message: any, event: crumb.Event) gets what a handler raises; nil: it ends the run
---@field output crumb.Output
---@field opened crumb.Trace?
---@field job crumb.Process? of -c
---@field awaited crumb.Process? whose end is the run's: that of -c, or of -p without its children
---@field interactive boolean? a person types: signals and the terminal are the prompt's
---@field why string? how the last run ended
---@field sort string|string[]|nil how rows that are printed by themselves are sorted
---@field top integer? and how many of them
---@field fields string[]? which fields a handler gives to some events: CSV has a column for each
local Session = {}
Session.__index = Session

-- A message without the places in crumb's own code.
local function plain(message)
	if type(message) ~= "string" then return message end
	return (position.cut(message):gsub("^trace:", ""))
end

-- Calls, and raises at the line of whoever called the function that ends with `return at_caller(…)`.
local function at_caller(self, call, ...)
	local results <const> = table.pack(pcall(call, self, ...))
	if results[1] then return table.unpack(results, 2, results.n) end
	local message <const> = plain(results[2])
	if type(message) ~= "string" or message == "interrupted!" or self.own and message:find(self.own, 1, true) == 1 then
		error(message, 0)
	end
	error(message, 2)
end

-- Passes on what a call of crumb returned, or raises its message.
local function try(value, message, ...)
	if value == nil or value == false then error(message, 0) end
	return value, message, ...
end

local function open(self, given)
	if self.opened then return self.opened end
	local settings <const> = self.settings
	local job
	if settings.command then
		job = try(core.spawn(settings.command, true, self.interactive))
		self.job, self.awaited = job, job
	end
	local pid <const> = job and job.pid or settings.pid
	-- One that is not there is refused by the first probe.
	if settings.pid and not settings.follow then self.awaited = core.process(pid) end
	local wanted <const> = { pid = pid, follow = pid and settings.follow or nil, max = settings.max_sites }
	if settings.max_sites then wanted.sites = math.max(settings.max_sites, SITES) end
	for name, value in pairs(given or {}) do wanted[name] = value end
	self.opened = try(crumb.trace(wanted))
	return self.opened
end

--- The trace, which is opened by this.
---@param given table? options of crumb.trace's, which hold when it was not open yet
---@return crumb.Trace
function Session:trace(given) return at_caller(self, open, given) end

--- The process of -p or -c, which all probes trace only; nil: there is none.
---@return integer?
function Session:pid()
	at_caller(self, open)
	return self.job and self.job.pid or self.settings.pid
end

local ASKS <const> = { "capture", "count", "sum", "avg", "min", "max", "hist", "lhist", "handler" }

local function asks_nothing(given)
	for _, name in ipairs(ASKS) do
		if given[name] ~= nil then return false end
	end
	return true
end

-- Attaches a probe or a span; a person at a terminal is told how far that is.
local function open_one(self, open_it, trace, given)
	if type(given) ~= "table" then return open_it(trace, given) end
	local told <const>, _ <close> = progress(self.settings.quiet)
	local wanted <const> = { progress = told }
	for name, value in pairs(given) do wanted[name] = value end
	return open_it(trace, wanted)
end

-- With neither captures nor aggregates nor a handler, all arguments that have names are shown.
local function open_probe(trace, wanted)
	if not asks_nothing(wanted) then return trace:probe(wanted) end
	wanted.capture = { "args" }
	local probe <const>, message <const>, errno <const> = trace:probe(wanted)
	-- Here arguments may have no names: what is refused then begins with the option.
	if probe or not message:find "^capture" then return probe, message, errno end
	wanted.capture = nil
	return trace:probe(wanted)
end

local function open_span(trace, wanted) return trace:span(wanted) end

local function keep(self, probe, took)
	self.probes[#self.probes + 1] = probe
	self.names[probe], self.took[probe] = "p" .. #self.probes, took
	if self.settings.verbose then notices.attached(self, probe, took) end
	return probe
end

local function probe(self, given, more)
	if more ~= nil then error('probe: one table holds all: probe { "syscall:openat", count = true }', 0) end
	if type(given) == "string" then given = { given } end
	if type(given) ~= "table" then error(("probe: expected a target or a table, got %s"):format(type(given)), 0) end
	local trace <const>, before <const> = open(self), core.now()
	return keep(self, try(open_one(self, open_probe, trace, given)), core.now() - before)
end

local function span(self, given)
	local trace <const>, before <const> = open(self), core.now()
	return keep(self, try(open_one(self, open_span, trace, given)), core.now() - before)
end

local function list(self, target, given)
	local pid <const> = self.settings.pid or self.settings.command and not self.why and open(self) and self.job.pid or nil
	if pid and not (given and given.pid) then given = setmetatable({ pid = pid }, { __index = given }) end
	return try(crumb.list(target, given))
end

local function spawn(self, given)
	if type(given) == "string" then given = try(words.of_command(given)) end
	return try(open(self):spawn(given, { input = not self.interactive }))
end

-- The account's columns, in the order of what may become of a hit. People are shown those that are not zero.
local ACCOUNT <const> = {
	keys = { { name = "probe" } }, values = { { name = "hits", op = "SUM" }, { name = "lost", op = "SUM" } },
}
for _, name in ipairs {
	"filtered", "sampled_out", "limited", "repeated", "aggregated", "sent", "delivered", "dropped", "pending", "unreturned",
	"refused", "unmatched", "rows_lost", "missed", "recursion_misses",
} do
	table.insert(ACCOUNT.values, #ACCOUNT.values, { name = name, op = "SUM", sparse = true })
end

local function stats(self, one)
	if one ~= nil then return one:stats() end
	local rows <const> = setmetatable({}, { columns = ACCOUNT })
	for i, each in ipairs(self.probes) do
		local account <const> = each:stats()
		rows[i] = { probe = self.names[each] }
		for name, value in pairs(account) do rows[i][name] = value end
	end
	return rows
end

-- What had to be interrupted would have to be again the next time.
local function every(self, seconds, call)
	local timer
	timer = open(self):every(seconds, type(call) == "function" and function()
		local done <const>, message <const> = pcall(call)
		if done then return end
		if type(message) == "string" and message:find "interrupted!$" then timer:close() end
		error(message, 0)
	end or call)
	return timer
end

--- Attaches a probe: a target, or a table as for trace:probe. It raises when it cannot.
---@param given string|table
---@return crumb.Probe
function Session:probe(given, ...) return at_caller(self, probe, given, ...) end

--- Attaches a span; as trace:span, and it raises.
---@param given table
---@return crumb.Span
function Session:span(given) return at_caller(self, span, given) end

--- Iterates over what a target stands for; as crumb.list, and it raises.
---@param target string
---@param given table?
---@return fun(): table?
function Session:list(target, given) return at_caller(self, list, target, given) end

--- A process that waits until it is told to start.
---@param given string|string[] a command, or its words
---@return crumb.Process
function Session:spawn(given) return at_caller(self, spawn, given) end

--- The account of a probe, or rows with those of all.
---@param one crumb.Probe?
---@return table
function Session:stats(one) return at_caller(self, stats, one) end

--- Calls a function again and again while events are awaited.
---@param seconds number
---@param call fun()
---@return { close: fun() }
function Session:every(seconds, call)
	return at_caller(self, every, seconds, call)
end

--- Writes an event, rows, a probe or anything, as lines, JSON or CSV.
---@param ... any
function Session:show(...)
	for i = 1, select("#", ...) do written(self.output:show((select(i, ...)))) end
end

--- Lua's print, but it notices when it cannot write.
function Session:print(...)
	local parts <const> = table.pack(...)
	for i = 1, parts.n do parts[i] = tostring(parts[i]) end
	written(self.output:line(table.concat(parts, "\t")))
end

--- Writes a line to standard error, for people: never among what is traced.
function Session:say(format, ...)
	self.output:flush()
	io.stderr:write("crumb: ", text.lines(format:format(...)), "\n")
end

-- The rows of all probes that have some; `clear`: those since the last time.
local function write_rows(self, clear)
	local now <const> = crumb.date(core.now())
	for _, one in ipairs(self.probes) do
		if one:has_rows() then
			local rows <const> = try(one:read {
				clear = clear and not one:closed() or nil, sort = self.sort, top = self.top,
			})
			if self.output.format == "text" then
				if self.rows_written then written(self.output:line "") end
				if clear then written(self.output:line(now:sub(12, 19))) end
			end
			self.rows_written = true
			written(self.output:rows(rows, { probe = self.names[one], date = now }))
		end
	end
end

local function start(self)
	if self.job and not self.job:started() then try(self.job:start()) end
end

-- The rows of each interval, and what is lost, as long as it runs.
local function timers(self, trace)
	local list_ <const>, interval <const> = {}, self.settings.interval
	if interval then list_[1] = trace:every(interval, function() write_rows(self, true) end) end
	if not self.settings.quiet then list_[#list_ + 1] = trace:every(1, function() notices.look(self) end) end
	return setmetatable(list_, { __close = function()
		for _, timer in ipairs(list_) do timer:close() end
	end })
end

-- What writes the events that no handler takes.
local function writer(self)
	return function(event)
		if event.truncated and not self.settings.quiet then notices.truncated(self, event) end
		return self.output:event(event)
	end
end

--- Delivers what has come by now, for at most `most` seconds. Events without a handler are written, as many as `lines`
--- says.
---@param given { most: number?, lines: integer? }
---@return integer handled
---@return integer left_out events that would have been written
function Session:deliver(given)
	local write <const>, left_out, lines = writer(self), 0, given.lines or math.maxinteger
	local handled <const>, message <const>, errno <const> = self.opened:poll(0, {
		most = given.most, failed = self.failed, show = function(event)
			if lines == 0 then
				left_out = left_out + 1
				return true
			end
			lines = lines - 1
			return write(event)
		end,
	})
	return message and written(handled, message, errno) or handled or 0, left_out
end

--- Whether there is a trace, and it is open.
---@return boolean
function Session:tracing() return self.opened ~= nil and not self.opened:closed() end

--- Says what is lost, missed or cut, each once.
function Session:look()
	if not self.settings.quiet and self:tracing() then notices.look(self) end
end

--- Delivers events until --duration is over, the process of -c or -p has ended, Ctrl-C, or the command is to end (SIGTERM,
--- SIGHUP). Those without a handler are written.
---@param given { duration: number?, process: crumb.Process? }?
---@return string why
function Session:run(given)
	given = options.check("run", given, { duration = "number", process = "userdata" })
	-- Whoever runs again and again does not go on after that.
	if core.terminated() then error("interrupted!", 0) end
	local trace <const> = self:trace()
	local _ <close> = not self.interactive and core.termination() or nil
	start(self)
	local _ <close> = timers(self, trace)
	local done <const>, why <const>, errno <const> = trace:run {
		duration = given.duration or self.settings.duration, process = given.process or self.awaited,
		failed = self.failed, show = writer(self),
	}
	if not done then
		local unwritten <const> = why:match "^trace:run: write to standard output: (.*)"
		if not unwritten then error(why, 0) end
		written(nil, unwritten, errno)
	end
	self.why = why
	return why
end

local function flame(self, path, what, given)
	if self.settings.interval then error("a flame graph is of the whole trace: leave --interval out", 0) end
	-- What cannot be written is refused before there is something to lose.
	try(core.save(path))
	if not self.why then self:run() end
	local folded = what
	if type(what) == "function" then folded = what() end
	if type(what) == "table" then folded = try(what:folded(given and given.column)) end
	return try(core.save(path, crumb.flame(folded, given)))
end

--- Writes the stacks of a probe, or folded ones, as a flame graph; it runs first, unless it did. No link is followed.
---@param path string of an SVG file
---@param what crumb.Probe|string|fun(): string folded stacks; a function is called when it has run
---@param given { title: string?, unit: string?, column: string? }? as for crumb.flame; `column`: as for probe:folded
function Session:flame(path, what, given) return at_caller(self, flame, path, what, given) end

--- What was asked for makes no sense: ends the command with status 2.
---@param format string
function Session.misuse(_, format, ...) require("crumb.command").misuse(format, ...) end

--- Runs, and prints the stacks of a probe folded, which is a form of its own.
---@param one crumb.Probe
---@param column string? as for probe:folded
function Session:folded(one, column)
	local format <const> = self.settings.format
	if format ~= "text" then
		self:misuse("--folded and --%s do not go together: with --%s alone there are stacks, too", format, format)
	end
	if self.settings.interval then self:misuse "--folded is of the whole trace: leave --interval out" end
	self:run()
	self:print((try(one:folded(column))))
end

-- Ends the command of -c, if it runs still, with what descends from it.
local function end_job(self)
	local job <const> = self.job
	if not job or job:closed() or not job:running() then return end
	require "crumb.command.job".finish(job)
end

-- How the command of -c ended, as a shell tells it. What outlives the trace is ended with it.
local function job_status(self)
	if not self.job:started() then return 0 end
	if self.why ~= "exit" then end_job(self) end
	local status <const> = self.job:wait()
	if self.why == "duration" then return 0 end
	return status and (status.exit or SIGNALLED + status.signal) or 1
end

--- Nothing is to run any more: whoever watches has seen enough.
function Session:leave() self.why = self.why or "interrupted" end

--- What a script that has ended left to do: it runs unless it did, aggregates are printed, and losses told.
---@return integer status
function Session:finish()
	if self.settings.command then self:trace() end
	if self.opened and not self.opened:closed() then
		local open_ones = false
		for _, one in ipairs(self.probes) do open_ones = open_ones or not one:closed() end
		if not self.why and (open_ones or self.job) then
			self:run()
			write_rows(self, self.settings.interval ~= nil)
		end
		if not self.settings.quiet then notices.look(self, true) end
		self.opened:close()
	end
	written(io.stdout:flush())
	return self.job and job_status(self) or 0
end

--- Ends what is open, whatever happened.
function Session:close()
	end_job(self)
	if self.opened then self.opened:close() end
	if self.awaited then self.awaited:close() end
end

Session.__close = Session.close

local function environment(self)
	local env <const> = {}
	for _, name in ipairs { "probe", "span", "list", "run", "every", "stats", "spawn", "show", "print", "flame" } do
		local method <const> = Session[name]
		env[name] = function(...) return method(self, ...) end
	end
	return setmetatable(env, { __index = function(_, name)
		if name == "trace" then return self:trace() end
		local number <const> = type(name) == "string" and name:match "^p(%d+)$"
		return number and self.probes[tonumber(number)] or _G[name]
	end })
end

local session <const> = {}

---@param settings crumb.Settings
---@param own string? what positions in the script begin with: "script.lua:"
---@return crumb.Session
function session.new(settings, own)
	local self <const> = setmetatable({ settings = settings, probes = {}, names = {}, took = {}, own = own }, Session)
	self.output = output.new(self)
	self.env = environment(self)
	return self
end

return session
