--- family: processes that are followed with their children: a number for each, a bit of it in the engine's map.

local core <const> = require "crumb.core"
local lazy <const> = require "crumb.lazy"

local kernel <const> = lazy "crumb.arguments.kernel"
local types <const> = lazy "crumb.expression.types"

local family = {}

local ESRCH <const>, ENODEV <const>, ENOSPC <const>, EOPNOTSUPP <const> = 3, 19, 28, 95

-- The programs that keep the map while processes come and go. Ends first: who is seen to be born is seen to end.
local HOOKS <const> = {
	{ "on_free", "sched_process_free" }, { "on_exit", "sched_process_exit" }, { "on_fork", "task_newtask" },
}

-- Tells the programs where a task has its number.
-- Source: BTF of the running kernel
local function tell_offset(engine)
	local btf <const>, message <const> = kernel.btf()
	if not btf then return nil, "follow: the kernel's types are not known: " .. message, EOPNOTSUPP end
	local task <const> = types.of(btf, "struct task_struct")
	local member <const> = task and task.kind == "struct" and task.member "pid"
	if not member then return nil, "follow: the kernel's types do not say what a task is", EOPNOTSUPP end
	engine.object:set_global("task_pid_at", member.offset)
	return true
end

local function attach_hooks(engine)
	if engine.family_links then return true end
	local told <const>, unknown <const>, refused <const> = tell_offset(engine)
	if not told then return nil, unknown, refused end
	local made <const> = {}
	local function undo(...)
		for _, one in ipairs(made) do one:close() end
		return ...
	end
	for _, hook in ipairs(HOOKS) do
		local name <const>, event <const> = table.unpack(hook)
		local copy <const>, message <const>, errno <const> = engine.programs:take({ kind = name, key = name }, name)
		if not copy then return undo(nil, message, errno) end
		local link <const> = copy.program:link()
		made[#made + 1] = link
		local done <const>, why <const>, number <const> = link:attach_raw_tracepoint(event, 0)
		if not done then return undo(nil, ("follow: attach rawtracepoint:%s: %s"):format(event, why), number) end
	end
	engine.family_links = made
	return true
end

-- Whether the process was not marked before; nil, message, errno.
local function mark(engine, key, bit)
	local map <const> = engine.maps.family
	local mask <const> = map:lookup(key) or 0
	if mask & bit ~= 0 then return false end
	local done <const>, message <const>, errno <const> = map:update(key, mask | bit)
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

-- Marks a process and all below it: how many were not in `seen`.
local function scan(engine, pid, bit, seen)
	local fresh = 0
	if not seen[pid] then
		local done <const>, message <const>, errno <const> = mark(engine, pid | seen.space, bit)
		if done == nil then return nil, message, errno end
		seen[pid], fresh = true, 1
	end
	for _, child in ipairs(children_of(pid)) do
		local more <const>, message <const>, errno <const> = scan(engine, child, bit, seen)
		if not more then return nil, message, errno end
		fresh = fresh + more
	end
	return fresh
end

-- The hooks see who is born from now on; this those that were there. The list of children is whole only while none
-- of them comes or goes, so it is read until it holds nobody new.
local function scan_all(engine, pid, bit)
	local _ <const>, inode <const>, ours <const> = core.pid_namespace()
	if not ours then
		return nil, "follow: /proc is of another PID namespace: mount this one's (mount -t proc proc /proc)", ENODEV
	end
	local seen <const> = { space = inode ~= 0 and engine.wire.family_key.OF_NAMESPACE or 0 }
	repeat
		local fresh <const>, message <const>, errno <const> = scan(engine, pid, bit, seen)
		if not fresh then return nil, message, errno end
	until fresh == 0
	if #(core.directory(("/proc/%d/task"):format(pid)) or {}) == 0 then
		return nil, ("follow: pid %d: no such process"):format(pid), ESRCH
	end
	return true
end

local function clear(engine, bit)
	local map <const> = engine.maps.family
	for key, mask in map:each() do
		local left <const> = mask & ~bit
		if left == 0 then
			map:delete(key)
		elseif left ~= mask then
			map:update(key, left, "exist")
		end
	end
end

--- Forgets a family. A child that was being born meanwhile may have its mark from before, hence twice.
---@param engine crumb.Engine
---@param number integer
function family.forget(engine, number)
	clear(engine, 1 << number)
	core.grace()
	clear(engine, 1 << number)
	engine.pools.families:give(number)
end

--- Follows a process and its children, those there are and those to come.
--- Errors: nil, message, errno.
---@param engine crumb.Engine
---@param pid integer
---@return integer? number for the rule's `family`
---@return string?, integer?
function family.follow(engine, pid)
	local ready <const>, message <const>, errno <const> = attach_hooks(engine)
	if not ready then return nil, message, errno end
	local number <const> = engine.pools.families:take()
	if not number then return nil, "follow: 64 families are followed already", ENOSPC end
	local done <const>, why <const>, refused <const> = scan_all(engine, pid, 1 << number)
	if done then return number end
	family.forget(engine, number)
	return nil, why, refused
end

return family
