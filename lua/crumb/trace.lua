--- trace: what owns probes and spans, and delivers their events.

local choice <const> = require "crumb.bpf.choice"
local core <const> = require "crumb.core"
local engine <const> = require "crumb.engine"
local family <const> = require "crumb.engine.family"
local lazy <const> = require "crumb.lazy"
local live <const> = require "crumb.trace.live"
local new_attachment <const> = require "crumb.trace.attachment"
local new_delivery <const> = require "crumb.trace.delivery"
local new_inbox <const> = require "crumb.trace.inbox"
local opening <const> = require "crumb.trace.opening"
local options <const> = require "crumb.options"
local Probe <const> = require "crumb.probe"
local rule <const> = require "crumb.rule"
local words <const> = require "crumb.trace.words"

local show <const> = lazy "crumb.show"
local span <const> = lazy "crumb.span"
local stack <const> = lazy "crumb.stack"
local thinning <const> = lazy "crumb.trace.thinning"

local RING_SIZE <const>, MAX_DELAY <const>, ROWS <const>, SITES <const> = 1 << 19, 0.05, 4096, 16384
local PAIRS <const>, STACKS <const> = 16384, 16384
local SWEEP <const> = 10 -- seconds between two looks for calls of threads that have ended
local LONGEST <const> = 3600 -- seconds that an event loop may wait

---@class crumb.Trace
---@field engine crumb.Engine
---@field delivery crumb.Delivery
---@field options table
---@field probes table<crumb.Probe, true>
---@field next_cookie integer the last one that was given
local Trace = { __name = "crumb.Trace" }
Trace.__index = Trace

local function merged(...)
	local all <const> = {}
	for _, one in ipairs { ... } do
		for name, value in pairs(one) do all[name] = value end
	end
	return all
end

local function check_shared(given)
	if given.pid == true then error("pid: expected a number, or false for all processes", 0) end
	for _, name in ipairs { "pid", "tid", "ring_size", "rows", "sites", "pending" } do
		if given[name] and given[name] < 1 then error(("%s: expected 1 or more, got %d"):format(name, given[name]), 0) end
	end
	if given.ring_size and given.ring_size > 1 << 30 then error("ring_size: expected at most 1 GiB", 0) end
	if given.rows and given.rows > 1 << 24 then error("rows: expected at most 2^24", 0) end
	if given.pending and given.pending > 1 << 22 then error("pending: expected at most 2^22", 0) end
	if given.sites and given.sites > 1 << 20 then error("sites: expected at most 2^20", 0) end
	if given.follow and not given.pid then error("follow: it goes with pid: whose children?", 0) end
	options.duration("max_delay", given.max_delay)
end

-- What the trace says of all its probes, where the probe says nothing.
local function with_defaults(self, given)
	local all <const> = {}
	for name in pairs(words.SHARED) do all[name] = self.options[name] end
	if given.pid == false then
		all.pid, all.tid, all.follow = nil, nil, nil
		given = merged(given)
		given.pid = nil
	end
	all.max = nil -- of a rule that is an aggregate, unless it is a number
	all.most = type(given.max) == "number" and given.max or self.options.max or false
	return merged(all, given)
end

local function check_open(self, what)
	if not self.engine then error(what .. ": the trace is closed", 3) end
end

-- The ring that a probe's events go to: its own, when it wants another size.
local function ring_of(self, given)
	if given.ring_size == self.options.ring_size then return 0 end
	return self.engine:add_ring(given.ring_size)
end

-- The frames of a stack that is a key.
local function frames_of(known)
	local count <const> = known.bytes // 8
	local bytes <const> = ("<i8"):rep(count):pack(table.unpack(known.frames, 1, count))
	if known.pid == 0 then return stack.kernel(bytes) end
	return stack.user(bytes, known.pid)
end

--- What words mean that only the trace knows, by kind.
---@return table<string, fun(word: integer): any>
function Trace:resolvers()
	local function frames(word)
		local known <const> = self.engine.stacks:find(word)
		return known and frames_of(known)
	end
	return {
		symbol = function(number)
			local place <const> = self.delivery.places[number]
			return place and place.site.symbol
		end,
		kstack = frames, ustack = frames,
	}
end

--- What a probe or span has besides its places: made before anything is published.
---@param given table options, with the trace's defaults
---@param metatable table
---@return table probe
---@return crumb.Attachment
function Trace:prepare(given, metatable)
	local probe <const> = { trace = self, resolve = self:resolvers(), skipped = {}, sites = {}, cookies = {} }
	probe.inbox = new_inbox(probe)
	probe.inbox:handle(given.handler)
	probe.attachment = new_attachment(self.engine)
	return setmetatable(probe, metatable), probe.attachment
end

--- What a rule is to hold at.
---@param given table options
---@param more table places, pairs, …
---@return crumb.Live
function Trace:live(given, probe, more)
	more.engine, more.attachment, more.resolve = self.engine, probe.attachment, probe.resolve
	more.rows, more.pid = given.rows or math.max(ROWS, 2 * #more.places), given.pid
	more.ring = function() return ring_of(self, given) end
	return live.new(more)
end

--- The rule that options say, with the filters of processes.
--- Errors: nil, message, errno.
---@param given table
---@return crumb.Rule?, string?, integer?
function Trace:rule(given)
	local made <const> = rule.new(given)
	made.options.epoch, made.options.tid = core.now(), given.tid
	if not given.follow then
		made.options.pid = given.pid
		return made
	end
	local number <const>, message <const>, errno <const> = family.follow(self.engine, given.pid)
	if not number then return nil, message, errno end
	made.options.follow = number
	return made
end

-- Calls that never return would fill the map of those that do.
local function sweep(self)
	for probe in pairs(self.probes) do
		if probe.pairs == "call" then probe:sweep() end
	end
end

--- A probe or span that is attached: it is the trace's from now on.
function Trace:adopt(probe, given)
	for _, place in ipairs(probe.live.openings or probe.live.places) do
		if not place.refused then
			probe.sites[#probe.sites + 1], probe.cookies[#probe.cookies + 1] = place.site, place.site.cookie
		end
	end
	rawset(probe, "mechanism", probe.attachment:mechanism())
	self.probes[probe] = true
	self.delivery.inboxes[probe.inbox] = true
	if probe.pairs == "call" and not self.sweeper then
		self.sweeper = self:every(SWEEP, function() sweep(self) end)
	end
	local delay <const> = options.duration("max_delay", given.max_delay or MAX_DELAY)
	self.delivery.max_delay = math.min(self.delivery.max_delay or delay, delay)
	return probe
end

--- Undoes what was done for a probe that could not be opened.
function Trace:abandon(probe, places)
	probe.attachment:close()
	if probe.live then
		probe.live:withdraw()
		probe.live:drop()
	end
	if probe.family then family.forget(self.engine, probe.family) end
	opening.give_back(self, places)
	self.engine.reclaim:collect()
end

--- The last steps of a probe or span: its rule holds, then it is attached; or all is undone.
--- Errors: nil, message, errno.
---@param wanted crumb.Rule
---@param places crumb.Place[] all of its places
---@param given table options
---@param skipped crumb.Site[]
---@param attach fun(): true?, string?, integer?
function Trace:complete(probe, wanted, places, given, skipped, attach)
	local done, why, number = probe.live:apply(wanted)
	if done then
		-- The script's function for the progress may raise.
		local returned
		returned, done, why, number = pcall(attach)
		if not returned then
			self:abandon(probe, places)
			error(done, 0)
		end
	end
	if not done then
		self:abandon(probe, places)
		return nil, why, number
	end
	rawset(probe, "rule_now", wanted)
	rawset(probe, "skipped", skipped)
	return self:adopt(probe, given)
end

local function open_probe(self, given)
	check_shared(given)
	local files <close> = choice.files()
	local chosen <const>, bits <const>, skipped <const> = opening.sites(self, given, given.returns, files)
	if not chosen then return nil, bits, skipped end
	local probe <const> = self:prepare(given, Probe)
	local how <const> = given.returns and "call" or "hit"
	local places <const>, message <const>, errno <const> =
		opening.places(self, probe.inbox, chosen, bits, given.returns and "call" or nil)
	if not places then return nil, message, errno end
	rawset(probe, "pairs", given.returns and "call" or false)
	rawset(probe, "live", self:live(given, probe, {
		places = places, pairs = given.returns, once = given.once,
	}))
	local wanted <const>, why <const>, number <const> = self:rule(given)
	if not wanted then
		self:abandon(probe, places)
		return nil, why, number
	end
	rawset(probe, "family", wanted.options.follow)
	local done <const>, failed <const>, code <const> = self:complete(probe, wanted, places, given, skipped, function()
		return opening.attach(self, probe.attachment, places, how, given, skipped)
	end)
	if done and given.once then thinning.begin(self, probe, files) end
	return done, failed, code
end

--- Attaches a probe: targets, a cookie for each site, and a rule.
---
--- `trace:probe { "syscall:openat", where = "uid == 0", capture = { path = "str(args.filename)" }, handler = print }`.
--- Errors: nil, message, errno when the kernel, the files, the names or the rule's expressions refuse, and then nothing
--- is attached; raises for wrong use.
---@param given table see doc/crumb.md
---@return crumb.Probe?, string?, integer?
function Trace:probe(given)
	check_open(self, "trace:probe")
	if type(given) == "string" then
		error(("trace:probe: expected a table, got a string: write trace:probe { %q }"):format(given), 2)
	end
	options.check("trace:probe", given, words.PROBE)
	if given and given.where == false then
		error('trace:probe: where: expected an expression, a string, got false: it stands in quotes, where = "pid == 1"', 2)
	end
	return options.finish("trace:probe", open_probe, self, with_defaults(self, given or {}))
end

--- Attaches a span, which pairs two places by a key; see doc/crumb.md.
--- Errors: as trace:probe.
---@param given table
---@return crumb.Span?, string?, integer?
function Trace:span(given)
	check_open(self, "trace:span")
	options.check("trace:span", given, words.SPAN)
	return options.finish("trace:span", span.open, self, with_defaults(self, given or {}))
end

--- Iterates over the events of all probes that no handler takes. `idle`, `duration`: seconds until it ends.
---@param given { idle: number?, duration: number? }?
---@return fun(): crumb.Event
function Trace:events(given)
	check_open(self, "trace:events")
	return options.finish("trace:events", self.delivery.events, self.delivery, "trace:events", true, given or {})
end

--- Delivers events to their handlers: those there are, and those that come within `timeout`. Events without a handler
--- go to `show`, or else wait for who iterates, up to 65,536 a probe; more are dropped, and counted in its stats. What a
--- handler raises goes to `failed`, or else comes out of here. After `most` seconds it comes back, whatever is left.
--- Units: seconds; 0: only what has come by now.
--- Errors: nil, message, errno: what `show` returned.
---@param timeout number? 0
---@param given { show: function?, failed: nil|fun(message: any, event: crumb.Event), most: number? }?
---@return integer? handled nil alone once closed
---@return string?, integer?
function Trace:poll(timeout, given)
	if not self.engine then return nil end
	options.duration("trace:poll", timeout)
	given = options.check("trace:poll", given, { show = "function", failed = "function", most = "number" })
	return self.delivery:poll("trace:poll", timeout or 0, given)
end

local function check_process(process)
	local kind <const> = getmetatable(process)
	if type(kind) ~= "table" or kind.__name ~= "crumb.Process" then error("expected what trace:spawn gives", 0) end
	process:running() -- raises for one that is closed
end

local function start(process)
	if not process or process:started() then return true end
	return process:start()
end

--- Delivers events until `duration` seconds are over, the process has ended, which is started before unless it was, the
--- trace is closed, or Ctrl-C.
--- Events without a handler go to `show`, or else are shown with crumb.show. What a handler raises goes to `failed`, or
--- else comes out of here.
--- Errors: nil, message, errno when they cannot be written: what `show` returned; when the process cannot be started.
---@param given { duration: number?, process: crumb.Process?, show: function?, failed: function? }?
---@return true?
---@return string why "duration", "exit", "closed" or "interrupted"
---@return integer?
function Trace:run(given)
	check_open(self, "trace:run")
	given = options.check("trace:run", given, {
		duration = "number", process = "userdata", show = "function", failed = "function",
	})
	options.duration("trace:run: duration", given.duration)
	if given.process then options.call("trace:run: process", check_process, given.process) end
	local started <const>, problem <const>, code <const> = start(given.process)
	if not started then return nil, problem, code end
	local shown, write <const> = false, given.show or show.write
	local why, message, errno = self.delivery:run("trace:run", given, function(event)
		shown = true
		return write(event)
	end)
	local done = why
	if why and shown then done, message, errno = io.stdout:flush() end
	if not done then return nil, "trace:run: write to standard output: " .. message, errno end
	return true, why
end

local Timer <const> = { __tostring = function(self) return ("every %g s"):format(self.period / 1e9) end }

--- Calls a function again and again while the trace's events are awaited; `close` of what is returned ends that.
---@param seconds number
---@param call fun()
---@return { close: fun() }
function Trace:every(seconds, call)
	check_open(self, "trace:every")
	local period <const> = options.duration("trace:every", seconds)
	if not period or period == 0 then error("trace:every: expected more than 0 seconds", 2) end
	if type(call) ~= "function" then error("trace:every: expected a function, got " .. type(call), 2) end
	local timers <const> = self.delivery.timers
	local timer <const> = setmetatable({ period = period, due = core.now() + period, call = call }, Timer)
	function timer.close() timers[timer] = nil end
	timers[timer] = true
	self.delivery:rest(true)
	return timer
end

--- A process that waits before it becomes the program: `pid`, `start()`, `started()`, `wait()`, `kill()`, `running()`.
--- With `input = false` it has none; otherwise it has ours.
--- Errors: nil, message, errno.
---@param argv string[]
---@param given { input: boolean? }?
---@return crumb.Process?, string?, integer?
function Trace:spawn(argv, given)
	check_open(self, "trace:spawn")
	given = options.check("trace:spawn", given, { input = "boolean" })
	return options.finish("trace:spawn", core.spawn, argv, false, given.input == false)
end

--- A descriptor for an event loop: it is readable when events are to be delivered, or a timer is due. Then call trace:poll().
---@return integer
function Trace:fd()
	check_open(self, "trace:fd")
	return self.delivery:watch()
end

--- What an event loop needs (cqueues' protocol): a descriptor, what to wait for, and how long at most.
---@return { pollfd: integer, events: string, timeout: fun(): number }
function Trace:pollable()
	check_open(self, "trace:pollable")
	return { pollfd = self:fd(), events = "r", timeout = function() return self.engine and LONGEST or 0 end }
end

-- What is left of a probe when nothing runs for it any more.
local function conclude(self, probe)
	probe:conclude()
	if probe.family then family.forget(self.engine, probe.family) end
	probe.live:drop()
	for _, places in ipairs { probe.live.openings or {}, probe.live.places } do opening.give_back(self, places) end
	self.probes[probe], self.delivery.inboxes[probe.inbox] = nil, nil
end

--- Detaches a probe, which takes a grace period; probe:close is this.
---@return true?, string?, integer?
function Trace:release(probe)
	self.delivery:settle()
	probe:detach()
	local done <const>, message <const>, errno <const> = core.grace()
	conclude(self, probe)
	if done then self.engine.reclaim:collect(true) end
	return done, message, errno
end

--- Detaches all probes and unloads the engine. Events that nobody has got are counted in the probes' stats as dropped.
---@return true?, string?, integer?
function Trace:close()
	if not self.engine then return true end
	self.delivery:settle()
	for probe in pairs(self.probes) do probe:detach() end
	local done, message, errno = true, nil, nil
	if next(self.probes) then done, message, errno = core.grace() end
	for probe in pairs(self.probes) do conclude(self, probe) end
	self.engine:close()
	self.engine = nil
	return done, message, errno
end

function Trace:closed() return self.engine == nil end

options.methods(Trace, "trace", {
	"probe", "span", "events", "poll", "run", "every", "spawn", "fd", "pollable", "close", "closed",
})
Trace.__close = Trace.close

-- When Lua itself ends, what the trace is made of may have gone before it: then there is nothing left to do.
function Trace:__gc() pcall(Trace.close, self) end

local trace = {}

--- Opens a trace: the engine, loaded once. Options, for all its probes: `pid`, `tid`, `follow`, `ring_size` (bytes; 512 KiB),
--- `max_delay` (seconds; 0.05), `rows` (of a table; 4096, or twice the sites); and `sites` (how many it has at most; 16384).
--- Errors: nil, message, errno.
---@param given table?
---@return crumb.Trace?, string?, integer?
function trace.open(given)
	given = merged(options.check("crumb.trace", given, words.TRACE))
	if given.max and given.max < 1 then error(("crumb.trace: max: expected 1 or more, got %d"):format(given.max), 2) end
	options.call("crumb.trace", check_shared, given)
	local opened <const>, message <const>, errno <const> =
		engine.open {
			sites = given.sites or SITES, pairs = given.pending or PAIRS, stacks = STACKS, ring_size = given.ring_size or RING_SIZE,
		}
	if not opened then return nil, message, errno end
	local self <const> = setmetatable({ engine = opened, options = given, probes = {}, next_cookie = 0 }, Trace)
	self.delivery = new_delivery(opened, opening.metatable, function() opened.stacks:meet(frames_of) end)
	return self
end

return trace
