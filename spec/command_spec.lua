-- The command, run as people run it: what is on which output, exactly, and the status.
local cli = require "support.cli"
local core = require "crumb.core"

local VICTIM <const> = cli.VICTIM
local FOOBAR <const> = "uprobe:" .. VICTIM .. ":foobar"

local function check(status, output, errors, ...)
	assert.same({ output, status, errors }, { cli.run(...) })
end

describe("the command line", function()
	it("runs code, files and the standard input, with their arguments", function()
		check(0, "a\tb\n", "", "-e", "print(...)", "a", "b")
		check(0, "-e\t-x\n", "", "-e", "print(arg[0], arg[1])", "--", "-x")
		cli.with_file("#!/usr/bin/env crumb\nprint(arg[0] == ..., select(2, ...))\n", function(path)
			check(0, "true\t-q\n", "", path, path, "-q")
		end)
		local text <const>, status <const> = cli.shell "echo 'print(#arg, ...)' | build/crumb - x y"
		assert.same({ "2\tx\ty\n", 0 }, { text, status })
	end)

	it("reads the parser of options only for options", function()
		local code <const> = "print(package.loaded.argparse ~= nil)"
		check(0, "false\n", "", "-e", code)
		check(0, "true\n", "", "-qe", code)
		cli.with_file(code, function(path) check(0, "false\n", "", path, "-q") end)
		check(2, "", "crumb: option '-e' requires an argument\nTry 'crumb --help'.\n", "-e", "-q")
		check(2, "", "crumb: option '-e' requires an argument\nTry 'crumb --help'.\n", "-e")
	end)

	it("is an interpreter for scripts that are run by their name", function()
		cli.with_file("#!/usr/bin/env crumb\nprint(probe ~= nil, ...)\n", function(path)
			local text <const>, status <const> = cli.shell(("chmod 755 %s; PATH=$PWD/build:$PATH %s a"):format(path, path))
			assert.same({ "true\ta\n", 0 }, { text, status })
		end)
	end)

	it("reads for a probe of a tracepoint neither LPeg nor what binaries need", function()
		local tracepoint <const> = require "crumb.bpf.features".hook "tracepoint"
		if not tracepoint.cookie then pending(tracepoint.why or "no tracepoints") end
		local code <const> = [[
			probe { "tracepoint:syscalls:sys_enter_acct"%s } trace:close()
			print(package.loaded.lpeg ~= nil, package.loaded["crumb.binaries"] ~= nil)]]
		check(0, "false\tfalse\n", "", "-e", code:format "")
		check(0, "true\tfalse\n", "", "-e", code:format ', where = "pid == 1"')
	end)

	it("says what is wrong with its words, with status 2", function()
		local try <const> = "\nTry 'crumb --help'.\n"
		check(2, "", "crumb: unknown option '--duratio'\nDid you mean '--duration'?" .. try, "--duratio", "3")
		check(2, "", "crumb: --duration: '1x' is no time: write 10, 0.5, 100ms, 5s or 2m" .. try, "-d", "1x", "-e", "")
		check(2, "", "crumb: --pid: 'me' is no process: a number is expected" .. try, "-p", "me", "-e", "")
		check(2, "", "crumb: no command or tool 'lits' (nearest: list); a script is ./lits" .. try, "lits")
		check(2, "", "crumb: cannot open /no/such.lua: No such file or directory" .. try, "/no/such.lua")
		check(2, "", "crumb: -p and -c do not go together: whose calls?" .. try, "-p", "1", "-c", "ls", "-e", "")
		for _, text in ipairs { "x", "-1", "0", "1.5", "0x1", "99999999999999999999" } do
			local why <const> = ("crumb: --top: expected a whole number from 1 on, got '%s'"):format(text)
			check(2, "", why .. try, "funccount", "--top=" .. text, "x")
		end
		check(2, "", "crumb: --top: expected a whole number from 1 on, got '-1'" .. try, "funccount", "--top", "-1", "x")
		check(2, "", "crumb: --min: expected a number from 0 to 1000000000, got '-.5'" .. try, "fsslower", "--min", "-.5")
		check(2, "", "crumb: --duration: '-1s' is no time: write 10, 0.5, 100ms, 5s or 2m" .. try, "-qd", "-1s", "-e", "")
		assert.matches("^crumb: unknown option '%-1'\n", (select(3, cli.run("funccount", "--top", "1", "-1"))))
		for _, text in ipairs { "1.2.3", "1e300", "9999999999", "-1" } do
			local why <const> = ("crumb: --min: expected a number from 0 to 1000000000, got '%s'"):format(text)
			check(2, "", why .. try, "fsslower", "--min=" .. text)
		end
		for _, tool in ipairs { "tcpaccept", "tcpconnect", "tcplife" } do
			for _, port in ipairs { "0", "65536", "-1", "ssh" } do
				local why <const> = ("crumb: --port: expected a whole number from 1 to 65535, got '%s'"):format(port)
				check(2, "", why .. try, tool, "--port=" .. port)
			end
		end
		check(2, "", "crumb: --length: expected a whole number from 1 to 4096, got '4097'" .. try, "sslsniff", "--length", "4097")
		check(2, "", "crumb: --depth: expected a whole number from 1 on, got '0'" .. try, "callgraph", "--depth", "0", "x")
		check(2, "", "crumb: --older: '-1' is no time: write 10, 0.5, 100ms, 5s or 2m" .. try, "memleak", "--older=-1")
		check(2, "", "crumb: --max: 'x' is no time: write 10, 0.5, 100ms, 5s or 2m" .. try, "offcputime", "--max", "x")
		check(2, "", "crumb: --min is more than --max: no wait is both" .. try, "offcputime", "--min", "2ms", "--max", "1999us")
		check(2, "", "crumb: --shell: /no/such: No such file or directory" .. try, "bashreadline", "--shell", "/no/such")
		local none <const> = "crumb: --%s: there is no %s 'no such' (there are "
		for tool, words in pairs {
			biolatency = { "disk", "disk" }, biosnoop = { "disk", "disk" }, fsslower = { "type", "file system" },
		} do
			local why <const> = none:format(table.unpack(words))
			local text <const>, status <const>, errors <const> = cli.run(tool, "--" .. words[1], "no such")
			assert.same({ "", 2, why }, { text, status, errors:sub(1, #why) })
		end
		check(2, "", "crumb: --signal: expected a signal, such as KILL, SIGKILL or 9, got 'x'" .. try, "killsnoop", "--signal", "x")
		check(2, "", "crumb: --command: '|' is the shell's: for a shell write -c \"sh -c '…'\"" .. try, "-c", "ls | wc", "-e", "")
		check(2, "", "crumb: option '--csv' can not be used together with option '--json'" .. try, "--json", "--csv")
	end)

	it("takes what belongs to an option, apart from it or not", function()
		local try <const> = "\nTry 'crumb --help'.\n"
		for _, words in ipairs { { "-d1ms" }, { "-qd", "1ms" }, { "--interval", "10s" }, { "--interval=10s" } } do
			check(0, "1\n", "", table.unpack(table.move({ "-e", "print(1)" }, 1, 2, #words + 1, words)))
		end
		check(2, "", "crumb: --interval 0: an interval has a length" .. try, "--interval", "0", "-e", "")
		check(2, "", "crumb: --follow goes with -p or -c: whose children?" .. try, "--follow", "-e", "")
	end)

	it("ends with status 1 when a script is wrong, and says where", function()
		cli.with_file("local x = 1\nx = = 2\n", function(path)
			check(1, "", ("crumb: %s:2: unexpected symbol near '='\n"):format(path), path)
		end)
		cli.with_file("local x\n\nx.y = 1\n", function(path)
			check(1, "", ("crumb: %s:3: attempt to index a nil value (local 'x')\n"):format(path), path)
		end)
		cli.with_file('\nprobe "syscall:openatt"\n', function(path)
			check(1, "", ("crumb: %s:2: syscall:openatt: no system call 'openatt' (nearest: openat, openat2, open)\n"):format(path),
				path)
		end)
		cli.with_file('probe { "syscall:openat", wher = "uid == 0" }\n', function(path)
			check(1, "", ("crumb: %s:1: probe: no option 'wher' (nearest: where)\n"):format(path), path)
		end)
	end)

	it("leaves Lua's noise out of messages about -e", function()
		check(1, "", "crumb: unexpected symbol near '='\n", "-e", "x = = 2")
		check(1, "", "crumb: line 2: attempt to index a nil value (global 'x')\n", "-e", "\nx.y = 2")
		check(1, "", "crumb: where: nothing is assigned here: equality is written ==\n    uid = 0\n        ^\n",
			"-e", 'probe { "syscall:openat", where = "uid = 0" }')
		check(1, "", "crumb: mine\n", "-e", 'error("mine", 0)')
		check(1, "", "crumb: error without a message\n", "-e", "error()")
	end)

	it("tells with -v where in crumb an error comes from", function()
		local code <const>, message <const> = 'table.pack = nil probe "syscall:openat"', "attempt to call a nil value (field 'pack')\n"
		check(1, "", "crumb: " .. message, "-e", code)
		local _, status <const>, errors <const> = cli.run("-v", "-e", code)
		assert.equal(1, status)
		assert.matches("^crumb: " .. message:gsub("%p", "%%%0") .. "stack traceback:\n.*crumb/command/session%.lua:%d+: in ", errors)
	end)

	it("lets a script end as it wants", function()
		check(7, "", "", "-e", "os.exit(7)")
	end)

	it("tells its version and helps", function()
		local text <const>, status <const> = cli.run "--version"
		assert.equal(0, status)
		assert.matches("^crumb %d+%.%d+%.%d+%S* %(libbpf [%d.]+, Lua 5%.4%)\n$", text)
		assert.matches("^Usage: crumb .*\n   %-%-json ", (cli.run "--help"))
		assert.matches("\ncrumb help TOPIC: prompt, .*, targets, the name of a command or tool, or a word such as capture%.\n$",
			(cli.run "help"))
		for _, name in ipairs { "doctor", "list", "tools", "top" } do
			assert.matches(("^Usage: crumb %s "):format(name), (cli.run("help", name)))
		end
		assert.matches("^A target says where", (cli.run("help", "targets")))
		assert.matches("^Usage: crumb funccount ", (cli.run("help", "funccount")))
		check(0, "rules\n  sample = 100, limit = 10                       one in so many; so many a second\n", "", "help", "limit")
		check(2, "", "crumb: no topic 'limi'; crumb help lists them\nTry 'crumb --help'.\n", "help", "limi")
		check(2, "", "crumb: no topic 'target' (nearest: targets); crumb help lists them\nTry 'crumb --help'.\n", "help", "target")
		check(2, "", "crumb: too many arguments\nTry 'crumb --help'.\n", "help", "rules", "extra")
	end)
end)

describe("what root runs", function()
	it("is decided neither by the environment nor by the working directory", function()
		local folder <const> = os.tmpname()
		os.remove(folder)
		local script <const> = ([=[
			mkdir -p %s/crumb; root=$PWD
			for file in crumb.lua crumb/core.lua crumb/command.lua argparse.lua; do
				echo "print [[planted]] os.exit(9)" >%s/$file
			done
			cd %s
			LUA_INIT='print [[init]]' LUA_PATH="./?.lua;;" LUA_PATH_5_4="./?.lua;;" LUA_CPATH="./?.so;;" \
				$root/build/crumb -e 'print((";" .. package.path .. package.cpath):find ";%%./")
				print(require "crumb" ~= nil)'
			echo "status $?"; rm -r %s
		]=]):format(folder, folder, folder, folder)
		local text <const>, _, errors <const> = cli.shell(script)
		assert.equal("", errors)
		assert.equal("nil\ntrue\nstatus 0\n", text)
	end)

	it("is the Lua that the C module carries: no file is looked for", function()
		local text <const>, status <const>, errors <const> = cli.shell [=[
			folder=$(mktemp -d); mkdir -p $folder/lua/crumb $folder/lib/crumb
			cp build/crumb $folder; cp build/lib/crumb/core.so $folder/lib/crumb
			echo "print [[planted]] os.exit(9)" | tee $folder/lua/crumb/command.lua >$folder/lua/crumb.lua
			$folder/crumb -e 'print(require "crumb" ~= nil, pcall(require, "crumb.none"))' | head -n 1; rm -r $folder
		]=]
		assert.same({ 0, "" }, { status, errors })
		assert.matches("^true\tfalse\tmodule 'crumb%.none' not found:\n$", text)
	end)

	it("is not decided by where a link to the command lies", function()
		local folder <const> = os.tmpname()
		os.remove(folder)
		local link <const> = folder .. "/a 'link'\n"
		local text <const>, status <const>, errors <const> = cli.shell(([=[
			mkdir -p %s/lua/crumb %s/lib; root=$PWD
			echo "print [[planted]] os.exit(9)" | tee %s/lua/crumb/command.lua >%s/lua/crumb.lua
			ln -s $root/build/crumb %s; ln -s ./%s %s/second
			cd %s && ./second -e 'print(require "crumb" ~= nil)' && PATH=. second -e 'print(package.path:find("./", 1, true))'
			status=$?; rm -r %s; exit $status
		]=]):format(folder, folder, folder, folder, cli.quoted(link), cli.quoted(link:match "[^/]*$"), folder, folder, folder))
		assert.same({ "true\nnil\n", 0, "" }, { text, status, errors })
	end)

	it("is no file of the working directory that is called like a command", function()
		local text <const>, status <const> = cli.shell [[
			folder=$(mktemp -d); root=$PWD; cd $folder; echo 'print "planted"' >help; echo 'print "planted"' >other
			$root/build/crumb help targets | head -n 1; $root/build/crumb other 2>&1; status=$?
			$root/build/crumb ./other; rm -r $folder; exit $status
		]]
		assert.equal("A target says where to attach; * stands for anything.\n"
			.. "crumb: no command or tool 'other'; a script is ./other\nTry 'crumb --help'.\nplanted\n", text)
		assert.equal(2, status)
	end)
end)

describe("a session", function()
	setup(function()
		local hook = require "crumb.bpf.features".hook "uprobe"
		if not hook.cookie then pending(hook.why or "no uprobes") end
	end)

	it("shows an event a line, of the command of -c only, and ends with it", function()
		local lines <const>, status <const>, errors <const> = cli.of_victim(('probe "%s"'):format(FOOBAR), "foobar=3 bazbuz=2")
		assert.same({ "", 0 }, { errors, status })
		assert.equal(3, #lines)
		for _, line in ipairs(lines) do
			assert.matches("^%d%d:%d%d:%d%d%.%d%d%d%d%d%d example_victim%[%d+%] foobar", line)
		end
	end)

	it("shows the named arguments of a system call that is a bare target", function()
		local text <const>, status <const>, errors <const> = cli.run("-c", "ls /nowhere/at/all", "-q", "-e", [[
			local p = probe { "syscall:openat", returns = true, where = "retval >= 0" }
			run()
			print(#p.sites)
		]])
		assert.equal(2, status)
		assert.matches("^ls: cannot access", errors)
		assert.matches(" ls%[%d+%] openat dfd=%-100 filename=/etc/ld%.so%.cache flags=524288 mode=0 retval=3 latency=[%d.]+%ls\n",
			text)
		assert.matches("\n1\n$", text)
	end)

	it("prints aggregates at its end, unless the script runs itself", function()
		local code <const> = ('probe { "%s", "uprobe:%s:bazbuz", count = true }'):format(FOOBAR, VICTIM)
		assert.same({ "symbol  count", "bazbuz      2", "foobar      3" }, (cli.of_victim(code, "foobar=3 bazbuz=2")))
		assert.same({ "2" }, (cli.of_victim("local p = " .. code .. " print(run() == 'exit' and #p:read())", "foobar=3 bazbuz=2")))
	end)

	it("parts the rows of several probes by an empty line", function()
		local code <const> = ('probe { "%s", count = true } probe { "uprobe:%s:bazbuz", count = true }'):format(FOOBAR, VICTIM)
		assert.matches("\ncount\n    3\n\ncount\n    2\n$", (cli.run("-c", VICTIM .. " foobar=3 bazbuz=2", "-e", code)))
	end)

	it("has in each interval's rows only what came in it", function()
		local sum = 0
		local load <const> = ("sh -c '%s foobar=6; sleep 0.5'"):format(VICTIM)
		local text <const> = cli.run("-c", load, "--follow", "--csv", "-i", "100ms", "-e",
			('probe { "%s", count = true, by = {} }'):format(FOOBAR))
		for count in text:gmatch "\n[%d-]+ [%d:.]+,(%d+)" do sum = sum + tonumber(count) end
		assert.equal(6, sum, text)
	end)

	it("shows arguments only where nothing else is asked for", function()
		local code <const> = [[
			local here = "args.filename == '/dev/null'"
			probe { "syscall:openat", where = here, handler = function(event) print(event.filename) end }
			probe { "syscall:openat", where = here, lhist = { l = { "5", 0, 10, 10 } } }]]
		assert.same({ "nil", "l", "[0, 10)                1 |" .. ("@"):rep(52) .. "|" },
			cli.lines((cli.run("-c", "cat /dev/null", "-e", code))))
	end)

	it("draws no flame graph of an interval", function()
		check(1, "", "crumb: a flame graph is of the whole trace: leave --interval out\n", "-i", "1s", "-c", "true", "profile", "--svg",
			"/dev/null")
	end)

	it("sees nothing of itself in the command's process", function()
		local text <const>, status <const> = cli.run("-c", "ls /", "-e", 'probe { "uprobe:libc:getenv", count = true, by = "comm" }')
		assert.equal(0, status)
		assert.matches("\ncomm  count\nls +%d+\n$", text)
	end)

	it("passes on the status of the command, and 128 and a signal's number", function()
		check(7, "", "", "-c", "sh -c 'exit 7'")
		check(137, "", "", "-c", "sh -c 'kill -9 $$'")
		check(0, "", "", "-c", "true", "-e", "")
		check(1, "", "crumb: start /no/such: No such file or directory\n", "-c", "/no/such")
		check(0, "exit\texit\n", "", "-c", "true", "-e", "print(run(), run())")
	end)

	it("ends with the process of -p", function()
		local text <const>, status <const>, errors <const> = cli.shell [[
			sleep 60 & pid=$!
			build/crumb -d 20 -p $pid -e 'every(0.01, function() print "going" io.stdout:flush() end)
				print(run(), run())' | { read line; kill $pid; sed /going/d; }
			build/crumb -d 100ms -p $$ -e 'print(run())'
		]]
		assert.same({ "exit\texit\nduration\n", 0, "" }, { text, status, errors })
	end)

	it("ends what it started when the time is over", function()
		local before <const> = core.now()
		check(0, "duration\n", "", "-d", "100ms", "-c", "sleep 50", "-e", "print(run())")
		assert.is_true(core.now() - before < 30000000000)
	end)

	it("has functions that raise", function()
		cli.with_file([[
			print(select(2, pcall(probe, "uprobe:/no/such:f")))
			print(select(2, pcall(span, {})))
			print(select(2, pcall(list, "syscall:nonono")))
			print(select(2, pcall(spawn, "ls | wc")))
			print(type(trace), trace == trace, _G.probe, require "crumb" ~= nil)
		]], function(path)
			local text <const>, status <const>, errors <const> = cli.run(path)
			assert.same({ "", 0 }, { errors, status })
			assert.equal([[
uprobe:/no/such:f: open /no/such: No such file or directory
span: from: expected { TARGET, key = EXPRESSION }: write from = { "tracepoint:sched:sched_wakeup", key = "args.pid" }
syscall:nonono: no system call 'nonono' (nearest: clone, mknod, mount)
'|' is the shell's: for a shell write -c "sh -c '…'"
table	true	nil	true
]], text)
		end)
	end)

	it("gives its accounts, and lists", function()
		local code <const> = ([[
			local p = probe { "%s", count = true }
			run()
			print(stats(p).hits, stats()[1].probe, stats()[1].aggregated)
			for site in list "uprobe:%s:fooba*" do print(site.name) end
		]]):format(FOOBAR, VICTIM)
		assert.same({ "5\tp1\t5", "foobar" }, (cli.of_victim(code, "foobar=5")))
	end)

	it("tells what is lost, once, on standard error", function()
		local code <const> = ('probe { "%s", "uprobe:%s:bazbuz", count = true, rows = 1, by = "nsecs" }'):format(FOOBAR, VICTIM)
		local _, status <const>, errors <const> = cli.of_victim(code, "foobar=3000")
		assert.equal(0, status)
		local lost <const> = errors:match "^crumb: p1 %(.-:foobar%): (%d+) of 3000 hits are lost: there was no room;[^\n]*\n$"
		assert.is_truthy(lost, errors)
		local _, _, quiet <const> = cli.of_victim(code, "foobar=3000", "-q")
		assert.equal("", quiet)
	end)

	it("says with -v how it is attached, and what is not", function()
		local code <const> = ('probe { "%s", "uprobe:%s:bazbuz", cookie = { foobar = 1 } }'):format(FOOBAR, VICTIM)
		local lines <const>, status <const>, errors <const> = cli.of_victim(code, "foobar=1", "-v")
		assert.same({ 0, 1 }, { status, #lines }, errors)
		assert.matches("^crumb: p1: u%l+[^\n]*: 1 site, 1 kernel link[^\n]*; %d+ ms\n"
			.. "crumb: p1: 1 not probed, such as bazbuz: [^\n]+\n$", errors)
	end)

	it("ends with 1 when a handler raises, and keeps its message", function()
		local _, status <const>, errors <const> = cli.of_victim(
			('probe { "%s", handler = function() error("mine", 0) end }'):format(FOOBAR), "foobar=1")
		assert.same({ 1, "crumb: mine\n" }, { status, errors })
	end)
end)

describe("crumb list", function()
	it("tells more with -v: places, other names, arguments, and why they cannot be read", function()
		assert.matches("^uprobe:build/fixtures/victim:hit_a  %+0x%x+, %d+ bytes\n    also hit_alias\nuprobe:",
			(cli.run("list", "-v", "uprobe:build/fixtures/victim:hit_*")))
		assert.matches("\nuprobe:build/fixtures/elf_cxx:_Z%S+  [^\n]*%(", "\n" .. cli.run("list", "uprobe:build/fixtures/elf_cxx:_Z*"))
		local text <const> = cli.run("list", "-v", "usdt:build/fixtures/usdt_victim:form?:unknown")
		if text:find "xmm0" then assert.matches("\n    arg0: 8f@%%xmm0 %(it is a floating%-point number%)\n", text) end
		assert.matches('"address":1844674%d+,', (cli.run("list", "--json", "fentry:vfs_read")))
	end)

	it("shows targets that can be given again", function()
		check(0, ("uprobe:%s:foobar\n"):format(VICTIM), "", "list", ("u:%s:fooba*"):format(VICTIM))
		check(0, "syscall:openat\nsyscall:openat2\n", "", "list", "syscall:openat*")
		check(1, "", "crumb: syscall:nonono: no system call 'nonono' (nearest: clone, mknod, mount)\n", "list", "syscall:nonono")
		check(2, "", "crumb: missing argument 'target'\nTry 'crumb --help'.\n", "list")
		assert.matches('^{"target":"uprobe:[^"]+:foobar","name":"foobar","file":"[^"]+","offset":%d+,"address":%d+,'
			.. '"size":%d+,"probeable":true,"args":%[%]}\n$',
			(cli.run("list", "--json", ("u:%s:foobar"):format(VICTIM))))
		check(0, "syscall:close\n    fd: unsigned int\n", "", "list", "-v", "syscall:close")
	end)
end)

describe("crumb doctor", function()
	it("says what there is", function()
		local text <const>, status <const> = cli.run "doctor"
		assert.equal(0, status)
		assert.matches("^ok  kernel +%d+%.%d+", text)
		assert.matches("\nok  rights +CAP_SYS_ADMIN", text)
		assert.is_nil(text:find "\27")
		local hooks <const> = require "crumb.bpf".features().hooks
		for name, hook in pairs(hooks) do
			if name ~= "syscall" then
				local mark <const> = hook.cookie and "ok" or "no"
				assert.is_truthy(text:find(("\n%s  %-14s "):format(mark, name), 1, true), name .. text)
				if not hook.cookie then assert.is_truthy(text:find("\n    " .. hook.why, 1, true), name) end
			end
		end
		assert.matches('^{"name":"kernel","ok":true,"needed":true,"found":"[^"]+"}\n', (cli.run("doctor", "--json")))
	end)
end)

describe("crumb top", function()
	local TARGETS <const> = ("uprobe:%s:foobar uprobe:%s:bazbuz"):format(VICTIM, VICTIM)

	it("ends with the command, and tells the busiest first", function()
		local text <const>, status <const> = cli.shell(("build/crumb -c '%s bazbuz=7 foobar=3' top %s"):format(VICTIM, TARGETS))
		assert.equal(0, status)
		assert.matches("\n      hits/s         hits  site\n +%d+            7  bazbuz\n +%d+            3  foobar\n$", text)
	end)

	it("counts what is asked for, of children too; of equals the first by name, and what is not there is left out", function()
		local load <const> = ("sh -c '%s foobar=3 bazbuz=3; true'"):format(VICTIM)
		local function top(where)
			local words <const> = { "-c", load, "--follow", "top", "--where", where, ("uprobe:%s:nowhere"):format(VICTIM) }
			for word in TARGETS:gmatch "%S+" do words[#words + 1] = word end
			local text <const>, status <const>, errors <const> = cli.run(table.unpack(words))
			assert.same({ 0, "" }, { status, errors })
			return text
		end
		assert.matches("\n      hits/s         hits  site\n +%d+            3  bazbuz\n +%d+            3  foobar\n$",
			top "comm == 'example_victim'")
		assert.matches("\n      hits/s         hits  site\n$", top "comm == 'nobody'")
	end)

	it("takes as many places as it may", function()
		local options <const> = { "-d", "1ms", "--max-sites", "1", "top" }
		for word in TARGETS:gmatch "%S+" do options[#options + 1] = word end
		check(1, "", ("crumb: uprobe:%s:foobar and 1 more target: 2 functions match, and at most 1 are attached: "):format(VICTIM)
			.. "say max = 2 (--max-sites 2), or choose with only\n", table.unpack(options))
		options[4] = "2"
		assert.equal(0, (select(2, cli.run(table.unpack(options)))))
		check(2, "", "crumb: --max-sites: expected a whole number from 1 to 1048576, got '0'\nTry 'crumb --help'.\n",
			"--max-sites", "0", "-e", "")
	end)

	it("draws in place on a terminal until q is pressed", function()
		if core.execute { "script", "--version" } ~= 0 then pending "no script on this machine" return end
		local function drawn(environment)
			local text <const>, status <const> = cli.shell(([[{ while echo q; do sleep 0.2; done; } 2>/dev/null |
				env %s script -qec "stty rows 6 cols 40; exec build/crumb -i 100ms top %s" /dev/null]]):format(environment, TARGETS))
			assert.equal(0, status)
			return (text:gsub("\r", ""))
		end
		local text <const> = drawn "NO_COLOR=1"
		assert.equal(("\27[?1049h\27[?25l\27[H%s\27[K\n%s\27[K\n\27[J"):format(("uprobe:%s:foobar "):format(VICTIM):sub(1, 40),
			"      hits/s         hits  site"), text:sub(text:find("\27[?1049h", 1, true), text:find("\27[J", 1, true) + 2))
		assert.is_truthy(text:find("\27[?25h\27[?1049l", 1, true))
		assert.is_nil(text:find("\27[7m", 1, true))
		assert.is_truthy(drawn("-u NO_COLOR"):find("\27[7m      hits/s         hits  site         \27[0m", 1, true))
	end)
end)
