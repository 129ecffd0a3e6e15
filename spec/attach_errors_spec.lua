-- What cannot be attached: refused in words that say what, why and what to do; and then nothing is attached.
local bpf = require "crumb.bpf"
local cookies = require "support.cookies"
local lab = require "support.lab"
local Victim = require "support.victim"

local hooks <const> = bpf.features().hooks
local SYSCALL <const> = cookies.SYSCALL
local VICTIM <const> = "build/fixtures/victim"
local ENOENT <const>, ESRCH <const>, EBUSY <const>, EEXIST <const>, EINVAL <const>, EOPNOTSUPP <const> = 2, 3, 16, 17, 22, 95

local victim, object, before

setup(function()
	victim = Victim.start()
	before = lab.descriptors()
	object = assert(cookies.load(victim, "on_uprobe", "on_usdt", "on_tracepoint", "on_tracepoint_too", "on_perf_event",
		"without_raw_tracepoint"):load())
end)

teardown(function()
	object:close()
	assert.equal(before, lab.descriptors())
	victim:stop()
end)

-- Whatever was tried, nothing is left of it.
local function harmless(work)
	local open <const> = lab.descriptors()
	work()
	assert.equal(open, lab.descriptors())
	for _, word in ipairs { "hit_a", "hit_b", "rename", "getpgid", "once" } do victim:call(word, 3) end
	assert.same({}, cookies.taken(object))
end

-- Raises with this file's position and this message.
local function misused(program, given, message)
	harmless(function()
		local done <const>, why <const> = pcall(function()
			local link <const> = object.programs[program]:attach(given)
			return link
		end)
		assert.is_false(done)
		assert.matches("^spec/attach_errors_spec%.lua:%d+: ", why)
		assert.equal(message, (why:gsub("^spec/attach_errors_spec%.lua:%d+: ", "")))
	end)
end

local function refused(program, given, errno, ...)
	local parts <const> = { ... }
	harmless(function()
		local link <const>, message <const>, number <const> = object.programs[program]:attach(given)
		assert.is_nil(link)
		for _, part in ipairs(parts) do assert.is_truthy(message:find(part, 1, true), message) end
		assert.equal(errno, number)
	end)
end

local UPROBE <const> = "uprobe:" .. VICTIM

describe("wrong use", function()
	it("of a cookie raises, where the script is", function()
		local FLOAT <const> = "cookie: a float this large may have lost bits; write it in hexadecimal (got %s)"
		for _, row in ipairs {
			{ "12", "cookie: expected an integer (got \"12\")" },
			{ 1.5, "cookie: not an integer (got 1.5)" },
			{ 0 / 0, "cookie: not an integer (got " .. tostring(0 / 0) .. ")" },
			{ 2.0 ^ 53 + 1, FLOAT:format "9.007199254741e+15" },
			{ 18446744073709551615, FLOAT:format "1.844674407371e+19" },
			{ true, "cookie: expected an integer (got true)" },
			{ { 1, 2 }, "cookie: 2 cookies were given for 1 sites" },
			{ {}, "cookie: 0 cookies were given for 1 sites" },
			{ { nil, 1 }, "cookie[1]: expected an integer (got nil)" },
			{ { hit_e = 1 }, "cookie: no site is named 'hit_e' (nearest: hit_a)" },
			{ function() end, "no site has a cookie, so nothing would be attached" },
		} do
			misused("on_uprobe", { UPROBE .. ":hit_a", cookie = row[1] }, "program:attach: " .. row[2])
		end
	end)

	it("raises for a hole in a list, and for a choice of nothing", function()
		misused("on_uprobe", { UPROBE .. ":hit_a", nil, UPROBE .. ":hit_b" }, "program:attach: target 2 is nil")
		misused("on_uprobe", { UPROBE, symbols = { nil, "hit_a" } }, "program:attach: symbols 1 is nil")
		misused("on_uprobe", { UPROBE .. ":hit_a", only = function() end },
			"program:attach: only took none of the sites, so nothing would be attached")
	end)

	it("takes a float that is an integer", function()
		local link <const> = assert(object.programs.on_uprobe:attach { UPROBE .. ":hit_a", cookie = 1e3 })
		assert.equal("integer", math.type(link.cookie))
		victim:call("hit_a", 2)
		assert.same({ [1000] = 2 }, cookies.taken(object))
		assert(link:close())
	end)

	it("of a pid raises", function()
		misused("on_uprobe", { UPROBE .. ":hit_a", pid = -1 }, "program:attach: pid -1: expected a process, 1 or more")
		misused("on_uprobe", { UPROBE .. ":hit_a", pid = 0 }, "program:attach: pid 0: expected a process, 1 or more")
		misused("on_tracepoint", { "tracepoint:task:task_rename", pid = victim.pid },
			"program:attach: a tracepoint takes no pid: compare bpf_get_current_pid_tgid() in the program")
		misused("without_raw_tracepoint", { "rawtracepoint:task_rename", pid = victim.pid },
			"program:attach: a rawtracepoint takes no pid: compare bpf_get_current_pid_tgid() in the program")
	end)

	it("of targets raises", function()
		misused("on_uprobe", {}, "program:attach: section 'uprobe' of program on_uprobe names no target; pass one")
		misused("on_uprobe", { "uprob:x:y" }, "program:attach: target 'uprob:x:y': no kind 'uprob' (nearest: uprobe); there are "
			.. "fentry, fexit, hardware, kprobe, kretprobe, profile, rawtracepoint, software, syscall, tp_btf, tracepoint, "
			.. "uprobe, uretprobe, usdt")
		misused("on_uprobe", { UPROBE, symbols = {} }, "program:attach: an empty list of symbols")
		misused("on_uprobe", { UPROBE, symbols = { 1 } }, "program:attach: symbols[1]: expected a name, got 1")
		misused("on_uprobe", { UPROBE, offsets = { "1" } }, "program:attach: offsets[1]: expected an integer, got 1")
		misused("on_uprobe", { UPROBE, offsets = { 1 }, symbols = { "hit_a" } }, "program:attach: symbols or offsets, not both")
		misused("on_uprobe", { symbols = { "hit_a" } },
			"program:attach: symbols and offsets follow a target, such as \"uprobe:/bin/app\" or \"kprobe\"")
		misused("on_uprobe", { UPROBE .. ":hit_a", either = { "x" } }, "program:attach: targets, or either = { … }, not both")
		misused("on_uprobe", { either = {} }, "program:attach: an empty list of targets")
		misused("on_uprobe", { UPROBE .. ":hit_a", missing = "ignore" },
			"program:attach: missing = 'ignore': expected skip or error")
		misused("on_uprobe", { UPROBE, symbols = { "hit_a", "x" }, cookie = { 1, 2 }, missing = "skip" }, "program:attach: a list "
			.. "of cookies would shift where a symbol is missing: use a table symbol -> integer with missing = 'skip'")
		misused("on_uprobe", { UPROBE .. ":hit_a", cokie = 1 }, "program:attach: no option 'cokie' (nearest: cookie)")
	end)

	it("of a program raises", function()
		misused("on_tracepoint", { UPROBE .. ":hit_a" }, "program:attach: program on_tracepoint (section 'tracepoint') cannot be "
			.. "attached to 'uprobe:build/fixtures/victim:hit_a', which takes a program of section uprobe, or uprobe.multi")
		misused("on_uprobe", { "profile:hz:99" }, "program:attach: program on_uprobe (section 'uprobe') cannot be attached to "
			.. "'profile:hz:99', which takes a program of section perf_event")
		local done <const>, message <const> = pcall(function()
			local link <const> = object.programs.on_uprobe.attach { UPROBE .. ":hit_a" }
			return link
		end)
		assert.is_false(done)
		assert.matches("^spec/attach_errors_spec%.lua:%d+: program:attach: call it with a colon$", message)
	end)

	it("before load, or after close, raises", function()
		local unloaded <const> = cookies.load(victim, "on_uprobe")
		local program <const> = unloaded.programs.on_uprobe
		local function attach() return program:attach { UPROBE .. ":hit_a" }, nil end
		local _, why = pcall(attach)
		assert.matches("^spec/.*: program:attach: program on_uprobe is not loaded: call object:load%(%) first$", why)
		unloaded:close()
		_, why = pcall(attach)
		assert.matches("^spec/.*: program:attach: the program's object is closed$", why)
	end)

	it("leaves the errors of the script's own functions as they are", function()
		harmless(function()
			for _, key in ipairs { "cookie", "only" } do
				local given <const> = { UPROBE .. ":hit_a", [key] = function() error("mine", 0) end }
				local done <const>, message <const> = pcall(object.programs.on_uprobe.attach, object.programs.on_uprobe, given)
				assert.is_false(done)
				assert.equal("mine", message)
				local thrown <const> = {}
				given[key] = function() error(thrown) end
				assert.equal(thrown, select(2, pcall(object.programs.on_uprobe.attach, object.programs.on_uprobe, given)))
			end
		end)
	end)
end)

describe("what is refused", function()
	it("is a name that is not there, with the nearest", function()
		refused("on_uprobe", { UPROBE .. ":hit_e" }, ENOENT, "attach uprobe:build/fixtures/victim:hit_e: no symbol 'hit_e'",
			"(nearest: hit_a")
		refused("on_tracepoint", { "tracepoint:task:task_renam" }, ENOENT, "attach tracepoint:task:task_renam: ",
			"(nearest: task_rename")
		refused("without_raw_tracepoint", { "rawtracepoint:task_renam" }, ENOENT,
			"attach rawtracepoint:task_renam: No such file or directory: no tracepoint 'task_renam' (nearest: task_rename)")
		refused("on_usdt", { "usdt:" .. VICTIM .. ":crumb:onze" }, ENOENT, "(nearest: crumb:once)")
		refused("on_uprobe", { "uprobe:/nowhere/victim:hit_a" }, ENOENT, "attach uprobe:/nowhere/victim:hit_a: ")
	end)

	it("is a process that is gone", function()
		local gone <const> = Victim.start()
		gone:stop()
		for _, row in ipairs {
			{ "on_uprobe", UPROBE .. ":hit_a" }, { "on_uprobe", "uprobe:exe:hit_a" }, { "on_perf_event", "profile:hz:9" },
			{ "on_usdt", "usdt:" .. VICTIM .. ":crumb:once" },
		} do
			refused(row[1], { row[2], pid = gone.pid }, ESRCH,
				("attach %s to pid %d: no such process"):format(row[2], gone.pid))
		end
	end)

	it("is a kernel function where there are no kprobes", function()
		if hooks.kprobe.available then pending "this kernel has kprobes" end
		refused("on_uprobe", { "kprobe:vfs_read" }, EOPNOTSUPP, "attach kprobe:vfs_read: this kernel has no kprobes")
		refused("on_uprobe", { "syscall:getpgid" }, EOPNOTSUPP, "attach syscall:getpgid: this kernel has no kprobes")
	end)

	it("is a system call that is none", function()
		if not hooks.syscall.available then pending(cookies.missing "syscall") end
		refused("on_uprobe", { "syscall:getpgidd" }, ENOENT, "attach syscall:getpgidd: ", "(nearest: " .. SYSCALL .. "getpgid")
	end)

	it("is an event of hardware that is not there", function()
		if hooks.hardware.available then pending "this machine has hardware counters" end
		refused("on_perf_event", { "hardware:cpu-cycles:1000" }, ENOENT,
			"attach hardware:cpu-cycles:1000: this kernel has no hardware: ")
	end)

	it("is a frequency that is too high", function()
		refused("on_perf_event", { "profile:hz:100000000" }, EINVAL, "attach profile:hz:100000000: ",
			"perf_event_max_sample_rate")
	end)

	it("is USDT without its maps", function()
		local plain <close> = assert(assert(bpf.open "build/fixtures/cookies_plain.bpf.o"):load())
		local link <const>, message <const>, errno <const> =
			plain.programs.on_usdt:attach { "usdt:" .. VICTIM .. ":crumb:once" }
		assert.is_nil(link)
		assert.equal(ESRCH, errno)
		assert.matches("^attach usdt:.*:crumb:once: .*: the program's object has no map for USDT: it must #include "
			.. "<bpf/usdt%.bpf%.h>", message)
	end)

	it("is a program on a tracepoint for the second time", function()
		local target <const> = "tracepoint:task:task_rename"
		local first <const> = assert(object.programs.on_tracepoint:attach { target, cookie = 1 })
		local link <const>, message <const>, errno <const> = object.programs.on_tracepoint:attach { target, cookie = 2 }
		assert.is_nil(link)
		assert.equal(EEXIST, errno)
		assert.matches("^attach tracepoint:task:task_rename: File exists: this program is attached there already, and a "
			.. "tracepoint takes a program once; load another copy of its object, or use a rawtracepoint", message)
		local second <const> = assert(object.programs.on_tracepoint_too:attach { target, cookie = 2 })
		victim:call("rename", 5)
		assert.same({ [1] = 5, [2] = 5 }, cookies.taken(object))
		assert(first:close())
		assert(second:close())
	end)

	it("leaves nothing attached when a later site fails", function()
		local taken <const> = assert(object.programs.on_tracepoint:attach { "tracepoint:syscalls:sys_enter_getsid", cookie = 9 })
		local ids <const> = { taken:info().id }
		refused("on_tracepoint", {
			"tracepoint:task:task_rename", "tracepoint:syscalls:sys_enter_getpgid", "tracepoint:syscalls:sys_enter_getsid",
			cookie = { 1, 2, 3 },
		}, EEXIST, "attach tracepoint:syscalls:sys_enter_getsid: File exists")
		victim:call("getsid", 4)
		assert.same({ [9] = 4 }, cookies.taken(object))
		assert.equal(ids[1], taken:info().id)
		assert(taken:close())
	end)
end)

describe("a multi program", function()
	it("takes its own kinds only", function()
		local reason <const> = cookies.missing "uprobe.multi"
		if reason then pending(reason) end
		local other <close> = assert(cookies.load(victim, "on_uprobe_multi"):load())
		local done <const>, message <const> = pcall(function()
			local link <const> = other.programs.on_uprobe_multi:attach { "usdt:" .. VICTIM .. ":crumb:once" }
			return link
		end)
		assert.is_false(done)
		assert.matches("section 'uprobe.multi'%) cannot be attached to 'usdt:.*', which takes a program of section usdt$", message)
	end)

	it("of the kernel takes no offset", function()
		local reason <const> = cookies.missing "kprobe.multi"
		if reason then pending(reason) end
		local other <close> = assert(cookies.load(victim, "on_kprobe_multi"):load())
		assert.error_matches(function()
			return other.programs.on_kprobe_multi:attach { "kprobe:" .. SYSCALL .. "getsid+4" }, nil
		end, "getsid%+4': a kprobe.multi takes no offset; a program of section kprobe does")
	end)

	it("is refused by a kernel without fprobe, which loads it", function()
		if hooks["kprobe.multi"].available or not hooks.kprobe.available then pending "this kernel has fprobe, or no kprobes" end
		local other <close> = assert(cookies.load(victim, "on_kprobe_multi"):load())
		local link <const>, message <const> =
			other.programs.on_kprobe_multi:attach { "kprobe:" .. SYSCALL .. "getsid", cookie = 1 }
		assert.is_nil(link)
		assert.matches("^attach kprobe:.*getsid: this kernel has no kprobe.multi: it came with 5.18, and needs CONFIG_FPROBE$",
			message)
	end)
end)

describe("a tracing program", function()
	local FUNCTION <const> = SYSCALL .. "getpgid"

	local function attach(program, given)
		local done <const>, link <const>, message <const>, errno <const> = pcall(program.attach, program, given)
		if not done then return nil, link end
		return link, message, errno
	end

	it("goes where it was loaded for, and nowhere else", function()
		local reason <const> = cookies.missing "fentry"
		if reason then pending(reason) end
		local other <close> = cookies.load(victim, "on_fentry")
		local program <const> = other.programs.on_fentry
		assert(program:set_attach_target(FUNCTION))
		assert(other:load())
		local _, message = attach(program, { "fentry:" .. SYSCALL .. "getsid" })
		assert.equal(("program:attach: program on_fentry was loaded for '%s', not for '%sgetsid': a fentry program has one target, "
			.. "chosen by program:set_attach_target \"%sgetsid\" before object:load(); for several, load several copies of the "
			.. "object"):format(FUNCTION, SYSCALL, SYSCALL), message)
		_, message = attach(program, { "fexit:" .. FUNCTION })
		assert.matches("cannot be attached to 'fexit:.*', which takes a program of section fexit/FUNCTION$", message)
		local link <const> = assert(attach(program, { cookie = 3 }))
		assert.equal("fentry: 1 site, 1 kernel link", link.mechanism)
		local errno
		_, message, errno = attach(program, { "fentry:" .. FUNCTION, cookie = 4 })
		assert.equal(EBUSY, errno)
		assert.matches("this program is attached there already, and a function takes it once: load another copy", message)
		victim:call("getpgid", 23)
		assert.same({ [3] = 23 }, cookies.taken(other))
	end)

	it("goes where its section says", function()
		local reason <const> = cookies.missing("tp_btf", "cookie")
		if reason then pending(reason) end
		local other <close> = assert(cookies.load(victim, "on_tp_btf"):load())
		local _, message = attach(other.programs.on_tp_btf, { "tp_btf:task_newtask" })
		assert.matches("^program:attach: program on_tp_btf was loaded for 'task_rename', not for 'task_newtask': ", message)
		assert(attach(other.programs.on_tp_btf, { cookie = 3 }))
		victim:call("rename", 23)
		assert.same({ [3] = 23 }, cookies.taken(other))
	end)
end)

describe("a program on a raw tracepoint", function()
	it("may be there many times, each with its cookie", function()
		local reason <const> = cookies.missing("rawtracepoint", "cookie")
		if reason then pending(reason) end
		local other <close> = assert(cookies.load(victim, "on_raw_tracepoint"):load())
		local expected <const> = {}
		for i = 1, 20 do
			assert(other.programs.on_raw_tracepoint:attach { "rawtracepoint:task_rename", cookie = i })
			expected[i] = 5
		end
		victim:call("rename", 5)
		assert.same(expected, cookies.taken(other))
	end)
end)

describe("programs at one tracepoint", function()
	it("are as many as the kernel takes there", function()
		local trace <close> = assert(require("crumb").trace())
		local message
		for _ = 1, 65 do
			message = select(2, trace:probe { "tracepoint:syscalls:sys_enter_swapoff", count = true })
			if message then break end
		end
		assert.equal("attach tracepoint:syscalls:sys_enter_swapoff: Argument list too long: the kernel takes 64 programs at one "
			.. "tracepoint: let a probe do what several do there", message)
	end)
end)
