--- at_prompt: the prompt at a terminal, with a history that is the test's own.
local pty <const> = require "support.pty"

local at_prompt <const> = {}

--- Makes the folder of the history; as before_each.
function at_prompt.setup()
	at_prompt.state = os.tmpname()
	os.remove(at_prompt.state)
	assert(os.execute("mkdir -m 700 " .. at_prompt.state))
end

--- Removes it; as after_each.
function at_prompt.teardown() os.execute("rm -r " .. at_prompt.state) end

--- Starts a prompt, and waits for it. `command` or `words`, `environment`; the rest is as for pty.start.
function at_prompt.start(given)
	given = given or {}
	given.environment = ("XDG_STATE_HOME=%s %s"):format(at_prompt.state, given.environment or "")
	local prompt <const> = pty.start(given.command or "build/crumb " .. (given.words or ""), given)
	prompt:wait "Ctrl-D leaves"
	prompt:prompt()
	return prompt
end

-- What the screen shows below the last line that is this one.
local function below(prompt, line)
	local text <const> = prompt.screen:text() .. "\n"
	local at = 1
	repeat
		local first <const>, last <const> = text:find(line .. "\n", at, true)
		if first then at = last + 1 end
	until not first
	-- What a change did is said a second later, whatever is typed then.
	return (text:sub(at):gsub("p%d: [^\n]* filtered/s[^\n]*\n", ""):gsub("crumb>\n$", ""):gsub("\n$", ""))
end

--- Types a line, and returns what it gave.
function at_prompt.answer(prompt, line)
	prompt:enter(line)
	prompt:wait "\n"
	prompt:prompt()
	return below(prompt, "crumb> " .. line)
end

--- Leaves by Ctrl-D: what is said then, and the status.
function at_prompt.leave(prompt)
	prompt:type "\4"
	return prompt:finish()
end

return at_prompt
