-- The tools that look at the processor and at memory, on a program that says what it does.
local child = require "support.child"
local cli = require "support.cli"
local features = require "crumb.bpf.features"
local lab = require "support.lab"

local run <const> = cli.on
local BUSY <const> = "build/fixtures/busy"

-- Two programs that want one processor, until the test ends.
local function start_two()
	for _ = 1, 2 do child.start("%s on=0 pid hot=60000", BUSY):lines "^%d+$" end
end

-- "comm;a;b 12" of each line, as a list of { path, count }.
local function folded(text)
	local list <const> = {}
	for path, count in text:gmatch "([^\n]+) (%d+)\n" do
		list[#list + 1] = { path = path, count = math.tointeger(tonumber(count)) }
	end
	return list
end

local function sum_of(stacks, pattern)
	local sum = 0
	for _, one in ipairs(stacks) do
		if one.path:find(pattern) then sum = sum + one.count end
	end
	return sum
end

describe("profile", function()
	local stacks

	setup(function()
		local hook <const> = features.hook "profile"
		if not hook.cookie then pending(hook.why or "no samples of the processor") end
		stacks = folded(run(BUSY .. " hot=900 warm=300", "profile", "--folded"))
	end)

	it("tells which code is busy", function()
		local hot <const>, warm <const>, all <const> =
			sum_of(stacks, ";main;hot;"), sum_of(stacks, ";main;warm;"), sum_of(stacks, "^busy;")
		assert.is_true(hot > warm and warm > 0, ("hot %d, warm %d"):format(hot, warm))
		-- 1.2 seconds of the processor at 99 Hz; an emulated one has other seconds.
		assert.is_true(all >= 40, all .. " samples")
		assert.is_true(hot + warm >= 0.8 * all, ("%d of %d"):format(hot + warm, all))
	end)

	it("shows the hottest stacks, the innermost frame first", function()
		local text <const> = run(BUSY .. " hot=300", "profile", "--top", "1", "--user")
		assert.matches("^comm=busy count=%d+\nustack\n    [adturn]+%+0x%x+ %(.*/busy%) at .*busy%.c:%d+\n    hot%+0x%x+ ", text)
		assert.is_nil(text:find("comm=", 5, true))
	end)

	it("takes the program's stacks, the kernel's, or both", function()
		local user <const> = cli.run("-c", BUSY .. " hot=50", "--json", "profile", "--user")
		local kernel <const> = cli.run("-c", BUSY .. " hot=50", "--json", "profile", "--kernel")
		assert.is_truthy(user:find('"ustack":', 1, true))
		assert.is_nil(user:find('"kstack":', 1, true))
		assert.is_truthy(kernel:find('"kstack":', 1, true))
		assert.is_nil(kernel:find('"ustack":', 1, true))
	end)

	it("leaves idle processors out", function()
		assert.equal(0, sum_of(folded((cli.run("-d", "300ms", "profile", "--folded"))), "^swapper"))
	end)

	it("takes those that an expression chooses", function()
		assert.equal(0, sum_of(folded(run(BUSY .. " hot=200", "profile", "--folded", "--where", "comm ~= 'busy'")), "^busy"))
	end)

	it("writes a flame graph", function()
		child.setup()
		local path <const> = child.folder .. "/profile.svg"
		assert.equal("", run(BUSY .. " hot=300", "profile", "--svg", path))
		local svg <const> = lab.read(path)
		assert.matches("<title>hot\n%d+ samples, %d+%.%d+%%</title>", svg)
		assert(os.execute(("ln -s %s %s/link.svg"):format(path, child.folder)))
		local _, status <const>, errors <const> = cli.run("-d", "30", "profile", "--svg", child.folder .. "/link.svg")
		assert.equal(1, status)
		assert.equal("crumb: write link.svg: it is a link, which is not followed: name the file itself\n",
			(errors:gsub(child.folder .. "/", "")))
		assert.equal(svg, lab.read(path))
		child.teardown()
	end)

	it("leaves the flame graph that is there until it has another, and who may read it", function()
		child.setup()
		local path <const> = child.folder .. "/profile.svg"
		assert(os.execute(("echo old >%s; chmod 640 %s"):format(path, path)))
		-- The command kills who traces it: crumb, whose file is not to be touched by then.
		local _, status <const> = cli.run("-c", "sh -c 'kill -KILL $PPID; exec sleep 9'", "profile", "--svg", path)
		assert.equal(128 + 9, status)
		assert.equal("old\n", lab.read(path))
		run(BUSY .. " hot=100", "profile", "--svg", path)
		assert.matches("<title>hot\n", lab.read(path))
		local pipe <close> = assert(io.popen("stat -c %a " .. path))
		assert.equal("640\n", pipe:read "a")
		child.teardown()
	end)

	it("refuses what is no frequency", function()
		assert.equal(2, (select(2, cli.run("profile", "--hz", "x"))))
		local _, status <const>, errors <const> = cli.run("profile", "--hz", "100000000")
		assert.equal(1, status)
		assert.matches("^crumb: attach profile:hz:100000000: .* the frequency may be more than ", errors)
	end)
end)

local function needs(hook)
	local has <const> = features.hook(hook)
	if not has.cookie then pending(has.why or "no cookies here") return true end
end

describe("offcputime", function()
	setup(function() needs "tracepoint" end)

	local function waits(load, ...)
		return folded(run(BUSY .. load, "offcputime", "--folded", ...))
	end

	it("sums how long threads wait, by stack", function()
		local stacks <const> = waits " nap=300 hot=50 nap=200"
		local asleep <const> = sum_of(stacks, "^busy;.*nanosleep")
		assert.is_true(asleep >= 250000, asleep .. " us")
		for _, one in ipairs(stacks) do
			assert.is_nil(one.path:find("bpf_prog", 1, true))
			if one.path:find "nanosleep" then assert.matches("^busy;.*;main;.*;.*nanosleep.*schedule", one.path) end
		end
	end)

	it("takes waits of a length, and of a state", function()
		assert.equal(0, sum_of(waits(" nap=50", "--min", "10s"), ""))
		assert.is_true(sum_of(waits(" nap=50", "--max", "10s"), "nanosleep") > 10000)
		assert.is_true(sum_of(waits(" nap=50", "--state", "S"), "nanosleep") > 10000)
		assert.equal(0, sum_of(waits(" nap=50", "--state", "D"), "nanosleep"))
	end)

	it("knows who waits for the processor, and who is stopped", function()
		child.setup()
		local stopped <const> = child.start("%s pid wait", BUSY)
		stopped:lines "^waiting$"
		local traced <const> = child.start("build/crumb -v -p %d offcputime --folded --state T", stopped.pid)
		traced:lines "^crumb: p1"
		os.execute("kill -STOP " .. stopped.pid)
		assert.is_truthy(lab.eventually(function()
			return lab.read(("/proc/%d/stat"):format(stopped.pid)):find(") T ", 1, true)
		end))
		os.execute("kill -CONT " .. stopped.pid)
		stopped:say ""
		stopped:finish()
		assert.matches("^busy;[^\n]*get_signal[^\n]*schedule %d+\n$", (traced:finish()))
		start_two()
		local ready <const> = waits(" on=0 hot=100", "--state", "R")
		child.teardown()
		assert.is_true(sum_of(ready, "^busy;") >= 20000)
		assert.equal(0, sum_of(ready, "nanosleep"))
	end)

	it("leaves idle processors out", function()
		assert.equal(0, sum_of(folded((cli.run("-d", "300ms", "offcputime", "--folded"))), "^swapper"))
	end)

	it("shows the longest, as a table and as a flame graph", function()
		local text <const> = run(BUSY .. " nap=300 thread=3", "offcputime", "--top", "1", "--user")
		assert.matches("^comm=busy count=%d+ us=%d%d%d%d%d%d+\nustack\n    .*main%+0x", text)
		assert.is_nil(text:find("comm=", 5, true))
		child.setup()
		run(BUSY .. " nap=300", "offcputime", "--svg", child.folder .. "/waits.svg")
		local us <const> = lab.read(child.folder .. "/waits.svg"):match "<title>main\n([%d,]+) us, "
		child.teardown()
		assert.is_true(tonumber((us:gsub(",", ""))) >= 250000, us)
	end)
end)

describe("runqlat", function()
	setup(function() needs "tracepoint" end)
	before_each(child.setup)
	after_each(child.teardown)

	-- Of CSV by a column: how many waits each of its values has, and for how long at least, in ns.
	local function waits_of(text)
		local counts <const>, times <const> = {}, {}
		for value, low, count in text:gmatch "\n([^,\n]+),latency,(%d*),%d*,(%d+)%f[\n\0]" do
			counts[value] = (counts[value] or 0) + math.tointeger(tonumber(count))
			times[value] = (times[value] or 0) + (tonumber(low) or 0) * tonumber(count)
		end
		return counts, times
	end

	it("draws how long threads wait for a processor", function()
		local text <const> = cli.run("-d", "500ms", "runqlat")
		assert.matches("^latency %(ns%)\n%[", text)
	end)

	-- Who gave way waits before it goes on. Some do before they say how often, unseen; some after it.
	local function is_told(waits, text)
		local switches <const> = tonumber(text:match "switches (%d+)")
		assert.is_true(switches >= 20 and math.abs(waits - switches) <= 10, ("%d waits, %d switches"):format(waits, switches))
	end

	it("counts each wait of who was asleep", function()
		local traced <const> = child.start "build/crumb -v --csv runqlat --by comm"
		traced:lines "^crumb: p1"
		local said <const> = child.start("%s thread=200 switches", BUSY):finish()
		local text <const> = traced:finish "TERM"
		assert.matches("^comm,histogram,low,high,bucket\n", text)
		is_told(waits_of(text).busy, said)
	end)

	it("knows the waits of those who could go on, and nobody else's", function()
		start_two()
		local _, times <const> = waits_of(cli.run("-d", "1s", "--csv", "runqlat", "--by", "comm"))
		-- One of them waits at any time, and no bucket begins below half of what is in it.
		assert.is_true(times.busy >= 200000000, ("%s ns"):format(times.busy))
		for comm in pairs(times) do assert.is_nil(comm:find "^swapper") end
	end)

	it("counts each wait of a process, and of each of its threads", function()
		if needs "rawtracepoint" then return end
		local load <const> = BUSY .. " pid thread=100 thread=0 thread=0 nap=1 nap=1 switches"
		local text = run(load, "--csv", "runqlat", "--by", "pid")
		local pid <const> = text:match "%f[^\n\0](%d+)\n"
		local counts = waits_of(text)
		assert.equal(pid, next(counts))
		assert.is_nil(next(counts, pid))
		is_told(counts[pid], text)
		text = run(load, "--csv", "runqlat", "--by", "tid")
		counts = waits_of(text)
		local sum, threads = 0, 0
		for _, count in pairs(counts) do sum, threads = sum + count, threads + 1 end
		assert.equal(4, threads)
		is_told(sum, text)
	end)

	it("counts a process that has to wait though it could go on", function()
		if needs "rawtracepoint" then return end
		start_two()
		local _, times <const> = waits_of("\n" .. run(BUSY .. " on=0 hot=100", "--csv", "runqlat", "--by", "comm"))
		assert.is_true(times.busy >= 20000000, times.busy .. " ns")
	end)

	it("leaves idle processors out", function()
		if needs "rawtracepoint" then return end
		local counts <const> = waits_of(cli.run("-d", "300ms", "--csv", "runqlat", "--by", "pid"))
		assert.is_nil(counts["0"])
		assert.is_truthy(next(counts))
	end)

	it("cannot follow children", function()
		assert.same({ "", 1, "crumb: --follow is not possible here: leave out -p and -c, and say --by pid or comm\n" },
			{ cli.run("-c", "true", "--follow", "runqlat") })
	end)
end)

describe("memleak", function()
	setup(function() needs "uprobe" end)

	-- Its rows: bytes, blocks, and the innermost function of the program's own.
	local function leaks(load, ...)
		local text <const> = run(BUSY .. load, "--json", "memleak", ...)
		local list <const> = {}
		for line in text:gmatch "[^\n]+" do
			local way <const> = line:match '"ustack":(%b[])'
			list[#list + 1] = way and {
				tonumber(line:match '"blocks":(%d+)'), tonumber(line:match '"bytes":(%d+)'), way:match '"name":"(%l+)"',
			}
		end
		return list
	end

	it("shows what was taken and not given back", function()
		assert.same({ { 30, 3000, "leak" } }, leaks " leak=50 free=20")
		assert.same({}, leaks " leak=50 free=50")
	end)

	it("knows the ways to take memory, and what they take", function()
		assert.same({ { 1, 5000, "grow" }, { 39, 3900, "leak" }, { 2, 900, "align" }, { 1, 300, "clear" } },
			leaks " leak=50 free=10 grow=5000 clear=300 align=700 align=200")
		assert.same({ { 1, 600, "take" }, { 1, 400, "take" }, { 1, 300, "take" }, { 1, 200, "take" }, { 1, 100, "take" } },
			leaks " take=100")
		assert.same({ { 1, 9000, "grow" } }, leaks " leak=1 grow=5000 grow=9000")
		assert.same({ { 1, 5000, "grow" }, { 39, 3900, "leak" } }, leaks(" leak=50 free=10 grow=5000 clear=300", "--top", "2"))
	end)

	it("knows what children take and give back", function()
		local text <const> = run(("sh -c '%s leak=50 free=20; true'"):format(BUSY), "--follow", "--json", "memleak")
		assert.matches('"name":"leak"[^\n]*,"blocks":30,"bytes":3000}\n', text)
	end)

	it("leaves out what is not old enough, and draws flames", function()
		assert.same({}, leaks(" leak=5", "--older", "100"))
		child.setup()
		run(BUSY .. " leak=50 nap=200", "memleak", "--svg", child.folder .. "/memory.svg")
		assert.matches("<title>leak\n5,000 bytes, 100.00%%</title>", lab.read(child.folder .. "/memory.svg"))
		child.teardown()
	end)

	it("watches a process that runs", function()
		child.setup()
		local busy <const> = child.start("%s leak=3 pid wait leak=7 free=2 pid wait", BUSY)
		busy:lines "^waiting$"
		local traced <const> = child.start("build/crumb -v -p %d -i 100ms memleak", busy.pid)
		traced:lines "^crumb: p1"
		busy:say ""
		local lines <const> = traced:lines "blocks=5 bytes=500$"
		-- Only the tool's own rows, not those of its span.
		assert.is_nil((table.concat(lines, "\n") .. traced:finish "TERM"):find "%d%d:%d%d:%d%d")
		busy:finish()
		child.teardown()
	end)

	it("needs a process", function()
		assert.same({ "", 2, "crumb: whose memory? Say -p PID or -c COMMAND\nTry 'crumb --help'.\n" }, { cli.run "memleak" })
	end)
end)
