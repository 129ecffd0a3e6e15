-- The victim of the matrix: a process that calls functions with arguments of every type, and counts by C's own
-- arithmetic for how many of its calls a condition holds.
local Typed = {}
Typed.__index = Typed

Typed.PATH = "build/fixtures/typed_victim"
Typed.STRIPPED = "build/fixtures/typed_stripped"

Typed.COLORS = { [0] = "RED", [7] = "GREEN", [8] = "BLUE" }
Typed.BELOW = { [-3] = "UNDER", [0] = "MIDDLE", [3] = "OVER" }

--- A value as events and rows have it, where its type is known.
function Typed.shown(type, value)
	if type == "truth" then return value ~= 0 end
	local names <const> = type == "color" and Typed.COLORS or type == "below" and Typed.BELOW or {}
	return names[value] or value
end

-- What it says of itself before it waits.
local function read_introduction(self, output)
	self.values, self.unsigned, self.expressions, self.objects = {}, {}, {}, {}
	for line in output:lines() do
		local name <const>, unsigned <const>, numbers <const> = line:match "^type (%S+) (%d) (.*)$"
		local expression <const> = line:match "^expression (.*)$"
		if name then
			local values <const> = {}
			for number in numbers:gmatch "%S+" do values[#values + 1] = math.tointeger(tonumber(number)) end
			self.values[name], self.unsigned[name] = values, unsigned == "1"
		elseif expression then
			self.expressions[#self.expressions + 1] = expression
		elseif line == "end" then
			return self
		else
			self.objects[#self.objects + 1] = line
		end
	end
	error "no victim"
end

--- Starts one, which waits; it lives until `stop`, or the end of the scope.
---@param path string?
function Typed.start(path)
	local fifo <const> = os.tmpname()
	os.remove(fifo)
	assert(os.execute("mkfifo " .. fifo))
	local input <const> = assert(io.popen(("exec %s >%s"):format(path or Typed.PATH, fifo), "w"))
	local output <const> = assert(io.open(fifo))
	os.remove(fifo)
	local self <const> = setmetatable({ input = input, output = output, pid = output:read("n", "l") }, Typed)
	return read_introduction(self, output)
end

--- Makes the calls of a word: how many, for how many the condition holds, and the sum, the least and the greatest of
--- what was computed for those.
---@param ... integer what else the word takes
---@return { calls: integer, held: integer, sum: integer, least: integer, greatest: integer }
function Typed:call(word, operation, a, b, ...)
	self.input:write(("%s %s %d %d %s\n"):format(word, operation or "any", a or 0, b or 0, table.concat({ ... }, " ")))
	self.input:flush()
	local numbers <const> = {}
	for number in self.output:read "l":gmatch "%S+" do numbers[#numbers + 1] = math.tointeger(tonumber(number)) end
	return { calls = numbers[1], held = numbers[2], sum = numbers[3], least = numbers[4], greatest = numbers[5] }
end

--- Every event that a probe has by now, which are so many.
---@return crumb.Event[]
function Typed.events(probe, count)
	local list <const> = {}
	for event in probe:events { idle = 0 } do list[#list + 1] = event end
	if #list ~= count then error(("%d events, not %d"):format(#list, count), 2) end
	return list
end

function Typed:stop()
	if io.type(self.input) == "closed file" then return end
	self.input:close()
	self.output:close()
end

Typed.__close = Typed.stop

return Typed
