-- Stacks: of the kernel and of processes, in events and as keys, also of those that have ended.
local core = require "crumb.core"
local crumb = require "crumb"
local lab = require "support.lab"
local Victim = require "support.victim"

local INNER <const> = "syscall:getpgid" -- which chain_inner calls without libc's help
local PATH <const> = "/build/fixtures/chain$"
local trace, victim

before_each(function()
	trace = assert(crumb.trace())
	victim = Victim.start "chain"
end)

after_each(function()
	victim:stop()
	trace:close()
	trace, victim = nil, nil
end)

-- The names of the frames in the victim's own file, the innermost first.
local function names(frames)
	local list <const> = {}
	for _, frame in ipairs(frames) do
		if frame.module and frame.module:find(PATH) then list[#list + 1] = frame.name end
	end
	return table.concat(list, " ")
end

local CHAIN <const>, OTHER <const> = "chain_inner chain_middle chain_outer main", "chain_inner chain_other main"

describe("a stack of a process", function()
	it("has its calls in an event, by name and place", function()
		local probe <const> = assert(trace:probe { INNER, pid = victim.pid, capture = { stack = "ustack" } })
		victim:call("chain", 2)
		victim:call("other", 1)
		local seen <const> = {}
		for event in probe:events { idle = 0 } do
			seen[#seen + 1] = names(event.stack)
			for i, frame in ipairs(event.stack) do
				assert.equal("integer", math.type(frame.address))
				if i <= 3 then
					assert.matches("spec/fixtures/chain%.c$", frame.file)
					assert.is_true(frame.line > 20 and frame.offset > 0 and frame.offset < 300)
				end
			end
		end
		assert.same({ CHAIN, CHAIN, OTHER }, seen)
	end)

	it("is a key, a row for each way", function()
		local probe <const> = assert(trace:probe { INNER, pid = victim.pid, count = true, by = { "ustack" } })
		victim:call("chain", 5)
		victim:call("other", 7)
		local rows <const> = assert(probe:read { sort = "-count" })
		assert.equal(2, #rows)
		assert.same({ OTHER, 7, CHAIN, 5 }, { names(rows[1].ustack), rows[1].count, names(rows[2].ustack), rows[2].count })
		local folded <const> = assert(probe:folded())
		assert.matches("main;chain_other;chain_inner 7", folded, 1, true)
		assert.matches("main;chain_outer;chain_middle;chain_inner 5", folded, 1, true)
		assert.matches("chain_middle%+0x%x+ %(.*/chain%) at .*chain%.c:%d+", tostring(probe))
	end)

	it("is one key beside others", function()
		local probe <const> = assert(trace:probe {
			INNER, pid = victim.pid, sum = { calls = "1" }, by = { "comm", stack = "ustack", "pid" },
		})
		victim:call("chain", 3)
		local rows <const> = assert(probe:read())
		assert.equal(1, #rows)
		assert.same({ "chain", victim.pid, 3, CHAIN }, { rows[1].comm, rows[1].pid, rows[1].calls, names(rows[1].stack) })
		assert.matches("^chain;%d+;.*main;chain_outer;chain_middle;chain_inner 3$", probe:folded())
	end)

	it("is that of the call at a return, too", function()
		local probe <const> = assert(trace:probe {
			"uprobe:build/fixtures/chain:chain_middle", returns = true, pid = victim.pid, capture = { stack = "ustack" },
		})
		victim:call("chain", 1)
		for event in probe:events { idle = 0 } do assert.matches("chain_outer main$", names(event.stack)) end
		assert.equal(1, probe:stats().delivered)
	end)

	it("comes from a uprobe with who called it", function()
		local probe <const> = assert(trace:probe {
			"uprobe:build/fixtures/chain:chain_inner", pid = victim.pid, capture = { stack = "ustack" },
		})
		victim:call("chain", 1)
		for event in probe:events { idle = 0 } do
			assert.equal(CHAIN, names(event.stack))
		end
		assert.equal(1, probe:stats().delivered)
	end)
end)

describe("a process that has ended", function()
	local function run(count) assert(os.execute("build/fixtures/chain " .. count)) end

	it("has names when it was asked for", function()
		local probe <const> = assert(trace:probe { INNER, pid = victim.pid, capture = { stack = "ustack" } })
		local rows <const> = assert(trace:probe { INNER, pid = victim.pid, count = true, by = "ustack" })
		victim:call("chain", 1)
		victim:stop()
		assert.is_true(lab.eventually(function() return not core.directory(("/proc/%d"):format(victim.pid)) end))
		for event in probe:events { idle = 0 } do assert.equal(CHAIN, names(event.stack)) end
		assert.equal(CHAIN, names(rows:read()[1].ustack))
		assert.equal(1, probe:stats().delivered)
	end)

	it("has names when the trace was awaited meanwhile", function()
		local rows <const> = assert(trace:probe { INNER, where = "comm == 'chain'", count = true, by = { "ustack" } })
		victim:call("chain", 4)
		assert.equal(0, trace:poll(0))
		victim:stop()
		assert.is_true(lab.eventually(function() return not core.directory(("/proc/%d"):format(victim.pid)) end))
		local list <const> = assert(rows:read())
		assert.same({ 1, 4, CHAIN }, { #list, list[1].count, names(list[1].ustack) })
	end)

	it("has bare addresses otherwise", function()
		local rows <const> = assert(trace:probe { INNER, where = "comm == 'chain'", count = true, by = { "ustack" } })
		local events <const> = assert(trace:probe { INNER, where = "comm == 'chain'", capture = { stack = "ustack" } })
		run(3)
		assert.equal(3, rows:read()[1].count)
		local frames <const> = rows:read()[1].ustack
		assert.is_true(#frames >= 4)
		assert.is_nil(frames[1].name)
		for event in events:events { idle = 0 } do assert.equal(frames[1].address, event.stack[1].address) end
	end)
end)

describe("a stack of the kernel", function()
	-- Up to 6.4 those of system calls have none.
	it("comes from a tracepoint", function()
		local renamed <close> = Victim.start()
		local target <const> = "tracepoint:task:task_rename"
		local probe <const> = assert(trace:probe { target, pid = renamed.pid, capture = { stack = "kstack" } })
		local rows <const> = assert(trace:probe { target, pid = renamed.pid, count = true, by = { "kstack", "comm" } })
		renamed:call("rename", 2)
		local count = 0
		for event in probe:events { idle = 0 } do
			local found <const> = {}
			for _, frame in ipairs(event.stack) do found[frame.name or ""] = true end
			assert.is_true(found.__set_task_comm and (found.do_syscall_64 or found.invoke_syscall) or false, tostring(event.stack))
			count = count + 1
		end
		assert.equal(2, count)
		local list <const> = assert(rows:read())
		assert.same({ 1, 2, "victim" }, { #list, list[1].count, list[1].comm })
		assert.matches("^victim;.*syscall.*;__set_task_comm.* 2$", rows:folded())
	end)
end)

describe("the map of stacks", function()
	local function held()
		local count = 0
		for _ in trace.engine.inner.stacks:each() do count = count + 1 end
		return count
	end

	it("loses no hit when it is full", function()
		trace.engine.limits.stacks = 1
		local probe <const> = assert(trace:probe { INNER, pid = victim.pid, count = true, by = "ustack" })
		victim:call("chain", 2)
		victim:call("other", 3)
		local rows <const> = assert(probe:read { sort = "count" })
		assert.same({ 2, 3 }, { rows[1].count, rows[2].count })
		assert.equal(CHAIN, names(rows[1].ustack))
		assert.is_false(rows[2].ustack)
		assert.equal(5, probe:stats().aggregated)
		assert.matches("%? 3", probe:folded())
	end)

	it("is emptied with the tables, when it may fill up", function()
		trace.engine.limits.stacks = 4
		local one <const> = assert(trace:probe { INNER, pid = victim.pid, count = true, by = "ustack" })
		local two <const> = assert(trace:probe { INNER, pid = victim.pid, count = true, by = { "ustack", "comm" } })
		victim:call("chain", 1)
		victim:call("other", 1)
		assert.equal(2, held())
		assert.equal(2, #one:read { clear = true })
		assert.equal(2, held()) -- the other probe has rows with them
		assert.equal(2, #two:read { clear = true })
		assert.equal(0, held())
		victim:call("chain", 1)
		assert.equal(1, held())
		assert.equal(CHAIN, names(one:read()[1].ustack))
		for _ = 1, 50 do
			victim:call("chain", 1)
			assert.equal(CHAIN, names(one:read { clear = true }[1].ustack))
			assert.equal(CHAIN, names(two:read { clear = true }[1].ustack))
		end
		assert.is_true(held() <= 1)
	end)
end)

describe("a stack of a process that has ended before anybody looked", function()
	-- Runs it to its end before names are asked for; the rows.
	local function rows_of(words, follow, by)
		local job <const> = assert(trace:spawn(words))
		local probe <const> = assert(trace:probe {
			"uprobe:build/fixtures/chain:chain_middle", pid = job.pid, follow = follow, count = true, by = by or { "ustack" },
		})
		assert(job:start())
		assert.same({ exit = 0 }, job:wait(30))
		return assert(probe:read())
	end

	it("has names, when the trace is of it", function()
		local rows <const> = rows_of { "build/fixtures/chain", "3" }
		assert.equal(1, #rows)
		assert.matches("^chain_middle .*main$", names(rows[1].ustack))
		assert.equal(3, rows[1].count)
	end)

	it("has them as a child, too, and as one program after another", function()
		local rows <const> =
			rows_of({ "sh", "-c", "build/fixtures/chain 2; exec build/fixtures/chain 5" }, true, { "pid", "ustack" })
		assert.equal(2, #rows)
		for _, row in ipairs(rows) do assert.matches("^chain_middle .*main$", names(row.ustack)) end
		assert.equal(7, rows[1].count + rows[2].count)
	end)

	it("has them where it calls itself otherwise, and as a child that goes on in the same program", function()
		local lines <const> = [[printf "%s\n" "name other" "hit 3" fork "> hit 4" "> quit" wait quit]]
		local job <const> = assert(trace:spawn { "sh", "-c", lines .. " | build/fixtures/family >/dev/null" })
		local probe <const> = assert(trace:probe {
			"uprobe:build/fixtures/family:family_hit", pid = job.pid, follow = true, count = true, by = { "pid", "ustack" },
		})
		assert(job:start())
		assert.same({ exit = 0 }, job:wait(30))
		local counts <const> = {}
		for _, row in ipairs(assert(probe:read())) do
			assert.equal("family_hit", row.ustack[1].name)
			counts[#counts + 1] = row.count
		end
		table.sort(counts)
		assert.same({ 3, 4 }, counts)
	end)

	it("has them of the program that it was before", function()
		local job <const> = assert(trace:spawn { "sh", "-c", "exec build/fixtures/chain 1" })
		local probe <const> = assert(trace:probe { "uprobe:libc:execve", pid = job.pid, count = true, by = { "comm", "ustack" } })
		assert(job:start())
		assert.same({ exit = 0 }, job:wait(30))
		local found
		for _, row in ipairs(assert(probe:read())) do
			if row.comm == "sh" then found = row.ustack[1] end
		end
		if not found then pending "this shell does not use the C library" return end
		assert.matches("execve", found.name or "no name")
	end)

	it("costs no descriptor when it has ended", function()
		local function descriptors()
			rows_of { "build/fixtures/chain", "1" }
			trace:close()
			trace = assert(crumb.trace())
			collectgarbage() -- the job
			return #core.directory "/proc/self/fd"
		end
		descriptors()
		local before <const> = descriptors()
		for _ = 1, 3 do descriptors() end
		assert.equal(before, descriptors())
	end)
end)

describe("a stack that a span's beginning kept", function()
	local NEXT <const> = "uprobe:build/fixtures/chain:count_call" -- which chain_inner calls then

	local function kept(more)
		local given <const> = {
			from = { INNER, key = "tid", capture = { way = "ustack", number = "7" } }, to = { NEXT, key = "tid" }, pid = victim.pid,
		}
		for name, value in pairs(more) do given[name] = value end
		return assert(trace:span(given))
	end

	it("is a key of its rows", function()
		local span <const> = kept { count = true, sum = { sevens = "number" }, by = { "way", "comm" } }
		victim:call("chain", 5)
		victim:call("other", 7)
		local rows <const> = assert(span:read { sort = "-count" })
		assert.equal(2, #rows)
		assert.same({ OTHER, 7, 49, "chain" }, { names(rows[1].way), rows[1].count, rows[1].sevens, rows[1].comm })
		assert.same({ CHAIN, 5, 35, "chain" }, { names(rows[2].way), rows[2].count, rows[2].sevens, rows[2].comm })
		assert.matches("main;chain_other;chain_inner 7", span:folded(), 1, true)
		assert.matches("main;chain_other;chain_inner 49", span:folded "sevens", 1, true)
	end)

	it("is in its events, beside those of the end", function()
		local span <const> = kept { capture = { "way", here = "ustack", "number" } }
		victim:call("other", 1)
		for event in span:events { idle = 0 } do
			assert.same({ OTHER, 7 }, { names(event.way), event.number })
			assert.matches("^count_call .*main$", names(event.here))
			assert.matches("chain_other", tostring(event), 1, true)
		end
		assert.equal(1, span:stats().delivered)
	end)

	it("is told of what is pending, and has names when the process is gone", function()
		local span <const> = assert(trace:span {
			from = { INNER, key = "tid", capture = { way = "ustack", kernel = "kstack" } },
			to = { "uprobe:build/fixtures/chain:main", key = "tid" }, pid = victim.pid, count = true,
		})
		victim:call("chain", 1)
		trace:poll(0.2)
		victim:stop()
		local list <const> = span:pending()
		assert.equal(1, #list)
		assert.equal(CHAIN, names(list[1].way))
		assert.is_true(list[1].kernel == false or #list[1].kernel > 0)
		assert.equal("getpgid", list[1].symbol)
		victim = Victim.start "chain"
	end)

	it("is no number", function()
		local span <const>, message <const> = trace:span {
			from = { INNER, key = "tid", capture = { way = "ustack" } }, to = { NEXT, key = "tid" }, sum = "way",
		}
		assert.is_nil(span)
		assert.matches("is a stack, and no number", message, 1, true)
	end)
end)
