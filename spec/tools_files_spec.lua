-- Tools of files and system calls, each run on a load of its own, as people run it.
local child = require "support.child"
local cli = require "support.cli"
local core = require "crumb.core"
local crumb = require "crumb"
local errno = require "crumb.errno"
local features = require "crumb.bpf.features"

local matches <const> = cli.matches

-- A tool on a command: its lines, with the first words as given.
local function run(command, ...) return cli.lines(cli.on(command, ...)) end

-- Of the kernel, "task" needs its types.
local function needs_btf()
	if not core.read "/sys/kernel/btf/vmlinux" then pending "this kernel has no BTF" return true end
end

-- Writes 23 times 1000 bytes to a file of its own, syncs it, and reads it at once.
local LOAD <const> = "dd if=/dev/zero of=%s/crumbs bs=1000 count=23 conv=fsync status=none; exec cat %s/crumbs >/dev/null"

-- A tool on that load.
local function run_load(...)
	return run(("sh -c '%s'"):format(LOAD:format(child.folder, child.folder)), "--follow", ...)
end

-- A tool on a program that says what it does to a file: what `write` makes of that, but for nil, and what the tool shows of
-- it, without the times.
local function run_victim(write, ...)
	local said <const>, shown <const> = {}, {}
	for _, line in ipairs(run("build/fixtures/files_victim " .. child.folder, ...)) do
		local call <const>, result <const>, place <const> = line:match "^(%l[%w_]*) (%-?%d+) (%-?%d+)$"
		if call then
			said[#said + 1] = write(call, tonumber(result), tonumber(place))
		else
			shown[#shown + 1] = line:match " at_work%[%d+%] ([%w_]+ .*) latency=[%d.]+%l+$"
		end
	end
	return said, shown
end

-- "error=ENOENT ", or nothing.
local function error_of(result) return result < 0 and ("error=%s "):format(errno(result)) or "" end

describe("syscount", function()
	it("counts system calls by name", function()
		local lines <const> = run("dd if=/dev/zero of=/dev/null bs=1 count=23 status=none", "--csv", "syscount", "--by",
			"comm", "--top", "100")
		assert.equal("comm,call,count", lines[1])
		assert.equal(1, matches(lines, "^dd,write,23$"))
		assert.equal(1, matches(lines, "^%l+,execve,1$"))
		assert.equal(1, matches(lines, "^dd,exit_group,1$"))
	end)

	it("counts what failed, and by what", function()
		local lines <const> = run("sh -c 'exec 2>/dev/null; kill -0 99999999; kill -0 99999999; kill -0 $$'", "--csv", "syscount",
			"--failed", "--by", "errno(args.ret)", "--top", "100")
		assert.equal(1, matches(lines, "^ESRCH,kill,2$"))
	end)

	it("tells how long they took", function()
		local lines <const> = run("sleep 0.1", "--csv", "syscount", "-L", "--top", "1")
		assert.equal("call,count,total,longest", lines[1])
		local total <const>, longest <const> = lines[2]:match "^clock_nanosleep,1,(%d+),(%d+)$"
		assert.equal(total, longest)
		assert.is_true(tonumber(total) >= 100000000)
		assert.equal(2, #lines)
	end)
end)

describe("statsnoop", function()
	before_each(child.setup)
	after_each(child.teardown)

	it("shows paths by whatever call, and what came of it", function()
		local folder <const> = child.folder
		local script <const> = ("test -e %s/no; test -e %s; ls -d %s/nothing 2>/dev/null; true"):format(folder, folder, folder)
		local lines <const> = run(("sh -c '%s'"):format(script), "--follow", "statsnoop")
		assert.equal(1, matches(lines, (" sh%%[%%d+%%] %%l+ error=ENOENT path=%s/no retval=%%-2 latency="):format(folder)))
		assert.equal(1, matches(lines, (" sh%%[%%d+%%] %%l+ path=%s retval=0 latency="):format(folder)))
		assert.is_true(matches(lines, (" ls%%[%%d+%%] %%l+ error=ENOENT path=%s/nothing "):format(folder)) > 0)
		assert.equal(0, matches(lines, 'path=""'))
	end)

	it("shows each call that tells of a path", function()
		local said <const>, shown <const> = run_victim(function(call, result)
			if not call:find "stat" then return nil end
			local file <const> = child.folder .. (result < 0 and "/none" or "/each")
			return ("%s %spath=%s retval=%d"):format(call, error_of(result), file, result)
		end, "statsnoop")
		assert.is_true(#said >= 3)
		assert.same(said, shown)
	end)

	it("shows what failed", function()
		local script <const> = ("test -e %s/no; test -e %s; true"):format(child.folder, child.folder)
		local lines <const> = run(("sh -c '%s'"):format(script), "statsnoop", "--failed")
		assert.equal(1, matches(lines, child.folder .. "/no "))
		assert.equal(0, matches(lines, child.folder .. " "))
	end)
end)

describe("fsslower", function()
	before_each(child.setup)
	after_each(child.teardown)

	it("has a column for what only some operations tell", function()
		if needs_btf() then return end
		local lines <const> = run("sh -c 'cat /etc/passwd >/dev/null'", "--follow", "--csv", "fsslower", "--min", "0")
		assert.equal(1, matches(lines, "^date,"))
		assert.matches(",retval,latency,offset,error$", lines[1])
		assert.is_true(matches(lines, ",openat,") > 0 and matches(lines, ",syscall:read,") > 0)
	end)

	it("shows each operation on files that takes long enough", function()
		if needs_btf() then return end
		local lines <const> = run_load("fsslower", "--min", "0")
		assert.equal(2, matches(lines, " open%l* file=crumbs fs=%w+ retval=%d latency="))
		assert.equal(23, matches(lines, " dd%[%d+%] write file=crumbs fs=%w+ offset=%d+ retval=1000 latency="))
		assert.equal(1, matches(lines, " dd%[%d+%] write file=crumbs fs=%w+ offset=22000 "))
		assert.equal(1, matches(lines, " dd%[%d+%] fsync file=crumbs fs=%w+ retval=0 latency="))
		assert.equal(1, matches(lines, " cat%[%d+%] %l+ file=crumbs fs=%w+ offset=0 retval=23000 latency="))
		assert.equal(0, matches(lines, " file=zero "))
	end)

	it("shows each call on a file, also what fails, with its place", function()
		if needs_btf() then return end
		local said <const>, shown <const> = run_victim(function(call, result, place)
			if call:find "stat" then return nil end
			return ("%s %sfile=each fs=? %sretval=%d"):format(call, error_of(result), place >= 0 and "offset=" .. place .. " " or "",
				result)
		end, "fsslower", "--min", "0")
		for i, line in ipairs(shown) do shown[i] = line:gsub("fs=%w+", "fs=?") end
		assert.is_true(#said >= 18)
		assert.same(said, shown)
	end)

	it("leaves out what is fast, or elsewhere", function()
		if needs_btf() then return end
		local slow <const> = ("build/fixtures/files_victim %s slow"):format(child.folder)
		local lines <const> = run(slow, "fsslower", "--min", "100")
		if lines[1] == "no leases" then pending "no leases on this file system" return end
		assert.equal(1, matches(lines, " at_work%[%d+%] openat file=each fs=%w+ retval=%d latency=[%d.]+m?s$"))
		local kind <const> = table.concat(lines, "\n"):match "fs=(%w+)"
		assert.equal(0, matches(run(slow, "fsslower", "--min", "60000"), "file="))
		assert.equal(1, matches(run(slow, "fsslower", "--min", "0", "--type", kind), " at_work%[%d+%] openat file=each "))
		assert.equal(0, matches(run(slow, "fsslower", "--min", "0", "--type", "proc"), "file="))
	end)
end)

describe("filetop", function()
	before_each(child.setup)
	after_each(child.teardown)

	it("adds up what is read and written, by file and process", function()
		if needs_btf() then return end
		local lines <const> = run_load("--csv", "filetop", "--interval", "50")
		assert.equal("date,pid,comm,file,bytes,read,reads,writes,written", lines[1])
		assert.equal(1, matches(lines, ",%d+,dd,crumbs,23000,0,0,23,23000$"))
		assert.equal(1, matches(lines, ",%d+,cat,crumbs,23000,23000,1,0,0$"))
		assert.equal(0, matches(lines, ",zero,"))
	end)

	it("knows each call that reads or writes", function()
		if needs_btf() then return end
		local victim <const> = "build/fixtures/files_victim " .. child.folder
		local lines <const> = run(victim, "--csv", "filetop", "--interval", "50")
		assert.equal(1, matches(lines, ",%d+,at_work,each,122,17,5,5,105$"))
		assert.equal(1, matches(lines, ",at_work,"))
		assert.equal(1, matches(run(victim, "--csv", "filetop", "--interval", "50", "--all"), ",%d+,at_work,,2,1,1,1,1$"))
	end)

	it("has rows of each interval", function()
		if needs_btf() then return end
		assert.is_true(matches(run("sleep 0.5", "filetop", "--interval", "100ms"), "^%d%d:%d%d:%d%d$") >= 2)
	end)

	it("shows the first by what is asked", function()
		if needs_btf() then return end
		local lines <const> = run_load("--csv", "filetop", "--interval", "50", "--sort", "writes", "--top", "1", "--all")
		assert.equal(2, #lines)
		assert.matches(",%d+,dd,crumbs,", lines[2])
	end)
end)

describe("vfsstat", function()
	before_each(child.setup)
	after_each(child.teardown)

	it("counts what file systems are asked", function()
		local hook <const> = features.hook "kprobe"
		if not hook.cookie then pending(hook.why or "no kprobes") return end
		local script <const> = child.folder .. "/script"
		local file <const> = assert(io.open(script, "w"))
		file:write((LOAD:gsub("exec cat.*", "mkdir %%s/a; mv %%s/a %%s/b; rmdir %%s/b; rm %%s/crumbs"):gsub("%%s", child.folder)))
		file:close()
		local lines <const> = run("sh " .. script, "--follow", "--csv", "vfsstat", "--interval", "50")
		for _, line in ipairs {
			"security_inode_create,1", "vfs_mkdir,1", "vfs_rename,1", "vfs_rmdir,1", "vfs_unlink,1", "[%w_]*_sys_fsync,1",
		} do
			assert.equal(1, matches(lines, ",?" .. line .. "$"), line)
		end
		for _, line in ipairs(lines) do
			local writes <const> = line:match ",?vfs_write,(%d+)$"
			if writes then assert.equal(23, tonumber(writes)) end
		end
	end)

	it("counts for each of what is asked, the most first", function()
		local hook <const> = features.hook "kprobe"
		if not hook.cookie then pending(hook.why or "no kprobes") return end
		local lines <const> = run("build/fixtures/files_victim " .. child.folder, "--csv", "vfsstat", "--interval", "50", "--by",
			"comm")
		assert.equal(1, matches(lines, "^date,symbol,comm,count$"))
		local expected <const>, found <const>, last = { fsync = 1, fdatasync = 1 }, {}, math.huge
		for name, count in pairs {
			vfs_open = matches(lines, "^open") + matches(lines, "^creat "), vfs_read = 5, vfs_write = 3, vfs_readv = 3, vfs_writev = 3,
			security_inode_create = 1,
		} do
			-- Kernels have not all of them as functions.
			if crumb.list("kprobe:" .. name) then expected[name] = count end
		end
		for _, line in ipairs(lines) do
			local symbol <const>, comm <const>, count <const> = line:match ",([%w_]+),([%l_]+),(%d+)$"
			if symbol then
				assert.is_true(tonumber(count) <= last, line)
				last = tonumber(count)
				if comm == "at_work" then found[symbol:gsub("^__.*_sys_", "")] = last end
			end
		end
		assert.same(expected, found)
	end)

	it("says it where there are no kprobes", function()
		local hook <const> = features.hook "kprobe"
		if hook.cookie then pending "this kernel has kprobes" return end
		local text <const>, status <const>, errors <const> = cli.run("vfsstat", "--duration", "1")
		assert.same({ "", 1 }, { text, status })
		assert.matches("^crumb: kprobe:vfs_read: this kernel has no kprobes", errors)
	end)
end)
