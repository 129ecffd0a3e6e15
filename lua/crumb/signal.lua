--- signal: the names of signals, which are the same on x86-64 and arm64.

local core <const> = require "crumb.core"

local NAMES <const> = {
	"SIGHUP", "SIGINT", "SIGQUIT", "SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGKILL", "SIGUSR1", "SIGSEGV",
	"SIGUSR2", "SIGPIPE", "SIGALRM", "SIGTERM", "SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN",
	"SIGTTOU", "SIGURG", "SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH", "SIGIO", "SIGPWR", "SIGSYS",
}

-- The C library keeps the first two real-time signals for itself.
local FIRST_REAL_TIME <const>, LAST <const> = 34, 64

--- The name of a signal: "SIGKILL"; of real-time ones "SIGRTMIN+n" as programs count them.
---@param n integer
---@return string? name nil: there is no such signal
return function(n)
	local number <const>, why <const> = core.integer(n)
	if not number then error("signal: " .. why, 2) end
	if number <= #NAMES then return NAMES[number] end
	if number > LAST then return nil end
	if number < FIRST_REAL_TIME then return "SIG" .. number end
	if number == FIRST_REAL_TIME then return "SIGRTMIN" end
	return number == LAST and "SIGRTMAX" or "SIGRTMIN+" .. number - FIRST_REAL_TIME
end
