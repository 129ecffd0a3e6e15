-- Children of a spec: shell commands that are written to and read from line by line.
--
-- Nothing here sleeps: reading waits, and `timeout` ends what hangs. Use child.setup and
-- child.teardown as before_each and after_each.
local child = {}

local DEADLINE = 60

local Child = {}
Child.__index = Child

local running

--- A word for the shell.
function child.quoted(text) return "'" .. text:gsub("'", "'\\''") .. "'" end

--- Makes child.folder, which is gone after the test.
function child.setup()
	running = {}
	child.folder = os.tmpname()
	os.remove(child.folder)
	assert(os.execute("mkdir " .. child.folder))
end

function child.teardown()
	for _, one in ipairs(running) do
		if not one.finished then one:finish "TERM" end
	end
	os.execute("rm -r " .. child.folder)
end

--- Starts a command (a format and its values): say() writes to it, line by line; lines() and finish() read
--- both its outputs.
function child.start(command, ...)
	local fifo = ("%s/%d"):format(child.folder, #running + 1)
	assert(os.execute("mkfifo " .. fifo))
	local one = setmetatable({}, Child)
	local script = ("echo $$; exec %s <%s 2>&1"):format(command:format(...), fifo)
	one.output = assert(io.popen(("exec timeout %d sh -c %s"):format(DEADLINE, child.quoted(script))))
	one.pid = one.output:read "n"
	one.output:read "L"
	-- Both ends wait here for each other.
	one.input = assert(io.open(fifo, "w"))
	running[#running + 1] = one
	return one
end

--- Whether it has not ended: one that was not waited for yet has.
function Child:runs()
	local file <close> = io.open(("/proc/%d/stat"):format(self.pid))
	local text <const> = file and file:read "a"
	return text ~= nil and not text:find "^%d+ %b() Z"
end

--- Runs a command to its end: what it printed, and its exit status.
function child.run(command, ...)
	local output = assert(io.popen(("exec timeout %d %s 2>&1"):format(DEADLINE, command:format(...))))
	local text = output:read "a"
	local _, _, status = output:close()
	return text, status
end

local BITS <const> = { INT = 1 << 1, PIPE = 1 << 12 } -- of a set of signals

--- Who ignores a signal passes that on to all children, and no shell can change it.
---@param signal "INT"|"PIPE"
function child.ignores(signal)
	return tonumber(child.run("grep SigIgn /proc/self/status"):match "%x+\n$", 16) & BITS[signal] ~= 0
end

function Child:say(text)
	self.input:write(text, "\n")
	self.input:flush()
end

--- The lines up to and with the first that matches.
function Child:lines(pattern)
	local lines = {}
	repeat
		local line = self.output:read "l"
		lines[#lines + 1] = line
		if not line then error(("no line matched '%s' in:\n%s"):format(pattern, table.concat(lines, "\n")), 2) end
	until line:find(pattern)
	return lines
end

--- Ends its input, and sends a signal if there is one: what is left of the output, and the exit status.
function Child:finish(signal)
	self.finished = true
	if signal then os.execute(("kill -%s %d 2>/dev/null"):format(signal, self.pid)) end
	self.input:close()
	local rest = self.output:read "a"
	local _, _, status = self.output:close()
	return rest, status
end

return child
