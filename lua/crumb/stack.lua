--- stack: packed addresses, as the engine captures them, with their names.
--
-- All but the innermost are return addresses: the call is the instruction before, so that is what is
-- looked up, since the one after may be another line's or another function's.

local binaries <const> = require "crumb.lazy" "crumb.binaries"
local core <const> = require "crumb.core"
local draw <const> = require "crumb.show.draw"
local kernel <const> = require "crumb.lazy" "crumb.names.kernel"

local stack = {}

---@class crumb.Frame
---@field address integer
---@field name string? nil: its file does not name it
---@field offset integer? in the function; without a name, in the file; nil: nothing is mapped there
---@field module string? of the kernel's: the module; of a process: the file's path
---@field file string?
---@field line integer?

local symbolizer
-- Of what was asked for lately: address -> frame, by process (its serial) and for the kernel (0).
local cache, cached = {}, 0
local CACHED <const> = 100000
-- A module's or BPF program's place may be another's soon: the kernel's names are asked for again after so long.
local KERNEL_FRESH <const> = 1000000000
local kernel_since = 0

-- Whether /proc/PID is who the kernel's programs mean by PID.
local ours
local function has_proc()
	if ours == nil then ours = select(3, core.pid_namespace()) end
	return ours
end

local Frames <const> = { __name = "crumb.Stack" }
Frames.__index = Frames

local function names()
	symbolizer = symbolizer or binaries.symbolizer()
	return symbolizer
end

local function frame_of(address, name, offset, module, file, line)
	return { address = address, name = name, offset = offset, module = module, file = file, line = line }
end

-- The frames of packed addresses; `find` looks one up, `known` keeps what was found.
local function frames_of(bytes, known, find)
	local frames <const> = {}
	for at = 1, #bytes - 7, 8 do
		local address <const> = ("<i8"):unpack(bytes, at)
		local back <const> = at > 1 and 1 or 0
		local key <const> = (address << 1) | back
		local frame = known[key]
		if not frame then
			local name <const>, offset <const>, module <const>, file <const>, line <const> = find(address - back)
			frame = frame_of(address, name, offset and offset + back, module, file, line)
			if offset then
				known[key] = frame
				cached = cached + 1
			end
		end
		frames[#frames + 1] = frame
	end
	return setmetatable(frames, Frames)
end

local function kept(serial)
	if cached > CACHED then cache, cached = {}, 0 end
	cache[serial] = cache[serial] or {}
	return cache[serial]
end

--- The frames of a stack of the kernel's, the innermost first.
---@param bytes string addresses of 8 bytes
---@return crumb.Frame[] frames shared between stacks: not to be changed
function stack.kernel(bytes)
	local now <const> = core.now()
	if now - kernel_since > KERNEL_FRESH then cache[0], kernel_since = nil, now end
	return frames_of(bytes, kept(0), function(address)
		local name <const>, offset <const>, module <const> = kernel.at(address)
		if not name then return nil end -- its further values are a reason
		return name, offset, module
	end)
end

--- The frames of a process's stack, the innermost first. Of a process that nobody knows they are bare addresses.
---@param bytes string addresses of 8 bytes
---@param pid integer
---@return crumb.Frame[] frames shared between stacks: not to be changed
function stack.user(bytes, pid)
	local serial <const> = has_proc() and names():remember(pid)
	if not serial then
		return frames_of(bytes, {}, function() return nil end)
	end
	return frames_of(bytes, kept(serial), function(address)
		local name <const>, offset <const>, module <const>, file <const>, line <const> = names():user(pid, address)
		if math.type(offset) ~= "integer" then return nil end
		return name, offset, module, file, line
	end)
end

--- Keeps what a process has mapped, so that its stacks have names when it has ended. What it maps later, and its children
--- map, is heard of where the kernel lets us.
--- Errors: nil, message, errno: ESRCH no such process.
---@param pid integer
---@return true?
---@return string? message
---@return integer? errno
function stack.remember(pid)
	names():watch(pid)
	local serial <const>, message <const>, errno <const> = names():remember(pid)
	if not serial then return nil, message, errno end
	return true
end

function Frames:__tostring()
	local lines <const> = {}
	draw.stack(lines, self, "  ")
	return table.concat(lines, "\n")
end

--- The names for a flame graph, the outermost first: "main;f;g".
---@param frames crumb.Frame[]
---@return string
function stack.folded(frames)
	local list <const> = {}
	for i = #frames, 1, -1 do
		local frame <const> = frames[i]
		local module <const> = frame.module and frame.module:match "[^/]*$"
		local name <const> = frame.name or module and (module:find "^%[" and module or ("[%s]"):format(module))
			or ("0x%x"):format(frame.address)
		list[#list + 1] = name:gsub("[;%c]", "_")
	end
	return table.concat(list, ";")
end

return stack
