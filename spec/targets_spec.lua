-- What can be wrong, or only odd, about a target: each is tried by both layers, is said in words that help, and
-- leaves nothing behind.
local bpf = require "crumb.bpf"
local cookies = require "support.cookies"
local binaries = require "crumb.binaries"
local core = require "crumb.core"
local Elf = require "support.elf"
local crumb = require "crumb"
local lab = require "support.lab"
local Victim = require "support.victim"

local hooks <const> = bpf.features().hooks
local FIXTURES <const> = "build/fixtures/"
local VICTIM <const> = FIXTURES .. "victim"
local ENOENT <const>, ESRCH <const>, ENOEXEC <const>, EISDIR <const>, EINVAL <const>, ENOTUNIQ <const>, EOPNOTSUPP <const> =
	2, 3, 8, 21, 22, 76, 95

local PROGRAMS <const> = {
	uprobe = "on_uprobe", uretprobe = "on_uprobe", usdt = "on_usdt", tracepoint = "on_tracepoint",
	rawtracepoint = "without_raw_tracepoint",
	kprobe = hooks.kprobe.available and "on_kprobe" or "on_uprobe", kretprobe = "on_kprobe",
}
-- What anybody on the machine may hit.
local OF_ALL <const> = { kprobe = true, kretprobe = true, tracepoint = true, rawtracepoint = true }

local victim, object, own, trace, folder

setup(function()
	victim = Victim.start()
	object = assert(cookies.load(nil, "on_uprobe", "on_usdt"):load())
	own = assert(cookies.load(victim, "on_uprobe", "on_tracepoint", "without_raw_tracepoint",
		hooks.kprobe.available and "on_kprobe" or nil):load())
	trace = assert(crumb.trace())
	-- What it loads for the first of a kind stays.
	local first <const> = { "uprobe:%s:hit_a", "uretprobe:%s:hit_a", "usdt:%s:crumb:guarded", "tracepoint:task:task_rename" }
	if hooks.kprobe.available then first[#first + 1] = "kprobe:" .. cookies.SYSCALL .. "getsid" end
	for _, target in ipairs(first) do assert(trace:probe { target:format(VICTIM), count = true, pid = victim.pid }):close() end
	folder = os.tmpname()
	os.remove(folder)
	assert(os.execute("mkdir " .. folder))
end)

teardown(function()
	trace:close()
	object:close()
	own:close()
	victim:stop()
	os.execute("rm -r " .. folder)
end)

-- The two layers: how each attaches, what its messages begin with, and how often what it made was hit.
local LAYERS <const> = {
	{
		says = "attach ",
		attach = function(target, more)
			local given <const> = { target, cookie = 1 }
			for name, value in pairs(more or {}) do given[name] = value end
			local kind <const> = target:match "^%w+"
			local programs <const> = (OF_ALL[kind] and own or object).programs
			local link <const>, message <const>, errno <const> = programs[PROGRAMS[kind]]:attach(given)
			return link, message, errno
		end,
		hits = function() return (cookies.taken(object)[1] or 0) + (cookies.taken(own)[1] or 0) end,
	},
	{
		says = "",
		attach = function(target, more)
			local given <const> = { target, count = true, pid = OF_ALL[target:match "^%w+"] and victim.pid or nil }
			for name, value in pairs(more or {}) do given[name] = value end
			local probe <const>, message <const>, errno <const> = trace:probe(given)
			return probe, message, errno
		end,
		hits = function(probe) return probe:stats().hits end,
	},
}

-- What this process holds, by what the kernel says of each descriptor.
local function held()
	local counts <const> = { map_type = 0, prog_type = 0, link_type = 0, descriptors = lab.descriptors() }
	for _, name in ipairs(assert(core.directory "/proc/self/fdinfo")) do
		local file <close> = io.open("/proc/self/fdinfo/" .. name)
		local word <const> = file and file:read "a":match "%f[%w](%a+_type):"
		if counts[word] then counts[word] = counts[word] + 1 end
	end
	return counts
end

local function harmless(work)
	local before <const> = held()
	work()
	assert.same(before, held())
end

-- Both layers refuse it, in words that begin so.
local function refused(target, why, errno, more)
	for _, layer in ipairs(LAYERS) do
		harmless(function()
			local made <const>, message <const>, number <const> = layer.attach(target, more)
			assert.is_nil(made)
			local expected <const> = layer.says .. target .. why
			assert.equal(expected, message:sub(1, #expected))
			assert.equal(errno, number)
		end)
	end
end

-- Both layers raise this, and say the line of the script.
local function misused(target, why, more)
	for _, layer in ipairs(LAYERS) do
		harmless(function()
			local done <const>, message <const> = pcall(layer.attach, target, more)
			assert.is_false(done)
			assert.matches("^spec/targets_spec.lua:%d+: ", message)
			assert.is_truthy(message:find(why, 1, true), message)
		end)
	end
end

-- Both layers take it; `work` makes so many hits.
local function taken(target, hits, work, more)
	for _, layer in ipairs(LAYERS) do
		harmless(function()
			local made <close> = assert(layer.attach(target, more))
			work(made)
			assert.equal(hits, layer.hits(made))
			assert(made:close())
		end)
	end
end

local function spill(name, bytes)
	local path <const> = folder .. "/" .. name
	local file <close> = assert(io.open(path, "wb"))
	assert(file:write(bytes))
	return path
end

-- A program at that path, which may be run from there.
local function install(from, path)
	assert(os.execute(("cp %s %s && chmod 755 %s"):format(from, path, path)))
	return path
end

local function symbol(path, name)
	local elf <close> = assert(binaries.elf(path))
	return assert(elf:find(name)[1])
end

local function fixture(name)
	local file <close> = io.open(FIXTURES .. name)
	if not file then pending(("there is no %s (built by make, where there is what it takes)"):format(name)) end
	return FIXTURES .. name
end

-- The fixture's programs end at once; its functions get the number of words.
local function run(path) assert(os.execute(path .. " two words >/dev/null")) end

describe("a file", function()
	it("that is none is refused at once, whatever it is", function()
		assert(os.execute(("mkfifo %s/fifo"):format(folder)))
		for path, row in pairs {
			[folder .. "/nothing"] = { "No such file or directory", ENOENT },
			[folder .. "/fifo"] = { "it is a FIFO, not a file", EINVAL },
			[folder] = { "it is a directory", EISDIR },
			["/dev/null"] = { "it is a device, not a file", EINVAL },
			["/dev/tty"] = { "it is a device, not a file", EINVAL },
			[VICTIM .. "/x"] = { "Not a directory", 20 },
		} do
			for _, kind in ipairs { "uprobe:%s:f", "uretprobe:%s:f", "usdt:%s:p:n", "uprobe:%s:0x10", "uprobe:%s:*" } do
				refused(kind:format(path), (": open %s: %s"):format(path, row[1]), row[2])
			end
		end
	end)

	it("that is no program or library of this machine is refused", function()
		local bytes <const> = lab.read(VICTIM)
		local other <const> = bytes:sub(19, 20) == "\xb7\0" and { 62, "x86_64" } or { 183, "aarch64" }
		for name, row in pairs {
			empty = { "", "the file is empty" },
			script = { "#!/bin/sh\n", "it is not an ELF file" },
			header = { bytes:sub(1, 40), "it is truncated: 40 bytes hold no ELF header" },
			cut = { bytes:sub(1, 10000), "it is truncated: its section headers end past its 10000 bytes" },
			foreign = {
				Elf.patch(bytes, 18, ("<I2"):pack(other[1])),
				("it is for another machine (%s, number %d); this is "):format(other[2], other[1]),
			},
			narrow = { Elf.patch(bytes, 4, "\1"), "it is a 32-bit binary; crumb takes 64-bit ones" },
			object = { lab.read(FIXTURES .. "elf_object.o"), "it is an object file, not a program or a library" },
			core = { Elf.patch(bytes, 16, "\4\0"), "it is a core dump, not a program or a library" },
		} do
			local path <const> = spill(name, row[1])
			refused(("uprobe:%s:f"):format(path), (": open %s: %s"):format(path, row[2]), ENOEXEC)
			refused(("usdt:%s:p:n"):format(path), (": open %s: %s"):format(path, row[2]), ENOEXEC)
		end
	end)

	it("in any layout is hit at the right instruction", function()
		for _, name in ipairs { "elf_pie", "elf_exec", "elf_shifted", "elf_lld" } do
			local path <const> = fixture(name)
			taken(("uprobe:%s:elf_two"):format(path), 1, function() run(path) end)
			taken(("uretprobe:%s:elf_two"):format(path), 1, function() run(path) end)
			local probe <close> = assert(trace:probe {
				("uprobe:%s:elf_two"):format(path), capture = { words = "arg0", at = "ip" },
			})
			run(path)
			for event in probe:events { idle = 0 } do
				assert.equal(3, event.words)
				assert.equal(symbol(path, "elf_two").value & 0xfff, event.at & 0xfff)
			end
			assert.equal(1, probe:stats().delivered)
		end
	end)

	it("that is stripped has offsets", function()
		local path <const> = FIXTURES .. "elf_stripped"
		refused(("uprobe:%s:elf_two"):format(path), ": no symbol 'elf_two'; the file is stripped, so it names only what it "
			.. ("exports: an offset works, uprobe:%s:0xOFFSET"):format(path), ENOENT)
		local offset <const> = symbol(FIXTURES .. "elf_pie", "elf_two").offset
		taken(("uprobe:%s:%#x"):format(path, offset), 1, function() run(path) end)
	end)

	it("is still probed when it is unlinked, and what is put in its place is another", function()
		for _, layer in ipairs(LAYERS) do
			harmless(function()
				local path <const> = install(VICTIM, folder .. "/moving")
				local old <close> = Victim.start(path)
				local target <const> = ("uprobe:%s:hit_a"):format(path)
				local first <close> = assert(layer.attach(target))
				old:call("hit_a", 2)
				assert(os.remove(path))
				old:call("hit_a", 3)
				assert.equal(5, layer.hits(first))
				assert.is_nil((layer.attach(target)))
				install(VICTIM, path)
				local new <close> = Victim.start(path)
				new:call("hit_a", 7)
				old:call("hit_a", 1)
				assert.equal(layer.says == "" and 6 or 1, layer.hits(first))
				assert(first:close())
				local second <close> = assert(layer.attach(target))
				old:call("hit_a", 100)
				new:call("hit_a", 4)
				assert.equal(4, layer.hits(second))
				assert(second:close())
				assert(os.remove(path))
			end)
		end
	end)
end)

describe("a function", function()
	it("that is not there has the nearest, and a glob of none says so", function()
		refused(("uprobe:%s:hit_e"):format(VICTIM), ": no symbol 'hit_e' (nearest: hit_a, hit_b, hit_c)", ENOENT)
		refused(("uprobe:%s:hit_e*"):format(VICTIM), ": no function matches 'hit_e*'", ENOENT)
		refused(("uretprobe:%s:"):format(VICTIM) .. ("x"):rep(100000), ": no symbol 'xxx", ENOENT)
	end)

	it("of which there are two is listed, and one is taken", function()
		local path <const> = FIXTURES .. "elf_pie"
		local elf <close> = assert(binaries.elf(path))
		local twins <const> = elf:find "elf_twin"
		refused(("uprobe:%s:elf_twin"):format(path), (": 2 functions are called 'elf_twin': at offsets %#x, %#x; uprobe:%s:0xOFFSET "
			.. "takes one"):format(twins[1].offset, twins[2].offset, path), ENOTUNIQ)
		for _, twin in ipairs(twins) do
			taken(("uprobe:%s:%#x"):format(path, twin.offset), 1, function() run(path) end)
		end
	end)

	it("that lives in a library is sent there", function()
		refused(("uprobe:%s:puts"):format(FIXTURES .. "elf_pie"),
			": 'puts' is only imported here; it lives in libc.so.6: use uprobe:libc.so.6:puts", ENOENT)
	end)

	it("has versions", function()
		local path <const> = FIXTURES .. "libelf_versions.so"
		for _, word in ipairs { "elf_twice", "elf_twice@ELF_1.0", "elf_twice@@ELF_2.0" } do
			taken(("uprobe:%s:%s"):format(path, word), 0, function() end)
		end
		refused(("uprobe:%s:elf_twice@ELF_3.0"):format(path),
			": no such version of 'elf_twice'; there are elf_twice@@ELF_2.0, elf_twice@ELF_1.0", ENOENT)
		refused(("uprobe:%s:elf_twice@@ELF_1.0"):format(path), ": no such version of 'elf_twice'; there are ", ENOENT)
	end)

	it("of Go, Rust and C++ is named as it is written", function()
		local path <const> = FIXTURES .. "elf_pie"
		for _, name in ipairs { "main.(*S).f", "example.com/pkg.F[go.shape.int, string]", "a::b(int)", "operator+" } do
			taken(("uprobe:%s:%s"):format(path, name), 0, function() end)
		end
	end)

	it("of Go has no uretprobe", function()
		for _, name in ipairs { "main.(*S).f", "0x1000", "main.*" } do
			refused(("uretprobe:%s:%s"):format(FIXTURES .. "elf_go", name), ": a uretprobe breaks Go programs", EOPNOTSUPP)
		end
	end)

	it("is made of instructions, within which no probe goes", function()
		if cookies.SYSCALL ~= "__x64_sys_" then pending "only x86-64 has instructions of several lengths" end
		local at <const> = symbol(FIXTURES .. "elf_pie", "main.(*S).f")
		refused(("uprobe:%self_pie:elf_two+1"):format(FIXTURES), ": +0x1 lies within an instruction of 'elf_two': the nearest "
			.. "ones begin at +0x0 and +0x", EINVAL)
		taken(("uprobe:%self_pie:main.(*S).f+%d"):format(FIXTURES, at.size - 1), 0, function() end)
	end)

	it("has an end", function()
		local size <const> = symbol(VICTIM, "hit_a").size
		refused(("uprobe:%s:hit_a+%d"):format(VICTIM, size), (": +%#x lies past the end of 'hit_a', which has %d bytes")
			:format(size, size), EINVAL)
		for _, offset in ipairs { "0x7fffffff", "0x0", "0x7fffffffffffffff" } do
			refused(("uprobe:%s:%s"):format(VICTIM, offset), (": the offset %s lies in no executable segment"):format(offset), EINVAL)
		end
	end)
end)

describe("one name of a thousand", function()
	local path <const> = "/proc/self/exe"

	-- A thousand functions of the interpreter's libc, and one that it has not.
	local function names_of(libc)
		local elf <close> = assert(binaries.elf(libc))
		local names <const>, places <const> = {}, {}
		for _, name in ipairs(elf:names()) do
			local found <const> = elf:find(name)
			local offset <const> = #found == 1 and found[1].type == "func" and found[1].offset
			if offset and not places[offset] and #names < 1000 then
				names[#names + 1], places[offset] = name, true
			end
		end
		return names
	end

	it("is named where it is missing, and left out where that is asked for", function()
		if not hooks["uprobe.multi"].available then pending "this kernel has no uprobe.multi" end
		local libc <const> = assert(lab.read "/proc/self/maps":match "(/[^\n]*/libc[-.][^\n/]*so[^\n/]*)\n")
		local names <const> = names_of(libc)
		assert.is_true(#names >= 900, path)
		table.insert(names, 500, "crumb_has_not_this")
		local target <const> = "uprobe:" .. libc
		local multi <close> = assert(cookies.load(victim, "on_uprobe_multi"):load())
		local function each(given)
			given[1], given.symbols, given.pid = target, names, victim.pid -- who else calls them is left alone
			local link <const>, why <const>, errno <const> = multi.programs.on_uprobe_multi:attach(given)
			given.cookie, given.count = nil, true
			local probe <const>, also <const>, number <const> = trace:probe(given)
			return { link, probe }, { why, also }, { errno, number }
		end
		harmless(function()
			local made <const>, why <const>, errno <const> = each { cookie = 1 }
			assert.same({}, made)
			assert.equal("attach " .. target .. ":crumb_has_not_this: no symbol 'crumb_has_not_this'", why[1]:match "^[^\n(;]*[^\n(; ]")
			assert.equal(target .. ":crumb_has_not_this: no symbol 'crumb_has_not_this'", why[2]:match "^[^\n(;]*[^\n(; ]")
			assert.same({ ENOENT, ENOENT }, errno)
		end)
		harmless(function()
			for _, one in ipairs((each { cookie = 1, missing = "skip" })) do
				assert.equal(#names - 1, #one.sites)
				assert.equal(1, #one.skipped)
				assert.equal("crumb_has_not_this", one.skipped[1].symbol)
				assert.matches("no symbol 'crumb_has_not_this'", one.skipped[1].reason)
				assert(one:close())
			end
		end)
	end)
end)

describe("a process", function()
	it("that is gone, or none, is refused", function()
		local gone <const> = Victim.start()
		gone:stop()
		assert.is_truthy(lab.eventually(function() return not core.directory("/proc/" .. gone.pid) end))
		for _, target in ipairs {
			"uprobe:" .. VICTIM .. ":hit_a", "uprobe:exe:hit_a", "uretprobe:libc:malloc", "usdt:" .. VICTIM .. ":crumb:once",
		} do
			refused(target, (" to pid %d: no such process"):format(gone.pid), ESRCH, { pid = gone.pid })
			misused(target, ": expected ", { pid = -1 })
			misused(target, ": expected ", { pid = 0 })
		end
	end)

	it("is probed without the children it will have, unless they are followed", function()
		local target <const> = ("uprobe:%s:hit_a"):format(VICTIM)
		local function work()
			victim:call("hit_a", 2)
			victim:call("child", 7)
		end
		taken(target, 2, work, { pid = victim.pid })
		local probe <close> = assert(trace:probe { target, pid = victim.pid, follow = true, count = true })
		work()
		assert.equal(9, probe:stats().hits)
	end)

	it("in a container is reached through /proc", function()
		local inside <const>, copies <const> = folder .. "/root", {}
		local enter <const> = ("unshare -m sh -c 'mount -t tmpfs tmpfs %s && mkdir %s/old && %%s && cd %s && pivot_root . old && %%s'")
			:format(inside, inside, inside)
		assert(os.execute("mkdir " .. inside))
		if not os.execute(enter:format("true", "true") .. " 2>/dev/null") then pending "this machine's root takes no pivot_root" end
		-- The program and its libraries, at a place that only this mount namespace has, under a root of its own.
		for path in lab.read(("/proc/%d/maps"):format(victim.pid)):gmatch "%f[/](/[^\n]*%.so[^\n]*)" do
			copies[path] = ("mkdir -p %s%s && cp %s %s%s"):format(inside, path:match "^(.*)/", path, inside, path)
		end
		local loader <const> = "mkdir -p %s/lib64 && cp -L /lib64/ld-linux-x86-64.so.2 %s/lib64"
		local steps <const> = { ("cp %s %s/app"):format(VICTIM, inside) }
		for _, step in pairs(copies) do steps[#steps + 1] = step end
		if cookies.SYSCALL == "__x64_sys_" then steps[#steps + 1] = loader:format(inside, inside) end
		local contained <close> = Victim.start(enter:format(table.concat(steps, " && "), "exec /app"))
		assert.is_nil((io.open(inside .. "/app")))
		local function work(word)
			return function()
				victim:call(word, 5)
				contained:call(word, 3)
			end
		end
		local pid <const> = { pid = contained.pid }
		taken(("uprobe:/proc/%d/root/app:hit_a"):format(contained.pid), 3, work "hit_a")
		taken(("uprobe:/proc/%d/exe:hit_a"):format(contained.pid), 3, work "hit_a")
		taken("uprobe:exe:hit_a", 3, work "hit_a", pid)
		taken("uprobe:libc:prctl", 3, work "rename", pid)
		taken("uprobe:libc.so.6:prctl", 3, work "rename", pid)
		refused(("uprobe:/proc/%d/root%s:hit_a"):format(contained.pid, VICTIM),
			(": open /proc/%d/root%s: No such file or directory"):format(contained.pid, VICTIM), ENOENT)
	end)
end)

describe("a USDT probe", function()
	it("that is not there is said, with what is", function()
		refused(("usdt:%s:crumb:onze"):format(VICTIM), ": no USDT probe 'crumb:onze' (nearest: crumb:once)", ENOENT)
		refused(("usdt:%s:nobody:once"):format(VICTIM), ": no USDT probe 'nobody:once'; there are crumb:", ENOENT)
		refused(("usdt:%s:p:n"):format(FIXTURES .. "libelf_versions.so"), ": the file has no USDT probes", ENOENT)
	end)

	it("is hit at all its places, and its semaphore counts up and down", function()
		taken(("usdt:%s:crumb:guarded"):format(VICTIM), 6, function()
			assert.equal(3, victim:call("semaphore", 1))
			victim:call("usdt", 2)
		end)
		assert.equal(0, victim:call("semaphore", 1))
	end)
end)

describe("a tracepoint", function()
	it("whose name would leave its folder, or is none, raises", function()
		for name, why in pairs {
			["..:x"] = "the category '..' is not a name", ["a/b:x"] = "the category 'a/b' is not a name",
			["task:../x"] = "the name '../x' is not a name", ["task:a\0b"] = "it holds a NUL", [":x"] = "the category is empty",
			["task:"] = "the name is empty", ["."] = "it names no category", ["task:a b"] = "the name 'a b' is not a name",
			["task:task_rename\n"] = [[the name 'task_rename\x0a' is not a name]],
		} do
			misused("tracepoint:" .. name, why)
		end
		misused("rawtracepoint:../x", "the name '../x' is not a name")
	end)

	it("that is not there has the nearest", function()
		refused("tracepoint:task:task_renam", ": no tracepoint 'task_renam' in task (nearest: task_rename)", ENOENT)
		refused("tracepoint:tusk:task_rename", ": no category 'tusk' (it is task:task_rename)", ENOENT)
		refused("tracepoint:*:nobody_*", ": ", ENOENT)
		taken("tracepoint:task:task_rename", 3, function() victim:call("rename", 3) end)
	end)
end)

describe("a function of the kernel", function()
	local GETSID <const> = cookies.SYSCALL .. "getsid"

	local function with_kprobes()
		local reason <const> = cookies.missing "kprobe"
		if reason then pending(reason) end
	end

	-- How many functions the kernel itself has of each name, and whether ftrace reaches that name.
	local function functions()
		local counts <const>, reached <const> = {}, {}
		for _, kind, name in lab.read "/proc/kallsyms":gmatch "(%x+) (%a) ([^\t\n]+)\n" do
			if kind:find "[tT]" then counts[name] = (counts[name] or 0) + 1 end
		end
		for name in lab.read "/sys/kernel/tracing/available_filter_functions":gmatch "[^\n]+" do reached[name] = true end
		return counts, reached
	end

	-- The first name, in order, of which the test is true.
	local function first(counts, test)
		local names <const> = {}
		for name, count in pairs(counts) do
			if test(name, count) then names[#names + 1] = name end
		end
		table.sort(names)
		if not names[1] then pending "this kernel has no such function" end
		return names[1]
	end

	it("has no probe where the kernel has no kprobes, which is said", function()
		if hooks.kprobe.available then pending "this kernel has kprobes" end
		for _, target in ipairs { "kprobe:vfs_read", "kprobe:crumb_nobody", "kprobe:vfs_*", "kprobe:vfs_read+4" } do
			refused(target, ": this kernel has no kprobes: ", EOPNOTSUPP)
		end
	end)

	it("that is not there has the nearest", function()
		with_kprobes()
		refused("kprobe:" .. GETSID .. "x", (": no kernel function '%sx' (nearest: %s"):format(GETSID, GETSID), ENOENT)
		refused("kprobe:crumb_nobody_*", ": no kernel function matches 'crumb_nobody_*'", ENOENT)
		refused("kprobe:" .. GETSID .. "+0x10000", (": +0x10000 lies past the end of '%s', which has "):format(GETSID), EINVAL)
		taken("kprobe:" .. GETSID, 3, function() victim:call("getsid", 3) end)
	end)

	it("of whose name there are several is listed, and one is taken by its address", function()
		with_kprobes()
		local counts <const>, reached <const> = functions()
		local name <const> = first(counts, function(name, count) return count > 1 and reached[name] end)
		refused("kprobe:" .. name, (": %d functions are called '%s': at 0x"):format(counts[name], name), ENOTUNIQ)
		local address <const> = lab.read "/proc/kallsyms":match("(%x+) [tT] " .. name:gsub("%p", "%%%0") .. "\n")
		taken("kprobe:0x" .. address, 0, function() end)
	end)

	it("that the compiler changed is said, and taken by the name it has", function()
		with_kprobes()
		local counts <const>, reached <const> = functions()
		local variant <const> = first(counts, function(name, count)
			local whole <const> = name:match "^(.-)%.isra%.%d+$" or name:match "^(.-)%.constprop%.%d+$"
			return whole and not counts[whole] and count == 1 and reached[name]
		end)
		local whole <const> = variant:match "^[^.]+"
		refused("kprobe:" .. whole, (": '%s' exists only as "):format(whole), ENOENT)
		taken("kprobe:" .. variant, 0, function() end)
	end)

	it("that exists and cannot be probed differs from one that does not", function()
		with_kprobes()
		local counts <const>, reached <const> = functions()
		local silent <const> = first(counts, function(name, count)
			return count == 1 and not reached[name] and name:find "^[%w_]+$" and not counts[name .. ".cold"]
		end)
		refused("kprobe:" .. silent, (": '%s' exists, but cannot be probed: "):format(silent), EOPNOTSUPP)
	end)

	it("of which only a cold part is left exists, and cannot be probed", function()
		with_kprobes()
		local counts <const> = functions()
		local part <const> = first(counts, function(name)
			local whole <const> = name:match "^([%w_]+)%.cold$"
			return whole and not counts[whole] and not counts[whole .. ".isra.0"] and not counts[whole .. ".constprop.0"]
				and not counts[whole .. ".part.0"]
		end)
		refused("kprobe:" .. part:match "^[^.]+", (": '%s' exists, but cannot be probed: it is inlined"):format(part:match "^[^.]+"),
			EOPNOTSUPP)
	end)

	it("is reached without fprobe, which is said", function()
		with_kprobes()
		local probe <close> = assert(trace:probe {
			"kprobe:" .. GETSID, "kprobe:" .. cookies.SYSCALL .. "getpgid", pid = victim.pid, count = true,
		})
		assert.equal(hooks["kprobe.multi"].available and "kprobe.multi: 2 sites, 1 kernel link" or "kprobe: 2 sites, 2 kernel "
			.. "links (this kernel has no kprobe.multi: it came with 5.18, and needs CONFIG_FPROBE)", probe.mechanism)
		victim:call("getsid", 3)
		victim:call("getpgid", 4)
		assert.equal(7, probe:stats().hits)
	end)

	it("that is one bad name among many is named, and left out where that is asked for", function()
		with_kprobes()
		local names <const> = { GETSID, "crumb_has_not_this", cookies.SYSCALL .. "getpgid" }
		local probe <const>, message <const>, errno <const> = trace:probe { "kprobe", symbols = names, count = true }
		assert.is_nil(probe)
		assert.equal(ENOENT, errno)
		assert.matches("^kprobe:crumb_has_not_this: no kernel function 'crumb_has_not_this'", message)
		harmless(function()
			local without <close> = assert(trace:probe { "kprobe", symbols = names, count = true, pid = victim.pid, missing = "skip" })
			assert.equal(2, #without.sites)
			assert.equal("crumb_has_not_this", without.skipped[1].symbol)
			victim:call("getsid", 3)
			assert.equal(3, without:stats().hits)
		end)
	end)
end)
