--- deciding: what a hit costs in the kernel: the engine's programs beside those that one would write by hand.
--
-- The kernel counts the time and the runs of each program while bpf_stats are on. The time of a program that does
-- nothing is taken off both.

package.path = "spec/?.lua;" .. package.path

local Victim <const> = require "support.victim"
local bpf <const> = require "crumb.bpf"
local crumb <const> = require "crumb"

local ROUNDS <const>, CALLS <const> = 11, 20000
local TARGET <const> = "tracepoint:syscalls:sys_enter_getpgid"
local STATS <const> = "/proc/sys/kernel/bpf_stats_enabled"

local JOBS <const> = {
	{ what = "a miss on one term", goal = 1.6, hand = "miss", rule = { where = "uid == 12345", count = true } },
	{ what = "a count by cookie", goal = 2, hand = "count_by_cookie", rule = { count = true } },
	{ what = "a count by pid", goal = 1.6, hand = "count_by_pid", rule = { count = true, by = { "pid" } } },
	{ what = "an event", goal = 1.4, hand = "send_event", rule = { capture = { value = "args.pid" } } },
}

local function write_file(path, text)
	local file <close> = assert(io.open(path, "w"))
	file:write(text)
end

local function read_file(path)
	local file <close> = assert(io.open(path))
	return file:read "a"
end

-- Nanoseconds a hit of a program, over so many calls.
local function cost_of(victim, program)
	local before <const> = program:info()
	victim:call("getpgid", CALLS)
	local after <const> = program:info()
	local runs <const> = after.run_count - before.run_count
	assert(runs >= CALLS, "not every call was a hit")
	return (after.run_time - before.run_time) / runs
end

local function by_hand(victim, name)
	local object <close> = assert(bpf.open "build/bench/engine.bpf.o")
	for other, program in pairs(object.programs) do program:set_autoload(other == name) end
	assert(object:load())
	object.maps.jobs:update(1, { uid = 12345 })
	assert(object.programs[name]:attach { TARGET, cookie = 1 })
	return cost_of(victim, object.programs[name])
end

local function by_crumb(victim, rule)
	local trace <close> = assert(crumb.trace { ring_size = 1 << 24 })
	local given <const> = { TARGET, cookie = 1, handler = function() end }
	for name, value in pairs(rule) do given[name] = value end
	local probe <const> = assert(trace:probe(given))
	return cost_of(victim, probe.attachment.taken[1].copy.program)
end

--- One row a job, in nanoseconds a hit.
---@return table[] rows as those of reading.lua
return function()
	local before <const> = read_file(STATS)
	write_file(STATS, "1")
	local _ <close> = setmetatable({}, { __close = function() write_file(STATS, before) end })
	local victim <close> = Victim.start()
	local rows <const> = {}
	for i, job in ipairs(JOBS) do rows[i] = { what = job.what, unit = "ns", goal = job.goal, crumb = {}, plain = {} } end
	for round = 1, ROUNDS do
		for i, job in ipairs(JOBS) do
			local empty <const> = by_hand(victim, "empty")
			rows[i].plain[round] = by_hand(victim, job.hand) - empty
			rows[i].crumb[round] = by_crumb(victim, job.rule) - empty
		end
	end
	return rows
end
