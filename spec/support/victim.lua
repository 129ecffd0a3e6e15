-- The victim of the specs: a process that makes so many calls of what it is told, and says when it has.
local Victim = {}
Victim.__index = Victim

--- Starts one, which waits; it lives until `stop`, or the end of the scope. `program`: another fixture that answers so, or
--- what a shell runs, with a `/` or a blank in it.
function Victim.start(program)
	local fifo <const> = os.tmpname()
	os.remove(fifo)
	assert(os.execute("mkfifo " .. fifo))
	local command <const> = program and program:find "[/ ]" and program or "build/fixtures/" .. (program or "victim")
	local input <const> = assert(io.popen(("exec %s >%s"):format(command, fifo), "w"))
	local output <const> = assert(io.open(fifo))
	os.remove(fifo)
	return setmetatable({ input = input, output = output, pid = assert(output:read("n", "l"), "no victim") }, Victim)
end

--- Asks for something to be done, and does not wait.
function Victim:ask(word, times)
	self.input:write(word, " ", times, "\n")
	self.input:flush()
end

--- Lets it go on, which was asked to be "paused".
function Victim:go_on()
	self.input:write "on\n"
	self.input:flush()
end

--- Waits until what was asked for is done; what the victim says.
function Victim:answer(word)
	local answer <const>, number <const> = self.output:read("l"):match "^(%S+) (%d+)$"
	assert(answer == word)
	return math.tointeger(number)
end

--- The family fixture's: does a line, and answers with the pid of who did it.
function Victim:tell(line)
	self.input:write(line, "\n")
	self.input:flush()
	return math.tointeger(self.output:read "l")
end

--- Returns when it has been done so many times; what the victim says.
function Victim:call(word, times)
	self:ask(word, times)
	return self:answer(word)
end

--- Writes into its memory.
function Victim:poke(address, bytes)
	local memory <close> = assert(io.open(("/proc/%d/mem"):format(self.pid), "r+b"))
	memory:setvbuf "no"
	assert(memory:seek("set", address))
	assert(memory:write(bytes))
end

function Victim:stop()
	if io.type(self.input) == "closed file" then return end
	self.input:close()
	self.output:close()
end

Victim.__close = Victim.stop

return Victim
