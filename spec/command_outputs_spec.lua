-- What the command writes, and how it ends: forms, pipes that close, disks that are full, signals.
local child = require "support.child"
local cli = require "support.cli"
local core = require "crumb.core"
local lab = require "support.lab"

local VICTIM <const> = cli.VICTIM
local FOOBAR <const> = "uprobe:" .. VICTIM .. ":foobar"

describe("the command's outputs", function()
	setup(function()
		local hook = require "crumb.bpf.features".hook "uprobe"
		if not hook.cookie then pending(hook.why or "no uprobes") end
	end)

	it("are JSON, an object a line, with all digits", function()
		local code <const> = ('probe { "%s", cookie = -1, capture = { low = "u64(sp) * 0 - 1", signed = "0 - 1" } }'):format(FOOBAR)
		local lines <const>, status <const> = cli.of_victim(code, "foobar=2", "--json")
		assert.same({ 2, 0 }, { #lines, status })
		local whole <const> = '^{"date":"%d+%-%d%d%-%d%d %d%d:%d%d:%d%d%.%d+","time":%d+,"probe":"p1","target":"[^"]+",'
			.. '"symbol":"foobar","cookie":18446744073709551615,"pid":(%d+),"tid":%1,"uid":0,"gid":0,"comm":"example_victim",'
			.. '"cpu":%d+,"low":18446744073709551615,"signed":%-1}$'
		assert.matches(whole, lines[1])
		assert.matches(whole, lines[2])
	end)

	it("are JSON of rows too", function()
		local code <const> = ('probe { "%s", count = true, hist = { n = "17" }, by = { comm = "comm" } }'):format(FOOBAR)
		local lines <const> = cli.of_victim(code, "foobar=2", "--json")
		assert.equal(1, #lines)
		assert.matches('^{"date":"[^"]+","probe":"p1","comm":"example_victim","count":2,"n":%[{"low":16,"high":31,"count":2}%]}$',
			lines[1])
	end)

	it("are CSV, with a header", function()
		local lines = cli.of_victim(('probe { "%s", capture = { a = "1", b = "-2" } }'):format(FOOBAR), "foobar=2", "--csv")
		assert.equal(3, #lines)
		assert.equal("date,time,probe,target,symbol,cookie,pid,tid,uid,gid,comm,cpu,a,b", lines[1])
		assert.matches("^[^,]+,%d+,p1,[^,]+,foobar,1,%d+,%d+,0,0,example_victim,%d+,1,%-2$", lines[2])
		lines = cli.of_victim(('probe { "%s", count = true, hist = { n = "17" }, by = "comm" }'):format(FOOBAR), "foobar=2", "--csv")
		assert.same({ "comm,count,histogram,low,high,bucket", "example_victim,2,n,16,31,2" }, lines)
	end)

	it("are harmless on a terminal, and exact in JSON, whatever a process is called", function()
		local name <const> = "a\27[31m\255\226\128\174\r\b"
		local path <const> = "/tmp/" .. name
		local function line_of(option)
			local code <const> = ('probe "uprobe:%s:foobar"'):format(VICTIM)
			local text <const> = cli.shell(("ln -sf $PWD/%s %s; build/crumb %s -c %s -e %s"):format(VICTIM, cli.quoted(path), option,
				cli.quoted(cli.quoted(path) .. " foobar=1"), cli.quoted(code)))
			local lines <const> = cli.without_victim(text)
			return lines[#lines]
		end
		local text <const>, csv <const>, json <const> = line_of "", line_of "--csv", line_of "--json"
		os.remove(path)
		assert.is_truthy(text:find([[ a\x1b[31m\xff\u{202e}\r\x08[]], 1, true), text)
		assert.is_truthy(csv:find([[,a\x1b[31m\xff\u{202e}\r\x08,]], 1, true), csv)
		local hex <const> = name:gsub(".", function(c) return ("%02x"):format(c:byte()) end)
		assert.is_truthy(json:find(('"comm":{"hex":"%s"}'):format(hex), 1, true), json)
	end)

	it("end quietly when nobody reads them", function()
		local text, _, errors = cli.shell(
			[[{ build/crumb -d 30 -e 'probe { "software:cpu-clock:100000" }'; echo $? >&2; } | head -n 2 | wc -l]])
		assert.same({ "2\n", "141\n" }, { text, errors })
		text, _, errors = cli.shell(
			[[(trap '' PIPE; build/crumb -d 30 -e 'probe { "software:cpu-clock:100000" }'; echo $? >&2) | head -n 2 | wc -l]])
		assert.same({ "2\n", "141\n" }, { text, errors })
	end)

	it("say that a disk is full", function()
		local text, status, errors = cli.shell "build/crumb -e 'print(1)' >/dev/full"
		assert.same({ "", 1, "crumb: write to standard output: No space left on device\n" }, { text, status, errors })
		for _, words in ipairs { "--help", "--version", "help", "list --help", "execsnoop -h", "tools", "list -h extra" } do
			assert.same({ "", 1, "crumb: write to standard output: No space left on device\n" },
				{ cli.shell(("build/crumb %s >/dev/full"):format(words)) }, words)
		end
		text, status, errors = cli.shell(("build/crumb -c '%s foobar=2' -e 'probe \"%s\"' >/dev/full"):format(VICTIM, FOOBAR))
		assert.same({ "", 1, "crumb: write to standard output: No space left on device\n" }, { text, status, errors })
	end)

	it("never go into a file that is opened where a standard one is closed", function()
		cli.with_file("local own = io.open(arg[0], 'r+') io.stderr:write 'said' print(1) own:close()\n", function(path)
			local before <const> = core.read(path)
			for closed, expected in pairs {
				[">&-"] = { "", 1, "saidcrumb: write to standard output: Bad file descriptor\n" },
				["2>&-"] = { "1\n", 0, "" },
				["<&- >&- 2>&-"] = { "", 1, "" },
			} do
				assert.same(expected, { cli.shell(("build/crumb %s %s"):format(path, closed)) })
				assert.equal(before, core.read(path))
			end
		end)
		assert.same({ "", 1, "crumb: -: Bad file descriptor\n" }, { cli.shell "build/crumb - <&-" })
	end)

	it("have the rows of each interval", function()
		local text <const>, status <const> = cli.run("-d", "500ms", "-i", "200ms", "-e",
			'probe { "software:cpu-clock:1000000", count = true, by = {} }')
		assert.equal(0, status)
		local blocks = 0
		for _ in text:gmatch "%d%d:%d%d:%d%d\ncount\n +%d+\n" do blocks = blocks + 1 end
		assert.equal(3, blocks, text)
	end)

	it("end with what there is on Ctrl-C", function()
		child.setup()
		local traced <const> = child.start([[build/crumb -e 'probe { "software:cpu-clock:1000000", count = true, by = {} }
			every(0.01, function() print "going" end)']])
		traced:lines "going"
		local rest <const>, status <const> = traced:finish "INT"
		child.teardown()
		if child.ignores "INT" then pending "SIGINT is ignored here" end
		assert.equal(0, status)
		assert.matches("\ncount\n +%d+\n$", "\n" .. rest)
	end)
end)

describe("SIGTERM and SIGHUP", function()
	before_each(child.setup)
	after_each(child.teardown)

	local COUNTING <const> = [[build/crumb -q -e 'probe { "software:cpu-clock:1000000", count = true, by = {} }
		every(0.01, function() print "going" io.stdout:flush() end) %s']]

	local function ended_by(signal, code)
		local traced <const> = child.start(COUNTING, code)
		traced:lines "going"
		local rest <const>, status <const> = traced:finish(signal)
		return status, "\n" .. rest:gsub("going\n", "")
	end

	it("end a run with what there is", function()
		for signal, status in pairs { TERM = 143, HUP = 129 } do
			local got <const>, rest <const> = ended_by(signal, "")
			assert.equal(status, got)
			assert.matches("^\ncount\n +%d+\n$", rest)
		end
	end)

	it("may come twice, as timeout sends them", function()
		local _, timed_out <const> = cli.shell "timeout 0.1 sleep 60" -- coreutils has another status for it than busybox
		local text <const>, status <const> = cli.shell "timeout 2 build/crumb -q funccount software:cpu-clock:1000000"
		assert.equal(timed_out, status)
		assert.matches("^symbol +count\n", text)
	end)

	it("end a script that runs again and again", function()
		assert.same({ 143, "\n" }, { ended_by("TERM", "while true do run() end") })
	end)

	it("end at once what awaits nothing, and a handler that does not end when they come again", function()
		local STUCK <const> = [[print "stuck" io.stdout:flush() while true do end]]
		local script <const> = child.start("build/crumb -q -e '%s'", STUCK)
		script:lines "stuck"
		assert.same({ "", 15 }, { script:finish "TERM" })
		local handler <const> = child.start("build/crumb -q -e 'every(0.01, function() %s end) run()'", STUCK)
		handler:lines "stuck"
		assert.is_true(lab.eventually(function()
			os.execute(("kill %d 2>/dev/null"):format(handler.pid))
			return not handler:runs()
		end))
		assert.same({ "", 15 }, { handler:finish() })
	end)
end)
