--- starting: time from a process's start to its first tracepoint attached, and its memory then.

local start <const> = require "start"

local ROUNDS <const> = 21
local WORDS <const> = { "build/bench/loader.bpf.o", "syscalls", "sys_enter_acct" } -- a call that nobody makes

local PLAIN <const> = { "build/bench/loader", table.unpack(WORDS) }
local CRUMB <const> = { os.getenv "LUA" or "lua5.4", "bench/loader.lua", table.unpack(WORDS) }
local TRACER <const> = { os.getenv "LUA" or "lua5.4", "bench/tracer.lua", table.unpack(WORDS) }
-- It starts the command when all is attached.
local BPFTRACE <const> = { "sh", "-c", 'exec bpftrace -q -e "$0" -c "/usr/bin/head -c 1 /dev/zero" 2>/dev/null',
	("tracepoint:%s:%s { @[0] = count(); }"):format(WORDS[2], WORDS[3]) }

local function both(command, name)
	local time <const> = { what = "start to attached" .. name, unit = "ms", crumb = {}, plain = {} }
	local memory <const> = { what = "memory then" .. name, unit = "MiB", crumb = {}, plain = {} }
	local function run(of, round, words)
		local nanoseconds <const>, kilobytes <const> = start.piped(table.unpack(words))
		time[of][round], memory[of][round] = nanoseconds / 1e6, kilobytes / 1024
	end
	for round = 0, ROUNDS do -- the first fills the page cache, and is overwritten
		run("plain", math.max(round, 1), PLAIN)
		run("crumb", math.max(round, 1), command)
	end
	return time, memory
end

--- Two rows for crumb.bpf, two for the tracer, and two for bpftrace where it is installed.
---@return table[] rows as those of reading.lua
return function()
	local time <const>, memory <const> = both(CRUMB, "")
	time.goal, memory.limit = 2, 6
	local tracer_time <const>, tracer_memory <const> = both(TRACER, ", by the tracer")
	tracer_time.more, tracer_memory.limit = 15, 10
	local rows <const> = { time, memory, tracer_time, tracer_memory }
	if os.execute "command -v bpftrace >/dev/null" then
		table.move({ both(BPFTRACE, ", by bpftrace") }, 1, 2, #rows + 1, rows)
	end
	return rows
end
