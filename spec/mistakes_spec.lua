-- What people write who are new: each is answered with the reason, and with a line that works.
local cli = require "support.cli"
local core = require "crumb.core"
local explain = require "crumb.command.explain"
local expression = require "crumb.expression"
local lab = require "support.lab"
local new_session = require("crumb.command.session").new
local scope = require "support.scope"

local FIRST <const> = "a target stands first, without a name: { \"syscall:openat\" }"

-- What a script raises, without its position.
local function said_of(code)
	local session <close> = new_session({ format = "text" }, "(-e):")
	local done <const>, message <const> = pcall(assert(load(code, "=(-e)", "t", session.env)))
	assert.is_false(done, code)
	return (explain.raised(message, session.env):gsub("^%(%-e%):1: ", ""):match "^[^\n]*")
end

local function answers(cases)
	for code, message in pairs(cases) do assert.equal(message, said_of(code), code) end
end

describe("an option", function()
	it("that is called otherwise", function()
		answers {
			['probe { "syscall:openat", filter = "uid == 0" }'] = "probe: no option 'filter': write where = \"uid == 0\"",
			['probe { "syscall:openat", where_ = "uid == 0" }'] = "probe: no option 'where_' (nearest: where)",
			['probe { "syscall:openat", print = "args.filename" }'] =
				"probe: no option 'print': write capture = { \"args.filename\" }",
			['probe { "syscall:openat", fields = { "uid" } }'] =
				"probe: no option 'fields': write capture = { path = \"str(args.filename)\" }",
			['probe { "syscall:openat", callback = print }'] = "probe: no option 'callback': write handler = print, without quotes",
			['probe { "syscall:openat", group_by = "comm" }'] = "probe: no option 'group_by': write by = \"comm\"",
			['probe { "syscall:openat", histogram = "latency" }'] = "probe: no option 'histogram': write hist = \"latency\"",
			['probe { "syscall:openat", ret = true }'] = "probe: no option 'ret': write returns = true",
			['probe { "syscall:openat", latency = true }'] =
				"probe: no option 'latency': a latency is a value: returns = true, hist = \"latency\"",
			['probe { target = "syscall:openat" }'] = "probe: no option 'target': " .. FIRST,
			['probe { probe = "syscall:openat" }'] = "probe: no option 'probe': " .. FIRST,
			["run { time = 5 }"] = "run: no option 'time': write duration = 10",
			['span { from = {}, to = {}, key = "pid" }'] = "span: no option 'key': a key stands in from = { … } and in to = { … }, "
				.. "and the keys of rows are by = { … }",
			['probe { "syscall:openat", ["a\27"] = 1 }'] = "probe: no option 'a\27' (there are avg, by, capture, cookie, count, either, "
				.. "enabled, follow, handler, hist, lhist, limit, max, max_delay, min, missing, offsets, once, only, params, pid, progress, "
				.. "returns, ring_size, rows, sample, sum, symbols, tid, where)",
		}
	end)

	it("that is of another type", function()
		answers {
			['probe { "syscall:openat", count = "x" }'] = "probe: option 'count': expected boolean, got string: write count = true",
			['probe { "syscall:openat", returns = 1 }'] = "probe: option 'returns': expected boolean, got number: write returns = true",
			['probe { "syscall:openat", hist = true }'] =
				"probe: hist: expected an expression, or false for none, got true: write hist = \"latency\"",
			['probe { "syscall:openat", handler = "print" }'] =
				"probe: option 'handler': expected function or table, got string: write handler = print, without quotes",
			['probe { "syscall:openat", capture = "args.filename" }'] =
				"probe: option 'capture': expected table, got string: write capture = { \"args.filename\" }",
			['probe { "syscall:openat", lhist = "args.flags" }'] =
				"probe: option 'lhist': expected table, got string: write lhist = { \"arg0\", 0, 100, 10 }",
			['probe { "syscall:openat", where = { "pid == 1" } }'] =
				"probe: option 'where': expected string, got table: write where = \"uid == 0 and pid ~= 1\"",
			['probe { "syscall:openat", where = pid == 1 }'] =
				"probe: where: expected an expression, a string, got false: it stands in quotes, where = \"pid == 1\"",
			['probe { "syscall:openat", pid = "self" }'] = "probe: option 'pid': expected integer, got string: write pid = 4711",
			['span { from = "a", to = {} }'] = "span: option 'from': expected table, got string: "
				.. 'write from = { "tracepoint:sched:sched_wakeup", key = "args.pid" }',
		}
	end)
end)

describe("a return", function()
	it("where there is none, has what there is", function()
		if not core.directory "/sys/kernel/tracing/events/syscalls" then pending "this kernel has no such events" end
		local goes <const> = "probe: returns = true goes with a kprobe, uprobe, fentry or syscall, not with '%s': %s"
		answers {
			['probe { "t:syscalls:sys_exit_close", where = "retval < 0" }'] = "where: a tracepoint has no retval: write args.ret",
			['probe { "t:syscalls:sys_enter_close", where = "retval < 0" }'] =
				"where: a tracepoint has no retval: write syscall:close with returns = true",
			['probe { "t:syscalls:sys_enter_close", returns = true }'] = goes:format("t:syscalls:sys_enter_close", "write syscall:close"),
			['probe { "ur:libc:malloc", returns = true }'] = goes:format("ur:libc:malloc", "write uprobe:libc:malloc"),
			['probe { "t:sched:sched_switch", returns = true }'] =
				goes:format("t:sched:sched_switch", "two of them are paired by a span"),
		}
	end)
end)

describe("a call", function()
	it("of what is called otherwise, or with more", function()
		answers {
			['probe("syscall:openat", { count = true })'] =
				'probe: one table holds all: probe { "syscall:openat", count = true }',
			['prob "syscall:openat"'] = "attempt to call a nil value (global 'prob') (nearest: probe)",
			['Probe "syscall:openat"'] = "attempt to call a nil value (global 'Probe'): write probe",
			['where "uid == 0"'] =
				"attempt to call a nil value (global 'where'): it is an option: write where = \"uid == 0 and pid ~= 1\"",
			["xyzzy_plugh()"] = "attempt to call a nil value (global 'xyzzy_plugh')",
			["run(5)"] = "run: expected a table of options, got number",
			['span { "a", "b" }'] = "span: from: expected { TARGET, key = EXPRESSION }: "
				.. 'write from = { "tracepoint:sched:sched_wakeup", key = "args.pid" }',
			["local p = {} p:rows()"] = "attempt to call a nil value (method 'rows'): write p:read()",
			["local p = {} p:stop()"] = "attempt to call a nil value (method 'stop'): write p.enabled = false",
			["local p = {} p:where 'uid == 0'"] =
				"attempt to call a nil value (method 'where'): it is set: p.where = \"uid == 0 and pid ~= 1\"",
			["trace:probe 'syscall:openat'"] =
				'trace:probe: expected a table, got a string: write trace:probe { "syscall:openat" }',
			["crumb.list 'syscall:openat'"] = "attempt to index a nil value (global 'crumb'): write crumb = require \"crumb\"",
			["local p = {} p:xyzzy()"] = "attempt to call a nil value (method 'xyzzy')",
		}
	end)
end)

describe("a target", function()
	it("whose words are others", function()
		local function target(text) return said_of(("probe %q"):format(text)):match "^probe: target '.-': (.*)$" end
		for text, message in pairs {
			["uprobe:libc"] = "it names no symbol; the form is uprobe:PATH:SYMBOL[+OFFSET]; "
				.. "crumb list 'uprobe:libc:*' shows what there is",
			["uprobe:getaddrinfo"] = "it names no symbol; the form is uprobe:PATH:SYMBOL[+OFFSET]; such as uprobe:libc:getaddrinfo",
			["uprobe:libc:"] = "the symbol is empty; the form is uprobe:PATH:SYMBOL[+OFFSET]",
			["trace:openat"] = "no kind 'trace': write syscall:openat",
			["syscalls:sys_enter_openat"] = "no kind 'syscalls': write syscall:openat",
			["sys_enter_openat"] = "it has no kind: write syscall:openat",
			["openat"] = "it has no ':'; the form is KIND:..., such as syscall:openat, kprobe:openat or uprobe:PATH:openat",
			["syscall:sys_enter_openat"] = "a system call is named alone: syscall:openat; the form is syscall:NAME",
			["tracepoint:openat"] = "it names no category; the form is tracepoint:CATEGORY:NAME; "
				.. "crumb list 'tracepoint:*:*openat*' looks for it",
			["tracepoint:sys_exit_openat"] = "it names no category; the form is tracepoint:CATEGORY:NAME; "
				.. "write tracepoint:syscalls:sys_exit_openat, or syscall:openat",
			["sched:sched_switch"] = "no kind 'sched': write tracepoint:sched:sched_switch",
			["function:vfs_read"] = "no kind 'function': write kprobe:vfs_read",
			["libc:malloc"] = "no kind 'libc': write uprobe:libc:malloc",
			["/bin/bash:readline"] = "no kind '/bin/bash': write uprobe:/bin/bash:readline",
			["profile:99"] = "it names no unit; the form is profile:hz:FREQUENCY; write profile:hz:99",
			["usdt:python3:gc__start"] = "it needs a path, a provider and a name; the form is usdt:PATH:PROVIDER:NAME; "
				.. "such as usdt:python3:*:gc__start",
			["kfunc:vfs_read"] = "no kind 'kfunc': write fentry:vfs_read",
		} do
			assert.equal(message, target(text), text)
		end
	end)

	it("that is nearly there", function()
		if not core.directory "/sys/kernel/tracing/events/syscalls" then pending "this kernel has no such events" end
		answers {
			['probe "tracepoint:syscalls:openat"'] = "tracepoint:syscalls:openat: no tracepoint 'openat' in syscalls "
				.. "(there are sys_enter_openat and sys_exit_openat, or syscall:openat)",
			['probe "uprobe:build/fixtures/victom:say"'] =
				"uprobe:build/fixtures/victom:say: open build/fixtures/victom: No such file or directory (nearest: victim)",
		}
		if not lab.exists "/usr/bin/grep" then pending "there is no such program" end
		assert.truthy(said_of('probe "uprobe:grep:main"'):find(
			"a program is given by its path, /usr/bin/grep, or by its name with pid = N", 1, true))
	end)
end)

describe("an expression", function()
	local function where(text, at)
		local plan <const>, message <const> = expression.compile({ where = text }, at)
		assert.is_nil(plan)
		return message
	end

	it("has the place, the reason, and what works", function()
		assert.equal('where: comm holds 15 bytes, and this has 22: write "16 characters a"\n'
			.. "    comm == '16 characters and more'\n            " .. ("^"):rep(24),
			where("comm == '16 characters and more'", scope.uprobe()))
		assert.equal('where: comm holds 15 bytes, and this has 16: write "aaaaaaaaaaaaaa"\n    comm == \'aaaaaaaaaaaaaaé\'\n'
			.. "            " .. ("^"):rep(17), where("comm == 'aaaaaaaaaaaaaaé'", scope.uprobe()))
		assert.equal("where: retval is only known at the return: add returns = true\n    retval == 0\n    ^^^^^^",
			where("retval == 0", scope.uprobe()))
		assert.equal("where: no name 'uuid' (nearest: uid)\n    uuid == 0\n    ^^^^", where("uuid == 0", scope.uprobe()))
	end)

	it("has the arguments with their types", function()
		if not core.directory "/sys/kernel/tracing/events/syscalls" then pending "this kernel has no such events" end
		local session <close> = new_session { format = "text" }
		local function of(text)
			local done <const>, message <const> = pcall(session.env.probe, { "syscall:close", where = text })
			assert.is_false(done)
			return message
		end
		assert.truthy(of "args.NAME == 1":find(
			"no argument 'NAME' (there are fd: unsigned int)\n    args.NAME == 1\n         ^^^^", 1, true))
		assert.truthy(of "args.df == 1":find("no argument 'df' (nearest: fd: unsigned int)", 1, true))
	end)
end)

describe("text that is no Lua", function()
	it("is answered below Lua's words", function()
		for code, answer in pairs {
			["probe { syscall:openat }"] = 'a target stands in quotes: "syscall:openat"',
			["probe syscall:openat"] = 'a target stands in quotes: "syscall:openat"',
			["probe { u:libc:malloc, count = true }"] = 'a target stands in quotes: "u:libc:malloc"',
			['probe { "syscall:openat" where = "uid == 0" }'] =
				'a comma stands between two options: …, where = "uid == 0 and pid ~= 1"',
		} do
			local _ <const>, why <const> = load(code)
			assert.equal(answer, explain.source(code, why), code)
		end
		for _, code in ipairs { "x = = 3", 'probe "syscall:openat', "y = f 'uprobe:libc:malloc' +", "if x then" } do
			local _ <const>, why <const> = load(code)
			assert.is_nil(explain.source(code, why), code)
		end
		assert.same({ "", 1, "crumb: function arguments expected near '}'\na target stands in quotes: \"syscall:openat\"\n" },
			{ cli.run("-e", "probe { syscall:openat }") })
		assert.same({ "", 1, "crumb: attempt to call a nil value (global 'prob') (nearest: probe)\n" }, { cli.run("-e", "prob()") })
	end)
end)
