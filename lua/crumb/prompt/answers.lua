--- answers: the line that a prompt says of a probe, and of what a change of its rule did.

local core <const> = require "crumb.core"
local text <const> = require "crumb.show.text"

local answers = {}

local SECOND <const> = 1000000000
local LEAST <const> = SECOND // 5 -- a rate is of no shorter time

-- 1234567 as "1,234,567".
local function grouped(number)
	local digits <const> = ("%d"):format(number)
	return (digits:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", ""))
end

local function count(number, what) return ("%s %s%s"):format(grouped(number), what, number == 1 and "" or "s") end

local function duration(ns)
	if ns >= SECOND then return ("%.1f s"):format(ns / SECOND) end
	return ns >= 1000000 and ("%.0f ms"):format(ns / 1000000) or ("%.1f ms"):format(ns / 1000000)
end

-- "uprobe.multi: 12 sites, 1 kernel link; tracepoint: …" -> "uprobe.multi, tracepoint"
local function first_words(mechanism)
	local words <const> = {}
	for part in mechanism:gmatch "[^;]+" do words[#words + 1] = part:match "^%s*([%w_.]+)" end
	return table.concat(words, ", ")
end

local function state(probe)
	if probe:closed() then return ", closed" end
	return probe.enabled and "" or ", off"
end

--- `p1: 37 sites, uprobe.multi, 4 ms; 12 hits, 0 lost`
---@param session crumb.Session
---@param probe crumb.Probe
---@return string
function answers.probe(session, probe)
	local stats <const>, took <const> = probe:stats(), session.took[probe]
	return ("%s: %s, %s%s%s%s; %s, %s%s lost"):format(session.names[probe], count(#probe.sites, "site"),
		first_words(probe.mechanism), took and ", " .. duration(took) or "",
		#probe.skipped > 0 and (", %s skipped"):format(grouped(#probe.skipped)) or "", state(probe),
		count(stats.hits, "hit"), stats.filtered > 0 and grouped(stats.filtered) .. " filtered, " or "", grouped(stats.lost))
end

---@class crumb.Moment
---@field at integer ns
---@field hits integer by then
---@field filtered integer

---@class crumb.Watch tells what changes of rules do, a second later
---@field session crumb.Session
---@field rules table<crumb.Probe, crumb.Rule> what held before the input
---@field moments table<crumb.Probe, { older: crumb.Moment?, newer: crumb.Moment }> a second apart
---@field earlier table<crumb.Probe, string> the rates before the input
---@field waiting table<crumb.Probe, table> timers of changes that are to be told
---@field timer table? that looks every second
local Watch = {}
Watch.__index = Watch

local function moment_of(probe)
	local tally <const> = probe:tally()
	return { at = core.now(), hits = tally.hits, filtered = tally.filtered }
end

local function is_open(self) return self.session.opened ~= nil and not self.session.opened:closed() end

local function look(self)
	for _, probe in ipairs(self.session.probes) do
		local known <const> = self.moments[probe]
		self.moments[probe] = not probe:closed() and { older = known and known.newer, newer = moment_of(probe) } or nil
	end
end

-- "1,203 hits/s, 0 filtered/s" between two moments; nil: they are too near to each other.
local function rates(from, to)
	if not from or to.at - from.at < LEAST then return nil end
	local function rate(name)
		local value <const> = (to[name] - from[name]) * SECOND / (to.at - from.at)
		return value < 10 and value % 1 > 0.05 and ("%.1f"):format(value) or grouped(math.floor(value + 0.5))
	end
	return ("%s hits/s, %s filtered/s"):format(rate "hits", rate "filtered")
end

local function shown(value)
	if type(value) == "string" then return " " .. text.escape(value) end
	if type(value) == "table" or value == nil then return "" end
	return " " .. tostring(value)
end

local function change_of_params(before, after)
	local parts <const> = {}
	for name, value in pairs(after or {}) do
		if (before or {})[name] ~= value then
			parts[#parts + 1] = ("$%s%s"):format(name, type(value) == "table" and "" or " =" .. shown(value))
		end
	end
	table.sort(parts)
	return table.concat(parts, ", ")
end

-- In words, what differs between two rules.
local function change_of(before, after)
	local names <const>, parts <const> = {}, {}
	for _, options in ipairs { before.options, after.options } do
		for name in pairs(options) do names[name] = before.options[name] ~= after.options[name] or nil end
	end
	for name in pairs(names) do
		local value <const> = after.options[name]
		if name == "params" then
			parts[#parts + 1] = change_of_params(before.options.params, value)
		elseif name == "enabled" then
			parts[#parts + 1] = value == false and "off" or "on"
		elseif value == nil then
			parts[#parts + 1] = "no " .. name
		else
			parts[#parts + 1] = name .. shown(value)
		end
	end
	table.sort(parts)
	return #parts > 0 and table.concat(parts, ", ") or "for one cookie"
end

-- Tells in a second what a change did.
local function tell_later(self, probe, before, print_line)
	local earlier <const>, change <const> = self.earlier[probe], change_of(before, probe.rule_now)
	local since <const> = moment_of(probe)
	if self.waiting[probe] then self.waiting[probe].close() end
	local timer
	timer = self.session.opened:every(1, function()
		timer.close()
		self.waiting[probe] = nil
		if probe:closed() then return end
		print_line(("%s: %s: %s%s%s"):format(self.session.names[probe], change, earlier and earlier .. " before; " or "",
			rates(since, moment_of(probe)), earlier and " after" or ""))
	end)
	self.waiting[probe] = timer
end

--- To be called before an input is evaluated.
function Watch:before()
	self.rules, self.earlier = {}, {}
	if not is_open(self) then return end
	for _, probe in ipairs(self.session.probes) do
		local moments <const> = self.moments[probe]
		if not probe:closed() then
			self.rules[probe] = probe.rule_now
			self.earlier[probe] = moments and rates(moments.older or moments.newer, moment_of(probe))
		end
	end
end

--- To be called after it; it tells what changed while the trace is delivered, a second later.
---@param print_line fun(line: string)
function Watch:after(print_line)
	if not is_open(self) then return end
	if not self.timer then
		look(self)
		self.timer = self.session.opened:every(1, function() look(self) end)
	end
	for _, probe in ipairs(self.session.probes) do
		local before <const> = self.rules[probe]
		if not probe:closed() and before and before ~= probe.rule_now then tell_later(self, probe, before, print_line) end
	end
end

--- What tells of changes.
---@param session crumb.Session
---@return crumb.Watch
function answers.watch(session)
	return setmetatable({ session = session, rules = {}, earlier = {}, moments = {}, waiting = {} }, Watch)
end

return answers
