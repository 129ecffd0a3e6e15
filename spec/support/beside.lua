--- beside: another tracer on the load that crumb traces: started, awaited until it traces, ended, and what it printed.
--
--	local theirs <close> = beside.start "opensnoop.bt"
--	if not theirs then pending "bpftrace's opensnoop.bt does not run here" return end
--	local ours <close> = assert(beside.start("build/crumb --json opensnoop"))
--	-- the load: children of the spec's own, which it knows by their pid or by names that nobody else has
--	local lines = theirs:finish()
--
-- A tracer has attached what it attaches before it first waits: until the first event, its next interval or Ctrl-C.
-- So one that never comes to wait, since it is not installed or this kernel lacks something, is none; nor is bpftrace
-- without probes that it could not attach.
local core <const> = require "crumb.core"
local disk <const> = require "support.disk"
local lab <const> = require "support.lab"

local beside = {}

local DEADLINE <const>, PATIENCE <const> = 60, 6
local STEP <const> = 0.001
local SIGINT <const>, SIGKILL <const> = 2, 9

-- The numbers of x86-64: poll, select, pause, nanosleep, rt_sigtimedwait, clock_nanosleep, epoll_wait, pselect6, ppoll,
-- epoll_pwait, epoll_pwait2.
local WAITS <const> = {
	[7] = true, [23] = true, [34] = true, [35] = true, [128] = true, [230] = true, [232] = true, [270] = true, [271] = true,
	[281] = true, [441] = true,
}

---@class beside.Tracer
---@field pid integer
local Tracer = {}
Tracer.__index = Tracer

local function is_waiting(pid)
	local file <close> = io.open(("/proc/%d/syscall"):format(pid))
	return WAITS[file and file:read "n"] or false
end

-- Whether it came to wait; otherwise it has ended.
local function await(tracer)
	local deadline <const> = core.now() + DEADLINE * 1000000000
	while not is_waiting(tracer.pid) do
		if tracer.process:wait(STEP) then return false end
		if core.now() > deadline then
			tracer:close()
			error(("%s does not come to wait"):format(tracer.command), 0)
		end
	end
	return true
end

local function lines_of(text)
	local lines <const> = {}
	for line in text:gmatch "[^\n]*" do lines[#lines + 1] = line end
	if lines[#lines] == "" then lines[#lines] = nil end
	return lines
end

--- Starts a tracer, a shell command without pipes, and waits until it traces.
---@param command string
---@return beside.Tracer? tracer nil: it is not installed, or cannot run here
---@return string? errors what it said then
function beside.start(command)
	local output <const> = os.tmpname()
	local process <const> = assert(core.spawn {
		"/bin/sh", "-c", ("PATH=$PATH:/usr/sbin; exec %s >%s 2>%s.errors </dev/null"):format(command, output, output),
	})
	local tracer <const> = setmetatable({
		pid = process.pid, process = process, command = command, output = output,
	}, Tracer)
	assert(process:start())
	if await(tracer) and not tracer:errors():find("could not attach probe", 1, true) then return tracer end
	local _, errors <const> = tracer:finish()
	return nil, errors
end

-- What bpftrace's tools need of the C library's headers, which a virtual machine has not.
local HEADERS <const> = { ["sys/socket.h"] = "#define AF_INET 2\n#define AF_INET6 10\n" }

--- A tool of bpftrace's, as a command. In a virtual machine it is unpacked from the disk (spec/vm/run).
---@param tool string
---@param folder string where to
---@return string command
function beside.bpftrace(tool, folder)
	if not disk.is_virtual() then return tool end
	assert(os.execute(("dd if=/dev/nvme0n1 bs=16M skip=1 status=none | tar x -C %s && mkdir %s/sys"):format(folder, folder)))
	for path, text in pairs(HEADERS) do
		local file <close> = assert(io.open(("%s/%s"):format(folder, path), "w"))
		file:write(text)
	end
	return ("env LD_LIBRARY_PATH=%s %s/bpftrace -I %s %s/%s"):format(folder, folder, folder, folder, tool)
end

--- What it has printed until now.
---@return string[]
function Tracer:lines() return lines_of(lab.read(self.output)) end

--- What it has said on standard error until now.
---@return string
function Tracer:errors() return lab.read(self.output .. ".errors") end

--- Ends it as Ctrl-C does, when it has read what there was: the lines that it printed, and what it said on standard error.
---@return string[] lines
---@return string errors
function Tracer:finish()
	await(self)
	-- bpftrace misses one now and then.
	for _ = 1, DEADLINE // PATIENCE do
		self.process:kill(SIGINT)
		if self.process:wait(PATIENCE) then break end
	end
	local lines <const>, errors <const> = self:lines(), self:errors()
	self:close()
	return lines, errors
end

--- Ends it, whatever it does.
function Tracer:close()
	if self.closed then return end
	self.closed = true
	if self.process:kill(SIGKILL) then self.process:wait(DEADLINE) end
	self.process:close()
	os.remove(self.output)
	os.remove(self.output .. ".errors")
end

Tracer.__close = Tracer.close

return beside
