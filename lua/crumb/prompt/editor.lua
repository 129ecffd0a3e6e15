--- editor: a line from whoever types it, while other things are waited for, and written above it.
--
-- With readline where it was built in and the terminal can do it, and plainly otherwise.

local core <const> = require "crumb.core"
local terminal <const> = require "crumb.command.terminal"
local text <const> = require "crumb.show.text"

local CLEAR <const> = "\r\27[K"

---@class crumb.Editor
---@field feed crumb.Feed
---@field line table? crumb.line
---@field complete fun(typed: string, point: integer): integer, table[]
local Editor = {}
Editor.__index = Editor

-- Writes above the line that is typed.
local function above(self, prompt, write)
	if self.line then
		self.line.hide()
		local done <const>, message <const> = pcall(write)
		io.stdout:flush()
		self.line.show()
		if not done then error(message, 0) end
		return
	end
	io.stdout:write(core.terminal(1) and CLEAR or "")
	write()
	io.stdout:write(prompt)
	io.stdout:flush()
end

-- Waits for a key, and delivers what comes meanwhile: whether there is one; false: Ctrl-C.
local function wait(self, prompt)
	local feed <const> = self.feed
	while not core.interrupted() do
		local descriptor <const>, timeout <const> = feed:waits()
		local key <const>, readable <const> = core.await(timeout, 0, descriptor)
		if self.line then self.line.refresh() end
		if feed:due(readable) then above(self, prompt, function() feed:deliver() end) end
		if key then return true end
	end
	return false
end

-- The labels in columns, as far as there is room.
local function listing(items)
	local rows <const>, columns <const> = terminal.size()
	local width = 1
	for _, item in ipairs(items) do width = math.max(width, text.width(item.label) + 2) end
	local across <const> = math.max(1, columns // width)
	local down <const> = math.min((#items + across - 1) // across, math.max(1, rows - 4))
	local lines <const> = {}
	for i = 1, down do
		local words <const> = {}
		for j = i, math.min(#items, across * down), down do words[#words + 1] = text.pad(items[j].label, width) end
		lines[i] = table.concat(words):gsub(" +$", "")
	end
	if #items > across * down then lines[down + 1] = ("… and %d more"):format(#items - across * down) end
	return table.concat(lines, "\n")
end

local function common_prefix(items)
	local prefix = items[1].text
	for _, item in ipairs(items) do
		while item.text:sub(1, #prefix) ~= prefix do prefix = prefix:sub(1, -2) end
	end
	-- Not in the midst of a character.
	while prefix ~= "" and not utf8.len(prefix) and utf8.len(items[1].text) do prefix = prefix:sub(1, -2) end
	return prefix
end

-- What Tab does: the word is completed as far as it is certain, and then what it may be is shown.
local function complete(self, prompt, before)
	local line <const>, point <const> = self.line.text()
	local from <const>, items <const> = self.complete(before .. line, #before + point)
	if not from or #items == 0 or from < #before then return end
	local word <const>, certain <const> = line:sub(from - #before + 1, point), common_prefix(items)
	if #items == 1 or #certain > #word then
		self.line.replace(from - #before, certain)
	else
		above(self, prompt, function() io.stdout:write(listing(items), "\n") end)
	end
end

local function read_edited(self, prompt, before)
	local line <const> = self.line
	line.start(prompt)
	local _ <close> = setmetatable({}, { __close = line.stop })
	while wait(self, prompt) do
		local event <const>, typed <const> = line.read()
		if event == "line" then return typed end
		if event == "end" then return nil, "end" end
		if event == "tab" then complete(self, prompt, before) end
	end
	line.leave()
	io.stdout:write "^C\n"
	return nil, "interrupted"
end

local function read_plainly(self, prompt)
	io.stdout:write(prompt)
	io.stdout:flush()
	if not wait(self, prompt) then
		io.stdout:write "\n"
		return nil, "interrupted"
	end
	local typed <const> = io.read "l"
	return typed, not typed and "end" or nil
end

--- A line.
---@param prompt string
---@param before string what was typed before it and belongs to it
---@return string? typed
---@return "end"|"interrupted"|nil
function Editor:read(prompt, before)
	local _ <close> = assert(core.interrupt())
	return (self.line and read_edited or read_plainly)(self, prompt, before)
end

--- What the arrow keys bring back.
---@param entry string
function Editor:remember(entry)
	if self.line then self.line.remember(entry) end
end

local function readline()
	local kind <const> = os.getenv "TERM"
	if not core.terminal(1) or not kind or kind == "" or kind == "dumb" then return nil end
	local done <const>, line <const> = pcall(require, "crumb.line")
	return done and line or nil
end

---@param feed crumb.Feed
---@param complete_ fun(typed: string, point: integer): integer, table[]
---@return crumb.Editor
local function new(feed, complete_)
	return setmetatable({ feed = feed, complete = complete_, line = readline() }, Editor)
end

return { new = new }
