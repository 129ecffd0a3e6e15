-- Probes at the prompt: their events above the line that is typed, their answers, what handlers raise.
local at_prompt = require "support.at_prompt"
local lab = require "support.lab"
local pty = require "support.pty"
local Victim = require "support.victim"

local answer <const>, leave <const>, start <const> = at_prompt.answer, at_prompt.leave, at_prompt.start

before_each(at_prompt.setup)
after_each(at_prompt.teardown)

describe("probes at the prompt", function()
	local victim
	before_each(function() victim = Victim.start() end)
	after_each(function() victim:stop() end)

	setup(function()
		local hook = require "crumb.bpf.features".hook "uprobe"
		if not hook.cookie then pending(hook.why or "no uprobes") end
	end)

	-- Attaches to a function of the victim's, with further options.
	local function attach(prompt, name, more)
		return answer(prompt, ('probe { "uprobe:build/fixtures/victim:%s", pid = %d%s }'):format(name, victim.pid, more or ""))
	end

	it("answer, are changed, paused, listed and closed", function()
		local prompt <close> = start { columns = 120 }
		assert.matches("^p1: 1 site, uprobe[.%l]*, [%d.]+ m?s; 0 hits, 0 lost$", attach(prompt, "hit_a", ", count = true"))
		victim:call("hit_a", 5)
		assert.matches("^p1: 1 site, [^\n]*; 5 hits, 0 lost\ncount\n    5$", answer(prompt, "p1"))
		answer(prompt, "p1.where = 'uid == 12345'")
		victim:call("hit_a", 3)
		assert.equal("8\n3", answer(prompt, "stats(p1).hits, stats(p1).filtered"))
		answer(prompt, "p1.enabled = false")
		victim:call("hit_a", 3)
		assert.equal("8", answer(prompt, "stats(p1).hits"))
		attach(prompt, "hit_b", ", count = true")
		attach(prompt, "hit_c", ", count = true")
		assert.matches("^p1: [^\n]*\np2: [^\n]*\np3: [^\n]*$", answer(prompt, "probes()"))
		assert.equal("probe  hits  filtered  aggregated  lost\np1        8         3           5     0\n"
			.. "p2        0         0           0     0\np3        0         0           0     0", answer(prompt, "stats()"))
		assert.equal("true", answer(prompt, "p2:close()"))
		local rest <const>, status <const> = leave(prompt)
		assert.matches("\n2 probes closed\n$", rest)
		assert.equal(0, status)
	end)

	it("answer also where they are assigned, and list what there is", function()
		local prompt <close> = start { columns = 120 }
		assert.matches("^p1: 1 site, ", answer(prompt, ('q = probe { "uprobe:build/fixtures/victim:hit_a", pid = %d, count = true }')
			:format(victim.pid)))
		assert.equal("true", answer(prompt, "q == p1"))
		assert.equal("uprobe:build/fixtures/victim:hit_a\nuprobe:build/fixtures/victim:hit_b",
			(answer(prompt, 'list "uprobe:build/fixtures/victim:hit_[ab]"'):gsub("  [^\n]*", "")))
		assert.equal("2", answer(prompt, 'n = 0 for _ in list "uprobe:build/fixtures/victim:hit_[ab]" do n = n + 1 end return n'))
	end)

	it("show their events above the line that is typed", function()
		local prompt <close> = start()
		attach(prompt, "hit_a")
		prompt:type "1 + "
		prompt:prompt "crumb> 1 +"
		victim:call("hit_a", 3)
		for _ = 1, 3 do prompt:wait " hit_a" end
		prompt:prompt "crumb> 1 +"
		local shown <const> = prompt.screen:text()
		assert.same({ 1, 3 }, { select(2, shown:gsub("crumb> 1 %+", "")), (select(2, shown:gsub(" hit_a\n", ""))) })
		prompt:enter "2"
		prompt:wait "3\r\n"
	end)

	-- Types a line, two bytes of it with each burst of a thousand events, ten bursts a second; goes on when it is typed.
	local function type_under_fire(prompt, line, bursts)
		local pace <close> = io.popen(("i=0; while [ $i -lt %d ]; do echo; i=$((i + 1)); sleep 0.1; done"):format(bursts))
		local at = 1
		for _ in pace:lines() do
			victim:ask("hit_a", 1000)
			local following <const> = utf8.offset(line, 3, at) or #line + 1
			prompt:type(line:sub(at, following - 1))
			at = following
			if at > #line then line, at = "", 1 end
		end
		assert.equal("", line)
		for _ = 1, bursts do victim:answer "hit_a" end
	end

	it("leave a line that is typed whole while 10,000 events a second come", function()
		local prompt <close> = start { rows = 12, columns = 60 }
		attach(prompt, "hit_a", ", ring_size = 1 << 24")
		local bursts <const> = 45
		type_under_fire(prompt, [[print("äöü: " .. ("a line that is typed under fire"):upper(), 6 * 7)]], bursts)
		local shown, left_out = 0, 0
		prompt:until_("some events are neither shown nor told of", function(screen, piece)
			local text <const> = screen:text():gsub("crumb> probe {", "")
			local _, lines <const> = text:gsub("crumb> p", "")
			assert.is_true(lines <= 1 and not text:find "crumb>[^\n]* hit_a", text)
			for line in piece:gmatch "[^\n]*\n" do
				shown = shown + (line:find " hit_a\r\n$" and 1 or 0)
				left_out = left_out + (tonumber(line:match "… and (%d+) more events") or 0)
			end
			return shown + left_out >= 1000 * bursts
		end)
		assert.same({ 1000 * bursts, true }, { shown + left_out, left_out > 0 })
		local typed <const> = 'crumb> print("äöü: " .. ("a line that is typed under fire"):\nupper(), 6 * 7)'
		prompt:until_("the line is not whole", function(screen) return screen:text():sub(-#typed) == typed end)
		prompt:type "\r"
		prompt:wait "äöü: A LINE THAT IS TYPED UNDER FIRE\t42\r\n"
		prompt:prompt()
		assert.equal(tostring(1000 * bursts), answer(prompt, "stats(p1).delivered"))
	end)

	it("are told as seldom what a function of every raises", function()
		local prompt <close> = start { columns = 120 }
		prompt:enter "t = every(0.001, function() n = (n or 0) + 1 error 'boom' end)"
		prompt:wait "boom (100 times)"
		prompt:prompt()
		prompt:enter "t:close()"
		prompt:prompt()
		local _, said <const> = prompt.all:gsub("crumb: boom", "")
		assert.equal(3, said)
	end)

	it("go on after a handler that raises, which is said the first time, the tenth, the hundredth", function()
		local prompt <close> = start { columns = 120 }
		attach(prompt, "hit_a", ", handler = function(e) seen = (seen or 0) + 1 error 'mine' end")
		victim:call("hit_a", 123)
		prompt:wait "crumb: p1: handler: mine (100 times)"
		prompt:prompt()
		victim:call("hit_a", 1)
		assert.equal("124", (function()
			local count
			repeat count = answer(prompt, "seen") until count == "124"
			return count
		end)())
		local _, said <const> = prompt.all:gsub("handler: mine", "")
		assert.equal(3, said)
	end)

	-- Ctrl-C again and again, until that is written; two that come at once are one.
	local function press(prompt, text)
		local done
		repeat
			prompt:type "\3"
			done = prompt:comes(text)
		until done
	end

	it("lose a handler, and a timer, that Ctrl-C has to end, which takes two", function()
		local prompt <close> = start { columns = 120 }
		attach(prompt, "hit_a", ", handler = function() io.write 'in\\n' while true do end end")
		victim:call("hit_a", 3)
		prompt:wait "in\r\n"
		press(prompt, "crumb: p1: its handler was interrupted, and is taken off")
		prompt:wait "crumb: interrupted"
		prompt:prompt()
		for _ = 1, 2 do prompt:wait " hit_a" end
		prompt:enter "every(0.05, function() io.write 'due\\n' while true do end end)"
		prompt:wait "due\r\n"
		press(prompt, "crumb: interrupted")
		prompt:prompt()
		-- A press too many takes back what is typed.
		local said
		repeat said = answer(prompt, "7") until said == "7"
	end)

	it("run until Ctrl-C, which ends the run and not the prompt", function()
		local prompt <close> = start()
		attach(prompt, "hit_a")
		for _ = 1, 2 do
			prompt:enter "run()"
			victim:call("hit_a", 2)
			for _ = 1, 2 do prompt:wait " hit_a" end
			prompt:type "\3"
			prompt:wait "interrupted\r\n"
			prompt:prompt()
		end
		assert.equal("4", answer(prompt, "stats(p1).delivered"))
	end)

	it("have a timer that writes above the line, and one that raises", function()
		local prompt <close> = start()
		attach(prompt, "hit_a", ", count = true")
		assert.equal("every 0.05 s", answer(prompt, "t = every(0.05, function() t.close() io.write 'now\\n' end) return t"))
		prompt:type "12"
		prompt:wait "now\r\n"
		prompt:prompt "crumb> 12"
		prompt:type "\21"
		prompt:enter "t = every(0.05, function() t.close() error 'late' end)"
		prompt:wait "crumb: late"
		prompt:prompt()
	end)

	it("write JSON on request", function()
		local prompt <close> = start { words = "--json", columns = 200 }
		attach(prompt, "hit_a", ", capture = { x = '1' }")
		victim:call("hit_a", 1)
		prompt:wait '"symbol":"hit_a"'
		prompt:wait '"x":1}\r\n'
		victim:call("hit_a", 300)
		local seen = 0
		prompt:until_("some events are not written", function(_, piece)
			seen = seen + select(2, piece:gsub('"x":1}\r\n', ""))
			return seen == 300
		end)
		prompt:prompt()
		attach(prompt, "hit_b", ", count = true")
		victim:call("hit_b", 2)
		prompt:enter "p2"
		prompt:wait '"probe":"p2","count":2}\r\n'
	end)

	it("write nothing else there", function()
		local out <const> = at_prompt.state .. "/out"
		local prompt <close> = pty.start(("sh -c 'XDG_STATE_HOME=%s build/crumb --json >%s'"):format(at_prompt.state, out))
		prompt:wait "Ctrl-D leaves"
		prompt:enter(('probe { "uprobe:build/fixtures/victim:hit_a", pid = %d, count = true }'):format(victim.pid))
		prompt:wait "p1: 1 site, "
		prompt:enter "5"
		prompt:enter "p1:close()"
		leave(prompt)
		assert.equal("5\ntrue\n", (lab.read(out):gsub("crumb> ", ""):gsub("^\n+", ""):gsub("\n+", "\n")))
	end)

	it("show their events where the line was, also without readline", function()
		local prompt <close> = start { environment = "TERM=dumb", columns = 120 }
		attach(prompt, "hit_a")
		victim:call("hit_a", 2)
		for _ = 1, 2 do prompt:wait " hit_a" end
		prompt:prompt()
		assert.matches("\n%d%d:%d%d:%d%d[^\n]* hit_a\n%d%d:%d%d:%d%d[^\n]* hit_a\ncrumb>", prompt.screen:text())
	end)

	it("tell what they have lost", function()
		local prompt <close> = start { columns = 160 }
		attach(prompt, "hit_a", ", count = true, by = 'nsecs', rows = 1")
		victim:call("hit_a", 3000)
		prompt:wait " of 3000 hits are lost: "
		prompt:prompt()
	end)

	it("are spans too", function()
		local prompt <close> = start { columns = 160 }
		local line <const> = "s = span { from = { a, key = 'tid' }, to = { b, key = 'tid' }, count = true, by = {}, pid = %d }"
		answer(prompt, "a, b = 'uprobe:build/fixtures/victim:hit_a', 'uprobe:build/fixtures/victim:hit_b'")
		assert.matches("^p1: ", answer(prompt, line:format(victim.pid)))
		victim:call("hit_a", 1)
		victim:call("hit_b", 1)
		assert.matches("^p1: %d sites?, [^\n]*\ncount\n    1$", answer(prompt, "s"))
	end)

	it("keep what is typed from what is started", function()
		local prompt <close> = start { words = "-c cat" }
		assert.equal('exit', answer(prompt, "run()"))
		assert.equal('exit', answer(prompt, 'run { process = spawn "cat" }'))
	end)

	it("wait with the command of -c for the first run", function()
		local prompt <close> = start { words = "-c 'build/fixtures/example_victim foobar=3'", columns = 120 }
		answer(prompt, 'probe { "uprobe:build/fixtures/example_victim:foobar", count = true }')
		assert.equal("0", answer(prompt, "stats(p1).hits"))
		prompt:enter "run()"
		prompt:wait "exit\r\n"
		prompt:prompt()
		assert.equal("3", answer(prompt, "stats(p1).hits"))
		assert.same({ "\n1 probe closed\n", 0 }, { leave(prompt) })
	end)
end)
