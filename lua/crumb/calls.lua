--- calls: how deep a call lies within those of its thread that are seen, of events at entries and at returns.
--
-- What tells it is the place of a call's frame: what is called lies below its caller, and what lies below a new call has
-- been left.

local list <const> = require "crumb.list"

local calls <const> = {}

---@class crumb.Calls
---@field entry table<string, string> what is captured at entries: whose the call is, and where its frame lies
---@field exit table<string, string> and at returns
---@field threads table<any, { frame: integer, symbol: string }[]>
local Calls = {}
Calls.__index = Calls

local USER_STACK <const> = 8 << 20 -- bytes at most
local KERNEL_STACK <const> = 14 -- bits of an address within one

-- What lies on another stack (a signal's, an interrupt's, a coroutine's) is not compared.
local function on_one_stack(a, b)
	if a < 0 or b < 0 then return a >> KERNEL_STACK == b >> KERNEL_STACK end
	return math.abs(a - b) < USER_STACK
end

local function is_same(call, event) return call.frame == event.frame and call.symbol == event.symbol end

-- Whether a call was left without a return, by a longjmp, when another begins. The last one, on the very place of the new
-- one, goes on in that by a tail call, unless it is the same function again.
local function was_left(under_way, i, event)
	local call <const> = under_way[i]
	if is_same(call, event) or call.frame == event.frame and under_way[i + 1] then return true end
	return call.frame < event.frame and on_one_stack(call.frame, event.frame)
end

local function enter(under_way, event)
	local depth = 0
	while under_way[depth + 1] and not was_left(under_way, depth + 1, event) do depth = depth + 1 end
	for i = #under_way, depth + 1, -1 do under_way[i] = nil end
	under_way[depth + 1] = { frame = event.frame, symbol = event.symbol }
	return depth
end

local function leave(under_way, event)
	for i = #under_way, 1, -1 do
		if is_same(under_way[i], event) then
			for j = #under_way, i, -1 do under_way[j] = nil end
			return i - 1
		end
	end
	return #under_way
end

--- The depth of an event, from 0 on; each event of a thread is given once, in their order. Those at returns have a latency.
---@param event { thread: integer, symbol: string, frame: integer, latency: integer? }
---@return integer
function Calls:depth(event)
	local under_way <const> = self.threads[event.thread] or {}
	local depth <const> = (event.latency and leave or enter)(under_way, event)
	self.threads[event.thread] = under_way[1] and under_way or nil
	return depth
end

-- Whose a call is, and where its frame lies. A goroutine's stack moves: counted is from its upper end; none has a GiB.
local THREAD <const> = { "tid", "sp" }
local GOROUTINE <const> = { "reg.r14", "sp - u64[reg.r14 + 8] + 1G" }

local function is_go(target, pid)
	local file <const> = target:match "^uprobe:.*:"
	return file and list.of(file .. "runtime.main", { pid = pid }) ~= nil
end

--- Calls of a target, of which none is seen yet. A probe of entries captures `entry`, one of returns `exit`.
---@param target string
---@param given { pid: integer? }?
---@return crumb.Calls
function calls.new(target, given)
	local thread <const>, frame <const> = table.unpack(is_go(target, given and given.pid) and GOROUTINE or THREAD)
	return setmetatable({
		threads = {}, entry = { thread = thread, frame = frame }, exit = { thread = thread, frame = ("entry(%s)"):format(frame) },
	}, Calls)
end

return calls
