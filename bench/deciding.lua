--- deciding: what a hit costs in the kernel: the engine's programs beside those that one would write by hand.
--
-- The kernel counts the time and the runs of each program while bpf_stats are on. The time of a program that does
-- nothing is taken off both.

package.path = "spec/?.lua;" .. package.path

local Victim <const> = require "support.victim"
local bpf <const> = require "crumb.bpf"
local core <const> = require "crumb.core"
local crumb <const> = require "crumb"

local ROUNDS <const>, CALLS <const> = 11, 20000
local TARGET <const> = "tracepoint:syscalls:sys_enter_getpgid"
local STATS <const> = "/proc/sys/kernel/bpf_stats_enabled"

local JOBS <const> = {
	{ what = "a miss on one term", goal = 1.6, hand = "miss", rule = { where = "uid == 12345", count = true },
		bpftrace = "/uid == 12345/ { @ = count(); }" },
	{ what = "a count by cookie", goal = 2, hand = "count_by_cookie", rule = { count = true },
		bpftrace = "{ @[1] = count(); }" },
	{ what = "a count by pid", goal = 1.6, hand = "count_by_pid", rule = { count = true, by = { "pid" } },
		bpftrace = "{ @[pid] = count(); }" },
	{ what = "an event", goal = 1.4, hand = "send_event", rule = { capture = { value = "args.pid" } },
		bpftrace = '{ printf("%llu %d %d %s %d\\n", nsecs, pid, uid, comm, args->pid); }' },
}

local function write_file(path, text)
	local file <close> = assert(io.open(path, "w"))
	file:write(text)
end

local function read_file(path)
	local file <close> = assert(io.open(path))
	return file:read "a"
end

-- Nanoseconds a hit of a program, over so many calls; `info` tells its runs and their time.
local function cost_of(victim, info)
	local before <const> = info()
	victim:call("getpgid", CALLS)
	local after <const> = info()
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
	return cost_of(victim, function() return object.programs[name]:info() end)
end

local function by_crumb(victim, rule)
	local trace <close> = assert(crumb.trace { ring_size = 1 << 24 })
	local given <const> = { TARGET, cookie = 1, handler = function() end }
	for name, value in pairs(rule) do given[name] = value end
	local probe <const> = assert(trace:probe(given))
	local program <const> = probe.attachment.taken[1].copy.program
	return cost_of(victim, function() return program:info() end)
end

-- What the kernel tells of the one program that a process holds, and that has run; nil: there is none.
local function program_of(pid)
	local folder <const> = ("/proc/%d/fdinfo"):format(pid)
	for _, number in ipairs(core.directory(folder) or {}) do
		local file <close> = io.open(folder .. "/" .. number) -- which may be closed by now
		local text <const> = file and file:read "a" or ""
		local time <const>, count <const> = text:match "run_time_ns:%s+(%d+)", text:match "run_cnt:%s+(%d+)"
		if count and math.tointeger(count) > 0 then
			return { run_time = math.tointeger(time), run_count = math.tointeger(count) }
		end
	end
end

local function by_bpftrace(victim, script)
	local process <close> = assert(core.spawn { "sh", "-c", 'exec bpftrace -q -e "$0" >/dev/null 2>&1', TARGET .. " " .. script })
	assert(process:start())
	local deadline <const> = core.now() + 10000000000
	repeat victim:call("getpgid", 1) until program_of(process.pid) or core.now() > deadline or not process:running()
	local cost <const> = cost_of(victim, function() return assert(program_of(process.pid), "bpftrace did not start") end)
	process:kill(2)
	process:wait(10)
	return cost
end

--- A row a job, in nanoseconds a hit, and one more where bpftrace is installed.
---@return table[] rows as those of reading.lua
return function()
	local before <const> = read_file(STATS)
	write_file(STATS, "1")
	local _ <close> = setmetatable({}, { __close = function() write_file(STATS, before) end })
	local victim <close> = Victim.start()
	local has_bpftrace <const> = os.execute "command -v bpftrace >/dev/null"
	local rows <const>, others <const> = {}, {}
	for i, job in ipairs(JOBS) do
		rows[i] = { what = job.what, unit = "ns", goal = job.goal, crumb = {}, plain = {} }
		others[i] = { what = job.what .. ", by bpftrace", unit = "ns", crumb = {}, plain = rows[i].plain }
	end
	for round = 1, ROUNDS do
		for i, job in ipairs(JOBS) do
			local empty <const> = by_hand(victim, "empty")
			rows[i].plain[round] = by_hand(victim, job.hand) - empty
			rows[i].crumb[round] = by_crumb(victim, job.rule) - empty
			if has_bpftrace then others[i].crumb[round] = by_bpftrace(victim, job.bpftrace) - empty end
		end
	end
	return has_bpftrace and table.move(others, 1, #others, #rows + 1, rows) or rows
end
