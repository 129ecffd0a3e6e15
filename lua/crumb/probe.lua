--- probe: what people hold of a probe: its rule, live; its events; its rows; its account.
--
-- How its sites are found and attached is in crumb.trace.opening.

local account <const> = require "crumb.trace.account"
local core <const> = require "crumb.core"
local lazy <const> = require "crumb.lazy"
local options <const> = require "crumb.options"
local pairs_of <const> = require "crumb.engine.pairs"
local rule <const> = require "crumb.rule"
local words <const> = require "crumb.trace.words"

local aggregate <const> = lazy "crumb.aggregate"
local show <const> = lazy "crumb.show"
local thinning <const> = lazy "crumb.trace.thinning"

local BATCH <const> = 256

---@class crumb.Probe
---@field trace crumb.Trace
---@field sites crumb.Site[] those that are attached; each has its `cookie`
---@field skipped crumb.Site[] those that are not; each has a `reason`
---@field cookies integer[] of the sites
---@field mechanism string how it is attached
---@field rule_now crumb.Rule what holds
---@field inbox crumb.Inbox
---@field live crumb.Live
---@field attachment crumb.Attachment
---@field once boolean whether each site reports once
local Probe = { __name = "crumb.Probe" }

-- An option that is set to nil is taken back.
local function or_false(value)
	if value == nil then return false end
	return value
end

-- The fields of a live table are read from what holds, and written by a change.
local function live_table(read, write)
	return setmetatable({}, {
		__index = function(_, name) return (read() or {})[name] end,
		__newindex = function(_, name, value) return write(name, value) end,
		__pairs = function() return next, read() or {} end,
	})
end

local function params_of(self, cookie)
	return live_table(function()
		local now <const> = self.rule_now
		return (cookie and now:of(cookie) or now.options).params
	end, function(name, value)
		local what <const>, changes <const> = "params." .. tostring(name), { params = { [name] = or_false(value) } }
		local done <const>, message <const> = options.call(what, self.change, self, changes, cookie)
		if not done then error(("%s: %s"):format(what, message), 2) end
	end)
end

function Probe.__index(self, name)
	local method <const> = Probe[name]
	if method ~= nil then return method end
	if name == "handler" then return self.inbox.handler end
	if name == "params" then return params_of(self) end
	if name == "once" then return self.live.once or false end
	if name == "enabled" then return self.rule_now.options.enabled ~= false end
	if rule.OPTIONS[name] then return self.rule_now.options[name] end
end

function Probe.__newindex(self, name, value)
	if not words.SETTABLE[name] then
		local names <const> = {}
		for known in pairs(words.SETTABLE) do names[#names + 1] = known end
		table.sort(names)
		local _ <const>, near <const> = core.nearest(tostring(name), names)
		error(("probe.%s: no such option of a rule%s"):format(name,
			near ~= "" and near or (" (there are %s)"):format(table.concat(names, ", "))), 2)
	end
	local changes <const> = options.check("probe." .. name, { [name] = or_false(value) }, words.SETTABLE)
	local done <const>, message <const> = options.call("probe." .. name, self.change, self, changes)
	if not done then error(("probe.%s: %s"):format(name, message), 2) end
end

-- Makes a rule hold, or leaves the one that does.
local function hold(self, wanted)
	if self.closed_account then error("it is closed", 0) end
	local done <const>, message <const>, errno <const> = self.live:apply(wanted)
	if not done then return nil, message, errno end
	rawset(self, "rule_now", wanted)
	return true
end

--- Makes changes hold, all or none; `cookie`: only for this one.
---@param changes table checked but for rule.check
---@param cookie integer?
---@return true?, string?, integer?
function Probe:change(changes, cookie)
	if self.closed_account then error("it is closed", 0) end
	rule.check(changes)
	local of_rule <const> = {}
	for name, value in pairs(changes) do
		if name ~= "handler" then of_rule[name] = value end
	end
	local handler <const> = self.inbox.handler
	if changes.handler ~= nil then self.inbox:handle(changes.handler) end
	if not next(of_rule) then return true end
	local done <const>, message <const>, errno <const> = hold(self, self.rule_now:with(of_rule, cookie))
	if not done then self.inbox.handler = handler end
	return done, message, errno
end

--- Changes several options of the rule in one switch, from the next hit on; `false` takes one back, parameters
--- are changed one by one. Events that are on their way are decoded by the rule that made them.
--- Errors: nil, message, errno, and the old rule stays; raises for wrong options.
---@param changes table
---@return true?, string?, integer?
function Probe:set(changes)
	return options.finish("probe:set", self.change, self, options.check("probe:set", changes, words.SETTABLE))
end

--- What holds for one cookie only: `where`, `params`, `sample`, `limit`, `enabled`; `set` and `clear`.
---@class crumb.CookieRule
local CookieRule = { __name = "crumb.CookieRule" }

function CookieRule.__index(self, name)
	if CookieRule[name] ~= nil then return CookieRule[name] end
	local probe <const>, bits <const> = rawget(self, "probe"), rawget(self, "cookie")
	if name == "params" then return params_of(probe, bits) end
	local holds <const> = probe.rule_now:of(bits)
	if name == "enabled" then return holds.enabled ~= false end
	return rule.BY_COOKIE[name] and holds[name]
end

function CookieRule.__newindex(self, name, value)
	local changes <const> = options.check("rule", { [name] = or_false(value) }, rule.BY_COOKIE)
	local done <const>, message <const> = options.call("rule." .. name, self.probe.change, self.probe, changes, self.cookie)
	if not done then error(("rule.%s: %s"):format(name, message), 2) end
end

--- Changes several in one switch. Errors: nil, message, errno, and the old rule stays.
---@param changes table
---@return true?, string?, integer?
function CookieRule:set(changes)
	options.check("rule:set", changes, rule.BY_COOKIE)
	return options.finish("rule:set", self.probe.change, self.probe, changes, self.cookie)
end

--- The probe's rule holds again.
---@return true?, string?, integer?
function CookieRule:clear()
	return options.finish("rule:clear", hold, self.probe, self.probe.rule_now:without(self.cookie))
end

options.methods(CookieRule, "rule", { "set", "clear" })

--- A handle on what holds for one cookie only.
--- Errors: raises when no site has the cookie.
---@param bits integer
---@return crumb.CookieRule
function Probe:rule(bits)
	if self.live.openings then error("span:rule: the rule of a span is decided at its end, for all cookies", 2) end
	for _, known in ipairs(self.cookies) do
		if known == bits then return setmetatable({ probe = self, cookie = bits }, CookieRule) end
	end
	error(("probe:rule: no site has the cookie %s"):format(tostring(bits)), 2)
end

--- Iterates over this probe's events, as tables. `idle`, `duration`: seconds until it ends.
---@param given { idle: number?, duration: number? }?
---@return fun(): crumb.Event
function Probe:events(given)
	if type(self.inbox.handler) == "function" then
		error("probe:events: this probe has a handler, which gets its events", 2)
	end
	return options.finish("probe:events", self.trace.delivery.events, self.trace.delivery, "probe:events", self.inbox, given or {})
end

--- Iterates over fields of this probe's events, as positional values: the fast road. A last argument that is a table
--- has the options of `events`. What an event has not is false.
---@param ... string|table
---@return fun(): ...
function Probe:each(...)
	local fields <const> = { ... }
	local given <const> = type(fields[#fields]) == "table" and table.remove(fields) or {}
	if #fields == 0 then error("probe:each: name the fields to read, or use probe:events", 2) end
	for i, name in ipairs(fields) do
		if type(name) ~= "string" then error(("probe:each: field %d: expected a name, got %s"):format(i, type(name)), 2) end
	end
	if type(self.inbox.handler) == "function" then
		error("probe:each: this probe has a handler, which gets its events", 2)
	end
	return options.finish("probe:each", self.trace.delivery.each, self.trace.delivery, "probe:each", self.inbox, fields, given)
end

-- Adds all rows of a map to a collector.
local function collect(map, collector)
	local size, position = BATCH, nil
	repeat
		local keys <const>, values <const>, following <const> = map:lookup_batch(size, position)
		if keys then
			collector:add(keys, values)
			position = following
		elseif size < map.max_entries then
			size = size * 4 -- a bucket did not fit
		else
			return nil, values, following
		end
	until keys and not position
	return collector:rows()
end

-- The rows, which with `clear` are the table's no more.
local function rows_of(self, clear)
	if self.closed_account then
		local rows <const> = self.last_rows
		if clear then rawset(self, "last_rows", aggregate.collect(self.live.columns, self.resolve):rows()) end
		return rows
	end
	local live <const> = self.live
	local collector <const> = aggregate.collect(live.columns, self.resolve)
	if not clear then return collect(live.table.map, collector) end
	local before <close>, message <const>, errno <const> = live.engine:exchange(live.table)
	if not before then return nil, message, errno end
	local rows <const>, why <const>, number <const> = collect(before, collector)
	if rows then live.engine.stacks:emptied(live.table, #rows) end
	return rows, why, number
end

local function check_aggregates(self, what)
	if not self.live.columns then error(what .. ": the rule has no aggregate: give it count = true, sum, hist, …", 3) end
end

--- The rows of the aggregates: a field for each key, and one for each aggregate.
--- `clear` empties them: under fire each hit is in one reading, and in one only. `sort`: a column, "-count" the largest
--- first, a list of them, or a function; `top`: only the first so many.
--- Errors: nil, message, errno; raises when there is no aggregate.
---@param given { clear: boolean?, sort: string|string[]|function|nil, top: integer? }?
---@return table[]?, string?, integer?
function Probe:read(given)
	given = options.check("probe:read", given, { clear = "boolean", sort = "string|table|function", top = "integer" })
	if given.top and given.top < 0 then error("probe:read: top: expected 0 or more, got " .. given.top, 2) end
	check_aggregates(self, "probe:read")
	local rows, message <const>, errno <const> = rows_of(self, given.clear)
	if not rows then return nil, message, errno end
	if given.sort then rows = options.call("probe:read", aggregate.sort, rows, given.sort) end
	return given.top and aggregate.top(rows, given.top) or rows
end

--- Whether its rule has aggregates, so that there are rows to read.
---@return boolean
function Probe:has_rows() return self.live.columns ~= nil end

--- Empties the aggregates.
---@return true?, string?, integer?
function Probe:clear()
	check_aggregates(self, "probe:clear")
	local done <const>, message <const>, errno <const> = rows_of(self, true)
	if not done then return nil, message, errno end
	return true
end

--- The rows as flame graphs want them: "main;malloc 12", a line a stack.
--- Errors: nil, message, errno; raises when there is no stack among the keys.
---@param column string? which counts; the first count or sum
---@return string?, string?, integer?
function Probe:folded(column)
	check_aggregates(self, "probe:folded")
	local rows <const>, message <const>, errno <const> = rows_of(self)
	if not rows then return nil, message, errno end
	return options.finish("probe:folded", show.folded, rows, self.live.columns, column)
end

--- Takes out the calls of threads that have ended in the midst of them: they never return.
function Probe:sweep()
	local mine <const> = {}
	for _, place in ipairs(self.live.places) do mine[place.number] = true end
	pairs_of.sweep(self.live.engine, function(key, pair) return mine[pair.site] and pairs_of.caller_gone(key) end)
end

-- The engine, or what it had counted when the probe was closed.
local function counted(self) return self.closed_account or self.live.engine end

-- The numbers of the sites with that cookie, of that site, or of all.
local function numbers_of(places, what)
	local numbers <const> = {}
	for _, place in ipairs(places) do
		if what == nil or what == place.site.cookie or what == place.site then numbers[#numbers + 1] = place.number end
	end
	return numbers
end

--- What became of the hits so far, and nothing that must be asked of the kernel.
---@return table<string, integer>
function Probe:tally()
	return account.explain(counted(self):account(numbers_of(self.live.openings or self.live.places)))
end

--- What became of every hit: hits = filtered + sampled_out + limited + repeated + aggregated + sent + lost + pending +
--- unreturned.
--- Of the whole probe also `delivered`, and `dropped` (events that the script never got, for they were too many or it
--- had closed the probe), and `missed` and `recursion_misses`, which the kernel counts for all that use the program.
--- Errors: raises when no site has the cookie.
---@param what integer|crumb.Site|nil a cookie, or one of probe.sites; nil: all
---@return table<string, integer>
function Probe:stats(what)
	local live <const> = self.live
	local numbers <const> = numbers_of(live.openings or live.places, what)
	if #numbers == 0 then error(("probe:stats: no site has the cookie %s"):format(tostring(what)), 2) end
	local sum = account.explain(counted(self):account(numbers))
	if sum.pending > 0 and self.pairs == "call" and not self.closed_account then
		self:sweep()
		sum = account.explain(live.engine:account(numbers))
	end
	if what ~= nil then return sum end
	if live.openings then -- the ends without a beginning are counted where they were
		sum.unmatched = sum.unmatched + counted(self):account(numbers_of(live.places)).unmatched
	end
	self.trace.delivery:settle()
	sum.delivered = self.inbox.delivered
	sum.dropped = self.closed_account and sum.sent - sum.delivered or self.inbox.dropped
	sum.missed, sum.recursion_misses = self.attachment:missed()
	return sum
end

-- The sites that have made their one report, and those that have not.
local function seen_of(self)
	local ran <const>, never <const> = {}, {}
	for _, place in ipairs(self.live.places) do
		local list <const> = self.live.engine:seen(place.number) and ran or never
		if not place.refused then list[#list + 1] = place.site end
	end
	return { ran, never }
end

--- Of a probe with `once`: which of its sites have made their report, and which have not, each in the order of `sites`.
--- Errors: raises without `once`.
---@return crumb.Site[] ran
---@return crumb.Site[] never
function Probe:seen()
	if not self.once then error("probe:seen: it goes with once = true", 2) end
	return table.unpack(self.last_seen or seen_of(self))
end

--- Whether it was closed.
---@return boolean
function Probe:closed() return self.closed_account ~= nil end

--- Detaches, and unpublishes: what is still in the ring is counted as dropped. `conclude` follows, after a
--- grace period.
function Probe:detach()
	self.live:cease()
	self.attachment:close()
	if self.once then thinning.leave(self) end
	self.live:withdraw()
	self.inbox:close()
end

--- After detaching and a grace period: takes the last account and the last rows.
function Probe:conclude()
	local engine <const>, numbers <const> = self.live.engine, {}
	for _, places in ipairs { self.live.places, self.live.openings } do
		for _, place in ipairs(places) do numbers[#numbers + 1] = place.number end
	end
	if self.pairs then
		local mine <const> = {}
		for _, number in ipairs(numbers) do mine[number] = true end
		pairs_of.sweep(engine, function(_, pair) return mine[pair.site] end)
	end
	if self.live.columns then rawset(self, "last_rows", rows_of(self)) end
	if self.once then rawset(self, "last_seen", seen_of(self)) end
	rawset(self, "closed_account", engine:keep_accounts(numbers))
end

--- Detaches. Its account and its rows can still be read; no event comes any more.
---@return true?, string?, integer?
function Probe:close()
	if self.closed_account then return true end
	return self.trace:release(self)
end

options.methods(Probe, "probe", {
	"set", "rule", "events", "each", "has_rows", "read", "clear", "folded", "stats", "seen", "closed", "close",
})
Probe.__close = Probe.close

local function description(self)
	local targets <const>, seen <const> = {}, {}
	for _, site in ipairs(self.sites) do
		if not seen[site.target] then targets[#targets + 1] = site.target end
		seen[site.target] = true
	end
	return ("%s (%d site%s)"):format(table.concat(targets, ", "), #self.sites, #self.sites == 1 and "" or "s")
end

function Probe:__tostring()
	if not self.live.columns then return "crumb.Probe: " .. description(self) end
	local rows <const>, message <const> = self:read()
	return rows and tostring(rows) or "crumb.Probe: " .. message
end

return Probe
