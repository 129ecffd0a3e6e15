-- The tools beside bpftrace's and libbpf-tools' of the same name, at once on the same load: the same answer.
local beside = require "support.beside"
local child = require "support.child"

-- What `write` makes of the captures of each line that matches, sorted, but for nil; without it they stand in a line.
local function found(lines, pattern, write)
	local list <const> = {}
	for _, line in ipairs(lines) do
		local values <const> = table.pack(line:match(pattern))
		local text <const> = values[1] and (write and write(table.unpack(values)) or not write and table.concat(values, " "))
		if text then list[#list + 1] = text end
	end
	table.sort(list)
	return list
end

-- A shell that runs what it is told.
local function shell()
	local one <const> = child.start "sh"
	return function(format, ...)
		one:say(format:format(...) .. "; echo done")
		one:lines "^done$"
	end
end

-- Two tracers on one load: the lines of the other one, and crumb's. nil: the other one does not run here.
local function both(other, words, load)
	local theirs <close> = beside.start(other)
	if not theirs then return nil end
	local ours <close> = assert(beside.start("build/crumb " .. words))
	load(shell())
	return theirs:finish(), ours:finish()
end

local function check_opensnoop(name)
	local theirs <const>, ours <const> = both(name, "opensnoop", function(run)
		run("cat %s/file_no; : >%s/file_new; cat %s/file_new", child.folder, child.folder, child.folder)
	end)
	if not theirs then return false end
	local path <const> = "(" .. child.folder .. "/file_%l+)"
	local expected <const> = found(theirs, "^(%d+) +(%S+) +(%-?%d+) +(%d+) " .. path)
	assert.equal(3, #expected)
	assert.same(expected, found(ours, "(%S+)%[(%d+)%] openat .*path=" .. path .. " retval=(%-?%d+)",
		function(comm, pid, file, result)
			local retval <const> = tonumber(result)
			return ("%s %s %d %d %s"):format(pid, comm, math.max(retval, -1), math.max(-retval, 0), file)
		end))
	return true
end

describe("opensnoop shows the same files", function()
	before_each(child.setup)
	after_each(child.teardown)

	it("as bpftrace's", function()
		if not check_opensnoop "opensnoop.bt" then pending "bpftrace's opensnoop does not run here" end
	end)

	it("as libbpf-tools'", function()
		if not check_opensnoop "opensnoop" then pending "libbpf-tools' opensnoop does not run here" end
	end)
end)

describe("statsnoop shows the same paths", function()
	before_each(child.setup)
	after_each(child.teardown)

	it("as bpftrace's", function()
		local theirs <const>, ours <const> = both("statsnoop.bt", "statsnoop", function(run)
			run("stat %s/stat_no; : >%s/stat_new; stat %s/stat_new; stat -f %s/stat_new", child.folder, child.folder, child.folder,
				child.folder)
		end)
		if not theirs then pending "bpftrace's statsnoop does not run here" return end
		local path <const> = "(" .. child.folder .. "/stat_%l+)"
		local expected <const> = found(theirs, "^(%d+) +(%S+) +(%d+) " .. path)
		assert.is_true(#expected >= 3)
		-- It knows no newfstatat.
		assert.same(expected, found(ours, "(%S+)%[(%d+)%] stat%l* .*path=" .. path .. " retval=(%-?%d+)",
			function(comm, pid, file, result) return ("%s %s %d %s"):format(pid, comm, -tonumber(result), file) end))
	end)
end)

describe("execsnoop shows the same programs", function()
	before_each(child.setup)
	after_each(child.teardown)

	local function run_programs(run)
		run("cat %s/exec_no 2>/dev/null; env sh -c 'exec ls %s/exec_no' 2>/dev/null", child.folder, child.folder)
	end

	it("as bpftrace's", function()
		local theirs <const>, ours <const> = both("execsnoop.bt", "execsnoop", run_programs)
		if not theirs then pending "bpftrace's execsnoop does not run here" return end
		local expected <const> = found(theirs, "^%d+ +(%d+) +(.*" .. child.folder .. "/exec_no)$")
		-- It shows attempts: of each program that env looks for along PATH.
		local last <const> = {}
		for _, one in ipairs(expected) do last[one] = true end
		local shown <const> = found(ours, '%[(%d+)%] exec arguments="(.*' .. child.folder .. '/exec_no)" ')
		assert.is_true(#shown >= 2)
		for _, one in ipairs(shown) do assert.is_true(last[one], one) end
	end)

	it("as libbpf-tools'", function()
		local theirs <const>, ours <const> = both("execsnoop", "execsnoop", run_programs)
		if not theirs then pending "libbpf-tools' execsnoop does not run here" return end
		local expected <const> = found(theirs, "^(%S+) +(%d+) +(%d+) +0 %S*/%l+ .*" .. child.folder .. "/exec_no ?$")
		assert.is_true(#expected >= 2)
		assert.same(expected, found(ours,
			" (%S+)%[(%d+)%] exec arguments=\".*" .. child.folder .. "/exec_no'?\" file=%S+ parent=(%d+)"))
	end)
end)

describe("exitsnoop shows the same ends", function()
	before_each(child.setup)
	after_each(child.teardown)

	it("as libbpf-tools'", function()
		local pids
		local theirs <const>, ours <const> = both("exitsnoop", "exitsnoop", function(run)
			run("(sh -c 'echo $$; exit 3'; sh -c 'echo $$; kill -9 $$'; sh -c 'echo $$') >%s/pids 2>/dev/null", child.folder)
			pids = {}
			for pid in io.lines(child.folder .. "/pids") do pids[pid] = true end
		end)
		if not theirs then pending "libbpf-tools' exitsnoop does not run here" return end
		local function of_load(pid, how) return pids[pid] and pid .. " " .. how or nil end
		local expected <const> = found(theirs, "^%S+ +(%d+) +%d+ +%d+ +%S+ +(.-) *$", function(pid, how)
			return of_load(pid, how:match "signal (%d+)" or how:match "code (%d+)" or how)
		end)
		assert.equal(3, #expected)
		assert.same(expected, found(ours, "%[(%d+)%] exit .*s%l+=(%w+)$", function(pid, how)
			return of_load(pid, how == "SIGKILL" and "9" or how)
		end))
	end)
end)

describe("killsnoop shows the same signals", function()
	before_each(child.setup)
	after_each(child.teardown)

	local function check(other)
		local theirs <const>, ours <const> = both(other, "killsnoop", function(run)
			run("kill -0 98765432; kill -CONT $$; sh -c 'kill -0 98765431; kill -USR1 $$'")
		end)
		if not theirs then return false end
		local expected <const> = found(theirs, "^[%d:]+ +(%d+) +sh +(%d+) +(%d+) +(%-?%d+)")
		local shown <const> = found(ours, " sh%[(%d+)%] kill (.*)$", function(pid, words)
			return ("%s %s %s %s"):format(pid, words:match "sig=(%d+)", words:match "target_pid=(%d+)", words:match "retval=(%-?%d+)")
		end)
		local function of_load(list)
			local own <const>, shells <const> = {}, {}
			for _, one in ipairs(list) do
				if one:find " 0 9876543[12] %-3" then shells[one:match "^%d+"] = true end
			end
			for _, one in ipairs(list) do if shells[one:match "^%d+"] then own[#own + 1] = one end end
			return own
		end
		assert.equal(4, #of_load(expected))
		assert.same(of_load(expected), of_load(shown))
		return true
	end

	it("as bpftrace's", function()
		if not check "killsnoop.bt" then pending "bpftrace's killsnoop does not run here" end
	end)

	it("as libbpf-tools'", function()
		if not check "sigsnoop -k" then pending "libbpf-tools' sigsnoop does not run here" end
	end)
end)

describe("syscount counts the same calls", function()
	before_each(child.setup)
	after_each(child.teardown)

	-- A program of a name that nobody else has: it makes more calls than any other process.
	local function run_load(run)
		run("cp $(command -v dd) %s/crumb_load; %s/crumb_load if=/dev/zero of=/dev/null bs=1 count=100000 2>/dev/null", child.folder,
			child.folder)
	end

	it("as bpftrace's", function()
		local theirs <const>, ours <const> = both("syscount.bt", "--csv syscount --by comm --top 1000", run_load)
		if not theirs then pending "bpftrace's syscount does not run here" return end
		local sum = 0
		for _, count in ipairs(found(ours, "^crumb_load,[%w_]+,(%d+)$")) do sum = sum + tonumber(count) end
		assert.same({ tostring(sum) }, found(theirs, "^@process%[crumb_load%]: (%d+)$"))
	end)

	it("as libbpf-tools'", function()
		local load <const> = child.start "sh"
		local theirs <close> = beside.start(("syscount -T 1000 -p %d"):format(load.pid))
		if not theirs then pending "libbpf-tools' syscount does not run here" return end
		local ours <close> = assert(beside.start(("build/crumb --csv -p %d syscount --top 1000"):format(load.pid)))
		load:say "exec dd if=/dev/zero of=/dev/null bs=1 count=1000 2>/dev/null"
		load:finish()
		local expected <const> = found(theirs:finish(), "^([%l%d_]+) +(%d+)$")
		assert.is_true(#expected > 10)
		-- It counts where calls return: not the last one, and one more, in which the shell was waiting.
		assert.same(expected, found(ours:finish(), "^([%l%d_]+),(%d+)$", function(call, count)
			return call ~= "exit_group" and ("%s %d"):format(call, count + (call == "read" and 1 or 0)) or nil
		end))
	end)
end)
