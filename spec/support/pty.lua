-- A command on a terminal, driven by keys: what it writes is waited for, and shown on a screen.
local core = require "crumb.core"
local screen = require "support.screen"

local pty = {}

local DEADLINE <const>, LONGEST <const> = 20, 180 -- seconds for a piece of output, and for all
local MOMENT <const> = 100000000 -- ns
local LOOK <const> = 2000000 -- ns between two looks for more

local Pty = {}
Pty.__index = Pty

local function quoted(word) return "'" .. word:gsub("'", "'\\''") .. "'" end

-- The next line of the output, or nil when there is none yet.
local function next_line(self)
	self.partial = self.partial .. (self.output:read "L" or "")
	if self.partial:sub(-1) ~= "\n" then return nil end
	local line <const> = self.partial:sub(1, -2)
	self.partial = ""
	return line
end

-- The next line, which is waited for; nil: that was all.
local function line_of(self)
	local last <const> = core.now() + DEADLINE * 1000000000
	local line = not self.ended and next_line(self)
	while not self.ended and not line and core.now() < last do
		core.await(LOOK)
		line = next_line(self)
	end
	self.ended = self.ended or line == "\\."
	return not self.ended and line or nil
end

--- Starts a command of the shell's. `environment`: NAME=VALUE words for it; `rows`, `columns`: 24 by 80.
--- What it writes goes to a file, so that it never waits for who reads.
function pty.start(command, given)
	given = given or {}
	local rows <const>, columns <const> = given.rows or 24, given.columns or 80
	local path <const> = os.tmpname()
	local environment <const> = "TERM=xterm TERMINFO=$PWD/build/fixtures/terminfo LOCPATH=$PWD/build/fixtures/locale "
		.. "LC_ALL=C.UTF-8 INPUTRC=/dev/null " .. (given.environment or "")
	local script <const> = ("exec timeout %d env %s build/fixtures/pty %d %d sh -c %s >%s"):format(LONGEST, environment, rows,
		columns, quoted("exec " .. command), path)
	local self <const> = setmetatable({
		input = assert(io.popen(script, "w")), output = assert(io.open(path)), all = "", partial = "", seen = 1,
		screen = screen.new(rows, columns),
	}, Pty)
	self.pid = tonumber(line_of(self))
	os.remove(path)
	return self
end

--- Types.
function Pty:type(keys)
	self.input:write(keys)
	self.input:flush()
end

--- Types a line.
function Pty:enter(line) self:type(line .. "\r") end

--- Gives the terminal another size.
function Pty:resize(rows, columns)
	self:type(("\0resize %d %d\n"):format(rows, columns))
	local before <const> = self.screen:text()
	self.screen = screen.new(rows, columns)
	self.screen:write((before:gsub("\n", "\r\n")))
end

-- Shows what a line of the output stands for.
local function show(self, line)
	local text <const> = line:gsub("\\(.)", { n = "\n", ["\\"] = "\\" })
	self.all = self.all .. text
	self.screen:write(text)
	return text
end

-- One more piece of what is written; nil: that was all.
local function piece(self)
	local line <const> = line_of(self)
	return line and show(self, line)
end

--- Waits until a condition on the screen holds, which gets whole lines of what was written as well; says what stood there
--- if it never does.
function Pty:until_(what, holds)
	local rest = ""
	while true do
		local lines <const>, following <const> = rest:match "^(.*\n)(.*)$"
		rest = following or rest
		if holds(self.screen, lines or "") then return end
		local text <const> = piece(self)
		if not text then error(("%s; the screen:\n%s"):format(what, self.screen:text()), 3) end
		rest = rest .. text
	end
end

--- Waits until that text was written, behind what was waited for before.
function Pty:wait(plain)
	while true do
		local first <const>, last <const> = self.all:find(plain, self.seen, true)
		if first then
			self.seen = last + 1
			return
		end
		if not piece(self) then
			error(("'%s' never came:\n%s"):format(plain, self.all:sub(self.seen)), 2)
		end
	end
end

--- Whether that text is written within a moment, behind what was waited for before; an error when it does not come for long.
function Pty:comes(plain)
	local now <const> = core.now()
	self.first_look = self.first_look or now
	while core.now() < now + MOMENT do
		local line <const> = not self.ended and next_line(self)
		if line then show(self, line) else core.await(LOOK) end
		local _, last <const> = self.all:find(plain, self.seen, true)
		if last then
			self.seen, self.first_look = last + 1, nil
			return true
		end
	end
	assert(now < self.first_look + DEADLINE * 1000000000, plain)
	return false
end

--- Waits until a line of the screen is that one, which the cursor is in.
function Pty:prompt(line)
	line = line or "crumb>"
	self:until_(("'%s' is not where the cursor is"):format(line), function(shown) return shown:line() == line end)
	self.seen = #self.all + 1
end

--- Sends a signal.
function Pty:signal(name) assert(os.execute(("kill -%s %d"):format(name, self.pid))) end

--- The rest of what is written, and the status.
function Pty:finish()
	local begin <const> = #self.all + 1
	while piece(self) do end
	local _, _, status = self.input:close()
	self.output:close()
	self.finished = true
	return (self.all:sub(begin):gsub("\r", ""):gsub("\27%[%?2004%l", "")), status
end

function Pty:close()
	if self.finished then return end
	os.execute(("kill -KILL %d 2>/dev/null"):format(self.pid))
	self:finish()
end

Pty.__close = Pty.close

return pty
