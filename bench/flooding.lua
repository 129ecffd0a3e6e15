--- flooding: whether the account of every hit adds up while two processes make as many as they can, and whether nothing
-- is lost at 20,000 events a second. Prints what came of it; makes no ratios.

local crumb <const> = require "crumb"

local TARGET <const> = "tracepoint:syscalls:sys_enter_getpgid"
local CALLER <const> = "build/bench/caller"
-- The callers share the processors with the reader, whose priority they would inherit.
local ORDINARY <const> = os.execute "chrt -o 0 true 2>/dev/null" and "chrt -o 0" or ""

-- How often two callers called, once they have ended.
local function answers(pipes)
	local calls = 0
	for _, pipe in ipairs(pipes) do
		calls = calls + pipe:read "n"
		pipe:close()
	end
	return calls
end

local function flood(seconds, rate)
	local trace <close> = assert(crumb.trace())
	local probe <const> = assert(trace:probe { TARGET, where = "comm == 'caller'", capture = { "args.pid" } })
	local pipes <const> = {}
	for i = 1, 2 do pipes[i] = assert(io.popen(("exec %s %s %g %d"):format(ORDINARY, CALLER, seconds, rate // 2))) end
	local got = 0
	for _ in probe:each("tid", { duration = seconds + 0.5, idle = 1 }) do got = got + 1 end
	local calls <const> = answers(pipes)
	for _ in probe:each("tid", { idle = 0.2 }) do got = got + 1 end
	local account <const> = probe:stats()
	local exact <const> = account.sent + account.lost == calls and account.sent == got and account.delivered == got
	print(("%-29s %9.0f calls/s: %d calls = %d sent + %d lost; %d delivered: %s"):format(
		rate > 0 and ("%d events a second"):format(rate) or ("%g s of flood"):format(seconds),
		calls / seconds, calls, account.sent, account.lost, got, exact and "exact" or "NOT EXACT"))
end

return function()
	flood(10, 0)
	flood(5, 20000)
end
