--- names: what Lua's names may go on with: globals, fields and methods of what is there, options of a table.
--
-- Nothing of the session's is called: fields are looked at without their metamethods.

local options <const> = require "crumb.options"
local words <const> = require "crumb.trace.words"

local names = {}

local KEYWORDS <const> = {
	"and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil", "not", "or",
	"repeat", "return", "then", "true", "until", "while",
}

-- What a probe or span has besides its methods and what can be set.
local FIELDS <const> = { "sites", "skipped", "mechanism", "once" }

local function is_name(key) return type(key) == "string" and key:find "^[%a_][%w_]*$" ~= nil end

local function is_probe(value)
	local kind <const> = getmetatable(value)
	return type(kind) == "table" and (kind.__name == "crumb.Probe" or kind.__name == "crumb.Span")
end

-- Adds the names that a value answers to: found[name] = what it is.
local function collect(value, found, depth)
	if type(value) == "table" then
		for key, field in next, value do
			if is_name(key) and found[key] == nil then found[key] = field end
		end
	end
	local kind <const> = getmetatable(value)
	if type(kind) ~= "table" or depth == 0 then return end
	local index <const> = rawget(kind, "__index")
	if type(index) == "table" then
		collect(index, found, depth - 1)
	elseif index then -- a class that computes some fields has its methods beside that
		for key, field in next, kind do
			if is_name(key) and type(field) == "function" and key:sub(1, 2) ~= "__" and found[key] == nil then found[key] = field end
		end
	end
end

-- What of an object of crumb's is for people: its methods, and of a probe what can be set.
local function of_crumb(class, is_one)
	local found <const> = {}
	for name, field in next, class do
		if options.is_public(field) and name:sub(1, 2) ~= "__" then found[name] = field end
	end
	for name in pairs(is_one and words.SETTABLE or {}) do found[name] = false end
	for _, name in ipairs(is_one and FIELDS or {}) do found[name] = false end
	return found
end

local function members(value)
	local kind <const> = getmetatable(value)
	local found <const> = {}
	if type(kind) == "table" and tostring(kind.__name):find "^crumb%." then return of_crumb(kind, is_probe(value)) end
	collect(type(value) == "string" and string or value, found, 4)
	return found
end

-- A global. The trace is not opened for it.
local function global(session, name)
	local own <const> = rawget(session.env, name)
	if own ~= nil then return own end
	for probe, called in pairs(session.names) do
		if called == name then return probe end
	end
	return name == "trace" and session.opened or rawget(_G, name)
end

-- A module that is read at its first use is read.
local function member(value, name)
	if is_probe(value) and name == "params" then return value.rule_now.options.params or {} end
	local found <const> = members(value)[name]
	local kind <const> = getmetatable(found)
	return type(kind) == "table" and kind.lazy and require(kind.lazy) or found
end

--- What words such as { "p1" } or { "crumb", "bpf" } name; nil: nothing that can be told without calling something.
---@param session crumb.Session
---@param list string[]
---@return any
function names.value(session, list)
	local value = list[1] and global(session, list[1])
	for i = 2, #list do
		if value == nil then return nil end
		value = member(value, list[i])
	end
	return value
end

local function label(name, value)
	if type(value) == "function" then return name .. "()" end
	return type(value) == "table" and name .. ": " .. (is_probe(value) and "probe" or "table") or name
end

local function is_object(value)
	local kind <const> = getmetatable(value)
	return type(value) == "string" or type(kind) == "table" and kind.__index ~= nil
end

-- Fields behind a dot, methods behind a colon, whichever was typed.
local function fields(value, typed, sign)
	local items <const>, object <const> = {}, is_object(value)
	for name, field in pairs(members(value)) do
		local is_method <const> = type(field) == "function" and object
		if name:sub(1, #typed) == typed and (is_method or sign == ".") then
			items[#items + 1] = {
				text = (is_method and ":" or ".") .. name .. (is_method and "(" or ""), label = label(name, field), more = true,
			}
		end
	end
	return items
end

local function globals(session, typed)
	local items <const>, found <const> = {}, {}
	for _, list in ipairs { session.env, _G } do
		for name, value in next, list do
			if is_name(name) and found[name] == nil then found[name] = value end
		end
	end
	found.trace = found.trace or false
	for probe, name in pairs(session.names) do found[name] = found[name] or probe end
	for name, value in pairs(found) do
		if name:sub(1, #typed) == typed and (typed ~= "" or name:sub(1, 1) ~= "_") then
			items[#items + 1] = { text = name, label = label(name, value), more = true }
		end
	end
	for _, word in ipairs(typed ~= "" and KEYWORDS or {}) do
		if word:sub(1, #typed) == typed then items[#items + 1] = { text = word, label = word, more = true } end
	end
	return items
end

--- The options of a table that begin so.
---@param known table<string, string>
---@param typed string
function names.options(known, typed)
	local items <const> = {}
	for name, types in pairs(known) do
		if name:sub(1, #typed) == typed then
			items[#items + 1] = { text = name .. " = ", label = ("%s: %s"):format(name, types:gsub("|", " or ")), more = true }
		end
	end
	return items
end

--- What the words at the end of a piece of Lua may go on with.
---@param session crumb.Session
---@param text string up to the cursor
---@return { text: string, label: string, more: boolean }[]
---@return integer at bytes of `text` before the word that is completed
function names.items(session, text)
	local chain <const> = text:match "[%a_][%w_%.:]*$" or ""
	local typed <const> = chain:match "[%w_]*$"
	local objects <const> = {}
	for word in chain:sub(1, #chain - #typed):gmatch "[%w_]+" do objects[#objects + 1] = word end
	if #objects == 0 then
		local before <const> = text:sub(1, #text - #typed)
		local of_value <const> = before:find ":%s*$" or before:find "[^.]%.%s*$" -- which only Lua could tell
		return of_value and {} or globals(session, typed), #text - #typed
	end
	local sign <const> = chain:sub(-#typed - 1, -#typed - 1)
	local value <const> = names.value(session, objects)
	if value == nil then return {}, #text end
	return fields(value, typed, sign), #text - #typed - 1
end

return names
