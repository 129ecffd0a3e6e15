-- The examples, run as a person runs them, on victims that count their own calls.
--
-- Nothing sleeps: a child is read line by line, `timeout` ends what hangs, and the last call that a
-- victim makes is of a function of its own (last), after whose event no other can come.
local child = require "support.child"
local binaries = require "crumb.binaries"
local run, start = child.run, child.start

local VICTIM, GO = "build/fixtures/example_victim", "build/fixtures/example_go"
local function example(name, ...)
	local traced = start("build/crumb examples/%s.lua %s", name, table.concat({ ... }, " "))
	traced:lines "^attached to "
	return traced
end

-- Runs a victim to its end: its numbers by name, and its stack.
local function victim(...)
	local text, status = run("%s %s", VICTIM, table.concat({ ... }, " "))
	assert.equal(0, status, text)
	local counts = { stack = text:match "stack (%x+)" }
	for name, number in text:gmatch "(%l+) (%d+)\n" do counts[name] = math.tointeger(number) end
	return counts
end

local function go_victim()
	local file = io.open(GO)
	if not file then pending "no Go compiler" end
	file:close()
	return GO
end

-- Lists as "23 × a, 5 × b".
local function runs_of(list)
	local runs = {}
	for _, word in ipairs(list) do
		local run_ = runs[#runs]
		if run_ and run_.word == word then
			run_.n = run_.n + 1
		else
			runs[#runs + 1] = { word = word, n = 1 }
		end
	end
	for i, run_ in ipairs(runs) do runs[i] = ("%d × %s"):format(run_.n, run_.word) end
	return table.concat(runs, ", ")
end

-- The events among printed lines: each its headline, and the bytes of the dump below it in hexadecimal.
local function events_in(lines)
	local events = {}
	for _, line in ipairs(lines) do
		local address, row = line:match "^  (%x+) (.*)$"
		if address then
			row = row:sub(1, 48)
			local event = events[#events]
			event.sp = event.sp or tonumber(address, 16)
			event.stack = event.stack .. row:gsub(" ", "")
		else
			events[#events + 1] = { line = line, stack = "" }
		end
	end
	return events
end

-- Reads an example's events until that of `last`, whose dump has four lines.
local function events_until(traced, pattern)
	local lines = traced:lines(pattern)
	for _ = 1, 4 do lines[#lines + 1] = traced.output:read "l" end
	return events_in(lines)
end

local function field_of(events, pattern)
	local list = {}
	for i, event in ipairs(events) do list[i] = event.line:match(pattern) or event.line end
	return list
end

local function return_address(event)
	return (("<I8"):unpack((event.stack:sub(1, 16):gsub("%x%x", function(byte) return string.char(tonumber(byte, 16)) end))))
end

describe("examples", function()
	setup(function()
		local hook = require "crumb.bpf.features".hook "uprobe"
		if not hook.cookie then pending(hook.why or "no uprobes") end
	end)

	before_each(child.setup)
	after_each(child.teardown)

	describe("event_context", function()
		it("says of each event which function it came from, and shows the stack", function()
			local traced = example("event_context", VICTIM, "foobar=0xfedcba9876543210 bazbuz last=7")
			local counts = victim("foobar=23 bazbuz=5 foobar=2 last=1")
			local events = events_until(traced, "^last ")
			assert.equal("23 × foobar cookie 0xfedcba9876543210, 5 × bazbuz cookie 0x2, "
				.. "2 × foobar cookie 0xfedcba9876543210, 1 × last cookie 0x7",
				runs_of(field_of(events, "^(.-) example_")))
			assert.equal(("31 × example_victim[%d]"):format(counts.pid),
				runs_of(field_of(events, " (%S+)$")))
			for _, event in ipairs(events) do assert.equal(2 * 50, #event.stack) end
			assert.equal(counts.stack, events[30].stack)
			assert.equal("", (traced:finish "TERM"):gsub("^Terminated\n", ""))
		end)

		it("works on a Go program", function()
			local traced = example("event_context", go_victim(), "main.foobar=1 main.bazbuz=2 main.last=3")
			assert.equal("foobar 23\nbazbuz 5\nlast 1\n", (run("%s 23 5", GO)))
			local events = events_until(traced, "^main%.last ")
			assert.equal("23 × main.foobar cookie 0x1, 5 × main.bazbuz cookie 0x2, 1 × main.last cookie 0x3",
				runs_of(field_of(events, "^(.-) example_")))
			for _, event in ipairs(events) do assert.equal(2 * 50, #event.stack) end
		end)

		it("follows one process when it is told to", function()
			local chosen = start("%s wait foobar=3 last=1", VICTIM)
			chosen:lines "^waiting"
			local traced = example("event_context", VICTIM, "foobar last --pid", chosen.pid)
			victim("foobar=23 last=1")
			chosen:say "go on"
			local events = events_until(traced, "^last ")
			assert.equal("3 × foobar, 1 × last", runs_of(field_of(events, "^%S+")))
		end)

		it("shows no control characters of a process's name", function()
			local traced = example("event_context", VICTIM, "foobar last")
			victim("'name=\27[31m\\red\200'", "foobar=1 last=1")
			local events = events_until(traced, "^last ")
			assert.truthy(events[1].line:find("0x1 \\x1b[31m\\x5cred\\xc8[", 1, true), events[1].line)
		end)

		it("ends at Ctrl-C, and at the end of its time", function()
			if child.ignores "INT" then pending "SIGINT is ignored by whoever runs the specs" end
			local traced = example("event_context", VICTIM, "last")
			victim "last=1"
			events_until(traced, "^last ")
			local rest, status = traced:finish "INT"
			assert.equal("", rest)
			assert.equal(0, status)
			rest, status = example("event_context", VICTIM, "foobar --duration 0.01"):finish()
			assert.equal("", rest)
			assert.equal(0, status)
		end)

		it("says in a line what is wrong", function()
			local text, status = run("build/crumb examples/event_context.lua %s", VICTIM)
			assert.equal(2, status)
			assert.equal("usage: build/crumb examples/event_context.lua BINARY SYMBOL[=COOKIE]... [--pid N] [--duration S]\n",
				text)
			for _, wrong in ipairs { "foobar=x", "foobar --pid", "foobar --pid x", "foobar --pod 3" } do
				text, status = run("build/crumb examples/event_context.lua %s %s", VICTIM, wrong)
				assert.equal(2, status)
				assert.truthy(text:find "^usage: ", wrong)
			end
			text, status = run("build/crumb examples/event_context.lua %s foobat", VICTIM)
			assert.equal(1, status)
			assert.truthy(text:find("no symbol 'foobat' (nearest: foobar", 1, true), text)
			assert.falsy(text:find "traceback", text)
		end)

		it("ends when nobody reads on, also where SIGPIPE is ignored", function()
			for _, trap in ipairs { "-", "''" } do
				local traced = start("sh -c %s", child.quoted(([[
					trap %s PIPE
					{ build/crumb examples/event_context.lua %s foobar; echo ended >&2; } 2>%s/errors |
						{ read line; echo "$line"; read line; }
				]]):format(trap, VICTIM, child.folder)))
				traced:lines "^attached to "
				victim "foobar=500"
				assert.equal("", (traced:finish()))
				local errors <close> = assert(io.open(child.folder .. "/errors"))
				assert.equal(trap == "-" and not child.ignores "PIPE" and "ended\n" or "crumb: Broken pipe\nended\n", errors:read "a")
			end
		end)
	end)

	describe("stack_dump", function()
		it("copies 50 bytes, or as many as the cookie says", function()
			local traced = example("stack_dump", VICTIM, "foobar bazbuz=16 last=1000")
			local counts = victim("bazbuz=5 foobar=23 last=1")
			local lines = traced:lines " 256 bytes"
			local events = events_in(lines)
			assert.equal("5 × 16, 23 × 50, 1 × 256", runs_of(field_of(events, "(%d+) bytes of stack$")))
			assert.equal(counts.stack, events[28].stack)
			assert.equal(2 * 16, #events[1].stack)
		end)

		it("works on a Go program", function()
			local traced = example("stack_dump", go_victim(), "main.foobar main.last=8")
			run("%s 23 5", GO)
			local events = events_in(traced:lines " 8 bytes of stack$")
			assert.equal("23 × 50, 1 × 8", runs_of(field_of(events, "(%d+) bytes of stack$")))
			local elf <close> = assert(binaries.elf(GO))
			local main = elf:find("main.main")[1]
			for i = 1, 23 do
				assert.equal(2 * 50, #events[i].stack)
				local address = return_address(events[i])
				assert.truthy(address > main.value and address < main.value + main.size)
			end
		end)
	end)

	describe("uid_filter", function()
		-- Its last event is of a second victim, whose gid tells.
		local function events_of_uids(...)
			local traced = example("uid_filter", VICTIM, "foobar", ...)
			assert.equal(30, victim("foobar=3 gid=4242 foobar=4 uid=1234 foobar=23").foobar)
			victim(("gid=4343 uid=%d foobar=1"):format((select(select("#", ...), ...))))
			return runs_of(field_of(events_in(traced:lines " gid 4343$"), "uid .*$"))
		end

		it("lets one user through, whatever the group is", function()
			assert.equal("23 × uid 1234 gid 4242, 1 × uid 1234 gid 4343", events_of_uids(1234))
		end)

		it("is right for root in another group", function()
			assert.equal("3 × uid 0 gid 0, 4 × uid 0 gid 4242, 1 × uid 0 gid 4343", events_of_uids(0))
		end)

		it("filters for several users at once", function()
			assert.equal("3 × uid 0 gid 0, 4 × uid 0 gid 4242, 23 × uid 1234 gid 4242, 1 × uid 0 gid 4343",
				events_of_uids(1234, 0))
		end)

		it("compares the whole cookie: no other value is a user", function()
			assert.equal("23 × uid 1234 gid 4242, 1 × uid 1234 gid 4343", events_of_uids("0x1000004d2", "0x108e10000", 1234))
		end)
	end)

	describe("filter_map", function()
		it("changes what passes while the probe is attached, both ways", function()
			local traced = example("filter_map", VICTIM, "foobar=1234:4242 last=1234:4242 --watch 0.01")
			local calls = start("%s gid=4242 uid=1234 foobar=23 last=1 wait foobar=7 last=1 wait foobar=11 last=1", VICTIM)
			local lines = {}
			local function filter(text)
				calls:lines "^waiting"
				traced:say(text)
				table.move(traced:lines "^foobar: now ", 1, 30, #lines + 1, lines)
				calls:say "go on"
			end
			filter "foobar 1234 1"
			filter "foobar 1234 4242"
			assert.truthy(calls:finish():find "foobar 41\nbazbuz 0\nlast 3\n")
			traced:say ""
			for line in traced:finish():gmatch "[^\n]+" do lines[#lines + 1] = line end
			local events = {}
			for _, line in ipairs(lines) do events[#events + 1] = line:match "^(%l+ %S+)%[%d+%] uid 1234 gid 4242$" end
			assert.equal("23 × foobar example_victim, 2 × last example_victim, 11 × foobar example_victim, "
				.. "1 × last example_victim", runs_of(events))
		end)
	end)

	describe("tail_calls", function()
		it("swaps one probe's action while it stays attached, and the action has the whole cookie", function()
			local traced = example("tail_calls", VICTIM, "foobar bazbuz last --watch 0.01")
			local lines = {}
			local function swap(text)
				traced:say(text)
				table.move(traced:lines ": now ", 1, 60, #lines + 1, lines)
			end
			swap "last emit"
			local calls = start("%s foobar=23 last=1 wait foobar=7 last=1 wait foobar=5 wait foobar=11 bazbuz=2 last=1", VICTIM)
			for _, text in ipairs { "foobar emit", "foobar none", "foobar count" } do
				calls:lines "^waiting"
				swap(text)
				calls:say "go on"
			end
			assert.truthy(calls:finish():find "foobar 46\nbazbuz 2\nlast 3\n")
			traced:say ""
			for line in traced:finish():gmatch "[^\n]+" do lines[#lines + 1] = line end
			local events = {}
			for _, line in ipairs(lines) do events[#events + 1] = line:match "^(%l+ cookie %S+) example_victim%[%d+%]$" end
			assert.equal("1 × last cookie 0xc0ffee0000000002, 7 × foobar cookie 0xc0ffee0000000000, "
				.. "2 × last cookie 0xc0ffee0000000002", runs_of(events))
			local totals = { lines[#lines] }
			for i = 3, 1, -1 do totals[#totals + 1] = lines[#lines - i] end
			table.sort(totals)
			assert.same({ "bazbuz counted 2", "foobar counted 34", "last counted 0", "nothing to do at 5 hits" }, totals)
		end)
	end)

	describe("malloc_latency", function()
		it("counts the blocks of a command that are large enough, by how long each took", function()
			local text <const>, status <const> = run(
				"build/crumb examples/malloc_latency.lua --above 100k %s malloc=200000 malloc=100 malloc=102400 malloc=102401", VICTIM)
			assert.equal(2, status, text) -- 100k is no number
			local output <const>, ended <const> = run(
				"build/crumb examples/malloc_latency.lua --above 102400 %s malloc=200000 malloc=100 malloc=102400 malloc=102401", VICTIM)
			assert.equal(0, ended, output)
			assert.truthy(output:find "\nlatency %(ns%)\n%[", output)
			local sum = 0
			for count in output:gmatch "%) +(%d+) |" do sum = sum + math.tointeger(count) end
			assert.equal(2, sum)
		end)
	end)

	describe("opens", function()
		it("shows what one program opens, and what came of it", function()
			local program <const> = child.folder .. "/crumb_lua"
			assert(os.execute(("cp $(command -v lua5.4) %s && echo it >%s.txt"):format(program, program)))
			local traced <const> = example("opens", "'crumb_l*'")
			run("%s -e %s", program, child.quoted(("io.open '%s.txt' io.open '%s.none'"):format(program, program)))
			local seen <const> = {}
			for _, line in ipairs(traced:lines "%.none ") do
				seen[#seen + 1] = line:find(child.folder, 1, true) and line:gsub("%[%d+%]", ""):gsub("%d+$", "opened") or nil
			end
			assert.same({ ("crumb_lua %s.txt opened"):format(program), ("crumb_lua %s.none ENOENT"):format(program) }, seen)
		end)
	end)

	describe("live_rule", function()
		it("changes one function's rule while all stay attached, and says what is wrong", function()
			local traced <const> = example("live_rule", VICTIM, "foobar bazbuz last --watch 0.01")
			local calls <const> = start("%s foobar=23 bazbuz=1 last=1 wait foobar=7 bazbuz=1 wait foobar=5 bazbuz=2 wait foobar=11 last=1",
				VICTIM)
			local lines <const> = {}
			local function change(text, answer)
				traced:say(text)
				table.move(traced:lines(answer), 1, 60, #lines + 1, lines)
			end
			calls:lines "^waiting"
			change("foobar off", "^foobar: now off$")
			change("foobar pid == ", "^foobar: .*where")
			calls:say "go on"
			calls:lines "^waiting"
			change("foobar uid ~= 0", "^foobar: now uid ~= 0$")
			change("bazbuz pid == " .. calls.pid, "^bazbuz: now pid == ")
			calls:say "go on"
			calls:lines "^waiting"
			change("foobar", "^foobar: now all$")
			calls:say "go on"
			assert.truthy(calls:finish():find "foobar 46\nbazbuz 4\nlast 2\n")
			traced:say ""
			for line in traced:finish():gmatch "[^\n]+" do lines[#lines + 1] = line end
			local events <const> = {}
			for _, line in ipairs(lines) do
				events[#events + 1] = line:match "^%d%d:%d%d:%d%d%.%d+ example_victim%[%d+%] (%l+) first="
			end
			assert.equal("23 × foobar, 1 × bazbuz, 1 × last, 3 × bazbuz, 11 × foobar, 1 × last", runs_of(events))
		end)
	end)

	-- These tell all at their end.
	describe("of those that Ctrl-C ends,", function()
		before_each(function()
			if child.ignores "INT" then pending "SIGINT is ignored by whoever runs the specs" end
		end)

		it("who_calls counts each call at its stack", function()
			local traced <const> = example("who_calls", VICTIM, "foobar")
			local calls <const> = start("%s foobar=23 bazbuz=4 wait", VICTIM)
			calls:lines "^waiting"
			local text <const>, status <const> = traced:finish "INT"
			assert.equal(0, status, text)
			local sum = 0
			for line in text:gmatch "[^\n]+" do
				local count <const> = line:match "^example_victim;.*foobar (%d+)$"
				sum = sum + assert(math.tointeger(count), line)
			end
			assert.equal(23, sum)
		end)

		it("top_functions counts all that a pattern names, the largest first", function()
			local traced <const> = example("top_functions", VICTIM, "'[fb]*[rz]' --top 1")
			victim "foobar=23 bazbuz=5 last=1"
			assert.equal("symbol  count\nfoobar     23\n", (traced:finish "INT"))
			local both <const> = example("top_functions", VICTIM, "'[fb]*[rz]'")
			victim "bazbuz=5 foobar=4 last=1"
			assert.equal("symbol  count\nbazbuz      5\nfoobar      4\n", (both:finish "INT"))
		end)

		it("one_in_n shows some calls, and accounts for all", function()
			local traced <const> = example("one_in_n", VICTIM, "foobar --one-in 10 --limit 1000")
			victim "foobar=100 last=1"
			local lines <const> = {}
			for line in traced:finish "INT":gmatch "[^\n]+" do lines[#lines + 1] = line end
			assert.equal("100 calls: 10 shown, 90 left out by sampling, 0 by the limit, 0 lost", table.remove(lines))
			assert.equal(10, #lines)
			for _, line in ipairs(lines) do assert.truthy(line:find "^%d+:%d+:%d+%.%d+ example_victim%[%d+%] foobar first=") end
		end)

		it("run_queue draws how long threads waited", function()
			local text <const>, status <const> = run "build/crumb examples/run_queue.lua --duration 0.2"
			assert.equal(0, status, text)
			assert.truthy(text:find "^latency %(ns%)\n%[.*@.*\n%d+ threads wait still\n$", text)
		end)
	end)
end)
