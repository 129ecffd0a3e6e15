-- What the engine does with a plan, in Lua, for specs: bpf/wire.h tells the meaning of the steps.
local glob = require "crumb.names.glob"

local machine = {}

local Machine = {}
Machine.__index = Machine

--- Shape: { registers = { ARG0 = … }, builtins = { PID = … }, memory = { [address] = bytes }, context = address,
--- comm = string, families = { [number] = true } }
function machine.new(world)
	world.registers, world.builtins = world.registers or {}, world.builtins or {}
	return setmetatable({ world = world, slots = {}, failed = {}, taken = 0 }, Machine)
end

--- The bytes at an address; nil where nothing lies.
function Machine:read(address, size)
	for first, bytes in pairs(self.world.memory or {}) do
		local at = address - first
		if at >= 0 and at <= #bytes - size then return bytes:sub(at + 1, at + size) end
	end
	return nil
end

--- The string at an address, cut after `most` bytes.
function Machine:text(address, most)
	local out = {}
	for i = 0, most - 1 do
		local byte = self:read(address + i, 1)
		if not byte then return nil end
		if byte == "\0" then break end
		out[#out + 1] = byte
	end
	return table.concat(out)
end

local function signed_of(value, width, is_signed)
	if width == 8 then return value end
	value = value & (1 << 8 * width) - 1
	if is_signed and value >> 8 * width - 1 == 1 then return value - (1 << 8 * width) end
	return value
end

function Machine:load(address, step)
	local bytes = self:read(address, step.width)
	if not bytes then return nil end
	return signed_of(("<I" .. step.width):unpack(bytes), step.width, step.signed)
end

function Machine:builtin(name)
	local comm = (self.world.comm or "") .. ("\0"):rep(16)
	if name == "COMM_LOW" then return (("<i8"):unpack(comm)) end
	if name == "COMM_HIGH" then return (("<i8"):unpack(comm, 9)) end
	if name == "CONTEXT" then return self.world.context end
	return assert(self.world.builtins[name], "the world has no " .. name)
end

local function magnitude(value) return value < 0 and -value or value end

-- Unsigned, with the remainder by long division: slow, and unlike what the compiler does.
local function udivmod(a, b)
	local quotient, rest = 0, 0
	for bit = 63, 0, -1 do
		local carry = rest < 0
		rest = rest << 1 | a >> bit & 1
		if carry or not math.ult(rest, b) then rest, quotient = rest - b, quotient | 1 << bit end
	end
	return quotient, rest
end

local function divide(a, b, is_signed, rest)
	if not is_signed then return (select(rest and 2 or 1, udivmod(a, b))) end
	local result = select(rest and 2 or 1, udivmod(magnitude(a), magnitude(b)))
	if (a < 0) ~= (not rest and b < 0) then return -result end
	return result
end

local CALCULATE = {
	ADD = function(a, b) return a + b end,
	SUB = function(a, b) return a - b end,
	MUL = function(a, b) return a * b end,
	AND = function(a, b) return a & b end,
	OR = function(a, b) return a | b end,
	XOR = function(a, b) return a ~ b end,
	DIV = function(a, b, is_signed) return divide(a, b, is_signed, false) end,
	MOD = function(a, b, is_signed) return divide(a, b, is_signed, true) end,
	SHL = function(a, b) return math.ult(b, 64) and a << b or 0 end,
	SHR = function(a, b, is_signed)
		if not is_signed then return math.ult(b, 64) and a >> b or 0 end
		local by = math.ult(b, 64) and b or 63
		return a >> by | (a < 0 and by > 0 and ~0 << 64 - by or 0)
	end,
}
machine.CALCULATE = CALCULATE

-- A slot that was never set is no value: the engine does not clear them.
function Machine:slot(number)
	assert(self.slots[number], ("slot %s is read before it is set"):format(tostring(number)))
	return self.slots[number]
end

function Machine:compute(step)
	local op = step.op
	if op == "CONSTANT" then return step.value end
	if op == "REGISTER" then return assert(self.world.registers[step.a], "no register " .. step.a) end
	if op == "BUILTIN" then return self:builtin(step.a) end
	if op == "CONTEXT" then return self:load(self.world.context + step.value, step) end
	local a = self:slot(step.a)
	local failed = self.failed[step.a]
	if op == "LOAD" then return not failed and self:load(a + step.value, step) or nil end
	if op == "CONVERT" then return not failed and signed_of(a, step.width, step.signed) or nil end
	local b = step.constant and step.value or self:slot(step.b)
	if failed or not step.constant and self.failed[step.b] then return nil end
	return CALCULATE[op](a, b, step.signed)
end

local function includes(list, value)
	for _, one in ipairs(list) do
		if one == value then return true end
	end
	return false
end

-- true, false, or nil when it cannot be read.
function Machine:compare_text(step, plan)
	local text = self.world.comm
	if not step.comm then
		local address = self:slot(step.a)
		if self.failed[step.a] then return nil end
		text = self:text(address, step.b or 64)
		if not text then return nil end
	end
	if step.op == "TEXT_EQ" then return text == plan.texts[step.value + 1] end
	if step.op == "TEXT_LIKE" then return glob.compile(plan.patterns[step.value + 1])(text) end
	return includes(plan.text_sets[step.value + 1], text)
end

function Machine:compare(step, plan)
	local op = step.op
	if op == "FOLLOWED" then return self.world.families[step.value] or false end
	if op:find "^TEXT" then return self:compare_text(step, plan) end
	local a
	if type(step.a) == "string" then
		a = self:builtin(step.a)
	else
		a = self:slot(step.a)
		if self.failed[step.a] then return nil end
	end
	if op == "IN" then return includes(plan.sets[step.value + 1], a) end
	local b = step.constant and step.value or self:slot(step.b)
	if not step.constant and self.failed[step.b] then return nil end
	if op == "EQ" then return a == b end
	if op == "LT" then
		if step.signed then return a < b end
		return math.ult(a, b)
	end
	assert(op == "LE", op)
	if step.signed then return a <= b end
	return not math.ult(b, a)
end

--- Runs the steps from `start` on: whether they accept.
function Machine:run(plan, start)
	local at = start
	while true do
		local step = assert(plan.steps[at + 1], "it left the steps")
		self.taken = self.taken + 1
		if step.op == "ACCEPT" then return true end
		if step.op == "REJECT" then return false end
		local next_step = at + 1
		if step.yes then
			local answer = self:compare(step, plan)
			if answer == nil then
				next_step = step.no
			else
				next_step = answer ~= (step.negated or false) and step.yes or step.no
			end
		else
			local value = self:compute(step)
			assert(step.to >= 0 and step.to < 20, "no such slot")
			self.slots[step.to], self.failed[step.to] = value or 0, value == nil
		end
		assert(next_step > at, "it went back")
		at = next_step
	end
end

--- What a pair keeps, after the steps of its beginning.
function Machine:keep(plan)
	local cells = {}
	for i, output in ipairs(plan.saved) do
		if output.kind == "SLOT" then
			if not self.failed[output.slot] then cells[i] = self:slot(output.slot) end
		else
			assert(output.kind == "STRING", output.kind)
			cells[i] = not self.failed[output.slot] and self:text(self:slot(output.slot), output.size) or nil
		end
	end
	return cells
end

--- Begins the end of a pair: its scalars are the first slots.
function Machine:restore(plan, cells)
	self.cells = cells
	for i, output in ipairs(plan.saved) do
		if output.kind == "SLOT" then
			self.slots[i - 1], self.failed[i - 1] = cells[i] or 0, cells[i] == nil
		end
	end
end

--- The cells of the event, by name; false where one could not be read.
function Machine:event(plan)
	local event = {}
	for i, output in ipairs(plan.outputs) do
		local value
		if output.kind == "SAVED" then
			value = self.cells[output.slot + 1]
		elseif output.kind == "KSTACK" or output.kind == "USTACK" then
			value = output.kind
		elseif not self.failed[output.slot] then
			value = self:slot(output.slot)
			if output.kind == "STRING" then value = self:text(value, output.size) end
			if output.kind == "BYTES" then
				value = self:read(value, math.max(0, math.min(self:slot(output.length), output.size)))
			end
		end
		event[plan.cells[i].name] = value or false
	end
	return event
end

return machine
