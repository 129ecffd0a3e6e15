--- job: ends the command of -c with all that descends from it, and nothing else.

local core <const> = require "crumb.core"

local SIGKILL <const> = 9
local PATIENCE <const> = 1 -- seconds from SIGTERM to SIGKILL
local SECOND <const> = 1000000000

-- The parent of a process; nil: it is gone. Its name may hold anything, parentheses too.
local function parent_of(pid)
	local file <close> = io.open(("/proc/%s/stat"):format(pid))
	return file and math.tointeger((file:read "a" or ""):match "^.*%) %a (%d+)")
end

-- Pids by their parents; none where /proc tells of another namespace's.
local function families()
	local children <const> = {}
	if not select(3, core.pid_namespace()) then return children end
	for _, name in ipairs(core.directory "/proc" or {}) do
		local pid <const> = name:find "^%d+$" and math.tointeger(name)
		local parent <const> = pid and parent_of(pid)
		if parent then
			children[parent] = children[parent] or {}
			table.insert(children[parent], pid)
		end
	end
	return children
end

-- Adds those that descend from a process. It is held before its parent is asked for, so that no other one is meant that
-- has its pid by now.
local function add_descendants(all, process, children)
	for _, pid in ipairs(children[process.pid] or {}) do
		local child <const> = core.process(pid)
		if child and parent_of(pid) == process.pid and process:running() then
			all[#all + 1] = child
			add_descendants(all, child, children)
		elseif child then
			child:close()
		end
	end
end

local job = {}

--- Ends a process and its descendants, those that take no notice by SIGKILL.
---@param process crumb.Process
function job.finish(process)
	local all <const> = { process }
	add_descendants(all, process, families())
	for _, one in ipairs(all) do one:kill() end
	local deadline <const> = core.now() + PATIENCE * SECOND
	for _, one in ipairs(all) do one:wait(math.max(0, deadline - core.now()) / SECOND) end
	local children <const> = families()
	for i = 1, #all do
		if all[i]:running() then add_descendants(all, all[i], children) end
	end
	for i, one in ipairs(all) do
		if one:running() then one:kill(SIGKILL) end
		if i > 1 then one:close() end
	end
end

return job
