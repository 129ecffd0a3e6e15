-- crumb.command.bpftrace: programs of bpftrace's in crumb's words, which run, and count the same.
local beside = require "support.beside"
local bpftrace = require "crumb.command.bpftrace"
local cli = require "support.cli"
local lab = require "support.lab"
local new_session = require("crumb.command.session").new
local Victim = require "support.victim"

-- Programs, and the lines that they are here.
local PROGRAMS <const> = {
	{ 'BEGIN { printf("hello world\\n"); }', 'print "hello world"' },
	{ 'tracepoint:syscalls:sys_enter_openat { printf("%s %s\\n", comm, str(args->filename)); }',
		'probe { "syscall:openat", capture = { filename = "str(args.filename)" } }' },
	{ "tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }",
		'probe { "tracepoint:raw_syscalls:sys_enter", count = true, by = "comm" }' },
	{ "tracepoint:syscalls:sys_enter_rename* { @[probe] = count(); }", 'probe { "syscall:rename*", count = true, by = "symbol" }' },
	{ "t:syscalls:sys_exit_read /pid == 18644/ { @bytes = hist(args.ret); }",
		'probe { "tracepoint:syscalls:sys_exit_read", where = "pid == 18644", hist = "args.ret" }' },
	{ "t:syscalls:sys_exit_read /args->ret/ { @[comm] = sum(args->ret); @n[comm] = count(); }",
		'probe { "tracepoint:syscalls:sys_exit_read", where = "args.ret ~= 0", sum = "args.ret", count = true, by = "comm" }' },
	{ "tracepoint:sched:sched_process_e* { @[probe] = count(); } interval:s:5 { exit(); }",
		'probe { "tracepoint:sched:sched_process_e*", count = true, by = "symbol" }', "run { duration = 5 }" },
	{ "tracepoint:sched:sched_switch { @[kstack] = count(); }",
		'probe { "tracepoint:sched:sched_switch", count = true, by = "kstack" }' },
	{ "profile:hz:99 { @[kstack] = count(); }", 'probe { "profile:hz:99", count = true, by = "kstack" }' },
	{ "profile:ms:10 /pid == 189/ { @[ustack(5)] = count(); }",
		'probe { "profile:hz:100", where = "pid == 189", count = true, by = "ustack" }' },
	{ "software:faults: { @[comm] = count(); }", 'probe { "software:faults:100", count = true, by = "comm" }' },
	{ "tracepoint:block:block_rq_issue { @ = hist(args->bytes); }",
		'probe { "tracepoint:block:block_rq_issue", hist = "args.bytes" }' },
	{ "tracepoint:block:block_rq_issue { @start[args->dev, args->sector] = nsecs; } "
		.. "tracepoint:block:block_rq_complete /@start[args->dev, args->sector]/ { "
		.. "@us = hist((nsecs - @start[args->dev, args->sector]) / 1000); delete(@start[args->dev, args->sector]); }",
		'span { from = { "tracepoint:block:block_rq_issue", key = { "args.dev", "args.sector" } }, '
			.. 'to = { "tracepoint:block:block_rq_complete", key = { "args.dev", "args.sector" } }, hist = "latency / 1000" }' },
	{ "t:syscalls:sys_enter_openat /uid == 0/ { @f[tid] = args->filename; } "
		.. "t:syscalls:sys_exit_openat /@f[tid] && args->ret < 0/ "
		.. '{ printf("%d %s %d\\n", pid, str(@f[tid]), args->ret); delete(@f[tid]); }',
		'probe { "syscall:openat", returns = true, where = "uid == 0 and retval < 0", '
			.. 'capture = { filename = "str(args.filename)" } }' },
	{ "uprobe:libc:malloc /pid == 3/ { @[comm] = count(); }",
		'probe { "uprobe:libc:malloc", where = "pid == 3", count = true, by = "comm" }' },
	{ "u:libc:malloc,u:libc:free { @ = count() }", 'probe { "uprobe:libc:malloc", "uprobe:libc:free", count = true, by = {} }' },
	{ "u:libc:getenv { @f[tid] = str(arg0); } ur:libc:getenv /@f[tid]/ { @[@f[tid], retval == 0] = count(); }",
		'probe "uretprobe:libc:getenv"' },
	{ "u:libc:getenv { @f[tid] = str(arg0); } ur:libc:getenv /@f[tid]/ { @[@f[tid]] = count(); }",
		'probe { "uprobe:libc:getenv", returns = true, count = true, by = { arg0 = "entry(str(arg0))" } }' },
	{ 'uretprobe:libc:getenv { printf("%s\\n", str(retval)); }',
		'probe { "uretprobe:libc:getenv", capture = { returned = "str(retval)" } }' },
	{ "uretprobe:libc:getenv { @[retval] = count(); }", 'probe { "uretprobe:libc:getenv", count = true, by = "retval" }' },
	{ "usdt:/usr/bin/python3:function__entry { @[str(arg1)] = count() }",
		'probe { "usdt:/usr/bin/python3:*:function__entry", count = true, by = { arg1 = "str(arg1)" } }' },
	{ "kretprobe:vfs_read { @bytes = lhist(retval, 0, 2000, 200); }",
		'probe { "kretprobe:vfs_read", lhist = { "retval", 0, 2000, 200 } }' },
	{ "kprobe:vfs_read { @start[tid] = nsecs; } kretprobe:vfs_read /@start[tid]/ "
		.. "{ @ns[comm] = hist(nsecs - @start[tid]); delete(@start[tid]); }",
		'probe { "kprobe:vfs_read", returns = true, hist = "latency", by = "comm" }' },
	{ "kretprobe:vfs_read { @ns = hist(nsecs - @start[tid]); }",
		'probe { "kprobe:vfs_read", returns = true, hist = "latency" }' },
	{ 'kprobe:vfs_open { printf("%s\\n", str(((struct path *)arg0)->dentry->d_name.name)); }',
		'probe { "kprobe:vfs_open", capture = { name = "str(((struct path *)arg0).dentry.d_name.name)" } }' },
	{ "k:vfs_read,k:vfs_write /arg2 & 4 && comm != \"x\"/ { $x = (uint32)arg2; if ($x > 3) { @++; } else { @y += $x * 2 } }",
		[[probe { "kprobe:vfs_read", "kprobe:vfs_write", where = "arg2 & 4 ~= 0 and comm ~= 'x' and u32(arg2) > 3", ]]
			.. "count = true, by = {} }",
		[[probe { "kprobe:vfs_read", "kprobe:vfs_write", where = "arg2 & 4 ~= 0 and comm ~= 'x' and not (u32(arg2) > 3)", ]]
			.. [[sum = "u32(arg2) * 2", by = {} }]] },
	{ "kprobe:vfs_read { @[pid, args_of] = stats(arg2 / 2); @[pid] = stats(arg2 / 2); @b[pid] = avg(arg2) }",
		'probe { "kprobe:vfs_read", count = true, avg = { avg = "arg2 / 2", b = "arg2" }, sum = "arg2 / 2", by = "pid" }' },
	{ "kprobe:vfs_read { @ = count() } interval:s:2 { print(@); clear(@); }",
		'rows = probe { "kprobe:vfs_read", count = true }', "every(2, function() show(rows:read { clear = true }) end)" },
	{ "kfunc:vfs_read { @n[args->file->f_flags] = count() } interval:s:1 { printf(\"tick\\n\"); print(@n) } END { clear(@n) }",
		'n = probe { "fentry:vfs_read", count = true, by = { f_flags = "args.file.f_flags" } }',
		'every(1, function() print "tick"; show(n:read()) end)' },
	{ "#!/usr/bin/env bpftrace\n#include <linux/fs.h>\nstruct event { int a; struct { int b; } c; };\n"
		.. "/* reads */ kprobe:vfs_read // all\n{ @++ }",
		'probe { "kprobe:vfs_read", count = true }' },
}

local function session_of() return new_session { format = "text" } end

-- Runs lines as a script's.
local function run(session, lines)
	session.env.run = function() return session.opened:poll(0) end
	for _, line in ipairs(lines) do assert(load(line, "=line", "t", session.env), line)() end
end

local REFUSALS <const> = {
	{ "this kernel has no kprobes", "this kernel has no kprobes" }, { "fentry", "this kernel permits no fentry" },
	{ "fexit", "this kernel permits no fentry" }, { "no category 'block'", "this kernel has no block layer" },
	{ "No such file or directory", "there is no such program" }, { "no library 'libc'", "there is no such library" },
	{ "no USDT probe", "this Python has no USDT probes" }, { "opened: Permission denied", "it may not be traced here" },
}

describe("programs of bpftrace's", function()
	it("are said in crumb's words", function()
		for _, program in ipairs(PROGRAMS) do
			assert.same(table.move(program, 2, #program, 1, {}), (bpftrace.translate(program[1])), program[1])
		end
	end)

	for _, program in ipairs(PROGRAMS) do
		it("run in them: " .. program[1]:gsub("%s+", " "), function()
			local session <close> = session_of()
			session.output.line = function() return true end
			local done <const>, message <const> = pcall(run, session, table.move(program, 2, #program, 1, {}))
			if done then return end
			for _, refusal in ipairs(REFUSALS) do
				if tostring(message):find(refusal[1], 1, true) then return pending(refusal[2]) end
			end
			error(message, 0)
		end)
	end
end)

describe("expressions", function()
	-- What one is as a condition, or as a value.
	local function condition(text)
		return (bpftrace.translate(("kprobe:f /%s/ { @ = count(); }"):format(text))[1]:match 'where = "(.-)", %l+ = ')
	end
	local function value(text)
		return (bpftrace.translate(("kprobe:f { @ = sum(%s); }"):format(text))[1]:match 'sum = "(.*)" }$')
	end

	it("have crumb's operators, and parentheses where it binds otherwise", function()
		for text, words in pairs {
			["pid == 1 && tid != 2 || !(uid > 3)"] = "pid == 1 and tid ~= 2 or not (uid > 3)",
			["(pid == 1 || pid == 2) && uid == 0"] = "(pid == 1 or pid == 2) and uid == 0",
			["(arg0 & 3) == 1"] = "arg0 & 3 == 1",
			["arg0"] = "arg0 ~= 0",
			["!arg0"] = "not (arg0 ~= 0)",
			["arg0 & 3"] = "arg0 & 3 ~= 0",
			['comm == "it\'s"'] = [[comm == 'it\\'s']],
			['!strncmp(comm, "systemd", 3)'] = "comm like 'sys*'",
			['strncmp(str(arg0), "a*b", 9) != 0'] = "str(arg0) not like 'a[*]b*'",
			['cgroup == cgroupid("/sys/fs/cgroup/x")'] = "cgroup == '/sys/fs/cgroup/x'",
			["pid == cpid && arg0 > 1e6"] = "arg0 > 1000000",
			["curtask->pid == $2"] = "task.pid == $n2",
		} do
			assert.equal(words, condition(text), text)
		end
		assert.equal('probe { "kprobe:f", count = true }', bpftrace.translate("kprobe:f /pid == cpid/ { @++ }")[1])
	end)

	it("have crumb's names and functions", function()
		for text, words in pairs {
			["nsecs"] = "time", ["(uint64)arg1"] = "u64(arg1)", ["uint8(arg1)"] = "u8(arg1)",
			["*(uint32 *)(arg0 + 4)"] = "u32[arg0 + 4]",
			["args->a[2].b"] = "args.a[2].b", ['reg("ax")'] = "reg.ax", ['reg("sp")'] = "sp", ["(arg0 + 1) * 2"] = "(arg0 + 1) * 2",
			["arg0 ^ arg1 & 3"] = "arg0 ~ arg1 & 3", ["(arg0 ^ arg1) & 3"] = "(arg0 ~ arg1) & 3", ["sarg1"] = "u64[sp + 16]",
			["((struct sock *)arg0)->sk_err"] = "((struct sock *)arg0).sk_err", ["arg0 - (arg1 - arg2)"] = "arg0 - (arg1 - arg2)",
			["-arg0"] = "-arg0", ["100ms"] = "100ms",
		} do
			assert.equal(words, value(text), text)
		end
	end)

	it("take the positional parameters from the command line", function()
		assert.same({ 'probe { "kprobe:f", where = "pid == $n1", params = { n1 = math.tointeger(arg[1]) or arg[1] }, '
			.. "count = true }" }, bpftrace.translate "kprobe:f /pid == $1/ { @ = count(); }")
	end)
end)

describe("what has no words", function()
	it("is told, with what crumb does instead", function()
		for program, why in pairs {
			["kprobe:f { join(args->argv) }"] =
				"join(x): a capture is one text: str(u64[x]), str(u64[x + 8]) …; crumb execsnoop shows whole commands",
			["kprobe:f { while ($i < 3) { $i++; } }"] =
				"while: there are no loops: one expression is a capture, a key, or a condition",
			["kprobe:f { @ = sum($x) }"] = "$x: there are no variables; the expression stands where it is used",
			["kprobe:f { @ = sum(arg0 ? 1 : 2) }"] = "?: is not decided in the kernel: capture the values, and choose in the handler",
			["kprobe:f { @ = sum(@other[tid]) }"] = "@other: what one place keeps for another is a span's: "
				.. 'span { from = { TARGET, key = "tid", capture = { … } }, to = { … } }',
			["kprobe:f { @ = sum(arg0 == 1) }"] = "==: a condition is no value: it decides in where",
			["kprobe:f { @ = sum(!arg0) }"] = "!: a condition is no value: it decides in where",
			["kprobe:f { @ = sum(rand) }"] = "rand: there is nothing of that kind",
			["kprobe:f { @ = sum(AF_INET) }"] = "AF_INET: a constant of a header is written as its number",
			["kprobe:f { @ = sum(arg7) }"] = "arg7: there is nothing of that kind",
			["kprobe:f { @ = sum(strlen(str(arg0))) }"] = "strlen(): there is no length: str(x) ends where the text does",
			['kprobe:f { system("ls") }'] = 'system(): a handler may do it: handler = function(event) os.execute "…" end',
			["kprobe:f { @--; }"] = "@--: rows only grow; two probes count both directions",
			["kprobe:f { @ = sum(*arg0) }"] = "*x: memory is read with its width, u64[x]",
		} do
			local lines <const>, lacks <const> = bpftrace.translate(program)
			assert.same({ 'probe "kprobe:f"' }, lines, program)
			assert.same({ why }, lacks, program)
		end
		assert.same({ {}, { "watchpoints: there are none; a probe where it is written tells as much" } },
			{ bpftrace.translate "watchpoint:0x10:8:rw { @++ }" })
		assert.same({ {}, { "every(1, function() … end) is called again and again; crumb -i 1 prints rows so often" } },
			{ bpftrace.translate "interval:s:1 { print(@) }" })
	end)

	it("is not all that is not Lua", function()
		for _, text in ipairs {
			"", "x = = 3", "probe { ", 'probe "x', "for { }", "foo:bar { @ = count() }", "kprobe:f", "kprobe:f { @ = ", "local { }",
			("{"):rep(100000),
			"kprobe:f /" .. ("("):rep(10000) .. "1/ { }",
		} do
			assert.is_nil(bpftrace.translate(text), text)
		end
	end)
end)

describe("the command", function()
	local PROGRAM <const> = "uprobe:libc:malloc /pid == 3/ { @[comm] = count(); }"
	local ANSWER <const> = "this is bpftrace's language; in crumb's it is\n"
		.. '    probe { "uprobe:libc:malloc", where = "pid == 3", count = true, by = "comm" }\n'

	it("answers with them behind the error", function()
		assert.same({ "", 1, "crumb: function arguments expected near ':'\n" .. ANSWER }, { cli.run("-e", PROGRAM) })
		cli.with_file("#!/usr/bin/env crumb\n" .. PROGRAM, function(path)
			local why <const> = ":2: function arguments expected near ':'\n"
			assert.same({ "", 1, "crumb: " .. path .. why .. ANSWER }, { cli.run(path) })
			assert.same({ "", 1, "crumb: stdin" .. why .. ANSWER }, { cli.shell("build/crumb - <" .. path) })
		end)
		assert.same({ "", 1, "crumb: unexpected symbol near '='\n" }, { cli.run("-e", "x = = 3") })
		assert.same({ "7\n", 0, "" }, { cli.shell "printf '#!x\\nprint(3 + 4)' | build/crumb -" })
	end)
end)

describe("beside bpftrace", function()
	local HERE <const> = io.popen "pwd":read "l"
	local UPROBE <const> = "uprobe:" .. HERE .. "/build/fixtures/victim:say"

	-- What bpftrace prints of a program, and the rows of crumb's probe, for one load.
	local function both(program, load_)
		local victim <close> = Victim.start()
		program = program:gsub("UPROBE", UPROBE):gsub("PID", tostring(victim.pid))
		local theirs <close> = beside.start("bpftrace -e " .. cli.quoted(program))
		if not theirs then return pending "bpftrace does not run here" end
		local session <close> = session_of()
		run(session, (bpftrace.translate(program)))
		load_(victim)
		local rows <const> = session.probes[1]:read()
		return table.concat(theirs:finish(), "\n"), rows
	end

	it("counts are the same", function()
		local said <const>, rows <const> = both("UPROBE /pid == PID/ { @[comm] = count(); }", function(victim)
			victim:call("say", 1234)
		end)
		if not said then return end
		assert.truthy(said:find("@[victim]: 1234", 1, true), said)
		assert.same({ { comm = "victim", count = 1234 } }, rows)
	end)

	it("sums and conditions are", function()
		local said <const>, rows <const> = both("UPROBE /pid == PID && arg1 >= 10/ { @s[arg1 & 1] = sum(arg1); }", function(victim)
			victim:call("say", 100)
		end)
		if not said then return end
		table.sort(rows, function(a, b) return a.arg1 < b.arg1 end)
		assert.same({ { arg1 = 0, sum = 2430 }, { arg1 = 1, sum = 2475 } }, rows)
		assert.truthy(said:find("@s[0]: 2430", 1, true) and said:find("@s[1]: 2475", 1, true), said)
	end)

	it("histograms are", function()
		local said <const>, rows <const> = both("UPROBE /pid == PID/ { @ = lhist(arg1, 0, 100, 50); }", function(victim)
			victim:call("say", 120)
		end)
		if not said then return end
		assert.same({ 50, 50, 20 }, { rows[1].lhist[1].count, rows[1].lhist[2].count, rows[1].lhist[3].count })
		for _, bucket in ipairs { "%[0, 50%)%s+50 |", "%[50, 100%)%s+50 |", "%[100, %.%.%.%)%s+20 |" } do
			assert.truthy(said:find(bucket), said)
		end
	end)

	it("system calls are", function()
		if not lab.exists "/sys/kernel/tracing/events/syscalls/sys_enter_rename/id" then pending "this kernel has no such event" end
		local pid <const> = lab.pid()
		local said <const>, rows <const> = both(
			"tracepoint:syscalls:sys_enter_rename /pid == " .. pid .. "/ { @[str(args->oldname)] = count(); }",
			function() for _ = 1, 321 do lab.rename() end end)
		if not said then return end
		assert.truthy(said:find("@[/crumb/nowhere]: 321", 1, true), said)
		assert.same({ { oldname = "/crumb/nowhere", count = 321 } }, rows)
	end)

	it("calls with their latency are as many", function()
		local said <const>, rows <const> = both(
			"UPROBE { @start[tid] = nsecs; } " .. UPROBE:gsub("uprobe", "uretprobe") .. " /@start[tid] && pid == PID/ "
				.. "{ @n = count(); @ns = hist(nsecs - @start[tid]); delete(@start[tid]); }",
			function(victim) victim:call("say", 77) end)
		if not said then return end
		assert.truthy(said:find("@n: 77", 1, true), said)
		local count = 0
		for _, bucket in ipairs(rows[1].hist) do count = count + bucket.count end
		assert.same({ 77, 77 }, { rows[1].count, count })
	end)
end)
