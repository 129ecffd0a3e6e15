--- words: what people write on a command line that is no word for itself: a command, a time, a disk.
---
--- Those of options convert a text: to its value, or to nil and why it has none.

local core <const> = require "crumb.core"

local words <const> = {}

local SHELL <const> = "[|&;<>()$`*?%[#~{\n]"
local UNITS <const> = { [""] = 1, us = 0.000001, ms = 0.001, s = 1, m = 60, h = 3600 }
local CENTURY <const> = 3.2e9 -- seconds
local MOST <const> = 1e9

-- What stands between double quotes, and where it ends.
local function quoted(text, at)
	local parts <const> = {}
	while true do
		local plain <const>, last <const> = text:match('^([^"\\$`]*)()', at)
		local c <const> = text:sub(last, last)
		parts[#parts + 1], at = plain, last + 1
		if c == '"' then return table.concat(parts), at end
		if c == "" then return nil, 'a " is not closed' end
		if c ~= "\\" then return nil, ("'%s' is the shell's"):format(c) end
		parts[#parts + 1], at = text:match('^["\\$`]', at) or "\\" .. text:sub(at, at), at + 1
	end
end

-- One piece of a word: its text, and where it ends; nil and why it cannot be.
local function piece(text, at)
	local c <const> = text:sub(at, at)
	if c == "'" then
		local last <const> = text:find("'", at + 1, true)
		if not last then return nil, "a ' is not closed" end
		return text:sub(at + 1, last - 1), last + 1
	elseif c == '"' then
		return quoted(text, at + 1)
	elseif c == "\\" then
		if at == #text then return nil, "there is nothing after the last \\" end
		return text:sub(at + 1, at + 1), at + 2
	elseif c:find(SHELL) then
		return nil, ("'%s' is the shell's"):format(c == "\n" and "\\n" or c)
	end
	return c, at + 1
end

--- A command's words, with the quotes and backslashes of a shell, and nothing else of one.
---@param text string
---@return string[]?
---@return string? why it cannot be
function words.of_command(text)
	local list <const>, at = {}, 1
	while true do
		at = text:match("^[ \t]*()", at)
		if at > #text then break end
		local parts <const> = {}
		while at <= #text and not text:find("^[ \t]", at) do
			local part <const>, following <const> = piece(text, at)
			if not part then return nil, ("%s: for a shell write -c \"sh -c '…'\""):format(following) end
			parts[#parts + 1], at = part, following
		end
		list[#list + 1] = table.concat(parts)
	end
	if not list[1] then return nil, "no command" end
	return list
end

--- A time: "10", "0.5", "50us", "100ms", "5s", "2m", "1h".
--- Units: seconds
---@param text string
---@return number?
---@return string?
function words.duration(text)
	local digits <const>, unit <const> = text:match "^(%d*%.?%d*)(%a*)$"
	local value <const>, factor <const> = tonumber(digits), UNITS[unit]
	if not value or not factor then return nil, ("'%s' is no time: write 10, 0.5, 100ms, 5s or 2m"):format(text) end
	if value * factor > CENTURY then return nil, ("'%s' is more than a century"):format(text) end
	return value * factor
end

--- The same as the kernel counts.
--- Units: nanoseconds
---@param text string
---@return integer?
---@return string?
function words.nanoseconds(text)
	local seconds <const>, why <const> = words.duration(text)
	return seconds and math.floor(seconds * 1e9 + 0.5), why
end

--- The number of a process.
---@param text string
---@return integer?
---@return string?
function words.pid(text)
	local value <const> = text:find "^%d+$" and math.tointeger(tonumber(text))
	if not value or value < 1 then return nil, ("'%s' is no process: a number is expected"):format(text) end
	return value
end

--- What converts whole numbers from one to another.
---@param least integer
---@param most integer? nil: there is no end
---@return fun(text: string): integer?, string?
function words.between(least, most)
	local allowed <const> = ("from %d %s"):format(least, most and "to " .. most or "on")
	return function(text)
		local value <const> = text:find "^%d+$" and math.tointeger(tonumber(text))
		if not value or value < least or value > (most or value) then
			return nil, ("expected a whole number %s, got '%s'"):format(allowed, text)
		end
		return value
	end
end

--- How many, 1 or more; the number of a port.
words.count, words.port = words.between(1), words.between(1, 65535)

--- A number, 0 or more.
---@param text string
---@return number?
---@return string?
function words.number(text)
	local value <const> = text:find "^[%d.]+$" and tonumber(text)
	if not value or value > MOST then return nil, ("expected a number from 0 to %.0f, got '%s'"):format(MOST, text) end
	return value
end

-- What a name stands for among those that there are.
local function named(kind, values, text)
	if values[text] then return values[text] end
	local names <const> = {}
	for name in pairs(values) do names[#names + 1] = name end
	table.sort(names)
	local _, near = core.nearest(text, names)
	if near == "" then near = (" (there are %s)"):format(table.concat(names, ", ")) end
	return nil, ("there is no %s '%s'%s"):format(kind, text, near)
end

--- The kernel's number of a disk that is there.
---@param text string
---@return integer?
---@return string?
function words.disk(text) return named("disk", require "crumb.disk".all(), text) end

--- The name of a kind of file system that the kernel knows.
---@param text string
---@return string?
---@return string?
function words.file_system(text)
	local names <const> = {}
	for line in io.lines "/proc/filesystems" do
		local name <const> = line:match "%S+$"
		names[name] = name
	end
	return named("file system", names, text)
end

--- The path of a file that is there.
---@param text string
---@return string?
---@return string?
function words.file(text)
	local file <const>, why <const> = io.open(text, "rb")
	if not file then return nil, why end
	file:close()
	return text
end

return words
