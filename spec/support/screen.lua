-- What a terminal of a size shows after what was written to it: as much of xterm as a prompt needs.
local screen = {}

local Screen = {}
Screen.__index = Screen

function screen.new(rows, columns)
	local self <const> = setmetatable({ rows = rows, columns = columns, row = 1, column = 1, lines = {}, pending = "" }, Screen)
	for i = 1, rows do self.lines[i] = {} end
	return self
end

local function scroll(self)
	if self.row <= self.rows then return end
	table.remove(self.lines, 1)
	self.lines[self.rows] = {}
	self.row = self.rows
end

-- A character; the last column is left only when another one comes.
local function put(self, character)
	if self.column > self.columns then
		self.row, self.column = self.row + 1, 1
		scroll(self)
	end
	self.lines[self.row][self.column] = character
	self.column = self.column + 1
end

local function erase(self, row, first, last)
	for i = first, last do self.lines[row][i] = nil end
end

local CONTROLS <const> = {
	["\n"] = function(self)
		self.row = self.row + 1
		scroll(self)
	end,
	["\r"] = function(self) self.column = 1 end,
	["\b"] = function(self) self.column = math.max(1, math.min(self.column, self.columns + 1) - 1) end,
	["\a"] = function() end,
}

local function moved(rows, columns)
	return function(self, count)
		count = math.max(1, count)
		self.row = math.max(1, math.min(self.rows, self.row + rows * count))
		self.column = math.max(1, math.min(self.columns, self.column + columns * count))
	end
end

local COMMANDS <const> = {
	A = moved(-1, 0), B = moved(1, 0), C = moved(0, 1), D = moved(0, -1),
	G = function(self, column) self.column = math.max(1, column) end,
	H = function(self, row, column) self.row, self.column = math.max(1, row), math.max(1, column) end,
	J = function(self, kind)
		if kind == 0 then erase(self, self.row, self.column, self.columns) end
		for i = kind == 0 and self.row + 1 or 1, self.rows do erase(self, i, 1, self.columns) end
	end,
	K = function(self, kind) erase(self, self.row, kind == 0 and self.column or 1, kind == 1 and self.column or self.columns) end,
	P = function(self, count)
		local line <const> = self.lines[self.row]
		for i = self.column, self.columns do line[i] = line[i + math.max(1, count)] end
	end,
	["@"] = function(self, count)
		local line <const> = self.lines[self.row]
		for i = self.columns, self.column, -1 do line[i] = i >= self.column + count and line[i - math.max(1, count)] or " " end
	end,
	X = function(self, count) erase(self, self.row, self.column, self.column + math.max(1, count) - 1) end,
	h = function() end, l = function() end, m = function() end,
}

-- One step: where the next begins; nil: more must come first.
local function step(self, text, at)
	local byte <const> = text:sub(at, at)
	if CONTROLS[byte] then
		CONTROLS[byte](self)
		return at + 1
	end
	if byte == "\27" then
		local words <const>, command <const>, following <const> = text:match("^%[%??([%d;]*)([%a@])()", at + 1)
		if not command then return #text - at > 20 and error("an unknown sequence: " .. ("%q"):format(text:sub(at, at + 20))) or nil end
		local first <const>, second <const> = words:match "^(%d*);?(%d*)"
		local call <const> = COMMANDS[command] or error("an unknown command: " .. words .. command)
		call(self, tonumber(first) or 0, tonumber(second) or 0)
		return following
	end
	local character <const> = text:match("^[\1-\127\xc2-\xf4][\x80-\xbf]*", at)
	if #text < at + 3 and byte >= "\xc2" and not utf8.len(character) then return nil end
	put(self, character or "?")
	return at + #(character or "?")
end

--- Shows what was written.
function Screen:write(text)
	text = self.pending .. text
	local at = 1
	while at <= #text do
		local following <const> = step(self, text, at)
		if not following then break end
		at = following
	end
	self.pending = text:sub(at)
end

--- The lines that stand there, without the empty ones below.
function Screen:text()
	local lines <const> = {}
	for i, cells in ipairs(self.lines) do
		local line <const> = {}
		for column = 1, self.columns do line[column] = cells[column] or " " end
		lines[i] = table.concat(line):gsub(" +$", "")
	end
	return (table.concat(lines, "\n"):gsub("\n+$", ""))
end

--- The line that the cursor is in, and those it is the end of where it was too long for one.
function Screen:line()
	local lines <const> = {}
	for line in (self:text() .. "\n"):gmatch "(.-)\n" do lines[#lines + 1] = line end
	return lines[self.row] or ""
end

return screen
