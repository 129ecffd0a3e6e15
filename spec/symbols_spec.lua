-- crumb.Symbolizer and crumb.stack: addresses of the kernel and of processes, and what they are called.
local child = require "support.child"
local binaries = require "crumb.binaries"
local core = require "crumb.core"
local lab = require "support.lab"
local stack = require "crumb.stack"
local Victim = require "support.victim"

local VICTIM <const> = "build/fixtures/victim"
local ESRCH <const> = 3

-- The address of a victim's function in that process, and its size.
local function address_of(pid, name)
	local elf <close> = assert(binaries.elf(VICTIM))
	local symbol = assert(elf:find(name)[1], name)
	for line in lab.read(("/proc/%d/maps"):format(pid)):gmatch "[^\n]+" do
		local start, offset = line:match "^(%x+)%-%x+ r%-xp (%x+) .*/victim"
		if start then return tonumber(start, 16) + symbol.offset - tonumber(offset, 16), symbol.size end
	end
	error("the victim is not mapped")
end

-- The line of the fixture's source that holds this text.
local function line_of(text)
	local number = 0
	for line in io.lines "spec/fixtures/victim.c" do
		number = number + 1
		if line:find(text, 1, true) then return number end
	end
end

local function kernel_symbols(pattern)
	local found = {}
	for line in io.lines "/proc/kallsyms" do
		local address, name, module = line:match "^(%x+) [tTwW] (%S+)%s*%[?([^%]]*)"
		if address and name:find(pattern) then found[#found + 1] = { tonumber(address, 16), name, module } end
	end
	return found
end

describe("the names of a process", function()
	it("are its functions', with the line where there is debug information", function()
		local symbolizer <close> = binaries.symbolizer()
		local victim <close> = Victim.start()
		for _, name in ipairs { "hit_b", "hit_c" } do
			local address, size = address_of(victim.pid, name)
			local found, offset, module, file, line = symbolizer:user(victim.pid, address)
			assert.are.equal(name, found)
			assert.are.equal(0, offset)
			assert.matches("/build/fixtures/victim$", module)
			assert.matches("spec/fixtures/victim.c$", file)
			local first = line_of(("FUNCTION void %s(void)"):format(name))
			assert.is_true(line >= first and line <= first + 3)
			found, offset = symbolizer:user(victim.pid, address + size - 1)
			assert.are.equal(name, found)
			assert.are.equal(size - 1, offset)
		end
	end)

	it("are nothing where nothing is mapped, and only a place where no symbol reaches", function()
		local symbolizer <close> = binaries.symbolizer()
		local victim <close> = Victim.start()
		assert.are.same({ n = 1 }, table.pack(symbolizer:user(victim.pid, 16)))
		assert.are.same({ n = 1 }, table.pack(symbolizer:user(victim.pid, -1)))
		local vdso = lab.read(("/proc/%d/maps"):format(victim.pid)):match "\n(%x+)%-%x+ r%-xp [^\n]*%[vdso%]"
		if not vdso then return end
		local name, offset, module = symbolizer:user(victim.pid, tonumber(vdso, 16) + 8)
		assert.is_nil(name)
		assert.are.equal(8, offset)
		assert.are.equal("[vdso]", module)
	end)

	it("are known after its end, when it was remembered", function()
		local symbolizer <close> = binaries.symbolizer()
		local victim = Victim.start()
		local address = address_of(victim.pid, "hit_a")
		local serial = assert(symbolizer:remember(victim.pid))
		victim:stop()
		assert.is_true(lab.eventually(function() return not io.open(("/proc/%d/maps"):format(victim.pid)) end))
		assert.are.equal("hit_a", (symbolizer:user(victim.pid, address)))
		assert.are.equal(serial, symbolizer:remember(victim.pid))
	end)

	it("are another's when it has become another program", function()
		local symbolizer <close> = binaries.symbolizer()
		child.setup()
		local shell = child.start("sh -c %s", child.quoted("echo ready; read line; exec " .. VICTIM))
		shell:lines "^ready$"
		local before = assert(symbolizer:remember(shell.pid))
		shell:say "go"
		assert.are.equal(tostring(shell.pid), shell:lines "^%d+$"[1])
		local address = address_of(shell.pid, "hit_d")
		assert.is_true(lab.eventually(function() return symbolizer:user(shell.pid, address) == "hit_d" end))
		assert.are_not.equal(before, symbolizer:remember(shell.pid))
		child.teardown()
	end)

	it("are found when its file was deleted, and in a root of its own", function()
		child.setup()
		local path = child.folder .. "/victim"
		assert(os.execute(("cp %s %s"):format(VICTIM, path)))
		local victim = child.start("%s", path)
		local pid = tonumber(victim:lines "^%d+$"[1])
		assert(os.remove(path))
		local symbolizer <close> = binaries.symbolizer()
		local name, _, module = symbolizer:user(pid, (address_of(pid, "hit_c")))
		assert.are.equal("hit_c", name)
		assert.are.equal(path .. " (deleted)", module)
		child.teardown()
	end)

	it("are refused with the reason for who is not there", function()
		local symbolizer <close> = binaries.symbolizer()
		local name, message, errno = symbolizer:user(2 ^ 30 | 0, 1)
		assert.is_nil(name)
		assert.are.equal("read the maps of process 1073741824: No such process", message)
		assert.are.equal(ESRCH, errno)
		assert.are.equal(ESRCH, select(3, symbolizer:user(0, 1)))
		assert.are.equal(ESRCH, select(3, symbolizer:user(2 ^ 40 | 0, 1)))
	end)

	it("give every descriptor back", function()
		local before = lab.descriptors()
		local victim = Victim.start()
		local symbolizer = binaries.symbolizer()
		symbolizer:user(victim.pid, (address_of(victim.pid, "hit_a")))
		symbolizer:user(lab.pid(), 1)
		assert.is_true(symbolizer:close())
		assert.has_error(function() symbolizer:user(lab.pid(), 1) end)
		victim:stop()
		assert.are.equal(before, lab.descriptors())
	end)
end)

describe("the names of the kernel", function()
	it("are those of kallsyms", function()
		local names <close> = core.kernel_names()
		local address, name = table.unpack(kernel_symbols "^vfs_read$"[1])
		assert.are.same({ name, 0 }, { names:at(address) })
		assert.are.same({ name, 3 }, { names:at(address + 3) })
		assert.are.same({ n = 1 }, table.pack(names:at(0)))
		assert.are.same({ n = 1 }, table.pack(names:at(-1)))
	end)

	it("follow what comes and goes", function()
		if lab.read "/proc/sys/net/core/bpf_jit_kallsyms" ~= "1\n" then pending "this kernel does not name BPF programs" end
		local names <close> = core.kernel_names()
		names:at(1)
		local object <close> = lab.load "rings"
		assert.is_true(object:loaded())
		-- Other programs of that name may come and go meanwhile.
		assert.is_true(lab.eventually(function()
			for _, program in ipairs(kernel_symbols "^bpf_prog_.*_emit_plain$") do
				local found, offset, module = names:at(program[1] + 4)
				if found == program[2] and offset == 4 and module == "bpf" then return true end
			end
		end))
	end)
end)

describe("a stack", function()
	local function pack(...)
		local list = {}
		for i, address in ipairs { ... } do list[i] = ("<i8"):pack(address) end
		return table.concat(list)
	end

	it("of a process has frames, drawn and folded", function()
		local victim <close> = Victim.start()
		local a, b = address_of(victim.pid, "hit_a"), address_of(victim.pid, "hit_b")
		local _, size = address_of(victim.pid, "hit_b")
		local frames = stack.user(pack(a, b + size, 16), victim.pid)
		assert.are.equal(3, #frames)
		assert.are.equal("hit_a", frames[1].name)
		-- A return address behind the function's last instruction belongs to the call before it.
		assert.are.equal("hit_b", frames[2].name)
		assert.are.equal(size, frames[2].offset)
		assert.are.equal(b + size, frames[2].address)
		assert.is_nil(frames[3].name)
		assert.are.equal("0x10;hit_b;hit_a", stack.folded(frames))
		local lines = {}
		for line in tostring(frames):gmatch "[^\n]+" do lines[#lines + 1] = line end
		assert.matches("^  hit_a%+0x0 %(/.*/victim%) at .*spec/fixtures/victim%.c:%d+$", lines[1])
		assert.matches(("^  hit_b%%+0x%x %%("):format(size), lines[2])
		assert.are.equal("  0x10", lines[3])
	end)

	it("shares its frames with the next one", function()
		local victim <close> = Victim.start()
		local bytes = pack(address_of(victim.pid, "hit_a"))
		assert.are.equal(stack.user(bytes, victim.pid)[1], stack.user(bytes, victim.pid)[1])
	end)

	it("of the kernel has frames", function()
		local address = kernel_symbols "^vfs_read$"[1][1]
		local frames = stack.kernel(pack(address, address + 8))
		assert.are.equal("  vfs_read+0x0\n  vfs_read+0x8", tostring(frames))
		assert.are.equal("vfs_read;vfs_read", stack.folded(frames))
	end)

	it("of nobody is its addresses", function()
		local frames = stack.user(pack(0x1234), 2 ^ 30 | 0)
		assert.are.equal("  0x1234", tostring(frames))
		assert.are.equal("  0x1234", tostring(stack.user(pack(0x1234), 0))) -- what is idle, or of another PID namespace
		assert.are.equal("", tostring(stack.user("", lab.pid())))
		local done, message, errno = stack.remember(2 ^ 30 | 0)
		assert.is_nil(done)
		assert.are.equal("read the maps of process 1073741824: No such process", message)
		assert.are.equal(ESRCH, errno)
	end)
end)
