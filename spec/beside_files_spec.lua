-- The tools beside bpftrace's and libbpf-tools' of the same name, at once on the same load: the same answer.
local beside = require "support.beside"
local child = require "support.child"
local core = require "crumb.core"
local disk = require "support.disk"
local lab = require "support.lab"

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

local function needs_types()
	if not core.btf() then pending "this kernel has no BTF" return true end
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

describe("filetop adds up the same", function()
	before_each(child.setup)
	after_each(child.teardown)

	it("as libbpf-tools'", function()
		if needs_types() then return end
		local theirs <const>, ours <const> = both("filetop -C -r 10000 100", "--csv filetop --top 10000 --interval 100",
			function(run)
				run("dd if=/dev/zero of=%s/top_one bs=1000 count=23 2>/dev/null", child.folder)
				run("dd if=%s/top_one of=%s/top_two bs=500 count=40 2>/dev/null", child.folder, child.folder)
			end)
		if not theirs then pending "libbpf-tools' filetop does not run here" return end
		local expected <const> = found(theirs, "^(%d+) +(dd) +(%d+) +(%d+) +(%d+) +(%d+) +R (top_%l+)$")
		assert.equal(3, #expected)
		-- It takes whole kilobytes, of what was asked for: so nobody asks for more than there is.
		assert.same(expected, found(ours, "^[^,]*,(%d+),(dd),(top_%l+),%d+,(%d+),(%d+),(%d+),(%d+)$",
			function(pid, comm, file, read, reads, writes, written)
				return ("%s %s %s %s %d %d %s"):format(pid, comm, reads, writes, read // 1024, written // 1024, file)
			end))
	end)
end)

describe("fsslower shows the same operations", function()
	before_each(child.setup)
	after_each(child.teardown)

	it("as libbpf-tools', on ext4", function()
		if needs_types() then return end
		local theirs <close> = beside.start "fsslower -c -m 0 -t ext4"
		if not theirs then pending "libbpf-tools' fsslower does not run here" return end
		local ours <close> = assert(beside.start "build/crumb fsslower --min 0 --type ext4")
		local there <const> = disk.with(function(device)
			local run <const>, place <const> = shell(), child.folder .. "/ext4"
			run("mkdir %s; mke2fs -F %s 1024 >/dev/null 2>&1; mount -t ext4 %s %s", place, device, device, place)
			run("dd if=/dev/zero of=%s/slow_one bs=1000 count=23 conv=fsync 2>/dev/null", place)
			run("dd if=%s/slow_one of=%s/slow_two bs=500 count=40 2>/dev/null", place, place)
			run("umount %s", place)
		end)
		if not there then pending "no block device that specs may write to: loop devices are missing" return end
		local expected <const> = found(theirs:finish(), "^%d+,(dd),(%d+),([RWOF]),([%w_]+),(%d+),%d+,(slow_%l+)$",
			function(comm, pid, kind, bytes, offset, file)
				if kind == "O" or kind == "F" then bytes, offset = "-", "-" end
				return table.concat({ comm, pid, kind, bytes, offset, file }, " ")
			end)
		assert.equal(23 + 40 * 2 + 3 + 1, #expected)
		assert.same(expected, found(ours:finish(), " (dd)%[(%d+)%] (%l+)%d* file=(slow_%l+) fs=ext4(.*) retval=(%d+) ",
			function(comm, pid, call, file, place, result)
				local offset <const> = place:match " offset=(%d+)"
				return table.concat({ comm, pid, call:sub(1, 1):upper(), offset and result or "-", offset or "-", file }, " ")
			end))
	end)
end)

describe("vfsstat counts the same", function()
	local LOAD <const>, MOMENT <const> = 5000, 100000000
	-- Its columns; of fsync it sees only what compilers have not moved into the callers.
	local COLUMNS <const> = { vfs_read = 1, vfs_write = 2, vfs_open = 4 }

	before_each(child.setup)
	after_each(child.teardown)

	-- What it counts until now stands in its lines then, one a second; few others do anything meanwhile.
	local function settle(tracer)
		local before <const> = #tracer:lines()
		assert.is_truthy(lab.eventually(function()
			core.await(MOMENT)
			return #tracer:lines() > before + 1
		end))
	end

	it("as libbpf-tools'", function()
		local theirs <close> = beside.start "stdbuf -oL vfsstat 1"
		if not theirs then pending "libbpf-tools' vfsstat does not run here" return end
		local ours <close> = assert(beside.start "build/crumb --csv vfsstat --interval 100")
		settle(theirs)
		local start <const>, run <const> = #theirs:lines(), shell()
		run("dd if=/dev/zero of=%s/load bs=1 count=%d 2>/dev/null", child.folder, LOAD)
		run("i=0; while [ $i -lt %d ]; do : >%s/load; i=$((i + 1)); done", LOAD, child.folder)
		settle(theirs)
		local expected <const>, counts <const> = { 0, 0, 0, 0 }, {}
		for _, line in ipairs(table.move(theirs:finish(), start + 1, start + 1000, 1, {})) do
			for i, count in ipairs { line:match "^%S+: +(%d+) +(%d+) +(%d+) +(%d+)" } do expected[i] = expected[i] + tonumber(count) end
		end
		for _, line in ipairs(ours:finish()) do
			local name <const>, count <const> = line:match ",([%l_]+),(%d+)$"
			if name then counts[name] = tonumber(count) end
		end
		for name, column in pairs(COLUMNS) do
			local count <const>, other <const> = counts[name], expected[column]
			assert.is_true(other >= LOAD and math.abs(count - other) <= LOAD // 10, ("%s: %d and %d"):format(name, count, other))
		end
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
		-- It does not know by name what other tracers' uretprobes call.
		assert.same(expected, found(ours:finish(), "^([%l%d_]+),(%d+)$", function(call, count)
			return call ~= "exit_group" and call ~= "uretprobe" and ("%s %d"):format(call, count + (call == "read" and 1 or 0)) or nil
		end))
	end)
end)
