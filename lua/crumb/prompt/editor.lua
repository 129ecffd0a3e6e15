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
---@field prompt string? of the line that is typed
---@field cleared boolean whether it is off the screen
---@field complete fun(typed: string, point: integer): integer, table[]
local Editor = {}
Editor.__index = Editor

--- Takes the line that is typed off the screen: something is going to be written where it was.
function Editor:clear()
	if not self.prompt or self.cleared then return end
	self.cleared = true
	if self.line then
		self.line.hide()
	elseif core.terminal(1) then
		io.stdout:write(CLEAR)
	end
end

-- Puts it below what was written.
local function draw(self)
	if not self.cleared then return end
	self.cleared = false
	if self.line then return self.line.show() end
	io.stdout:write(self.prompt)
	io.stdout:flush()
end

-- Waits for a key, and delivers what comes meanwhile: whether there is one; false: Ctrl-C.
local function wait(self)
	local feed <const> = self.feed
	while not core.interrupted() do
		local descriptor <const>, timeout <const> = feed:waits()
		local key <const>, readable <const> = core.await(timeout, 0, descriptor)
		if self.line then self.line.refresh() end
		if feed:due(readable) then feed:deliver() end
		draw(self)
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
local function complete(self, before)
	local line <const>, point <const> = self.line.text()
	local from <const>, items <const> = self.complete(before .. line, #before + point)
	if #items == 0 or from < #before then return end
	local word <const>, certain <const> = line:sub(from - #before + 1, point), common_prefix(items)
	if #items == 1 then return self.line.replace(from - #before, certain .. (items[1].close or "")) end
	if #certain > #word then return self.line.replace(from - #before, certain) end
	self:clear()
	io.stdout:write(listing(items), "\n")
	draw(self)
end

local function read_edited(self, before)
	local line <const> = self.line
	line.start(self.prompt)
	local _ <close> = setmetatable({}, { __close = line.stop })
	while wait(self) do
		local event <const>, typed <const> = line.read()
		if event == "line" then return typed end
		if event == "end" then return nil, "end" end
		if event == "tab" then complete(self, before) end
	end
	line.leave()
	io.stdout:write "^C\n"
	return nil, "interrupted"
end

local function read_plainly(self)
	io.stdout:write(self.prompt)
	io.stdout:flush()
	if not wait(self) then
		io.stdout:write "\n"
		return nil, "interrupted"
	end
	local typed <const> = io.read "l"
	if not typed then io.stdout:write "\n" end
	return typed, not typed and "end" or nil
end

--- A line.
---@param prompt string
---@param before string what was typed before it and belongs to it
---@return string? typed
---@return "end"|"interrupted"|nil
function Editor:read(prompt, before)
	local _ <close> = assert(core.interrupt())
	self.prompt, self.cleared = prompt, false
	local done <const>, typed <const>, none <const> = pcall(self.line and read_edited or read_plainly, self, before)
	self.prompt = nil
	if not done then error(typed, 0) end
	return typed, none
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
