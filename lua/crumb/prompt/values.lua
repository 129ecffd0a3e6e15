--- values: what a line gave, as people want to see it.

local lazy <const> = require "crumb.lazy"
local answers <const> = lazy "crumb.prompt.answers"
local list <const> = lazy "crumb.command.list"

local values = {}

local PROBES <const> = { ["crumb.Probe"] = true, ["crumb.Span"] = true }

local function class_of(x)
	local metatable <const> = type(x) == "table" and getmetatable(x) or nil
	return type(metatable) == "table" and metatable.__name
end

--- Whether it is a probe or a span.
---@param x any
---@return boolean
function values.is_probe(x) return PROBES[class_of(x)] or false end

--- What a target stands for: it is iterated over, or shown.
---@param session crumb.Session
---@param ... any as for session:list
---@return table
function values.listing(session, ...)
	local given <const> = table.pack(...)
	local rows <const> = session:list(...)
	return setmetatable({}, {
		__call = function() return rows() end,
		__tostring = function() return list.lines(given[1], rows) end,
	})
end

--- All probes: a list of them, which is shown as a line each.
---@param session crumb.Session
---@return crumb.Probe[]
function values.probes(session)
	return setmetatable(table.move(session.probes, 1, #session.probes, 1, {}), { __tostring = function(all)
		local lines <const> = {}
		for i, probe in ipairs(all) do lines[i] = answers.probe(session, probe) end
		return #lines > 0 and table.concat(lines, "\n") or "there are no probes: try probe \"syscall:openat\""
	end })
end

--- Shows a value.
---@param session crumb.Session
---@param x any
function values.show(session, x)
	if values.is_probe(x) and session.output.format == "text" then
		session:print(answers.probe(session, x))
		if x:has_rows() then session:show(assert(x:read())) end
	else
		session:show(x)
	end
end

return values
