--- command: the command's start to its first tracepoint attached, its memory then, and its start to the prompt.

local start <const> = require "start"

local ROUNDS <const> = 21
local CALL <const> = "sys_enter_acct" -- that nobody makes
local PLAIN <const> = { "build/bench/loader", "build/bench/loader.bpf.o", "syscalls", CALL }
local CODE <const> = [[probe "tracepoint:syscalls:]] .. CALL .. [[" io.write "\0" io.flush() io.read() trace:close()]]
local COMMAND <const> = os.getenv "PWD" .. "/build/crumb" -- by its whole name, as a shell finds an installed one
local CRUMB <const> = { COMMAND, "-e", CODE }
local PROMPT <const> = "crumb> "

--- Two rows for `crumb -e`, beside plain C; one for the prompt.
---@return table[] rows as those of reading.lua
return function()
	local time <const> = { what = "crumb -e to attached", unit = "ms", crumb = {}, plain = {}, goal = 3 }
	local memory <const> = { what = "memory then", unit = "MiB", crumb = {}, plain = {}, limit = 12 }
	local prompt <const> = { what = "crumb to its prompt", unit = "ms", crumb = {}, plain = {}, limit = 50 }
	for round = 0, ROUNDS do -- the first fills the page cache, and is overwritten
		for of, words in pairs { plain = PLAIN, crumb = CRUMB } do
			local nanoseconds <const>, kilobytes <const> = start.piped(table.unpack(words))
			time[of][math.max(round, 1)], memory[of][math.max(round, 1)] = nanoseconds / 1e6, kilobytes / 1024
		end
		prompt.crumb[math.max(round, 1)] = start.terminal(PROMPT, COMMAND) / 1e6
	end
	return { time, memory, prompt }
end
