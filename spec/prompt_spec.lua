-- The prompt, as people use it: keys at a terminal, and what its screen shows.
local pty = require "support.pty"
local Victim = require "support.victim"
local lab = require "support.lab"

local state

-- A prompt whose history is the test's own.
local function start(given)
	given = given or {}
	given.environment = ("XDG_STATE_HOME=%s %s"):format(state, given.environment or "")
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

-- Types a line, and returns what it gave.
local function answer(prompt, line)
	prompt:enter(line)
	prompt:wait "\n"
	prompt:prompt()
	return below(prompt, "crumb> " .. line)
end

-- Leaves by Ctrl-D: what is said then, and the status.
local function leave(prompt)
	prompt:type "\4"
	return prompt:finish()
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
		assert.equal('{ 1, { a = "b\\n" } }', answer(prompt, '{ 1, { a = "b\\n" } }'))
		assert.equal("a b", answer(prompt, '"a b"'))
		assert.equal("", answer(prompt, "x = 7"))
		assert.equal("7", answer(prompt, "x"))
		assert.equal("a   n\nb   2\nc  10", answer(prompt, '{ { a = "b", n = 2 }, { a = "c", n = 10 } }'))
		assert.same({ "\n0 probes closed\n", 0 }, { leave(prompt) })
	end)

	it("asks for more lines, keeps locals, and takes what is pasted", function()
		local prompt <close> = start()
		prompt:enter "for i = 1, 2 do"
		prompt:prompt "   ..."
		prompt:enter "print(i)"
		prompt:prompt "   ..."
		assert.equal("1\n2", (answer(prompt, "end"):gsub("^.*end\n", "")))
		prompt:enter "30 +"
		prompt:prompt "   ..."
		prompt:enter "3"
		prompt:wait "33\r\n"
		prompt:prompt()
		assert.equal("", answer(prompt, "local y, z <const> = 3, { 4 }"))
		assert.equal("3\n4", answer(prompt, "y, z[1]"))
		local lines <const> = {}
		for i = 1, 20 do lines[i] = ("local v%d = %d"):format(i, i) end
		prompt:type("\27[200~" .. table.concat(lines, "\n") .. "\nv1 + v20\nv2 + v20\27[201~\r")
		prompt:wait "21\r\n22\r\n"
		prompt:prompt()
	end)

	it("marks the place of what it cannot read, and tells errors plainly", function()
		local prompt <close> = start()
		assert.equal("  x = = 3\n      ^ unexpected symbol", answer(prompt, "x = = 3"))
		assert.equal("  print('ä', 1 2)\n               ^ ')' expected", answer(prompt, "print('ä', 1 2)"))
		assert.equal("attempt to call a nil value (global 'prob') (nearest: probe, probes)",
			(answer(prompt, 'prob "x"'):gsub(", %l+%)", ", probes)")))
		assert.equal("mine", answer(prompt, "error 'mine'"))
		assert.equal("  { a = 1 b = 2 }\n          ^ '}' expected", answer(prompt, "{ a = 1 b = 2 }"))
		assert.equal("{ a = 1 }", answer(prompt, "error { a = 1 }"))
		assert.equal("a\\x1bb\\x7f", answer(prompt, "error 'a\\27b\\127'"))
		prompt:enter "do"
		prompt:prompt "   ..."
		prompt:enter "error 'second'"
		prompt:prompt "   ..."
		prompt:enter "end"
		prompt:wait "line 2: second\r\n"
		prompt:prompt()
		assert.equal("probe: expected a target or a table, got nil", answer(prompt, "probe()"))
		assert.equal("uprobe:/no/such:f: open /no/such: No such file or directory", answer(prompt, "probe 'uprobe:/no/such:f'"))
		assert.matches("^where: [^\n]*\n    pidd == 1\n    %^%^%^%^$", answer(prompt, "probe { 'profile:hz:1', where = 'pidd == 1' }"))
	end)

	it("answers what is another tracer's, and what was meant", function()
		local prompt <close> = start { columns = 100 }
		local answered <const> = "this is bpftrace's language; in crumb's it is\n    probe "
		assert.equal('  kprobe:vfs_read { @[comm] = count(); }\n                    ^ unexpected symbol\n' .. answered
			.. '{ "kprobe:vfs_read", count = true, by = "comm" }', answer(prompt, "kprobe:vfs_read { @[comm] = count(); }"))
		assert.equal(answered .. '"kprobe:vfs_read"', answer(prompt, 'kprobe:vfs_read { printf("%s", comm) }'))
		assert.equal('  probe { "syscall:openat" count = true }\n                           ^^^^^ \'}\' expected\n'
			.. "a comma stands between two options: …, count = true", answer(prompt, 'probe { "syscall:openat" count = true }'))
	end)

	it("explains itself, also in words that are not called", function()
		local prompt <close> = start { rows = 40 }
		assert.matches("^crumb alone is a prompt", answer(prompt, "help"))
		assert.equal(answer(prompt, "help"), answer(prompt, "help()"))
		assert.matches("^A target says where to attach", answer(prompt, 'help "targets"'))
		assert.matches("^help: no topic 'nosuch' %(there are prompt, ", answer(prompt, 'help "nosuch"'))
		assert.matches('^prompt\n.*\n  t = every%(1, .*\nscripts\n  every%(1, [^\n]*$', answer(prompt, "help(every)"))
		assert.equal(answer(prompt, 'help "every"'), answer(prompt, "help(every)"))
		assert.matches("^help: no topic 'function", answer(prompt, "help(pcall)"))
		assert.equal('there are no probes: try probe "syscall:openat"', answer(prompt, "probes()"))
		prompt:enter "exit"
		local rest <const> = prompt:finish()
		assert.matches("0 probes closed\n$", rest)
		assert.is_nil(rest:find "tostring")
	end)

	it("is what runs where the standard input is no terminal: a script", function()
		local pipe <const> = io.popen "echo 'print(1, ...)' | build/crumb 2>&1"
		assert.equal("1\n", pipe:read "a")
		pipe:close()
	end)

	it("reads lines plainly where there is no readline", function()
		local tree <const> = state .. "/tree"
		assert(os.execute(([[mkdir -p %s/lib/crumb && cp build/crumb %s && ln -s $PWD/build/lua %s/lua &&
			ln -s $PWD/build/lib/crumb/core.so %s/lib/crumb]]):format(tree, tree, tree, tree)))
		for _, given in ipairs { { command = tree .. "/crumb" }, { environment = "TERM=dumb" } } do
			local prompt <close> = start(given)
			assert.equal("2", answer(prompt, "1 + 1"))
			prompt:enter "("
			prompt:prompt "   ..."
			prompt:type "\3"
			prompt:prompt()
			prompt:enter "#'a\tb'" -- where Tab is a character like others
			prompt:wait "3\r\n"
			prompt:prompt()
			prompt:enter "print 'on' while true do end"
			prompt:wait "on\r\n"
			prompt:type "\3"
			prompt:wait "interrupted"
			prompt:prompt()
			assert.same({ "\n0 probes closed\n", 0 }, { leave(prompt) })
		end
	end)
end)

describe("a prompt that cannot write", function()
	it("ends with status 1, and says why", function()
		local prompt <close> = pty.start "sh -c 'XDG_STATE_HOME=/ build/crumb >/dev/full; echo status $?'"
		prompt:wait "Ctrl-D leaves"
		prompt:enter "1"
		local said <const> = prompt:finish()
		assert.matches("crumb: write to standard output: No space left on device\nstatus 1\n$", said)
	end)
end)

describe("Ctrl-C at the prompt", function()
	it("takes back what is typed, of all its lines", function()
		local prompt <close> = start()
		prompt:type "print 'never' + "
		prompt:prompt "crumb> print 'never' +"
		prompt:type "\27[D\27[D\27[D\27[D\3"
		prompt:wait "^C"
		prompt:prompt()
		assert.is_truthy(prompt.screen:text():find("print 'never' + ^C\n", 1, true))
		prompt:enter "do"
		prompt:prompt "   ..."
		prompt:type "\3"
		prompt:prompt()
		assert.equal("7", answer(prompt, "7"))
	end)

	it("interrupts Lua that does not end, each time", function()
		local prompt <close> = start()
		for _ = 1, 3 do
			prompt:enter "print 'on' while true do end"
			prompt:wait "on\r\n"
			prompt:type "\3"
			prompt:wait "interrupted"
			prompt:prompt()
		end
		assert.equal("7", answer(prompt, "7"))
	end)

	it("interrupts a coroutine, and who has resumed it", function()
		local prompt <close> = start()
		prompt:enter "function forever() print 'on' while true do end end"
		prompt:prompt()
		for _, line in ipairs {
			"while true do coroutine.resume(coroutine.create(forever)) end", "coroutine.wrap(forever)()",
			"coroutine.wrap(function() coroutine.wrap(forever)() end)()",
			"co = coroutine.create(function() coroutine.yield() end) coroutine.resume(co) forever()",
		} do
			prompt:enter(line)
			prompt:wait "on\r\n"
			prompt:type "\3"
			prompt:wait "interrupted"
			prompt:prompt()
		end
		assert.equal("true\n4", answer(prompt, "coroutine.resume(coroutine.create(function(x) return x end), 4)"))
		assert.equal("3", answer(prompt, "coroutine.wrap(function(x) return x + coroutine.yield(x) end)(3)"))
		assert.equal("mine", answer(prompt, "coroutine.wrap(error)('mine')"))
		assert.equal('true\ndead', answer(prompt, "coroutine.resume(co), coroutine.status(co)"))
	end)
end)

describe("the terminal", function()
	-- What a shell finds after the prompt.
	local function left_by(act)
		local prompt <close> = start { command = "sh -c 'build/crumb; echo status $?; stty -a'" }
		act(prompt)
		local text <const> = prompt:finish()
		assert.matches(" icanon ", text)
		assert.matches(" echo ", text)
		return tonumber(text:match "status (%d+)")
	end

	it("is as it was, however the prompt ends", function()
		if not os.execute "command -v stty >/dev/null" then pending "no stty" return end
		assert.equal(0, left_by(function(prompt) prompt:type "\4" end))
		assert.equal(3, left_by(function(prompt) prompt:enter "os.exit(3)" end))
		assert.equal(143, left_by(function(prompt)
			prompt:type "abc"
			prompt:prompt "crumb> abc"
			os.execute(("kill -TERM $(cat /proc/%d/task/%d/children)"):format(prompt.pid, prompt.pid))
		end))
	end)

	it("may change its size", function()
		local prompt <close> = start { rows = 10, columns = 40 }
		prompt:type "print 'a line that is longer than the screen is wide'"
		prompt:prompt " the screen is wide'"
		prompt:resize(10, 80)
		prompt:wait "print"
		prompt:type "\r"
		prompt:wait "a line that is longer than the screen is wide\r\n"
	end)
end)

describe("the prompt's history", function()
	local function path(name) return state .. "/crumb/" .. (name or "history") end

	it("is kept, an entry of several lines as one, for the next one", function()
		do
			local prompt <close> = start()
			answer(prompt, "a = '\\\\'")
			answer(prompt, "1")
			answer(prompt, "1")
			answer(prompt, "  ")
			prompt:enter "do"
			prompt:prompt "   ..."
			prompt:enter "print 'again'"
			prompt:prompt "   ..."
			answer(prompt, "end")
			-- It is there by now, however the prompt ends.
			assert.equal("a = '\\\\\\\\'\n1\ndo\\nprint 'again'\\nend\n", lab.read(path()))
			prompt:signal "KILL"
			prompt:finish()
		end
		local listing <const> = io.popen(("ls -l %s"):format(path()))
		assert.matches("^%-rw%-%-%-%-%-%-%-", listing:read "a")
		listing:close()
		local prompt <close> = start()
		prompt:type "\27[A"
		prompt:wait "end"
		prompt:type "\27[A"
		prompt:prompt "crumb> 1"
		prompt:type "\27[A"
		prompt:prompt "crumb> a = '\\\\'"
		prompt:type "\27[B\27[B\r"
		prompt:wait "again\r\n"
	end)

	it("does not grow without end", function()
		assert(os.execute("mkdir -m 700 " .. state .. "/crumb"))
		local file <const> = io.open(path(), "w")
		for i = 1, 2000 do file:write(i, "\n") end
		file:close()
		assert(os.execute("chmod 600 " .. path()))
		leave(start())
		assert.equal("1\n", lab.read(path()):match "^%d+\n")
		assert(os.execute("echo 2001 >>" .. path()))
		leave(start())
		local text <const> = lab.read(path())
		assert.equal("1002\n", text:match "^%d+\n")
		assert.equal("2001\n", text:match "%d+\n$")
	end)

	it("is nothing where the file is a link, is not ours, or no file: that is said, once", function()
		assert(os.execute("mkdir -m 700 " .. state .. "/crumb"))
		local function refused(make)
			assert(os.execute(make))
			local prompt <close> = start()
			local said <const> = prompt.all:match "the history is not kept: ([^\r]*)\r\n"
			assert.equal("1", answer(prompt, "1"))
			leave(prompt)
			assert(os.execute("rm -rf " .. path()))
			return said
		end
		assert.equal(path() .. ": it is a link, which is not followed", refused(("echo kept >%s; ln -s elsewhere %s"):format(
			path "elsewhere", path())))
		assert.equal("kept\n", lab.read(path "elsewhere"))
		assert.equal(path() .. ": it belongs to another user", refused(("touch %s; chown 65534 %s"):format(path(), path())))
		assert.equal(path() .. ": it is no regular file", refused("mkfifo -m 600 " .. path()))
		assert.equal(path() .. ": others may write to it", refused(("touch %s; chmod 666 %s"):format(path(), path())))
		assert(os.execute("chmod 777 " .. state))
		assert.equal(path() .. ": others may write to it", refused "true")
	end)

	it("is not written below a home that is another's", function()
		assert(os.execute("chown 65534 " .. state))
		local prompt <close> = pty.start("build/crumb", { environment = "XDG_STATE_HOME= HOME=" .. state })
		prompt:wait(("the history is not kept: %s/.local/state/crumb/history: it belongs to another user"):format(state))
		prompt:prompt()
		leave(prompt)
		assert.is_falsy(os.execute(("test -e %s/.local"):format(state)))
	end)
end)

describe("Tab", function()
	it("completes what is certain, and shows what is not", function()
		local prompt <close> = start()
		prompt:type "prob\t"
		prompt:prompt "crumb> probe"
		prompt:type "\t"
		prompt:wait "probes"
		prompt:prompt "crumb> probe"
		prompt:type "\21uprobe = 'uprobe:build/fixtures/vict\21"
		prompt:prompt()
		prompt:type "string.forma\t"
		prompt:prompt "crumb> string.format"
		prompt:enter "('%d', 12)"
		prompt:wait "12\r\n"
		prompt:prompt()
	end)

	it("ends a string that is whole", function()
		local prompt <close> = start()
		prompt:type "#loadfile 'spec/complete_sp\t"
		prompt:prompt "crumb> #loadfile 'spec/complete_spec.lua'"
		prompt:type "\21dofile('spec/complete_sp')\27[D\27[D\t" -- the quote is there
		prompt:prompt "crumb> dofile('spec/complete_spec.lua')"
	end)

	it("shows in columns what there is room for", function()
		local prompt <close> = start { rows = 8, columns = 40 }
		prompt:type "string.\t"
		prompt:wait "more\r\n"
		prompt:prompt "crumb> string."
		local shown <const>, more <const> = prompt.screen:text():match "([^\n]*\n[^\n]*\n[^\n]*\n[^\n]*\n)… and (%d+) more\n"
		local items <const> = {}
		for item in shown:gmatch "%S+" do items[#items + 1] = item end
		assert.same({ 4, true }, { select(2, shown:gsub("\n", "")), #items >= 8 })
		local known = 0
		for _ in pairs(string) do known = known + 1 end
		assert.equal(known, #items + tonumber(more))
	end)

	it("completes the second of several lines", function()
		local prompt <close> = start()
		prompt:enter "print("
		prompt:prompt "   ..."
		prompt:type "string.forma\t"
		prompt:prompt "   ... string.format"
	end)
end)

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
		local out <const> = state .. "/out"
		local prompt <close> = pty.start(("sh -c 'XDG_STATE_HOME=%s build/crumb --json >%s'"):format(state, out))
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
