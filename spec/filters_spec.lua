-- Whose hits count: processes, their children, threads, users, names, cgroups; and what a container's script means.

local crumb = require "crumb"
local lab = require "support.lab"
local Victim = require "support.victim"

local FAMILY <const> = "uprobe:build/fixtures/family:family_hit"
local before, trace

before_each(function()
	before = lab.descriptors()
	trace = assert(crumb.trace())
end)

after_each(function()
	trace:close()
	trace = nil
	assert.equal(before, lab.descriptors())
end)

local function family(options)
	options[1], options.count, options.by = options[1] or FAMILY, true, options.by or "pid"
	return assert(trace:probe(options))
end

-- pid -> hits
local function counts(probe)
	local list <const> = {}
	for _, row in ipairs(assert(probe:read())) do list[row.pid] = row.count end
	return list
end

describe("a process that is followed", function()
	local root

	before_each(function() root = Victim.start "family" end)
	after_each(function() root:stop() end)

	it("has children, whenever they were born, and whatever they become", function()
		root:tell "fork"
		local old <const> = root:tell "> hit 1"
		root:tell "> fork"
		local old_grandchild <const> = root:tell "> > hit 1"
		local stranger <close> = Victim.start "family"
		local probe <const> = family { pid = root.pid, follow = true }
		root:tell "hit 1"
		root:tell "> hit 2"
		root:tell "> > hit 4"
		root:tell "> > fork" -- a child of one that was there before
		local young <const> = root:tell "> > > hit 8"
		root:tell "> > > fork"
		local youngest <const> = root:tell "> > > > hit 16"
		root:tell "> > > > exec"
		root:tell "> > > > hit 32"
		root:tell "> exec"
		root:tell "> threads 64"
		stranger:tell "hit 128"
		stranger:tell "fork"
		stranger:tell "> hit 128"
		assert.same({ [root.pid] = 1, [old] = 66, [old_grandchild] = 4, [young] = 8, [youngest] = 48 }, counts(probe))
		assert.equal(256, probe:stats().filtered)
	end)

	it("is left out with its children where only one process is asked for", function()
		root:tell "fork"
		local probe <const> = family { pid = root.pid }
		root:tell "hit 3"
		root:tell "> hit 4"
		root:tell "fork"
		root:tell "> hit 5"
		root:tell "threads 6"
		assert.same({ [root.pid] = 9 }, counts(probe))
	end)

	it("goes on when its first thread ends, and when another thread becomes a program", function()
		local probe <const> = family { pid = root.pid, follow = true }
		root:tell "fork"
		local child <const> = root:tell "> leave"
		local path <const> = ("/proc/%d/task/%d/stat"):format(child, child)
		assert.is_true(lab.eventually(function() return lab.read(path):find "%) Z " ~= nil end))
		root:tell "> hit 3"
		root:tell "> thread exec"
		root:tell "> hit 4"
		assert.same({ [child] = 7 }, counts(probe))
	end)

	it("is forgotten when it has ended", function()
		family { pid = root.pid, follow = true }
		local function marked()
			local list <const> = {}
			for pid in trace.engine.maps.family:each() do list[pid] = true end
			return list
		end
		root:tell "fork"
		local child <const> = root:tell "> hit 1"
		assert.same({ [root.pid] = true, [child] = true }, marked())
		root:tell "> quit"
		root:tell "wait"
		assert.is_true(lab.eventually(function() return not marked()[child] end))
		assert.same({ [root.pid] = true }, marked())
	end)

	it("leaves no mark when its probe is closed, or could not be opened", function()
		root:tell "fork"
		local probe <const> = family { pid = root.pid, follow = true }
		local other <const> = family { pid = root:tell "> hit 1", follow = true }
		root:tell "> hit 1"
		assert.equal(1, other:read()[1].count)
		other:close()
		root:tell "> hit 2"
		assert.same({ [root:tell "> hit 0"] = 4 }, counts(probe))
		probe:close()
		assert.is_nil((trace:probe { FAMILY, pid = root.pid, follow = true, where = "nonsense == 1" }))
		assert.is_nil((trace.engine.maps.family:each()()))
		assert.equal(64, trace.engine.pools.families:left())
	end)

	it("may be told of the whole trace", function()
		trace:close()
		trace = assert(crumb.trace { pid = root.pid, follow = true })
		local hits <const>, calls <const> = family {}, family { "syscall:getppid", by = {} }
		root:tell "fork"
		local child <const> = root:tell "> hit 5"
		os.rename("/crumb/nowhere", "/crumb/nowhere")
		assert.same({ [child] = 5 }, counts(hits))
		assert.same({}, calls:read())
	end)

	it("has events that say whose they are", function()
		local probe <const> = assert(trace:probe { FAMILY, pid = root.pid, follow = true })
		root:tell "hit 1"
		root:tell "fork"
		local child <const>, seen <const> = root:tell "> hit 1", {}
		for event in probe:events { idle = 0 } do seen[#seen + 1] = { event.pid, event.tid, event.comm } end
		assert.same({ { root.pid, root.pid, "family" }, { child, child, "family" } }, seen)
	end)
end)
