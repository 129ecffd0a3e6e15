-- The prompt, as people use it: keys at a terminal, and what its screen shows.
local at_prompt = require "support.at_prompt"
local lab = require "support.lab"
local pty = require "support.pty"

local answer <const>, leave <const>, start <const> = at_prompt.answer, at_prompt.leave, at_prompt.start

before_each(at_prompt.setup)
after_each(at_prompt.teardown)

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
		local tree <const> = at_prompt.state .. "/tree"
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
	local function path(name) return at_prompt.state .. "/crumb/" .. (name or "history") end

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
		assert(os.execute("mkdir -m 700 " .. at_prompt.state .. "/crumb"))
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
		assert(os.execute("mkdir -m 700 " .. at_prompt.state .. "/crumb"))
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
		assert(os.execute("chmod 777 " .. at_prompt.state))
		assert.equal(path() .. ": others may write to it", refused "true")
	end)

	it("is not written below a home that is another's", function()
		assert(os.execute("chown 65534 " .. at_prompt.state))
		local prompt <close> = pty.start("build/crumb", { environment = "XDG_STATE_HOME= HOME=" .. at_prompt.state })
		prompt:wait(("the history is not kept: %s/.local/state/crumb/history: it belongs to another user"):format(at_prompt.state))
		prompt:prompt()
		leave(prompt)
		assert.is_falsy(os.execute(("test -e %s/.local"):format(at_prompt.state)))
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
