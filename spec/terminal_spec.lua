-- What a command draws on a terminal for who watches: how far attaching is, a table in place, colours.
local pty = require "support.pty"
local cli = require "support.cli"
local Victim = require "support.victim"

describe("the line that tells how far attaching is", function()
	-- A clock that runs ten thousand times as fast while probes are attached: each of the links takes long.
	local SLOW <const> = [[
local core = require "crumb.core"
local now, began = core.now, core.now()
core.now = function() return began + (now() - began) * 10000 end
local done, message = pcall(%s)
core.now = now
if done then message:close() end
print(done and "attached" or message)]]
	local PROBE <const> = 'probe, { "tracepoint:sched:*", count = true, where = "pid == 1" }'
	local SPAN <const> = 'span, { from = { "tracepoint:task:*", key = "tid" }, to = { "tracepoint:sched:*", key = "tid" }, '
		.. 'where = "pid == 1", count = true, by = {} }'

	local function traced(words, what)
		return ("build/crumb %s -e %s"):format(words, cli.quoted(SLOW:format(what)))
	end

	it("appears, is written over in place, and vanishes", function()
		local terminal <close> = pty.start(traced("", PROBE))
		terminal:until_("nothing is told", function(_, _) return terminal.all:find "\rcrumb: attaching: %d+ of %d+" end)
		terminal:wait "attached\r\n"
		local before <const> = terminal.all:match "^(.-)attached"
		local told <const>, last, total = {}, 0, nil
		for done, all in before:gmatch "\rcrumb: attaching: (%d+) of (%d+)" do
			told[#told + 1] = done
			assert.is_true(last < tonumber(done) and tonumber(done) <= tonumber(all))
			assert.equal(total or all, all)
			last, total = tonumber(done), all
		end
		assert.is_true(#told >= 2)
		assert.equal("\r\27[K", (before:gsub("\rcrumb: attaching: %d+ of %d+", "")))
		assert.equal("attached", terminal.screen:text())
		assert.same({ "", 0 }, { terminal:finish() })
	end)

	it("is of spans too", function()
		local terminal <close> = pty.start(traced("", SPAN))
		terminal:wait "\rcrumb: attaching: "
		terminal:wait "\r\27[Kattached\r\n"
		assert.same({ "", 0 }, { terminal:finish() })
	end)

	it("is for who watches: not with --quiet, and nowhere but on a terminal", function()
		local terminal <close> = pty.start(traced("--quiet", PROBE))
		assert.same({ "attached\n", 0 }, { terminal:finish() })
		local text <const>, status <const>, errors <const> = cli.shell(traced("", PROBE))
		assert.same({ "attached\n", 0, "" }, { text, status, errors })
	end)
end)

describe("colours", function()
	local function doctor(environment)
		local terminal <close> = pty.start("build/crumb doctor", { environment = environment, columns = 200 })
		return terminal:finish()
	end

	it("are a terminal's, unless it or its user has none", function()
		assert.matches("\27%[32mok\27%[0m  kernel ", (doctor "NO_COLOR="))
		for _, environment in ipairs { "NO_COLOR=1", "NO_COLOR= TERM=dumb" } do
			local text <const> = doctor(environment)
			assert.matches("^ok  kernel ", text)
			assert.is_nil(text:find("\27", 1, true))
		end
		assert.is_nil((cli.shell "env -u NO_COLOR build/crumb doctor"):find("\27", 1, true))
	end)

	it("tell what is needed from what could be", function()
		local command <const> = "build/fixtures/rights 65534 - build/crumb doctor"
		local terminal <close> = pty.start(command, { environment = "NO_COLOR=", columns = 200 })
		local text <const> = terminal:finish()
		assert.matches("\27%[31mNO\27%[0m  rights ", text)
		assert.matches("\27%[33mno\27%[0m  tracefs ", text)
	end)
end)

describe("crumb top", function()
	local ENTER <const>, LEAVE <const> = "\27[?1049h\27[?25l", "\27[?25h\27[?1049l"

	setup(function()
		local hook <const> = require "crumb.bpf.features".hook "uprobe"
		if not hook.cookie then pending(hook.why or "no uprobes") end
	end)

	local function top(victim, interval)
		local words <const> = "uprobe:build/fixtures/victim:hit_a uprobe:build/fixtures/victim:hit_b"
		local terminal <const> = pty.start(("build/crumb -p %d -i %s top %s"):format(victim.pid, interval, words),
			{ rows = 6, columns = 60 })
		terminal:wait(ENTER)
		terminal:wait "hits/s"
		return terminal
	end

	it("draws in place, the busiest first, and as large as the terminal is", function()
		local victim <close> = Victim.start()
		local terminal <close> = top(victim, "100ms")
		victim:call("hit_a", 3)
		victim:call("hit_b", 5)
		local function shows(pattern)
			terminal:until_(pattern .. " is not shown", function(screen) return screen:text():find(pattern) end)
		end
		shows "\n +0 +5  hit_b\n +0 +3  hit_a"
		assert.equal(1, select(2, terminal.all:gsub("\27%[%?1049h", "")))
		terminal:resize(4, 30)
		shows "^[^\n]+\n +hits/s +hits  sit\n +0 +5  hit\n*$"
		for line in terminal.screen:text():gmatch "[^\n]+" do assert.is_true(#line <= 30) end
		terminal:type "q"
		local rest <const>, status <const> = terminal:finish()
		assert.equal(0, status)
		assert.matches("hit_b\n[^\n]*hit_a\n$", rest)
	end)

	for _, how in ipairs {
		{ "q", 0, function(terminal) terminal:type "q" end },
		{ "Ctrl-C", 0, function(terminal) terminal:type "\3" end },
		{ "SIGTERM", 128 + 15, function(terminal) terminal:signal "TERM" end },
		{ "SIGHUP", 128 + 1, function(terminal) terminal:signal "HUP" end },
	} do
		it("gives the screen back at " .. how[1], function()
			local victim <close> = Victim.start()
			local terminal <close> = top(victim, "1h")
			how[3](terminal)
			assert.equal(how[2], select(2, terminal:finish()))
			assert.is_truthy(terminal.all:find(LEAVE, 1, true))
			victim:call("hit_a", 1) -- it lives on
		end)
	end
end)
