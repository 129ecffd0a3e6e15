--- delivery: from the ring to whom the events are for: when to wait, when to stop, who gets what.
--
-- The reader is pulled (csrc/trail.c): handlers run between two records, so they may raise, yield, poll, or close
-- whatever they like.

local core <const> = require "crumb.core"
local options <const> = require "crumb.options"

local CHECK_EVERY <const> = 8 -- events between two looks at the clock
local SLICE <const> = 50000000 -- ns between two looks at a process, or at who has left stacks

---@class crumb.Delivery
---@field engine crumb.Engine
---@field places table<integer, crumb.Place> by number
---@field sites table<integer, table> number -> the metatable of its events, { inbox, __index = { cookie =, … } }, made
--- when the first one comes
---@field inboxes table<crumb.Inbox, true>
---@field timers table<table, true> { period =, due =, call = }
---@field max_delay integer? ns
---@field meet fun()
---@field routed integer events that came as tables
---@field direct integer events that a loop got as positional values
---@field reader crumb.Inbox? whose the events are that are got so
local Delivery = {}
Delivery.__index = Delivery

---@class crumb.Loop one that takes events
---@field wanted crumb.Inbox|true|nil whose events it returns: one's, all that no handler takes, none
---@field deadline integer ns of core.now(); math.maxinteger: none
---@field idle integer? ns
---@field reached integer? the time of the record that was read last, as long as more may wait: what came in time is not missed
---@field process crumb.Process? ends it with its own end
---@field count integer events that it returned
---@field failed nil|fun(message: any, event: crumb.Event) gets what a handler raises; nil: it is raised
---@field why string? it ended: "duration", "idle", "closed", "interrupted" or "exit"

-- Counts what was read as positional values since the last time.
function Delivery:settle()
	if self.engine.ring:closed() then return end
	local fresh <const> = self.engine.ring:stats().delivered - self.routed - self.direct
	if self.reader then self.reader.delivered = self.reader.delivered + fresh end
	self.direct = self.direct + fresh
end

-- Calls what is due. Who was late is called once, and then at its next time.
function Delivery:fire(now)
	local due <const> = {}
	for timer in pairs(self.timers) do
		if now >= timer.due then due[#due + 1] = timer end
	end
	table.sort(due, function(a, b) return a.due < b.due end)
	for _, timer in ipairs(due) do
		if self.timers[timer] then
			timer.due = timer.due + timer.period * ((now - timer.due) // timer.period + 1)
			timer.call()
		end
	end
	return #due > 0
end

local function next_due(self)
	local due = math.maxinteger
	for timer in pairs(self.timers) do due = math.min(due, timer.due) end
	return due
end

-- Whether a loop is over, and why. `own` is how many events it has got.
local function ended(self, loop, now, own)
	if loop.why then return true end
	if own ~= loop.own then loop.own, loop.quiet_since = own, now end
	if self.engine.ring:closed() or loop.wanted and loop.wanted ~= true and loop.wanted.closed then
		loop.why = "closed"
	elseif core.interrupted() then
		loop.why = "interrupted"
	elseif loop.process and not loop.process:running() then
		loop.why = "exit"
	elseif now >= loop.deadline then
		loop.why = "duration"
	elseif loop.idle and (loop.reached or now) >= loop.quiet_since + loop.idle then
		loop.why = "idle"
	end
	return loop.why ~= nil
end

-- What a reader does when no record waits. After records it rests for max_delay, so that they come in batches; the bell
-- is then for a ring that fills up. After such a rest without any it arms the bell, and sleeps until it rings.
local function pause(self, loop)
	local ring <const> = self.engine.ring
	return function(delivered)
		local now <const> = core.now()
		loop.reached = nil
		if loop.direct then self:settle() end
		if ended(self, loop, now, loop.direct and self.direct or loop.count) or loop.snapshot then return false end
		if self:fire(now) then return true end
		self.engine.reclaim:passed()
		self.meet()
		local limit = math.min(loop.deadline, loop.idle and loop.quiet_since + loop.idle or math.maxinteger, next_due(self))
		if loop.process or self.engine.stacks:wanted() then limit = math.min(limit, now + SLICE) end
		local busy <const> = delivered ~= loop.seen
		loop.seen = delivered
		if self.watched then ring:rest(math.maxinteger) end
		self.engine:set_bell(busy and "NEARLY_FULL" or "NOW")
		ring:wait(math.min(limit - now, busy and self.max_delay or math.maxinteger), busy)
		return true
	end
end

-- What a handler raises goes to whoever wants it; but Ctrl-C ends everything.
local function handle(handler, event, failed)
	if not failed then return handler(event) end
	local done <const>, message <const> = pcall(handler, event)
	if done then return end
	failed(message, event)
	if type(message) == "string" and message:find "interrupted!$" then error(message, 0) end
end

-- Gives an event to its handler, or to the loop that wants it (and returns it), or lets it wait.
local function route(self, event, loop)
	local inbox <const> = getmetatable(event)[1]
	local handler = inbox.handler
	if inbox.closed then
		inbox.dropped = inbox.dropped + 1
		return nil
	end
	if type(handler) == "table" then handler = handler[event.cookie] end
	if handler then
		inbox.delivered, self.handled = inbox.delivered + 1, self.handled + 1
		handle(handler, event, loop.failed)
		return nil
	end
	local wanted <const> = loop.wanted
	if wanted == true or wanted == inbox then
		inbox.delivered, loop.count = inbox.delivered + 1, loop.count + 1
		return event
	end
	inbox:push(event)
	self.any_waits = true
end

-- The oldest event that waits, and that the loop wants, or has got a handler meanwhile.
local function waiting(self, loop)
	local oldest, from
	self.any_waits = false
	for inbox in pairs(self.inboxes) do
		local event <const> = inbox:peek()
		self.any_waits = self.any_waits or event ~= nil
		if event and (loop.wanted == true or loop.wanted == inbox or inbox:handler_of(event))
			and (not oldest or event.time < oldest.time) then
			oldest, from = event, inbox
		end
	end
	return from and from:pop()
end

-- The next event for the loop; nil: it is over.
local function next_event(self, loop)
	local trail <const> = loop.trail
	while true do
		local event = self.any_waits and waiting(self, loop)
		if not event then
			event = trail()
			if not event then
				ended(self, loop, core.now(), loop.count)
				return nil
			end
			self.routed, loop.reached = self.routed + 1, event.time
			loop.until_check = loop.until_check - 1
		end
		event = route(self, event, loop)
		if loop.until_check <= 0 then
			local now <const> = core.now()
			loop.until_check = CHECK_EVERY
			if not event and ended(self, loop, now, loop.count) then return nil end
			if next(self.timers) then self:fire(now) end
		end
		if event then return event end
	end
end

local function new_loop(self, what, wanted, given)
	if self.engine.ring:closed() then error(what .. ": the trace is closed", 0) end
	self.meet()
	local now <const> = core.now()
	local duration <const> = options.duration(what .. ": duration", given.duration)
	return {
		wanted = wanted, deadline = duration and now + duration or math.maxinteger,
		idle = options.duration(what .. ": idle", given.idle), quiet_since = now, process = given.process, failed = given.failed,
		count = 0, own = 0, until_check = CHECK_EVERY, seen = self.engine.ring:stats().delivered,
	}
end

local function trail_of(self, loop, given)
	given.layouts, given.sites, given.pause = self.engine.layouts, self.sites, pause(self, loop)
	given.deadline = loop.deadline < math.maxinteger and loop.deadline or nil
	loop.trail = self.engine.ring:trail(given)
	return loop.trail
end

local Closing <const> = {}

-- A loop is over: the reader before goes on, and a foreign loop is woken again.
function Closing:__close()
	if self.delivery then
		self.delivery:settle()
		self.delivery.reader = self.before
		self.delivery:rest()
	end
	self.interrupt:close()
end

local function closing(self)
	local before <const> = self.reader
	self:settle()
	return setmetatable({ delivery = self, before = before, interrupt = assert(core.interrupt()) }, Closing)
end

--- Iterates over events as tables: for a generic `for`.
---@param what string what the person called
---@param wanted crumb.Inbox|true
---@param given { idle: number?, duration: number? }
function Delivery:events(what, wanted, given)
	options.check(what, given, { idle = "number", duration = "number" })
	local loop <const> = new_loop(self, what, wanted, given)
	trail_of(self, loop, {})
	return function() return next_event(self, loop) end, nil, nil, closing(self)
end

local function values_of(event, fields)
	local values <const> = {}
	for i, name in ipairs(fields) do
		local value <const> = event[name]
		values[i] = value ~= nil and value
	end
	return table.unpack(values, 1, #fields)
end

--- Iterates over one probe's events as positional values: for a generic `for`.
---@param what string
---@param inbox crumb.Inbox
---@param fields string[]
---@param given { idle: number?, duration: number? }
function Delivery:each(what, inbox, fields, given)
	options.check(what, given, { idle = "number", duration = "number" })
	local loop <const> = new_loop(self, what, inbox, given)
	local function by_event()
		local event <const> = next_event(self, loop)
		if event then return values_of(event, fields) end
	end
	if inbox.handler then -- some of the cookies' events are not ours
		trail_of(self, loop, {})
		return by_event, nil, nil, closing(self)
	end
	loop.direct, loop.own = true, self.direct
	local function other(event)
		self.routed = self.routed + 1
		route(self, event, loop)
	end
	local next_values <const> = trail_of(self, loop, { fields = fields, owner = inbox, other = other })
	local guard <const> = closing(self)
	self.reader = inbox
	return function()
		if inbox.closed then return nil end
		if loop.direct and inbox.handler then -- from now on, neither
			self:settle()
			loop.direct, self.reader = false, guard.before
			trail_of(self, loop, {})
		end
		if not loop.direct then return by_event() end
		-- What another loop came upon waits here.
		if inbox.first > inbox.last then return next_values() end
		inbox.delivered = inbox.delivered + 1
		return values_of(inbox:pop(), fields)
	end, nil, nil, guard
end

-- Gives a loop's events to `show`; nil, message, errno: it could not.
local function show_all(self, loop, show)
	local event = next_event(self, loop)
	while event do
		local done <const>, message <const>, errno <const> = show(event)
		if not done then return nil, message, errno end
		event = next_event(self, loop)
	end
	return true
end

--- Where a foreign loop waits for the descriptor, makes it readable when there is something to do: after records that is
--- after max_delay, so that they come in batches, or when the ring fills up; otherwise with the next one; or at a timer's time.
---@param again boolean? another timer is all that is new
function Delivery:rest(again)
	local ring <const> = self.engine.ring
	if not self.watched or ring:closed() then return end
	local delivered <const> = ring:stats().delivered
	local busy <const> = again and self.busy or delivered ~= self.rested_at
	self.busy, self.rested_at = busy, delivered
	local limit = math.min(next_due(self) - core.now(), busy and self.max_delay or math.maxinteger)
	if self.engine.stacks:wanted() then limit = math.min(limit, SLICE) end
	ring:rest(limit)
	self.engine:set_bell(busy and "NEARLY_FULL" or "NOW")
	-- Who came before the bell was armed did not ring it.
	if not busy and ring:wait(0) then ring:rest(0) end
end

local Resting <const> = { __close = function(resting) resting.delivery:rest() end }

--- A descriptor for a foreign loop, readable when there is something to poll for.
---@return integer
function Delivery:watch()
	self.watched, self.rested_at = true, self.engine.ring:stats().delivered
	self:rest()
	return self.engine.ring:fd()
end

--- Delivers events to their handlers, or to `show`: those there are, and those that come within a time.
--- Errors: nil, message, errno: what `show` returned.
---@param what string
---@param timeout number seconds
---@param given { show: nil|fun(event: crumb.Event): (any?, string?, integer?), failed: function?, most: number? }
---@return integer? handled
---@return string?, integer?
function Delivery:poll(what, timeout, given)
	local loop <const> = new_loop(self, what, given.show and true or nil, {
		duration = timeout > 0 and timeout or given.most, failed = given.failed,
	})
	local before <const> = self.handled
	loop.snapshot = timeout == 0
	local _ <close> = setmetatable({ delivery = self }, Resting)
	trail_of(self, loop, { snapshot = loop.snapshot })
	self:fire(core.now())
	local done <const>, message <const>, errno <const> = show_all(self, loop, given.show)
	if not done then return nil, message, errno end
	return self.handled - before + loop.count
end

--- Delivers events until something ends it, and then those that had come by its end; those without a handler go to `show`.
---@param what string
---@param given { duration: number?, process: crumb.Process?, failed: function? }
--- Errors: nil, message, errno: what `show` returned.
---@param show fun(event: crumb.Event): any?, string?, integer?
---@return string? why
---@return string?, integer?
function Delivery:run(what, given, show)
	local _ <close> = setmetatable({ delivery = self }, Resting)
	local loop <const> = new_loop(self, what, true, given)
	trail_of(self, loop, {})
	local done, message, errno
	do
		local _ <close> = closing(self)
		done, message, errno = show_all(self, loop, show)
	end
	if not done then return nil, message, errno end
	if loop.why == "closed" then return loop.why end
	-- Ctrl-C interrupts Lua again, and what comes from now on is for others.
	local rest <const> = new_loop(self, what, true, { failed = given.failed })
	rest.snapshot = true
	trail_of(self, rest, { snapshot = true })
	done, message, errno = show_all(self, rest, show)
	if not done then return nil, message, errno end
	return loop.why
end

--- Places whose events may come from now on.
---@param places crumb.Place[]
function Delivery:know(places)
	for _, place in ipairs(places) do self.places[place.number] = place end
end

--- Numbers of places whose events have all been read.
---@param numbers integer[]
function Delivery:forget(numbers)
	for _, number in ipairs(numbers) do self.places[number], self.sites[number] = nil, nil end
end

---@param engine crumb.Engine
---@param metatable fun(place: crumb.Place): table of its events
---@param meet fun() called now and then while events are awaited: looks at who has left stacks
---@return crumb.Delivery
return function(engine, metatable, meet)
	local places <const> = {}
	local sites <const> = setmetatable({}, { __index = function(sites, number)
		local place <const> = places[number]
		if not place then return nil end
		sites[number] = metatable(place)
		return sites[number]
	end })
	return setmetatable({
		engine = engine, meet = meet, places = places, sites = sites, inboxes = {}, timers = {}, routed = 0, direct = 0,
		handled = 0,
	}, Delivery)
end
