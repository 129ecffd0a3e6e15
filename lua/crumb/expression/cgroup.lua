--- cgroup: cgroups by the paths of their folders, as `where` compares them.
--
-- A task is in one cgroup of version 2, whose number a program asks for. Of version 1 it is in one for each hierarchy,
-- which is found by the kernel's types, through any controller that is mounted there.

local core <const> = require "crumb.core"

local cgroup = {}

-- "\\040" is a blank in /proc/self/mountinfo.
local function unescaped(text)
	return (text:gsub("\\(%d%d%d)", function(digits) return string.char(tonumber(digits, 8) & 0xff) end))
end

-- The options of the mount that a path of version 1 lies in: its controllers are among them.
local function options_at(path)
	local file <close> = io.open "/proc/self/mountinfo"
	local best, options = "", ""
	for line in (file and file:read "a" or ""):gmatch "[^\n]+" do
		local point <const>, of <const> = line:match "^%d+ %d+ %S+ %S+ (%S+) .*%- cgroup %S+ (%S+)"
		local folder <const> = point and unescaped(point)
		if folder and #folder >= #best and (path .. "/"):sub(1, #folder + 1) == folder .. "/" then
			best, options = folder, of
		end
	end
	return options
end

-- What a task's cgroup is in the hierarchy of the path, as an expression.
local function expression_of(c, path, ast)
	local source, why
	if c.scope.kernel then source, why = c.scope.kernel() end
	if not source then
		c:refuse(ast, "%s is of version 1, and found by the kernel's types only%s", path, why and ": " .. why or "")
	end
	local shape <const>, numbers <const> = source:type "enum cgroup_subsys_id", {}
	for _, one in ipairs(shape and shape.values or {}) do numbers[one.name] = one.value end
	for option in options_at(path):gmatch "[^,]+" do
		local number <const> = numbers[option .. "_cgrp_id"]
		if number then return ("task.cgroups.subsys[%d].cgroup.kn.id"):format(number) end
	end
	c:refuse(ast, "%s is of version 1, in a hierarchy without a controller, which a program cannot ask for", path)
end

-- The node of what a task's cgroup is where the path lies, and the same for all paths of that hierarchy.
local function node_of(c, version, path, ast)
	if version == 2 then return c.graph:builtin "CGROUP", "" end
	local text <const>, said <const> = expression_of(c, path, ast), c.source
	local value <const> = c:integer(c:parse("cgroup", text))
	c.source = said
	return value.node, text
end

--- The numbers of the cgroups at these paths, and the node of what is compared with them.
---@param c table
---@param paths string[]
---@param ast table where they stand
---@return table node
---@return integer[] ids
function cgroup.resolve(c, paths, ast)
	local ids <const>, node, hierarchy = {}, nil, nil
	for i, path in ipairs(paths) do
		if path:sub(1, 1) ~= "/" then
			c:refuse(ast, "a cgroup is named by its folder, such as \"/sys/fs/cgroup/system.slice\"")
		end
		local id <const>, version <const> = core.cgroup(path)
		if not id then c:refuse(ast, "%s", version) end
		local its <const>, which <const> = node_of(c, version, path, ast)
		if hierarchy and hierarchy ~= which then c:refuse(ast, "the cgroups are of several hierarchies: compare each by itself") end
		ids[i], node, hierarchy = id, its, which
	end
	return node, ids
end

return cgroup
