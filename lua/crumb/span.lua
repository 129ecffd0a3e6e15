--- span: two places that are paired by a key: what begins at one and ends at the other.
--
-- It is held like a probe: what differs is how it is opened, and what is pending.

local choice <const> = require "crumb.bpf.choice"
local core <const> = require "crumb.core"
local habits <const> = require "crumb.lazy" "crumb.habits"
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

-- What the beginning of a pair captured; false: it could not be read. `seen`: the stacks by their numbers.
local function captured(self, pair, seen)
	local row <const> = {}
	for name, kept in pairs(self.live.kept) do
		local cell <const> = pair.cells[kept.cell + 1]
		if pair.failed >> kept.cell & 1 ~= 0 then
			row[name] = false
		elseif kept.kind == "string" then
			row[name] = pair.bytes:sub((cell & 0xffff) + 1, (cell & 0xffff) + (cell >> 16 & 0xffff))
		elseif self.resolve[kept.kind] then
			seen[cell] = seen[cell] or self.resolve[kept.kind](cell)
			row[name] = seen[cell]
		else
			row[name] = cell
		end
	end
	return row
end

--- What has begun and not ended.
--- Shape: a list of { key = its value, or a list of two, time = when it began, age =, symbol =, cookie = } with what the
--- beginning captured, the oldest first
--- Units: nanoseconds of CLOCK_MONOTONIC
---@return table[]
function Span:pending()
	if self.closed_account then return {} end
	local list <const>, owner <const>, now <const> = {}, self.live.owner, core.now()
	local places <const>, seen <const> = self.trace.delivery.places, {}
	for key, pair in pairs_of.each(self.live.engine) do
		local place <const> = places[pair.site]
		if key.owner == owner and place then
			local row <const> = captured(self, pair, seen)
			row.key, row.time, row.age = self.keys == 2 and { key.a, key.b } or key.a, pair.time, now - pair.time
			row.symbol, row.cookie = place.site.symbol, place.site.cookie
			list[#list + 1] = row
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

local function check_end(one, name, known)
	if type(one) ~= "table" then
		error(("%s: expected { TARGET, key = EXPRESSION }: write %s"):format(name, habits.WRITTEN[name:match "^%a+"]), 0)
	end
	options.call(name, function() options.check(name, one, known) end)
	if not one.key then error(("%s: it needs a key, such as key = \"args.pid\""):format(name), 0) end
	if one.pid and name ~= "to" then error(("%s: pid goes beside from and to: it is of what begins"):format(name), 0) end
	return one
end

local function count_of(key) return type(key) == "table" and #key or 1 end

-- The beginnings: one, or a list of them.
local function check_from(given)
	local from <const> = given.from
	if type(from) ~= "table" or type(from[1]) ~= "table" then return { check_end(from, "from", words.FROM) } end
	for i, one in ipairs(from) do check_end(one, ("from[%d]"):format(i), words.FROM) end
	return from
end

-- Whose a beginning is, by the names of an event's fields.
local WHO <const> = { pid = "pid", tid = "tid", uid = "uid", gid = "gid", comm = "task.comm" }

-- The rule of a beginning, for expression.compile.
local function opening_of(filters)
	return function(rule, from)
		local capture <const> = from.who and merged(WHO, from.capture or {}) or from.capture
		return merged(filters, {
			key = from.key, where = from.where, capture = capture, params = rule.options.params,
			epoch = rule.options.epoch,
		})
	end
end

-- Places of one end; what is not attached is added to `skipped`.
local function places_of(trace, inbox, pair, given, files, skipped)
	local chosen <const>, bits <const>, missing <const> =
		opening.sites(trace, merged({ max = trace.options.max }, given), given.returns or false, files)
	if not chosen then return nil, bits, missing end
	table.move(missing, 1, #missing, #skipped + 1, skipped)
	return opening.places(trace, inbox, chosen, bits, pair, pair == "from" and given or nil)
end

-- The places of all beginnings, one list for each, and those of the end, which take no cookies of the trace's.
local function both_ends(trace, inbox, from, to, pid, files, skipped)
	local lists <const>, all <const> = {}, {}
	for i = 1, #from + 1 do
		local one <const> = from[i]
		local places <const>, message <const>, errno <const> = places_of(trace, inbox, one and "from" or "to",
			one and merged(one, { pid = pid }) or merged(to, { cookie = to.cookie or 0 }), files, skipped)
		if not places then
			opening.give_back(trace, all)
			return nil, message, errno
		end
		lists[i] = places
		table.move(places, 1, #places, #all + 1, all)
	end
	return lists, all
end

-- Ends before beginnings.
local function attach(trace, attachment, lists, from, given, skipped)
	for i = #lists, 1, -1 do
		local one <const>, begins <const> = from[i] or given.to, from[i] ~= nil
		local done <const>, message <const>, errno <const> =
			opening.attach(trace, attachment, lists[i], not begins and "to" or one.returns and "call" or "from", {
				pid = begins and given.pid or one.pid, follow = begins and given.follow, missing = one.missing, progress = given.progress,
			}, skipped)
		if not done then return nil, message, errno end
	end
	return true
end

--- Opens a span; trace:span is this.
--- Errors: nil, message, errno, and then nothing is attached; raises (level 0) for wrong use.
---@param trace crumb.Trace
---@param given table
---@return crumb.Span?, string?, integer?
function span.open(trace, given)
	local from <const>, to <const> = check_from(given), check_end(given.to, "to", words.TO)
	if given.where and to.where then error("where: in to, or beside it, not both", 0) end
	for _, one in ipairs(from) do
		if count_of(one.key) ~= count_of(to.key) then error("key: from and to have keys of one form", 0) end
	end
	local files <close> = choice.files()
	local self <const>, skipped <const> = trace:prepare(given, Span), {}
	local lists <const>, all <const>, refused <const> = both_ends(trace, self.inbox, from, to, given.pid, files, skipped)
	if not lists then return nil, all, refused end
	local places <const> = lists[#lists]
	local openings <const> = table.move(all, 1, #all - #places, 1, {})
	local wanted <const>, why, number = trace:rule(merged(given, { where = given.where or to.where }))
	if not wanted then
		trace:abandon(self, all)
		return nil, why, number
	end
	rawset(self, "family", wanted.options.follow)
	-- Processes are told apart where it begins: the end may come in anyone's.
	local filters <const> = { pid = wanted.options.pid, tid = wanted.options.tid, follow = wanted.options.follow }
	wanted.options.pid, wanted.options.tid, wanted.options.follow, wanted.options.key = to.pid, nil, nil, to.key
	rawset(self, "live", trace:live(given, self, {
		places = places, openings = openings, opening = opening_of(filters), owner = openings[1].number, pairs = true,
	}))
	rawset(self, "pairs", "span")
	rawset(self, "keys", count_of(to.key))
	return trace:complete(self, wanted, all, given, skipped, function()
		return attach(trace, self.attachment, lists, from, given, skipped)
	end)
end

return span
