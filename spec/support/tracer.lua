-- What the specs of the tracer share: a trace and a victim for each test, and that nothing leaks.
local crumb = require "crumb"
local lab = require "support.lab"
local Victim = require "support.victim"

local tracer = {}

tracer.UPROBE = "uprobe:build/fixtures/victim:"

--- Calls `use(trace, victim)` with both fresh, and checks that nothing of them is left.
function tracer.with(use, given)
	local before <const> = lab.descriptors()
	do
		local victim <close> = Victim.start()
		local trace <close> = assert(crumb.trace(given))
		use(trace, victim)
	end
	assert(before == lab.descriptors(), "descriptors are left")
end

--- A spec of that name which gets a trace and a victim.
function tracer.it(name, use, given)
	require "busted".it(name, function() tracer.with(use, given) end)
end

--- All events that there are by now.
function tracer.all(events, ...)
	local list <const> = {}
	for event in events, ... do list[#list + 1] = event end
	return list
end

--- Some fields of each event.
function tracer.pick(list, ...)
	local rows <const> = {}
	for i, event in ipairs(list) do
		rows[i] = {}
		for at, name in ipairs { ... } do rows[i][at] = event[name] end
	end
	return rows
end

--- Fails when the account does not add up to what the victim counted.
function tracer.adds_up(stats, hits)
	local sum <const> = stats.filtered + stats.sampled_out + stats.limited + stats.repeated + stats.aggregated + stats.sent
		+ stats.lost + stats.pending + stats.unreturned
	assert(stats.hits == sum, ("%d hits, but the outcomes are %d"):format(stats.hits, sum))
	assert(stats.hits == hits, ("%d hits instead of %d"):format(stats.hits, hits))
end

return tracer
