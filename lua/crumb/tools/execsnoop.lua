--- execsnoop: which programs are started, with what arguments.

-- A word as a shell takes it.
local function quoted(word)
	if word:find "^[%w_@%%+=:,./-]+$" then return word end
	return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- Each word ends with a NUL, but the last where they were cut.
local function command_line(bytes)
	local words <const> = {}
	for word in bytes:gmatch "([^\0]*)\0?" do words[#words + 1] = quoted(word) end
	return table.concat(words, " ")
end

return {
	summary = "Shows programs as they are started, with their arguments.",
	example = "crumb execsnoop",
	run = function(session)
		local is_told = session.settings.quiet
		session:probe {
			"tracepoint:sched:sched_process_exec",
			capture = {
				file = "str(args.filename)", parent = "task.real_parent.tgid",
				words = "bytes(task.mm.arg_start, task.mm.arg_end - task.mm.arg_start, 1024)",
			},
			handler = function(event)
				event.arguments = event.words and command_line(event.words)
				local cut <const> = event.truncated or {}
				cut.arguments, cut.words = cut.words, nil
				if cut.arguments and not is_told then
					is_told = true
					session:say "arguments are cut where they are longer than 1,024 bytes"
				end
				event.symbol, event.words = "exec", nil
				session:show(event)
			end,
		}
	end,
}
