--- family: processes that are followed with their children: a number for each, a bit of it in the engine's map.

local core <const> = require "crumb.core"

local family = {}

local EOPNOTSUPP <const> = 95

-- The programs that keep the map while processes come and go, and what attaches them.
local HOOKS <const> = {
	on_fork = function(link) return link:attach_tracepoint("task", "task_newtask", 0) end,
	on_exit = function(link) return link:attach_raw_tracepoint("sched_process_exit", 0) end,
}

local function attach_hooks(engine)
	if engine.family_links then return true end
	local made <const> = {}
	for name, attach in pairs(HOOKS) do
		local copy <const>, message <const>, errno <const> = engine.programs:take({ kind = "rawtracepoint" }, name)
		if not copy then return nil, message, errno end
		local link <const> = copy.program:link()
		made[#made + 1] = link
		local done <const>, why <const>, number <const> = attach(link)
		if not done then
			for _, one in ipairs(made) do one:close() end
			return nil, "follow: attach to the birth and death of processes: " .. why, number
		end
	end
	engine.family_links = made
	return true
end

local function mark(engine, tgid, bit)
	local mask <const> = engine.maps.family:lookup(tgid) or 0
	if mask & bit ~= 0 then return false end
	local done <const>, message <const>, errno <const> = engine.maps.family:update(tgid, mask | bit)
	if not done then return nil, message, errno end
	return true
end

local function children_of(pid)
	local children <const> = {}
	for _, thread in ipairs(core.directory(("/proc/%d/task"):format(pid)) or {}) do
		local file <close> = io.open(("/proc/%d/task/%s/children"):format(pid, thread))
		for child in (file and file:read "a" or ""):gmatch "%d+" do children[#children + 1] = math.tointeger(child) end
	end
	return children
end

-- The hooks see who is born from now on; this those that were there.
local function scan(engine, pid, bit)
	local fresh <const>, message <const>, errno <const> = mark(engine, pid, bit)
	if fresh == nil then return nil, message, errno end
	for _, child in ipairs(children_of(pid)) do
		local done <const>, why <const>, number <const> = scan(engine, child, bit)
		if not done then return nil, why, number end
	end
	return true
end

--- Forgets a family.
---@param engine crumb.Engine
---@param number integer
function family.forget(engine, number)
	for tgid, mask in engine.maps.family:each() do
		if mask & 1 << number ~= 0 then
			local left <const> = mask & ~(1 << number)
			if left == 0 then engine.maps.family:delete(tgid) else engine.maps.family:update(tgid, left, "exist") end
		end
	end
	engine.pools.families:give(number)
end

--- Follows a process and its children, those there are and those to come.
--- Errors: nil, message, errno.
---@param engine crumb.Engine
---@param pid integer
---@return integer? number for the rule's `family`
---@return string?, integer?
function family.follow(engine, pid)
	if core.pid_namespace() ~= 0 then
		return nil, "follow: in a PID namespace of its own a script cannot tell the kernel's numbers of processes", EOPNOTSUPP
	end
	local ready <const>, message <const>, errno <const> = attach_hooks(engine)
	if not ready then return nil, message, errno end
	local number <const> = engine.pools.families:take()
	if not number then return nil, "follow: 64 families are followed already", EOPNOTSUPP end
	local done <const>, why <const>, refused <const> = scan(engine, pid, 1 << number)
	if done then return number end
	family.forget(engine, number)
	return nil, why, refused
end

return family
