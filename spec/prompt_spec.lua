-- The prompt, as people use it: keys at a terminal, and what its screen shows.
local pty = require "support.pty"

local state

-- A prompt whose history is the test's own.
local function start(given)
	given = given or {}
	given.environment = "XDG_STATE_HOME=" .. state
	local prompt <const> = pty.start(given.command or "build/crumb", given)
	prompt:wait "Ctrl-D leaves"
	prompt:prompt()
	return prompt
end

-- What the screen shows from the last line on that is this one.
local function below(prompt, line)
	local text <const> = prompt.screen:text() .. "\n"
	local at = 1
	repeat
		local first <const>, last <const> = text:find(line .. "\n", at, true)
		if first then at = last + 1 end
	until not first
	return (text:sub(at):gsub("crumb>\n$", ""):gsub("\n$", ""))
end

-- Types a line, and returns what it gave.
local function answer(prompt, line)
	prompt:enter(line)
	prompt:wait "\n"
	prompt:prompt()
	return below(prompt, "crumb> " .. line)
end

before_each(function()
	state = os.tmpname()
	os.remove(state)
	assert(os.execute("mkdir -m 700 " .. state))
end)

after_each(function() os.execute("rm -r " .. state) end)

describe("the prompt", function()
	it("prints values, and nothing where there are none", function()
		local prompt <close> = start()
		assert.equal("2", answer(prompt, "1 + 1"))
		assert.equal("nil", answer(prompt, "nothing"))
		assert.equal("1\nnil\n3", answer(prompt, "1, nil, 3"))
		assert.equal('{ 1, { a = "b" } }', answer(prompt, '{ 1, { a = "b" } }'))
		assert.equal("a b", answer(prompt, '"a b"'))
		assert.equal("", answer(prompt, "x = 7"))
		assert.equal("7", answer(prompt, "x"))
		prompt:type "\4"
		local rest <const>, status <const> = prompt:finish()
		assert.same({ "\n0 probes closed\n", 0 }, { rest, status })
	end)
end)
