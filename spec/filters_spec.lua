-- Whose hits count: processes, their children, threads, users, names, cgroups; and what a container's script means.
local core = require "crumb.core"
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

	it("has all its threads sampled", function()
		local probe <const> = family { "software:context-switches:1", pid = root.pid, by = "tid" }
		local followed <const> = family { "software:context-switches:1", pid = root.pid, follow = true, by = "tid" }
		root:tell "leave"
		for _ = 1, 20 do root:tell "hit 1" end -- the second thread waits for each line, if it is not there already
		for _, one in ipairs { probe, followed } do
			local most = 0
			for _, row in ipairs(one:read()) do
				if row.tid ~= root.pid then most = math.max(most, row.count) end
			end
			assert.is_true(most >= 10, most)
		end
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

	it("is none to a probe of the trace that means all processes", function()
		trace:close()
		trace = assert(crumb.trace { pid = root.pid, follow = true })
		local stranger <close> = Victim.start "family"
		local own <const>, all <const> = family {}, family {
			pid = false, where = "pid in $two", params = { two = { root.pid, stranger.pid } },
		}
		root:tell "hit 2"
		stranger:tell "hit 3"
		assert.same({ [root.pid] = 2 }, counts(own))
		assert.same({ [root.pid] = 2, [stranger.pid] = 3 }, counts(all))
		assert.error_matches(function() trace:probe { FAMILY, pid = true } end, "pid: expected a number, or false for all processes$")
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

describe("a condition", function()
	local root

	before_each(function()
		root = Victim.start "family"
		root:tell "fork"
	end)
	after_each(function() root:stop() end)

	local function counted(options)
		options.by, options.pid, options.follow = {}, root.pid, true
		return family(options)
	end

	local function count(probe)
		local rows <const> = assert(probe:read())
		return rows[1] and rows[1].count or 0
	end

	it("knows the thread", function()
		root:tell "> leave"
		local child <const> = root:tell "> hit 0"
		local tid
		assert.is_truthy(lab.eventually(function()
			for _, name in ipairs(core.directory(("/proc/%d/task"):format(child))) do
				if tonumber(name) ~= child then tid = math.tointeger(name) end
			end
			return tid
		end))
		local option <const>, where <const> = family { tid = tid }, counted { where = "tid == " .. tid }
		local of_trace <close> = assert(crumb.trace { tid = tid })
		local third <const> = assert(of_trace:probe { FAMILY, count = true })
		root:tell "> hit 3"
		root:tell "> threads 4"
		assert.same({ [child] = 3 }, counts(option))
		assert.same({ 3, 3 }, { count(where), count(third) })
	end)

	it("knows user and group", function()
		local probes <const> = {}
		for i, where in ipairs {
			"uid == 1234", "gid == 1235", "uid == 0", "uid == 1234 and gid == 1235", "uid in {1234, 5}", "gid ~= 1235",
		} do
			probes[i] = counted { where = where }
		end
		local events <const> = assert(trace:probe { FAMILY, pid = root.pid, follow = true, where = "uid == 1234" })
		root:tell "hit 1"
		root:tell "> user 1234"
		root:tell "> hit 2"
		local found <const> = {}
		for i, probe in ipairs(probes) do found[i] = count(probe) end
		assert.same({ 2, 2, 1, 2, 2, 1 }, found)
		for event in events:events { idle = 0 } do assert.same({ 1234, 1235 }, { event.uid, event.gid }) end
		assert.equal(2, events:stats().delivered)
	end)

	it("knows the name", function()
		local probes <const> = {}
		for i, where in ipairs {
			'comm == "family"', 'comm == "crumb-other"', 'comm like "crumb*"', 'comm ~= "family"', 'comm in {"a", "family"}',
		} do
			probes[i] = counted { where = where }
		end
		root:tell "hit 1"
		root:tell "> name crumb-other"
		root:tell "> hit 2"
		local found <const> = {}
		for i, probe in ipairs(probes) do found[i] = count(probe) end
		assert.same({ 1, 2, 2, 2, 1 }, found)
	end)

	it("changes while it is attached, and what the probe was opened with stays", function()
		local probe <const> = counted { where = "uid == 1" }
		local stranger <close> = Victim.start "family"
		root:tell "hit 1"
		assert.is_true(probe:set { where = "uid == $who", params = { who = 0 } })
		root:tell "hit 2"
		root:tell "> hit 4"
		stranger:tell "hit 8"
		probe.where = nil
		root:tell "hit 16"
		stranger:tell "hit 32"
		assert.equal(22, count(probe))
	end)
end)

describe("a cgroup", function()
	local folders, root

	-- The first place where that version is mounted, with that controller.
	local function mounted(kind, option)
		for line in lab.read "/proc/self/mountinfo":gmatch "[^\n]+" do
			local point <const>, type <const>, options <const> = line:match "^%d+ %d+ %S+ %S+ (%S+) .*%- (%S+) %S+ (%S+)"
			if type == kind and (not option or (options .. ","):find("," .. option .. ",", 1, true)) then return point end
		end
	end

	local function make(parent)
		local path <const> = ("%s/crumb-spec-%d-%d"):format(parent, lab.pid(), #folders)
		assert(os.execute("mkdir " .. path))
		folders[#folders + 1] = path
		return path
	end

	local function move(pid, path) assert(os.execute(("echo %d >%s/cgroup.procs"):format(pid, path))) end

	before_each(function()
		folders = {}
		root = Victim.start "family"
		root:tell "fork"
	end)

	after_each(function()
		root:stop()
		for i = #folders, 1, -1 do
			assert.is_true(lab.eventually(function() return os.execute(("rmdir %s 2>/dev/null"):format(folders[i])) end))
		end
	end)

	it("of version 2 is named by its folder, and a number in events and rows", function()
		local base <const> = mounted "cgroup2"
		if not base then pending "cgroup2 is not mounted" end
		local one <const> = make(base)
		local two <const> = make(one)
		local id <const>, version <const> = assert(core.cgroup(one))
		assert.equal(2, version)
		local probes <const> = {}
		for i, where in ipairs {
			('cgroup == "%s"'):format(one), ('cgroup ~= "%s"'):format(one), ('cgroup in {"%s", "%s"}'):format(one, two),
			("cgroup == %d"):format(id), ('"%s" == cgroup'):format(two), "cgroup == $group",
		} do
			probes[i] = family { where = where, params = { group = one }, by = {}, pid = root.pid, follow = true }
		end
		local rows <const> = family { by = { "cgroup" }, pid = root.pid, follow = true, where = "cgroup == " .. id }
		local events <const> = assert(trace:probe { FAMILY, capture = { group = "cgroup" }, pid = root.pid, follow = true })
		root:tell "hit 1"
		move(root:tell "> hit 0", one)
		root:tell "> hit 2"
		move(root.pid, two)
		root:tell "hit 4"
		local found <const> = {}
		for i, probe in ipairs(probes) do
			local row <const> = assert(probe:read())[1]
			found[i] = row and row.count or 0
		end
		assert.same({ 2, 5, 6, 2, 4, 2 }, found)
		assert.same({ id, 2 }, { rows:read()[1].cgroup, rows:read()[1].count })
		local groups <const> = {}
		for event in events:events { idle = 0 } do groups[event.group] = (groups[event.group] or 0) + 1 end
		assert.same({ 2, 4 }, { groups[id], groups[core.cgroup(two)] })
		probes[6].params.group = two
		root:tell "hit 8"
		root:tell "> hit 16"
		assert.equal(10, probes[6]:read()[1].count)
	end)

	it("of version 1 is that of its hierarchy", function()
		local base <const>, other <const> = mounted("cgroup", "pids"), mounted("cgroup", "freezer")
		if not base or not other then pending "no hierarchy of version 1 is mounted" end
		local one <const> = make(base)
		local probe <const> = family { where = ('cgroup == "%s"'):format(one), by = {}, pid = root.pid, follow = true }
		local list <const> = family {
			where = ('cgroup not in {"%s", "%s"}'):format(one, base), by = {}, pid = root.pid, follow = true,
		}
		root:tell "hit 1"
		move(root:tell "> hit 0", one)
		root:tell "> hit 2"
		assert.equal(2, probe:read()[1].count)
		assert.same({}, list:read())
		local done <const>, message <const> = trace:probe { FAMILY, where = ('cgroup in {"%s", "%s"}'):format(one, other) }
		assert.is_nil(done)
		assert.matches("^where: the cgroups are of several hierarchies: compare each by itself\n", message)
	end)

	it("that is none is an error at the word", function()
		local function refused(where)
			local done <const>, message <const> = trace:probe { FAMILY, where = where }
			assert.is_nil(done)
			return message
		end
		assert.equal('where: /proc is no folder of a cgroup file system: Invalid argument\n    cgroup == "/proc"\n'
			.. (" "):rep(14) .. "^^^^^^^", refused 'cgroup == "/proc"')
		assert.matches("^where: open the cgroup /crumb/nowhere: No such file or directory\n", refused 'cgroup == "/crumb/nowhere"')
		assert.matches('^where: a cgroup is named by its folder, such as "/sys/fs/cgroup/system.slice"\n', refused 'cgroup == "me"')
		assert.matches("^where: a cgroup is compared by ==, ~= and in, with the path of its folder or its number\n",
			refused 'cgroup like "/sys*"')
		assert.is_nil((core.cgroup "spec/run"))
	end)
end)

describe("in a PID namespace of its own a script", function()
	local PRELUDE <const> = ([[
		package.path, package.cpath = %q, %q
		local crumb = require "crumb"
		local lab = require "support.lab"
		local Victim = require "support.victim"
		local trace <close> = assert(crumb.trace())
		local function rows(probe)
			local list = {}
			for _, row in ipairs(assert(probe:read { sort = "pid" })) do list[#list + 1] = row.pid .. "=" .. row.count end
			return table.concat(list, " ")
		end
		local function family(options)
			options[1], options.count, options.by = %q, true, "pid"
			return assert(trace:probe(options))
		end
		local root <close> = Victim.start "family"
		root:tell "fork"
		local old = root:tell "> hit 1"
	]]):format(package.path, package.cpath, FAMILY)

	local function run(options, text)
		local path <const> = os.tmpname()
		local file <close> = assert(io.open(path, "w"))
		file:write(PRELUDE, text)
		file:close()
		local pipe <const> = assert(io.popen(("timeout 60 unshare --pid --fork %s lua5.4 %s 2>&1"):format(options, path)))
		local output <const> = pipe:read "a"
		pipe:close()
		os.remove(path)
		return output
	end

	it("means its own numbers", function()
		local output <const> = run("--mount-proc", [[
			local one, name = family { pid = root.pid }, family { where = "pid == " .. root.pid .. " and tid == pid" }
			local all = family { where = "pid ~= 0" }
			local others = family { where = "comm == 'family' and pid == 0" }
			local sent = assert(trace:probe { "syscall:getppid", pid = root.pid })
			local events = assert(trace:probe { "]] .. FAMILY .. [[", pid = root.pid })
			root:tell "hit 2"
			root:tell "> hit 4"
			print(lab.pid() < 10, root.pid < 100, rows(one) == root.pid .. "=2", rows(name) == rows(one))
			print(rows(all) == ("%d=2 %d=4"):format(root.pid, old), rows(others) == "")
			for event in events:events { idle = 0 } do print(event.pid == root.pid, event.tid == root.pid, event.comm) end
			print(sent:stats().hits == sent:stats().filtered)
		]])
		assert.equal("true\ttrue\ttrue\ttrue\ntrue\ttrue\ntrue\ttrue\tfamily\ntrue\ttrue\tfamily\ntrue\n", output)
	end)

	it("does not know those of others", function()
		assert.equal("0=3\nfalse\n", run("--mount-proc", [[
			local all, mine = family { where = "comm == 'outsider'" }, family { pid = root.pid, where = "comm == 'outsider'" }
			-- One namespace further in: those are others', too.
			local input <close> = assert(io.popen("unshare --pid --fork --mount-proc build/fixtures/family >/dev/null", "w"))
			input:write "name outsider\nhit 3\nquit\n"
			input:close()
			print(rows(all))
			print(rows(mine) ~= "")
		]]))
	end)

	it("follows children, whenever they were born", function()
		assert.equal("true\n1\n", run("--mount-proc", [[
			root:tell "> fork"
			local deep = root:tell "> > hit 1"
			local probe = family { pid = root.pid, follow = true }
			local all = assert(trace:probe { probe.sites[1].target, count = true, by = {} })
			root:tell "hit 1"
			root:tell "> > hit 2" -- before its mark was ever taken
			root:tell "> fork"
			local young = root:tell "> > exec"
			root:tell "> > hit 4"
			root:tell "> leave"
			root:tell "> hit 8"
			local wanted = { ("%d=1"):format(root.pid), ("%d=8"):format(old), ("%d=2"):format(deep), ("%d=4"):format(young) }
			table.sort(wanted, function(a, b) return tonumber(a:match "%d+") < tonumber(b:match "%d+") end)
			print(rows(probe) == table.concat(wanted, " ") or rows(probe))
			print(#all:read())
		]]))
	end)

	it("is told when /proc is of another one", function()
		assert.equal("2\nnil\tfollow: /proc is of another PID namespace: mount this one's (mount -t proc proc /proc)\t19\n", run("", [[
			local one = family { pid = root.pid }
			root:tell "hit 2"
			print(one:read()[1].count)
			print(trace:probe { one.sites[1].target, pid = root.pid, follow = true })
		]]))
	end)
end)
