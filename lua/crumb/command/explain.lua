--- explain: what is said besides Lua's own words of a script that is none, or that calls what is not there.

local core <const> = require "crumb.core"
local lazy <const> = require "crumb.lazy"

local bpftrace <const> = lazy "crumb.command.bpftrace"
local habits <const> = lazy "crumb.habits"
local target <const> = lazy "crumb.target"

local explain = {}

-- What people call methods of a probe that are called otherwise.
local METHODS <const> = {
	start = "p.enabled = true", resume = "p.enabled = true", enable = "p.enabled = true", stop = "p.enabled = false",
	pause = "p.enabled = false", disable = "p.enabled = false", detach = "p:close()", delete = "p:close()", remove = "p:close()",
	rows = "p:read()", result = "p:read()", results = "p:read()", reset = "p:clear()", print = "print(p)", show = "show(p)",
	hits = "p:stats().hits", lost = "p:stats().lost", filter = 'p.where = "uid == 0"',
}

local function names_in(env)
	local names <const>, seen <const> = {}, {}
	for _, place in ipairs { env, _G } do
		for name in next, place do
			if type(name) == "string" and not seen[name] then names[#names + 1], seen[name] = name, true end
		end
	end
	return names
end

-- Of a global that is called and is none.
local function of_global(name, env)
	if env[name] ~= nil then return nil end
	if name == "crumb" then return ": write crumb = require \"crumb\"" end
	if habits.WRITTEN[name] then return ": it is an option: write " .. habits.WRITTEN[name] end
	if env[name:lower()] ~= nil then return ": write " .. name:lower() end
	return (select(2, core.nearest(name, names_in(env))))
end

--- An error with what was meant, where Lua was asked to call what is not there.
---@param message string
---@param env table the script's globals
---@return string
function explain.raised(message, env)
	local global <const> = message:match "%(global '([%w_]+)'%)$"
	if global then return message .. (of_global(global, env) or "") end
	local method <const> = message:match "attempt to call a nil value %(method '([%w_]+)'%)$"
	if not method then return message end
	if METHODS[method] then return message .. ": write " .. METHODS[method] end
	if habits.WRITTEN[method] then return ("%s: it is set: p.%s"):format(message, habits.WRITTEN[method]) end
	return message
end

-- A target that stands without quotes.
local function unquoted(source)
	for kind, rest in source:gmatch "%f[%w_]([%a_]+):([%w_/][%w_:/.*?+-]*)" do
		if target.FORMS[kind] or target.SHORT[kind] then return ("a target stands in quotes: \"%s:%s\""):format(kind, rest) end
	end
end

--- What text that is no Lua was meant to be, as lines to stand below Lua's words; nil: nobody knows.
---@param source string
---@param message string Lua's words
---@return string?
function explain.source(source, message)
	local answer <const> = bpftrace.answer(source)
	if answer then return answer end
	local option <const> = message:match "'}' expected .*near '([%w_]+)'"
	if option and habits.WRITTEN[option] then return ("a comma stands between two options: …, %s"):format(habits.WRITTEN[option]) end
	return not message:find "unfinished" and unquoted((source:gsub("%b\"\"", ""):gsub("%b''", ""))) or nil
end

return explain
