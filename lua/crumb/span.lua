--- span: two places that are paired by a key: what begins at one and ends at the other.
--
-- It is held like a probe: what differs is how it is opened, and what is pending.

local choice <const> = require "crumb.bpf.choice"
local core <const> = require "crumb.core"
local opening <const> = require "crumb.trace.opening"
local options <const> = require "crumb.options"
local pairs_of <const> = require "crumb.engine.pairs"
local Probe <const> = require "crumb.probe"
local words <const> = require "crumb.trace.words"

local span = {}

---@class crumb.Span: crumb.Probe
local Span <const> = {}
for name, member in pairs(Probe) do Span[name] = member end
Span.__name = "crumb.Span"

function Span.__index(self, name)
	local method <const> = Span[name]
	if method ~= nil then return method end
	return Probe.__index(self, name)
end

--- What has begun and not ended.
--- Shape: a list of { key = its value, or a list of two, time = when it began, age =, symbol =, cookie = }, the oldest first
--- Units: nanoseconds of CLOCK_MONOTONIC
---@return table[]
function Span:pending()
	if self.closed_account then return {} end
	local list <const>, owner <const>, now <const> = {}, self.live.owner, core.now()
	local places <const> = self.trace.delivery.places
	for key, pair in pairs_of.each(self.live.engine) do
		local place <const> = places[pair.site]
		if key.owner == owner and place then
			list[#list + 1] = {
				key = self.keys == 2 and { key.a, key.b } or key.a, time = pair.time, age = now - pair.time,
				symbol = place.site.symbol, cookie = place.site.cookie,
			}
		end
	end
	table.sort(list, function(a, b) return a.time < b.time end)
	return list
end

options.methods(Span, "span", { "pending" })

local function merged(...)
	local all <const> = {}
	for _, one in ipairs { ... } do
		for name, value in pairs(one) do all[name] = value end
	end
	return all
end

local function check_end(given, name, known)
	local one <const> = given[name]
	if not one then error(("%s: expected { TARGET, key = EXPRESSION }"):format(name), 0) end
	options.call(name, function() options.check(name, one, known) end)
	if not one.key then error(("%s: it needs a key, such as key = \"args.pid\""):format(name), 0) end
	if one.pid then error(("%s: pid goes beside from and to: it is of what begins"):format(name), 0) end
	return one
end

local function count_of(key) return type(key) == "table" and #key or 1 end

-- The rule of the beginning, for expression.compile.
local function opening_of(from, filters)
	return function(rule)
		return merged(filters, {
			key = from.key, where = from.where, capture = from.capture, params = rule.options.params,
			epoch = rule.options.epoch,
		})
	end
end

-- Both ends' places; the sites of the end take no cookies of the trace's.
local function places_of(trace, inbox, from, to, files)
	local most <const> = trace.options.max
	local begin <const>, bits <const>, skipped <const> =
		opening.sites(trace, merged({ max = most }, from), false, files)
	if not begin then return nil, bits, skipped end
	local finish <const>, of_end <const>, missing <const> =
		opening.sites(trace, merged({ max = most }, to, { cookie = to.cookie or 0 }), false, files)
	if not finish then return nil, of_end, missing end
	table.move(missing, 1, #missing, #skipped + 1, skipped)
	local openings <const>, message <const>, errno <const> = opening.places(trace, inbox, begin, bits, "from")
	if not openings then return nil, message, errno end
	local places <const>, why <const>, number <const> = opening.places(trace, inbox, finish, of_end, "to")
	if not places then
		opening.give_back(trace, openings)
		return nil, why, number
	end
	return openings, places, skipped
end

local function attach(trace, attachment, openings, places, given, skipped)
	local done <const>, message <const>, errno <const> = opening.attach(trace, attachment, places, "to",
		{ missing = given.to.missing, progress = given.progress }, skipped)
	if not done then return nil, message, errno end
	return opening.attach(trace, attachment, openings, "from", {
		pid = given.pid, follow = given.follow, missing = given.from.missing, progress = given.progress,
	}, skipped)
end

--- Opens a span; trace:span is this.
--- Errors: nil, message, errno, and then nothing is attached; raises (level 0) for wrong use.
---@param trace crumb.Trace
---@param given table
---@return crumb.Span?, string?, integer?
function span.open(trace, given)
	local from <const>, to <const> = check_end(given, "from", words.FROM), check_end(given, "to", words.TO)
	if given.where and to.where then error("where: in to, or beside it, not both", 0) end
	if count_of(from.key) ~= count_of(to.key) then error("key: from and to have keys of one form", 0) end
	local files <close> = choice.files()
	local self <const> = trace:prepare(given, Span)
	local openings <const>, places <const>, skipped <const> = places_of(trace, self.inbox, from, to, files)
	if not openings then return nil, places, skipped end
	local all <const> = table.move(places, 1, #places, #openings + 1, table.move(openings, 1, #openings, 1, {}))
	local wanted <const>, why, number = trace:rule(merged(given, { where = given.where or to.where }))
	if not wanted then
		trace:abandon(self, all)
		return nil, why, number
	end
	rawset(self, "family", wanted.options.follow)
	-- Processes are told apart where it begins: the end may come in anyone's.
	local filters <const> = { pid = wanted.options.pid, tid = wanted.options.tid, follow = wanted.options.follow }
	wanted.options.pid, wanted.options.tid, wanted.options.follow, wanted.options.key = nil, nil, nil, to.key
	rawset(self, "live", trace:live(given, self, {
		places = places, openings = openings, opening = opening_of(from, filters), owner = openings[1].number, pairs = true,
	}))
	rawset(self, "pairs", "span")
	rawset(self, "keys", count_of(from.key))
	return trace:complete(self, wanted, all, given, skipped, function()
		return attach(trace, self.attachment, openings, places, given, skipped)
	end)
end

return span
