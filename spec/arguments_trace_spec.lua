-- The arguments of every source, traced: what they are said to be is what the program passed.
local bpf = require "crumb.bpf"
local core = require "crumb.core"
local cookies = require "support.cookies"
local lab = require "support.lab"
local tracer = require "support.tracer"

local it_traces <const> = tracer.it
local _, _, MACHINE = core.versions()

local function fixture(name) return "build/fixtures/dwarf_" .. name end

-- The captures of each event that a run of the victim makes at a function of its own.
local function values(trace, path, name, capture)
	local probe <close> = assert(trace:probe { ("uprobe:%s:%s"):format(path, name), capture = capture })
	assert(os.execute(path))
	local words = {}
	for word in pairs(capture) do words[#words + 1] = word end
	local list = {}
	for i, event in ipairs(tracer.all(probe:events { idle = 0 })) do
		list[i] = {}
		for _, word in ipairs(words) do list[i][word] = event[word] end
	end
	return list
end

-- Captures of the arguments of these names.
local function args(...)
	local capture = {}
	for _, name in ipairs { ... } do capture[name] = "args." .. name end
	return capture
end

describe("traced arguments", function()
	if MACHINE ~= "x86_64" then return end

	for _, compiler in ipairs { "gcc", "gcc4", "clang", "packed" } do
		it_traces("of C are what was passed, as compiled by " .. compiler, function(trace)
			local path = fixture(compiler)
			assert.same({ { c = 97, s = 1, i = 2, b = true, count = 3, color = "BLUE" } },
				values(trace, path, "scalars", args("c", "s", "i", "b", "count", "color")))
			assert.same({ { first = 1, second = 3 } }, values(trace, path, "floats", args("first", "second")))
			assert.same({ { last = 4 } }, values(trace, path, "structs", args "last"))
			assert.same({ { first = 1 } }, values(trace, path, "returns_large", args "first"))
			assert.same({ { f = 6 } }, values(trace, path, "many", args "f"))
			assert.same({ { used = 41, also = 51 } }, values(trace, path, "partly", args("used", "also")))
			assert.same({ { text = path } }, values(trace, path, "pointers", { text = "str(args.outer.text)" }))
		end)
	end

	it_traces("are all there is of them that can be read, when that is asked for", function(trace)
		local function all_of(target)
			local probe <const> = assert(trace:probe { target, capture = { "args", extra = "pid" } })
			assert(os.execute(fixture "gcc"))
			local event <const>, names <const> = tracer.all(probe:events { idle = 0 })[1], {}
			for name in pairs(event) do names[#names + 1] = name end
			table.sort(names)
			return event, table.concat(names, " ")
		end
		local event <const>, names <const> = all_of("uprobe:" .. fixture "gcc" .. ":scalars")
		assert.equal("b c color comm count cpu extra gid i pid s tid time uid", names)
		assert.same({ 97, 1, 2, true, 3, "BLUE" }, { event.c, event.s, event.i, event.b, event.count, event.color })
		assert.equal("comm cpu extra first gid pid second tid time uid",
			select(2, all_of("uprobe:" .. fixture "gcc" .. ":floats")))
		local nothing <const>, message <const> = trace:probe { "software:cpu-clock:1000000", capture = { "args" } }
		assert.is_nil(nothing)
		assert.equal("capture[1]: no names of arguments are known here: a sample has no arguments: ip, sp and reg.NAME work", message)
	end)

	it_traces("may be cast to the structs of their file", function(trace)
		assert.same({ { text = fixture "gcc" } }, values(trace, fixture "gcc", "pointers",
			{ text = "str(((struct outer *)arg0)->text)" }))
		local nothing <const>, message <const> = trace:probe {
			("uprobe:%s:pointers"):format(fixture "gcc"), capture = { x = "((struct outre *)arg0).x" },
		}
		assert.is_nil(nothing)
		assert.matches("^capture.x: no type 'struct outre'.*\n +%^+$", message)
	end)

	it_traces("of C++ are what was passed", function(trace)
		local path = fixture "cxx"
		if not core.read(path) then return end
		local function of(name, capture) return values(trace, path, "_ZN5outer5inner" .. name, capture) end
		assert.same({ { by = 1, value = 2, base = 1, other = 2 } }, of("5Thing3addEiRKS1_",
			{ by = "args.by", value = "args.this.value", base = "args.this.base", other = "args.other.value" }))
		assert.same({ { a = 3, last = 4 } }, of("5takesENS0_5OwnedEi", { a = "args.owned.a", last = "args.last" }))
		assert.same({ { first = 1 } }, of("5makesEi", args "first"))
		assert.same({ { member = 8 } }, of("4kindENS0_4KindEMNS0_5ThingElRb", args "member"))
	end)

	it_traces("stay for the return, with the result as it is declared", function(trace)
		local path = fixture "gcc"
		local probe = assert(trace:probe { ("uprobe:%s:below"):format(path), capture = args "value", returns = true })
		assert(os.execute(path))
		assert.same({ { "UNDER", "UNDER" } }, tracer.pick(tracer.all(probe:events { idle = 0 }), "value", "retval"))
	end)

	it_traces("of a USDT probe lie where its notes say, at every place", function(trace, victim)
		local probe = assert(trace:probe {
			"usdt:build/fixtures/victim:crumb:guarded", pid = victim.pid, capture = { number = "args.arg0", same = "arg0" },
		})
		victim:call("usdt", 2)
		local list = tracer.pick(tracer.all(probe:events { idle = 0 }), "number", "same")
		assert.same({ { 1, 1 }, { 2, 2 }, { 3, 3 }, { 1, 1 }, { 2, 2 }, { 3, 3 } }, list)
	end)

	it_traces("of a USDT probe may lie where two registers say", function(trace, victim)
		local probe = assert(trace:probe {
			"usdt:build/fixtures/victim:crumb:indexed", pid = victim.pid, capture = { number = "args.arg0" },
		})
		victim:call("indexed", 1)
		assert.same({ { 12 } }, tracer.pick(tracer.all(probe:events { idle = 0 }), "number"))
	end)

	it_traces("are of all functions by one body, when a rule uses none of their names", function(trace)
		local probe = assert(trace:probe { "uprobe:build/fixtures/dwarf_gcc:*", count = true, by = { "symbol" } })
		local bodies, count = {}, 0
		for _, place in ipairs(probe.live.places) do bodies[place.body] = true end
		for _ in pairs(bodies) do count = count + 1 end
		assert.is_true(#probe.live.places > 8)
		assert.equal(1, count)
	end)
end)

describe("traced arguments of the kernel", function()
	it_traces("are a system call's", function(trace)
		local probe = assert(trace:probe {
			"syscall:rename", pid = lab.pid(), capture = { from = "str(args.oldname)" }, returns = true,
		})
		lab.rename()
		local events = tracer.all(probe:events { idle = 0 })
		assert.same({ "/crumb/nowhere", -2 }, { events[1].from, events[1].retval })
	end)

	it_traces("may be cast to the kernel's structs", function(trace)
		if not core.btf() then pending "this kernel has no BTF" end
		local probe = assert(trace:probe {
			"syscall:rename", pid = lab.pid(), where = "((struct task_struct *)(task + 0))->tgid == pid",
			capture = { comm2 = "((struct task_struct *)(task + 0))->comm", state = "(u64[(struct task_struct *)task]) * 0" },
		})
		lab.rename()
		local event <const> = tracer.all(probe:events { idle = 0 })[1]
		assert.same({ event.comm, 0 }, { event.comm2, event.state })
		local nothing <const>, message <const> = trace:probe {
			"syscall:rename", where = "((struct task_strict *)task).pid == 1",
		}
		assert.is_nil(nothing)
		assert.matches("^where: no type 'struct task_strict' %(nearest: task_struct", message)
	end)

	it_traces("are addresses as they are written", function(trace)
		local probe = assert(trace:probe {
			"tracepoint:sock:inet_sock_set_state", capture = { "args" }, where = "args.newstate == 2 and comm == 'tcp_client'",
		})
		local said <const> = assert(io.popen("build/fixtures/tcp_victim 4 1 1 1; build/fixtures/tcp_victim 6 1 1 1")):read "a"
		local ports <const>, seen <const> = {}, {}
		for port in said:gmatch "port=(%d+)" do ports[tonumber(port)] = true end
		for event in probe:events { idle = 0 } do
			if ports[event.dport] then seen[#seen + 1] = { event.daddr, event.daddr_v6 } end
		end
		assert.same({ { "127.0.0.1", "::ffff:127.0.0.1" }, { "0.0.0.0", "::1" } }, seen)
	end)

	it_traces("are a raw tracepoint's, by name", function(trace)
		if MACHINE ~= "x86_64" then pending "the call's number is another machine's" end
		if cookies.missing("rawtracepoint", "cookie") then pending "this kernel gives no cookie to a raw tracepoint" end
		local probe = assert(trace:probe {
			"rawtracepoint:sys_enter", pid = lab.pid(), where = "args.id == 82", capture = { id = "args.id" },
		})
		lab.rename()
		assert.same({ { 82 } }, tracer.pick(tracer.all(probe:events { idle = 0 }), "id"))
	end)

	it_traces("are a function's, in its registers", function(trace)
		if not bpf.features().hooks.kprobe.available then pending "this kernel has no kprobes" end
		local probe = assert(trace:probe {
			"kprobe:vfs_read", pid = lab.pid(), returns = true, where = "args.count == 4321",
			capture = { count = "args.count", name = "str(args.file.f_path.dentry.d_name.name)" },
		})
		local file = assert(io.open("README.md", "r"))
		file:setvbuf "no"
		local text = file:read(4321)
		file:close()
		assert.same({ { 4321, "README.md", #text } }, tracer.pick(tracer.all(probe:events { idle = 0 }), "count", "name", "retval"))
	end)
end)
