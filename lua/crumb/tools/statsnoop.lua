--- statsnoop: who asks for the attributes of which files.

local crumb <const> = require "crumb"

-- The system calls by the name that the path has among their arguments; kernels have not all of them.
local CALLS <const> = {
	filename = { "syscall:newstat", "syscall:newlstat", "syscall:newfstatat", "syscall:statx", "syscall:stat", "syscall:lstat" },
	pathname = { "syscall:statfs" },
}

return {
	summary = "Shows whose stat calls are for which paths, and what came of them.",
	example = "crumb statsnoop --failed --duration 10",
	options = function(parser)
		parser:flag "-x --failed":description "Only what failed."
	end,
	run = function(session, given)
		session.fields = { "error" }
		for argument, calls in pairs(CALLS) do
			local path <const> = "args." .. argument
			session:probe {
				missing = "skip", returns = true, capture = { path = path },
				-- Without a path it is an open file's.
				where = path .. " ~= ''" .. (given.failed and " and retval < 0" or ""),
				handler = function(event)
					if event.retval < 0 then event.error = crumb.errno(event.retval) end
					session:show(event)
				end,
				table.unpack(calls),
			}
		end
	end,
}
