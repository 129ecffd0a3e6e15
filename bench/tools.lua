--- tools: crumb's tools beside others' of the same name, where these are installed and run here: from the start until they
--- trace, and their memory then.

local beside <const> = require "support.beside"
local core <const> = require "crumb.core"

local ROUNDS <const> = 5
-- Those that need no words, and the one that here goes on with nothing attached.
local TOOLS <const> = {
	"bashreadline", "biolatency", "biosnoop", "execsnoop", "exitsnoop", "filetop", "gethostlatency", "killsnoop", "offcputime",
	"opensnoop", "runqlat", "statsnoop", "syscount", "tcpaccept", "tcpconnect", "tcplife", "vfsstat",
}
local NOTHING <const> = { ["libbpf-tools, statsnoop"] = true }
local OTHERS <const> = { { "bpftrace", "%s.bt" }, { "libbpf-tools", "%s" }, { "BCC", "%s-bpfcc" } }

-- Milliseconds and MiB; nil: it does not run here.
local function measure(command)
	local begin <const> = core.now()
	local tracer <close> = beside.start(command)
	if not tracer then return nil end
	local took <const> = core.now() - begin
	local file <close> = assert(io.open(("/proc/%d/status"):format(tracer.pid)))
	return took / 1e6, file:read "a":match "\nVmHWM:%s+(%d+)" / 1024
end

local function both(tool, name, command)
	local time <const> = { what = ("%s, %s"):format(tool, name), unit = "ms", crumb = {}, plain = {} }
	local memory <const> = { what = "  memory then", unit = "MiB", crumb = {}, plain = {} }
	for round = 0, ROUNDS do -- the first fills the page cache, and is overwritten
		local at <const> = math.max(round, 1)
		time.plain[at], memory.plain[at] = measure(command)
		if not time.plain[at] then return nil end
		time.crumb[at], memory.crumb[at] = measure("build/crumb " .. tool)
	end
	return time, memory
end

--- Two rows for each tool and each other tracer that has it.
---@return table[] rows as those of reading.lua, `plain` being the other's
return function()
	local rows <const> = {}
	for _, tool in ipairs(TOOLS) do
		for _, other in ipairs(OTHERS) do
			local time, memory
			if not NOTHING[("%s, %s"):format(other[1], tool)] then time, memory = both(tool, other[1], other[2]:format(tool)) end
			if time then table.move({ time, memory }, 1, 2, #rows + 1, rows) end
		end
	end
	return rows
end
