-- What a trace holds, and that nothing of it stays: descriptors, links, programs, maps, memory, whatever happens.
local core = require "crumb.core"
local crumb = require "crumb"
local lab = require "support.lab"
local stack = require "crumb.stack"
local Victim = require "support.victim"

local VICTIM <const> = "uprobe:build/fixtures/victim:"
-- A raw tracepoint is attached and detached fast; until 6.10 it takes no cookie.
local FAST <const> = require "crumb.bpf".features().hooks.rawtracepoint.cookie
local RAW <const> = FAST and "rawtracepoint:sys_enter" or "tracepoint:raw_syscalls:sys_enter"
local RAW_EXIT <const> = FAST and "rawtracepoint:sys_exit" or "tracepoint:raw_syscalls:sys_exit"
local NUMBER <const> = FAST and "arg1" or "args.id"

-- What a process holds: how many descriptors, and, by their numbers, what of BPF.
local function held(pid)
	local found <const> = { descriptors = 0, prog = {}, map = {}, link = {}, mapped = 0 }
	local folder <const> = ("/proc/%s/fdinfo"):format(pid or "self")
	for _, name in ipairs(assert(core.directory(folder))) do
		local file <close> = io.open(folder .. "/" .. name)
		local text <const> = file and file:read "a" or ""
		found.descriptors = found.descriptors + 1
		local link <const> = text:match "link_id:%s*(%d+)"
		for kind, id in text:gmatch "(%a+)_id:%s*(%d+)" do
			if found[kind] and (kind == "link" or not link) then found[kind][id] = true end
		end
	end
	for line in lab.read(("/proc/%s/maps"):format(pid or "self")):gmatch "[^\n]+" do
		if line:find "anon_inode:bpf%-map" then found.mapped = found.mapped + 1 end
	end
	return found
end

local function size_of(set)
	local count = 0
	for _ in pairs(set) do count = count + 1 end
	return count
end

-- The same as numbers.
local function counts()
	collectgarbage()
	collectgarbage()
	local found <const> = held()
	return {
		descriptors = found.descriptors, programs = size_of(found.prog), maps = size_of(found.map),
		links = size_of(found.link), mapped = found.mapped,
	}
end

local function resident()
	return math.tointeger(lab.read "/proc/self/statm":match "^%d+ (%d+)") * 4
end

-- The first rounds fill caches.
local function flat(times, work, settle)
	times, settle = lab.times(times), settle or function() end
	for _ = 1, math.max(5, times // 4) do work() end
	settle()
	local before <const>, memory = counts(), resident()
	local objects <const> = collectgarbage "count"
	for _ = 1, times do work() end
	settle()
	assert.same(before, counts())
	for _ = 1, 4 do -- the heap finds its size; what leaks goes on
		if resident() - memory < 1024 then break end
		memory = resident()
		for _ = 1, times do work() end
		settle()
		counts()
	end
	assert.is_true(resident() - memory < 1024, resident() - memory .. " KiB more")
	assert.is_true(collectgarbage "count" - objects < 256, collectgarbage "count" - objects .. " KiB more of Lua's")
end

local before

-- What is kept from the first one on.
setup(function()
	local victim <close> = Victim.start()
	assert(stack.remember(victim.pid))
	crumb.trace():close()
end)

before_each(function()
	before = counts()
end)
after_each(function() assert.same(before, counts()) end)

local function pools(trace)
	assert(trace.engine.reclaim:collect())
	local left <const> = {}
	for name, pool in pairs(trace.engine.pools) do left[name] = pool:left() end
	return left
end

describe("again and again", function()
	it("a trace is opened and closed", function()
		flat(200, function() assert(crumb.trace()):close() end)
	end)

	it("a trace with a probe is opened and closed", function()
		flat(15, function()
			local trace <close> = assert(crumb.trace())
			assert(trace:probe { RAW, where = "pid == 0", capture = { number = NUMBER } })
			assert(trace:probe { RAW, where = "pid == 0", hist = NUMBER, by = { "comm", "ustack" } })
		end)
	end)

	it("a probe is opened and closed", function()
		local trace <close> = assert(crumb.trace())
		local left
		flat(200, function()
			left = left or pools(trace)
			assert(trace:probe {
				RAW, where = ("pid == 0 and comm like 'a*b' and %s in {1, 2, 3, 4, 5, 6}"):format(NUMBER), count = true,
				capture = { number = NUMBER },
			}):close()
		end)
		assert.same(left, pools(trace))
	end)

	it("a probe of each other kind is opened and closed", function()
		local trace <close>, left = assert(crumb.trace()), nil
		local victim <close> = Victim.start()
		flat(6, function()
			left = left or pools(trace)
			local probe <close> = assert(trace:probe { VICTIM .. "hit_a", returns = true, pid = victim.pid, hist = "latency" })
			local other <close> = assert(trace:probe { "syscall:getpgid", count = true, by = "ustack", pid = victim.pid })
			local span <close> = assert(trace:span {
				from = { RAW, key = "pid", where = "pid == 0" }, to = { RAW_EXIT, key = "pid" }, count = true,
			})
			victim:call("hit_a", 1)
			victim:call("getpgid", 1)
			assert.same({ 1, 1, 0 }, { probe:stats().aggregated, other:stats().aggregated, span:stats().aggregated })
		end)
		assert.same(left, pools(trace))
	end)

	it("a family is followed", function()
		local trace <close>, left = assert(crumb.trace()), nil
		local victim <close> = Victim.start()
		assert(trace:probe { RAW, count = true, pid = victim.pid, follow = true }):close()
		flat(12, function()
			left = left or pools(trace)
			assert(trace:probe { RAW, count = true, pid = victim.pid, follow = true }):close()
		end)
		assert.same(left, pools(trace))
	end)

	it("probes fail", function()
		local trace <close>, left = assert(crumb.trace()), nil
		local victim <close> = Victim.start()
		assert.is_true(victim.pid > 0)
		flat(15, function()
			left = left or pools(trace)
			for _, given in ipairs {
				{ VICTIM .. "nobody" }, { "uprobe:/nowhere:f" }, { "tracepoint:no:such" }, { RAW, where = "nonsense == 1" },
				{ RAW, count = true, by = "nonsense" }, { RAW, capture = { x = "str(" } }, { RAW, where = "comm == $missing" },
				{ VICTIM .. "locked", count = true }, -- the kernel refuses it
				{ RAW, pid = 4000000, follow = true }, { VICTIM .. "hit_a", pid = 4000000 },
				{ RAW, VICTIM .. "hit_a", VICTIM .. "locked", where = "comm in {'a', 'b'} and comm like 'x*y'", hist = "pid" },
			} do
				local probe <const>, message <const>, errno <const> = trace:probe(given)
				assert.is_nil(probe)
				assert.equal("string", type(message))
				assert.equal("integer", math.type(errno))
			end
			for _, given in ipairs { {}, { RAW, nonsense = 1 }, { RAW, pid = -1 }, { RAW, returns = true }, { 5 } } do
				assert.is_false((pcall(trace.probe, trace, given)))
			end
		end)
		assert.same(left, pools(trace))
	end)

	it("rules change", function()
		local trace <close> = assert(crumb.trace())
		local victim <close> = Victim.start()
		local probe <const> = assert(trace:probe {
			VICTIM .. "hit_a", VICTIM .. "hit_b", cookie = { hit_a = 1, hit_b = 2 }, pid = victim.pid,
			where = "comm == $name", params = { name = "victim" },
		})
		local number, sent = 0, 0
		flat(1000, function()
			number = number + 1
			assert(probe:set {
				where = ("pid ~= %d and comm in $names"):format(number % 10), -- trees of expressions are kept for a while
				params = { names = { "victim", "n" .. number // 50 } }, -- a set takes the kernel some 20 ms
				capture = { ["c" .. number] = tostring(number) },
			})
			probe:rule(1).where = "uid ~= " .. 1 + number % 10
			if number % 100 > 0 then return end
			victim:call("hit_a", 2)
			for event in probe:events { idle = 0 } do
				assert.equal(number, event["c" .. number])
				sent = sent + 1
			end
		end, function() assert(trace.engine.reclaim:collect()) end)
		assert.equal(number // 100 * 2, sent)
		assert(trace.engine.reclaim:collect())
		assert.is_true(size_of(trace.engine.layouts) <= 4)
	end)
end)

describe("a handle that is dropped", function()
	it("leaves the probe to its trace", function()
		local victim <close> = Victim.start()
		local trace = assert(crumb.trace())
		local seen = 0
		assert(trace:probe { VICTIM .. "hit_a", pid = victim.pid, handler = function() seen = seen + 1 end })
		collectgarbage()
		collectgarbage()
		victim:call("hit_a", 3)
		assert.equal(3, trace:poll(0))
		assert.equal(3, seen)
		assert.is_true(counts().links > before.links)
		trace = nil -- luacheck: ignore
		victim:stop()
	end)

	it("of a trace closes it, in any order", function()
		for _, mode in ipairs { "generational", "incremental" } do
			collectgarbage(mode)
			for keep = 1, 4 do
				local kept
				do
					local trace <const> = assert(crumb.trace())
					local probe <const> = assert(trace:probe { RAW, where = "pid == 0" })
					kept = ({ probe, probe.attachment, trace.engine, probe:events { idle = 0 } })[keep]
				end
				collectgarbage()
				assert.is_truthy(kept)
			end
			collectgarbage()
			collectgarbage()
		end
		collectgarbage "incremental"
	end)
end)

describe("a handler", function()
	local victim, trace

	before_each(function()
		victim = Victim.start()
		trace = assert(crumb.trace())
	end)

	after_each(function()
		trace:close()
		victim:stop()
		victim, trace = nil, nil
	end)

	local function probe(handler)
		return assert(trace:probe { VICTIM .. "hit_a", pid = victim.pid, handler = handler })
	end

	it("that raises loses no other event", function()
		local seen = 0
		probe(function()
			seen = seen + 1
			if seen % 2 == 1 then error { seen } end
		end)
		victim:call("hit_a", 5)
		local errors <const> = {}
		for _ = 1, 5 do
			local done <const>, message <const> = pcall(trace.poll, trace, 0)
			if not done then errors[#errors + 1] = message[1] end
		end
		assert.same({ 1, 3, 5 }, errors)
		assert.equal(5, seen)
	end)

	it("may close its probe, and its trace", function()
		local seen, one = 0, nil
		one = probe(function()
			seen = seen + 1
			one:close()
		end)
		victim:call("hit_a", 3)
		trace:poll(0)
		assert.equal(1, seen)
		assert.same({ 3, 1, 2 }, { one:stats().sent, one:stats().delivered, one:stats().dropped })
		assert.same({ before.programs > 0, 0 }, { before.programs > 0, counts().links - before.links })
		probe(function() trace:close() end)
		victim:call("hit_a", 2)
		local _ <const>, why <const> = trace:run { duration = 5 }
		assert.equal("closed", why)
		assert.is_true(trace:closed())
	end)

	it("may yield, and never go on", function()
		local seen = 0
		probe(function()
			seen = seen + 1
			coroutine.yield(seen)
		end)
		victim:call("hit_a", 3)
		local lost <const> = coroutine.wrap(function() trace:poll(0) end)
		assert.equal(1, lost())
		assert.equal(2, lost())
		local other <const> = coroutine.wrap(function() trace:poll(0) end)
		assert.equal(3, other())
		trace:close()
	end)
end)

describe("a script that is killed", function()
	it("leaves nothing in the kernel", function()
		local script <close> = lab.start(([[
			package.path, package.cpath = %q, %q
			io.stdout:setvbuf "line"
			local crumb = require "crumb"
			local trace = assert(crumb.trace())
			assert(trace:probe { %q, count = true, by = { "ustack" } })
			assert(trace:probe { "syscall:getpgid", capture = { id = "args.pid" } })
			assert(trace:probe { %q, pid = %d, follow = true, where = "pid == 0" })
			print "ready"
			trace:run {}
		]]):format(package.path, package.cpath, VICTIM .. "hit_a", RAW, lab.pid()))
		assert.equal("ready", script:line())
		local mine <const> = held(script.pid)
		local wanted <const> = {}
		for _, kind in ipairs { "prog", "map", "link" } do
			for id in pairs(mine[kind]) do wanted[kind .. " " .. id] = true end
			assert.is_true(size_of(mine[kind]) >= 3, kind)
		end
		local function left()
			local count = 0
			local pipe <close> = assert(io.popen "build/fixtures/bpf_ids")
			for line in pipe:lines() do
				if wanted[line] then count = count + 1 end
			end
			return count
		end
		assert.equal(size_of(wanted), left())
		script:signal "KILL"
		script:wait()
		assert.is_true(lab.eventually(function() return left() == 0 end))
	end)
end)
