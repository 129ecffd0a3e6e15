-- A trace: where events go, when loops end, what closing leaves.
local core = require "crumb.core"
local crumb = require "crumb"
local lab = require "support.lab"
local show = require "crumb.show"
local tracer = require "support.tracer"

local it_traces <const>, UPROBE <const> = tracer.it, tracer.UPROBE

describe("an event goes", function()
	it_traces("to what run was given to show those that nobody takes, until it refuses", function(trace, victim)
		assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, cookie = 7 })
		victim:call("hit_a", 3)
		local shown <const> = {}
		assert.same({ true, "duration" }, { trace:run { duration = 0, show = function(event)
			shown[#shown + 1] = event.cookie
			return true
		end } })
		assert.same({ 7, 7, 7 }, shown)
		victim:call("hit_a", 2)
		assert.same({ nil, "trace:run: write to standard output: full", 28 },
			{ trace:run { duration = 1, show = function() return nil, "full", 28 end } })
	end)

	it_traces("to its probe's handler, else to whoever iterates", function(trace, victim)
		local handled <const> = {}
		assert(trace:probe { UPROBE .. "hit_a", cookie = 1, pid = victim.pid,
			handler = function(event) handled[#handled + 1] = event.cookie end })
		local b <const> = assert(trace:probe { UPROBE .. "hit_b", cookie = 2, pid = victim.pid })
		local c <const> = assert(trace:probe { UPROBE .. "hit_c", cookie = 3, pid = victim.pid })
		for _, word in ipairs { "hit_a", "hit_b", "hit_c" } do victim:call(word, 2) end
		assert.same({ { 2 }, { 2 } }, tracer.pick(tracer.all(b:events { idle = 0 }), "cookie"))
		assert.same({ 1, 1 }, handled)
		victim:call("hit_b", 1)
		assert.same({ { 3 }, { 3 }, { 2 } }, tracer.pick(tracer.all(trace:events { idle = 0 }), "cookie"))
		assert.same({}, tracer.all(c:events { idle = 0 }))
		assert.same({ 3, 2 }, { b:stats().delivered, c:stats().delivered })
	end)

	it_traces("to the handler of its cookie, else to whoever iterates", function(trace, victim)
		local ones = 0
		local probe <const> = assert(trace:probe { UPROBE .. "hit_*", cookie = { hit_a = 1, hit_b = 2 }, pid = victim.pid,
			handler = { function() ones = ones + 1 end } })
		victim:call("hit_a", 3)
		victim:call("hit_b", 2)
		assert.same({ { 2 }, { 2 } }, tracer.pick(tracer.all(probe:events { idle = 0 }), "cookie"))
		assert.equal(3, ones)
		victim:call("hit_b", 1)
		local seen = 0
		for bits, none in probe:each("cookie", "none", { idle = 0 }) do
			assert.same({ 2, false }, { bits, none })
			seen = seen + 1
		end
		assert.same({ 1, 6 }, { seen, probe:stats().delivered })
	end)

	it_traces("to positional values, while others are handled, and what waited comes first", function(trace, victim)
		local handled = 0
		local fast <const> = assert(trace:probe { UPROBE .. "say", pid = victim.pid, capture = { n = "arg1" } })
		assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, handler = function() handled = handled + 1 end })
		local waits <const> = assert(trace:probe { UPROBE .. "hit_b", pid = victim.pid })
		victim:call("say", 2)
		assert.equal(0, trace:poll())
		victim:call("hit_a", 3)
		victim:call("hit_b", 4)
		victim:call("say", 1)
		local list <const> = {}
		for n in fast:each("n", { idle = 0 }) do list[#list + 1] = n end
		assert.same({ 0, 1, 0 }, list)
		assert.equal(3, handled)
		assert.equal(4, #tracer.all(waits:events { idle = 0 }))
		assert.same({ 3, 4 }, { fast:stats().delivered, waits:stats().delivered })
	end)

	it_traces("nowhere when there are too many, which is counted", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, ring_size = 1 << 24 })
		victim:call("hit_a", 65536 + 100)
		trace:poll()
		local stats <const> = probe:stats()
		assert.same({ 65636, 0, 100 }, { stats.sent, stats.delivered, stats.dropped })
		assert.equal(65536, #tracer.all(probe:events { idle = 0 }))
	end)

	it_traces("once, however loops are nested and left", function(trace, victim)
		local one <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid })
		local two <const> = assert(trace:probe { UPROBE .. "hit_b", pid = victim.pid })
		for _ = 1, 5 do
			victim:call("hit_a", 1)
			victim:call("hit_b", 1)
		end
		local a, b = 0, 0
		for _ in one:each("pid", { idle = 0 }) do
			a = a + 1
			for _ in two:each("pid", { idle = 0 }) do
				b = b + 1
				if b % 2 == 1 then break end
			end
		end
		assert.same({ 5, 5 }, { a, b })
		assert.same({ 5, 5 }, { one:stats().delivered, two:stats().delivered })
	end)
end)

describe("a handler", function()
	it_traces("that raises neither repeats nor loses an event", function(trace, victim)
		local seen <const> = {}
		assert(trace:probe { UPROBE .. "say", pid = victim.pid, capture = { n = "arg1" }, handler = function(event)
			seen[#seen + 1] = event.n
			if event.n == 2 then error "no" end
		end })
		victim:call("say", 5)
		local done <const>, message <const> = pcall(trace.poll, trace)
		assert.is_false(done)
		assert.matches("no$", message)
		trace:poll()
		assert.same({ 0, 1, 2, 3, 4 }, seen)
	end)

	it_traces("may yield", function(trace, victim)
		assert(trace:probe { UPROBE .. "say", pid = victim.pid, capture = { n = "arg1" },
			handler = function(event) coroutine.yield(event.n) end })
		victim:call("say", 3)
		local loop <const> = coroutine.wrap(function()
			trace:run { duration = 0.001 }
			return "over"
		end)
		assert.same({ 0, 1, 2, "over" }, { loop(), loop(), loop(), loop() })
	end)

	it_traces("may poll", function(trace, victim)
		local order <const> = {}
		assert(trace:probe { UPROBE .. "say", pid = victim.pid, capture = { n = "arg1" }, handler = function(event)
			if event.n == 0 then trace:poll() end
			order[#order + 1] = event.n
		end })
		victim:call("say", 3)
		trace:poll()
		assert.same({ 1, 2, 0 }, order)
	end)

	it_traces("may close its probe, and another's", function(trace, victim)
		local other <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid })
		local probe
		local seen = 0
		probe = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, handler = function()
			seen = seen + 1
			assert(probe:close())
			assert(other:close())
		end })
		victim:call("hit_a", 3)
		trace:poll()
		assert.equal(1, seen)
		assert.same({ 1, 2 }, { probe:stats().delivered, probe:stats().dropped })
		victim:call("hit_a", 3)
		assert.equal(3, other:stats().hits)
	end)

	it("may close the trace", function()
		local Victim <const> = require "support.victim"
		local victim <close> = Victim.start()
		local trace <close> = assert(crumb.trace())
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, handler = function() trace:close() end })
		victim:call("hit_a", 3)
		assert.same({ true, "closed" }, { trace:run { duration = 10 } })
		assert.is_nil(trace:poll())
		assert.is_true(trace:closed())
		tracer.adds_up(probe:stats(), 3)
		assert.same({ 1, 2 }, { probe:stats().delivered, probe:stats().dropped })
		assert.has_error(function() trace:run() end, "trace:run: the trace is closed")
	end)
end)

describe("a loop", function()
	it_traces("gets what had come behind any number of others' events, however short it waits", function(trace, victim)
		assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid })
		local b <const> = assert(trace:probe { UPROBE .. "hit_b", pid = victim.pid })
		victim:call("hit_a", 100)
		victim:call("hit_b", 2)
		assert.equal(2, #tracer.all(b:events { idle = 0 }))
		assert.equal(100, #tracer.all(trace:events { idle = 0 }))
	end)

	local function seconds_of(work)
		local start <const> = core.now()
		work()
		return (core.now() - start) / 1e9
	end

	it_traces("ends after its duration, with or without events", function(trace, victim)
		assert.truthy(seconds_of(function() assert.same({ true, "duration" }, { trace:run { duration = 0.1 } }) end) >= 0.1)
		assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, handler = function() end })
		victim.input:write("flood ", lab.times(1000000), "\n")
		victim.input:flush()
		local took <const> = seconds_of(function() trace:poll(0.05) end)
		assert.truthy(took >= 0.05 and took < 5)
	end)

	it_traces("ends when nothing of its own came for so long", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid })
		assert(trace:probe { UPROBE .. "hit_b", pid = victim.pid, handler = function() end })
		local ticks = 0
		trace:every(0.01, function()
			ticks = ticks + 1
			victim:call("hit_b", 1)
		end)
		victim:call("hit_a", 1)
		assert.equal(1, #tracer.all(probe:events { idle = 0.2 }))
		assert.truthy(ticks > 2)
		for _ in probe:each("pid", { idle = 0.05 }) do error "none" end
	end)

	it_traces("delivers all that came by its end, whatever ends it", function(trace, victim)
		local handled = 0
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, handler = function()
			handled = handled + 1
		end })
		victim:call("hit_a", 1000)
		assert.same({ true, "duration" }, { trace:run { duration = 0 } })
		assert.equal(1000, handled)
		local job <const> = assert(trace:spawn { "true" })
		assert(job:start())
		job:wait()
		victim:call("hit_a", 1000)
		assert.same({ true, "exit" }, { trace:run { process = job } })
		assert.equal(2000, handled)
		assert.equal(2000, probe:stats().delivered)
	end)

	it_traces("shows all events that have no handler, as print does", function(trace, victim)
		local printed <const> = {}
		local probe <const> = assert(trace:probe {
			UPROBE .. "say", pid = victim.pid, capture = { text = "str(arg0, 3)", number = "arg1" },
		})
		victim:call("say", 2)
		for event in probe:events { idle = 0 } do printed[#printed + 1] = tostring(event):match "%[.*$" end
		assert.same({
			("[%d] say number=0 text=alp…"):format(victim.pid), ("[%d] say number=1 text=bet…"):format(victim.pid),
		}, printed)
		victim:call("say", 3)
		local lines <const>, write <const> = {}, show.write
		show.write = function(event)
			lines[#lines + 1] = show.text(event):match "say .*$"
			return true
		end
		local done <const>, why <const> = pcall(trace.run, trace, { duration = 0.05 })
		show.write = write
		assert(done, why)
		assert.same({ "say number=0 text=alp…", "say number=1 text=bet…", "say number=2 text=gam…" }, lines)
	end)

	it_traces("prints an event by the captures that it has, when its rule holds no more", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "say", pid = victim.pid, capture = { z = "arg1", a = "arg1" } })
		victim:call("say", 1)
		probe.capture = { b = "arg1" }
		for event in probe:events { idle = 0 } do assert.equal("say a=0 z=0", tostring(event):match "say .*$") end
	end)

	it_traces("finds its own events behind many of others", function(trace, victim)
		assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid })
		local probe <const> = assert(trace:probe { UPROBE .. "hit_b", pid = victim.pid })
		victim:call("hit_a", 500)
		victim:call("hit_b", 3)
		assert.equal(3, #tracer.all(probe:events { idle = 0 }))
	end)

	it_traces("calls what is due, until that is ended", function(trace)
		local calls, timer = 0, nil
		timer = trace:every(0.005, function()
			calls = calls + 1
			if calls == 3 then timer.close() end
		end)
		trace:run { duration = 0.1 }
		assert.equal(3, calls)
		assert.has_error(function() trace:every(0, print) end, "trace:every: expected more than 0 seconds")
	end)

	it_traces("delivers within max_delay, in batches", function(trace, victim)
		local delays <const> = {}
		assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, max_delay = 0.01, handler = function(event)
			delays[#delays + 1] = core.now() - event.time
		end })
		local calls = 0
		trace:every(0.003, function()
			calls = calls + 1
			if calls <= 20 then victim:call("hit_a", 1) end
		end)
		assert.is_truthy(lab.eventually(function()
			trace:run { duration = 0.1 }
			return calls > 20
		end))
		assert.equal(20, #delays)
		table.sort(delays)
		assert.truthy(lab.slow or delays[10] < 30000000, delays[10])
	end)

	it_traces("wakes for an event at once when it had nothing to do", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "nap", pid = victim.pid, max_delay = 5 })
		victim.input:write "nap 1\n"
		victim.input:flush()
		local took <const> = seconds_of(function() assert(probe:events { duration = 20 }()) end)
		assert.truthy(took < 4, took)
	end)

	it_traces("wakes when the ring fills up", function(trace, victim)
		local seen = 0
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, max_delay = 30, ring_size = 65536,
			handler = function() seen = seen + 1 end })
		victim:call("hit_a", 1)
		local fed = false
		trace:every(0.05, function()
			if not fed then victim:call("hit_a", 700) end
			fed = true
		end)
		assert.truthy(lab.eventually(function()
			trace:poll(0.2)
			return seen == 701
		end))
		assert.equal(0, probe:stats().lost)
	end)

	it_traces("ends with a process, which is traced from its first instruction on", function(trace)
		local job <close> = assert(trace:spawn { "/bin/sh", "-c", "exit 3" })
		local execs <const> = assert(trace:probe { "tracepoint:sched:sched_process_exec", pid = job.pid })
		local shown <const> = {}
		execs.handler = function(event) shown[#shown + 1] = event.pid end
		assert.same({ true, "exit" }, { trace:run { process = job, duration = 20 } })
		assert.same({ exit = 3 }, job:wait())
		trace:poll()
		assert.same({ job.pid }, shown)
		assert.same({ true, "exit" }, { trace:run { process = job } })
		local none <close> = assert(trace:spawn { "/no/such" })
		assert.same({ nil, "start /no/such: No such file or directory", 2 }, { trace:run { process = none } })
	end)

	it_traces("of a foreign kind rests after events, and is woken by timers", function(trace, victim)
		local seen, called = 0, 0
		assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, max_delay = 60, handler = function() seen = seen + 1 end })
		local fd <const> = trace:fd()
		victim:call("hit_a", 1)
		assert.is_true(core.await(1000000000, fd))
		assert.equal(1, trace:poll())
		victim:call("hit_a", 5)
		assert.is_false(core.await(0, fd))
		local timer <const> = trace:every(0.001, function() called = called + 1 end)
		assert.is_true(core.await(1000000000, fd))
		trace:poll()
		assert.same({ 6, 1 }, { seen, called })
		timer:close()
		trace:poll() -- nothing came: from now on the next one wakes
		victim:call("hit_a", 1)
		assert.is_true(core.await(1000000000, fd))
	end)

	it_traces("of a foreign kind is woken when the ring fills up", function(trace, victim)
		assert(trace:probe {
			UPROBE .. "hit_a", pid = victim.pid, max_delay = 60, capture = { text = "bytes(sp, 512)" }, handler = function() end,
		})
		local fd <const> = trace:fd()
		victim:call("hit_a", 1)
		assert.is_true(core.await(1000000000, fd))
		assert.equal(1, trace:poll())
		victim:call("hit_a", 100)
		assert.is_false(core.await(0, fd))
		victim:call("hit_a", 900)
		assert.is_true(core.await(1000000000, fd))
	end)

	it_traces("of a foreign kind is woken by the descriptor", function(trace, victim)
		local seen = 0
		assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, handler = function() seen = seen + 1 end })
		local pollable <const> = trace:pollable()
		assert.same({ trace:fd(), "r" }, { pollable.pollfd, pollable.events })
		assert.truthy(pollable.timeout() > 1)
		local ring <const> = trace.engine.ring
		for round = 1, 3 do
			assert.is_false(ring:wait(0, true))
			victim:call("hit_a", 2)
			assert.is_true(ring:wait(1000000000, true))
			assert.equal(2, trace:poll())
			assert.equal(2 * round, seen)
		end
	end)
end)

describe("Ctrl-C", function()
	local function interrupted(text)
		local child <close> = lab.start(([[
			package.path, package.cpath = %q, %q
			io.stdout:setvbuf "line"
			local crumb = require "crumb"
			local core = require "crumb.core"
			local trace <close> = assert(crumb.trace())
			local lab = require "support.lab"
		]]):format(package.path, package.cpath) .. text)
		local lines <const> = {}
		for line in function() return child:line() end do
			if line == "now" then
				child:signal "INT"
			else
				lines[#lines + 1] = line
			end
		end
		return child:wait(), lines
	end

	it("ends run and events, and what was on its way is still there", function()
		local status <const>, lines <const> = interrupted [[
			trace:every(0.01, function() print "now" trace.delivery.timers = {} end)
			print(trace:run())
			local probe = assert(trace:probe { "tracepoint:syscalls:sys_enter_getppid", pid = lab.pid() })
			local timer
			timer = trace:every(0.01, function() timer.close() print "now" end)
			for _ in probe:events() do end
			timer = trace:every(0.01, function() timer.close() print "now" end)
			for _ in probe:each "pid" do end
			print(core.interrupted())
		]]
		assert.same({ "true\tinterrupted", "false" }, lines)
		assert.equal(0, status)
	end)

	it("a second time interrupts Lua", function()
		local status <const>, lines <const> = interrupted [[
			trace:every(0.001, function()
				print "now"
				while not core.interrupted() do end
				print "now"
				while true do end
			end)
			print(pcall(trace.run, trace))
		]]
		assert.matches("^false.*interrupted!", lines[1])
		assert.equal(0, status)
	end)
end)

describe("filters", function()
	it_traces("of a process leave others out, and its children, but not when they are followed", function(trace, victim)
		local alone <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, count = true, by = "pid" })
		local family <const> = assert(trace:probe { UPROBE .. "hit_a", pid = victim.pid, follow = true, count = true, by = "pid" })
		victim:call("hit_a", 2)
		victim:call("child", 3)
		victim:call("thread", 4)
		local Victim <const> = require "support.victim"
		local other <close> = Victim.start()
		other:call("hit_a", 5)
		assert.same({ { pid = victim.pid, count = 6 } }, { table.unpack(alone:read()) })
		local rows <const>, total = family:read(), 0
		assert.equal(4, #rows)
		for _, row in ipairs(rows) do total = total + row.count end
		assert.equal(9, total)
		assert(family:close())
		assert.equal(0, #trace.engine.maps.family:keys())
	end)

	it_traces("of a thread", function(trace, victim)
		local probe <const> = assert(trace:probe { UPROBE .. "hit_a", tid = victim.pid, count = true, by = {} })
		victim:call("hit_a", 2)
		victim:call("thread", 3)
		assert.equal(2, probe:read()[1].count)
	end)

	it("of a trace are those of its probes", function()
		tracer.with(function(trace, victim)
			local probe <const> = assert(trace:probe { UPROBE .. "hit_a", count = true, by = {} })
			victim:call("hit_a", 2)
			assert.same({}, { table.unpack(probe:read()) })
			assert.equal(1, probe.rule_now.options.pid)
		end, { pid = 1 })
	end)
end)

describe("closing", function()
	it_traces("twice, and many times, leaves nothing", function(trace, victim)
		local function once()
			local probe <close> = assert(trace:probe { "tracepoint:syscalls:sys_enter_getsid", pid = victim.pid, count = true })
			assert(probe:close())
			assert(probe:close())
		end
		once()
		assert(trace.engine.reclaim:collect())
		local before <const> = lab.descriptors()
		for _ = 1, lab.times(20) do once() end
		assert(trace.engine.reclaim:collect())
		assert.equal(trace.engine.pools.sites:size(), trace.engine.pools.sites:left())
		assert.equal(trace.engine.pools.bodies:size(), trace.engine.pools.bodies:left())
		assert.equal(trace.engine.pools.small_tables:size(), trace.engine.pools.small_tables:left())
		assert.equal(before, lab.descriptors())
		assert(trace:close())
		assert(trace:close())
	end)

	it("is done by the collector too", function()
		local before <const> = lab.descriptors()
		do
			local trace <const> = assert(crumb.trace())
			assert(trace:probe { "tracepoint:syscalls:sys_enter_getsid", where = "pid == 0" })
		end
		assert.equal(before, lab.descriptors())
	end)

	it("leaves no program when the script is killed, or ends without closing", function()
		if not lab.programs "on_tracepoint" then pending "the kernel does not list its programs" end
		for _, last in ipairs { "os.exit(0)", "os.exit(0, true)", "os.execute('kill -KILL ' .. require('support.lab').pid())" } do
			lab.run(([[
				package.path, package.cpath = %q, %q
				local trace = assert(require "crumb".trace())
				assert(trace:probe { "tracepoint:syscalls:sys_enter_getsid", where = "pid == 0" })
				%s
			]]):format(package.path, package.cpath, last))
			assert.truthy(lab.eventually(function() return lab.programs "on_tracepoint" == 0 end))
		end
	end)
end)
