--- killsnoop: who sends signals to whom.

local crumb <const> = require "crumb"

local MOST <const> = 64 -- signals

-- KILL, SIGKILL or 9.
local function signal_of(text)
	local name <const> = text:upper():gsub("^SIG", "")
	for number = 1, MOST do
		if text == tostring(number) or "SIG" .. name == crumb.signal(number) then return number end
	end
	if text == "0" then return 0 end
	return nil, ("expected a signal, such as KILL, SIGKILL or 9, got '%s'"):format(text)
end

return {
	summary = "Shows signals that processes send, and what came of it.",
	example = "crumb killsnoop --signal KILL",
	options = function(parser)
		parser:option "--signal":argname "SIGNAL":convert(signal_of):description "Only this one: KILL, SIGKILL or 9."
	end,
	run = function(session, given)
		session.fields = { "signal", "error" }
		session:probe {
			"syscall:kill", "syscall:tkill", "syscall:tgkill", returns = true,
			where = given.signal and "args.sig == $signal" or nil, params = { signal = given.signal },
			capture = { target_pid = "args.pid", sig = "args.sig" },
			handler = function(event)
				event.signal = crumb.signal(event.sig)
				if event.retval < 0 then event.error = crumb.errno(event.retval) end
				session:show(event)
			end,
		}
	end,
}
