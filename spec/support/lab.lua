-- What the specs of crumb.bpf share: fixtures, victims, and what a process and the kernel hold.
local bpf = require "crumb.bpf"
local core = require "crumb.core"

local lab = {}

lab.fixtures = "build/fixtures/"

function lab.read(path)
	local file <close> = assert(io.open(path, "rb"))
	return file:read "a"
end

--- Whether a file can be read.
function lab.exists(path)
	local file <close> = io.open(path, "rb")
	return file ~= nil
end

function lab.pid()
	return math.tointeger(lab.read "/proc/self/stat":match "^%d+")
end

-- An emulated machine is a fifty times slower.
lab.slow = lab.read "/proc/cpuinfo":find "QEMU Virtual CPU" ~= nil

--- How often a spec repeats something.
function lab.times(n) return lab.slow and math.max(1, n // 20) or n end

--- Descriptors that this process has open.
function lab.descriptors()
	collectgarbage()
	collectgarbage()
	return #assert(core.directory "/proc/self/fd")
end

--- How many programs of that name the kernel has, whoever holds them; nil where it does not tell.
function lab.programs(name)
	if lab.read "/proc/sys/net/core/bpf_jit_kallsyms" ~= "1\n" then return nil end
	local grep <close> = assert(io.popen(("grep -c 'bpf_prog_[0-9a-f]*_%s.\\[bpf\\]' /proc/kallsyms"):format(name)))
	return grep:read "n"
end

--- Waits until a question is answered with something true; nil when that takes too long.
function lab.eventually(question)
	local deadline <const> = core.now() + 10000000000
	repeat
		local answer <const> = question()
		if answer then return answer end
	until core.now() > deadline
end

--- A system call that nobody else makes so often; the fixtures' programs wait for it.
function lab.rename() os.rename("/crumb/nowhere", "/crumb/nowhere") end

--- The fixture's object, loaded, with what its globals are to be before.
function lab.load(name, globals)
	local object <const> = assert(bpf.open(lab.fixtures .. name .. ".bpf.o"))
	for key, value in pairs(globals or {}) do object.globals[key] = value end
	return assert(object:load())
end

--- Runs Lua text in a process of its own, from start to end: status, output and errors together. `before`: for the
--- shell that starts it.
function lab.run(text, before)
	local path <const> = os.tmpname()
	local file <const> = assert(io.open(path, "w"))
	file:write(text)
	file:close()
	local pipe <const> = assert(io.popen((before or "") .. "lua5.4 " .. path .. " 2>&1"))
	local output <const> = pipe:read "a"
	local _, how, status = pipe:close()
	os.remove(path)
	return how == "exit" and status or how .. " " .. status, output
end

local Child = {}
Child.__index = Child

--- Starts Lua text in a process of its own; it lives until `stop`, or the end of the scope.
function lab.start(text)
	local path <const> = os.tmpname()
	local file <const> = assert(io.open(path, "w"))
	file:write(text)
	file:close()
	local pipe <const> = assert(io.popen("echo $$; exec lua5.4 " .. path .. " 2>&1"))
	return setmetatable({ pid = pipe:read "n", pipe = pipe, path = path, rest = pipe:read "l" }, Child)
end

function Child:line() return self.pipe:read "l" end

function Child:signal(name) assert(os.execute(("kill -%s %d"):format(name, self.pid))) end

--- Waits for its end: status, what it still wrote.
function Child:wait()
	local output <const> = self.pipe:read "a"
	local _, how, status = self.pipe:close()
	self.pipe = nil
	os.remove(self.path)
	return how == "exit" and status or how .. " " .. status, output
end

function Child:stop()
	if not self.pipe then return end
	os.execute(("kill -KILL %d 2>/dev/null"):format(self.pid))
	return self:wait()
end

Child.__close = Child.stop

return lab
