--- node: what is to be computed, as a graph in which the same value is the same node.
--
-- A node is { op =, a =, b =, value =, width =, signed =, name =, id =, stable =, fails = }: op, width, signed and
-- value as bpf/wire.h has them, a and b nodes; without b, `value` is the second operand. `stable`: at the end of a call
-- it is what it was at the beginning. `fails`: it may turn out to be unreadable.
-- SAVED is an op of its own: `a` as it was at the beginning of a pair, or the pair's cell number `value`.

local node = {}

local Nodes <const> = {}
Nodes.__index = Nodes

-- What a call does not change, and what the engine gives back at its end.
local STABLE <const> = {
	PID = true, TID = true, UID = true, GID = true, COOKIE = true, SITE = true, CGROUP = true, COMM_LOW = true,
	COMM_HIGH = true, TASK = true,
	ARG0 = true, ARG1 = true, ARG2 = true, ARG3 = true, ARG4 = true, ARG5 = true,
}

-- What is another at the end of a call that may end in another thread.
local OF_THREAD <const> = { TID = true, TASK = true }

--- Makes a graph.
---@param context_is_stable boolean? the hook's context is the same at a call's end
---@param changes_threads boolean? a call may end in another thread than it began in
function node.graph(context_is_stable, changes_threads)
	return setmetatable({
		known = {}, count = 0, context_is_stable = context_is_stable or false, changes_threads = changes_threads or false,
	}, Nodes)
end

local SIGNED_OPS <const> = { DIV = "signed DIV", MOD = "signed MOD", SHR = "signed SHR" }

-- The table at a key, made when it is missing.
local function branch(of, key)
	local found = of[key]
	if not found then
		found = {}
		of[key] = found
	end
	return found
end

-- The node with these parts; `stable` and `fails` are set by who makes it.
function Nodes:make(op, a, b, value, width, signed, name)
	local what <const> = name or width and op .. width .. (signed and "s" or "u") or signed and SIGNED_OPS[op] or op
	local among <const>, last <const> = branch(branch(self.known, what), a or 0), b or value or 0
	local known <const> = among[last]
	if known then return known end
	self.count = self.count + 1
	local made <const> = {
		op = op, a = a, b = b, value = value, width = width, signed = signed or nil, name = name, id = self.count,
	}
	among[last] = made
	return made
end

function Nodes:constant(value)
	local made <const> = self:make("CONSTANT", nil, nil, value)
	made.stable = true
	return made
end

function Nodes:register(name)
	local made <const> = self:make("REGISTER", nil, nil, nil, nil, nil, name)
	made.stable = STABLE[name] or false
	return made
end

function Nodes:builtin(name)
	local made <const> = self:make("BUILTIN", nil, nil, nil, nil, nil, name)
	made.stable = STABLE[name] and not (self.changes_threads and OF_THREAD[name]) or false
	return made
end

function Nodes:context(offset, width, signed)
	local made <const> = self:make("CONTEXT", nil, nil, offset, width, signed)
	made.stable, made.fails = self.context_is_stable, true
	return made
end

--- What a value was at the beginning of a call.
function Nodes:saved(a)
	if a.stable then return a end
	local made <const> = self:make("SAVED", a)
	made.stable, made.fails = true, true
	return made
end

--- The scalar that a span's beginning kept in the pair's cell of that number.
function Nodes:kept(number)
	local made <const> = self:make("SAVED", nil, nil, number)
	made.fails = true
	return made
end

--- What lies in memory at `address` + `offset`.
function Nodes:load(address, offset, width, signed)
	if address.op == "ADD" and not address.b then
		return self:load(address.a, offset + address.value, width, signed)
	end
	if address.name == "CONTEXT" then return self:context(offset, width, signed) end
	local made <const> = self:make("LOAD", address, nil, offset, width, signed)
	made.stable, made.fails = false, true
	return made
end

-- Toward zero, as the engine does.
local function divided(a, b, signed, rest)
	if not signed then
		-- By halves, since Lua divides signed numbers only.
		if b < 0 then
			local one <const> = math.ult(a, b) and 0 or 1
			return rest and a - one * b or one
		end
		local quotient = ((a >> 1) // b) << 1
		if not math.ult(a - quotient * b, b) then quotient = quotient + 1 end
		return rest and a - quotient * b or quotient
	end
	if rest then return math.fmod(a, b) end
	local quotient <const> = a // b
	return (quotient < 0 and quotient * b ~= a) and quotient + 1 or quotient
end

local function shifted(a, by, signed)
	if not signed or a >= 0 then return math.ult(by, 64) and a >> by or 0 end
	return math.ult(by, 64) and ~(~a >> by) or -1
end

local CALCULATE <const> = {
	ADD = function(a, b) return a + b end,
	SUB = function(a, b) return a - b end,
	MUL = function(a, b) return a * b end,
	DIV = function(a, b, signed) return divided(a, b, signed, false) end,
	MOD = function(a, b, signed) return divided(a, b, signed, true) end,
	AND = function(a, b) return a & b end,
	OR = function(a, b) return a | b end,
	XOR = function(a, b) return a ~ b end,
	SHL = function(a, b) return math.ult(b, 64) and a << b or 0 end,
	SHR = function(a, b, signed) return shifted(a, b, signed) end,
}

local COMMUTES <const> = { ADD = true, MUL = true, AND = true, OR = true, XOR = true }
local SIGNED <const> = { DIV = true, MOD = true, SHR = true }
-- With this second operand the first is the result.
local NEUTRAL <const> = { ADD = 0, SUB = 0, MUL = 1, DIV = 1, AND = -1, OR = 0, XOR = 0, SHL = 0, SHR = 0 }

-- One step of which the second operand is a constant.
local function with_constant(self, op, a, value, signed)
	if NEUTRAL[op] == value then return a end
	if op == "SUB" then op, value = "ADD", -value end
	if op == "ADD" and a.op == "ADD" and not a.b then return with_constant(self, op, a.a, a.value + value, signed) end
	local made <const> = self:make(op, a, nil, value, nil, signed)
	made.stable, made.fails = a.stable, a.fails
	return made
end

--- `a` op `b`, computed here where both are constants.
---@param op string ADD SUB MUL DIV MOD AND OR XOR SHL SHR
---@param signed boolean of DIV, MOD and SHR
function Nodes:calculate(op, a, b, signed)
	signed = signed and SIGNED[op]
	if a.op == "CONSTANT" and b.op == "CONSTANT" then
		return self:constant(CALCULATE[op](a.value, b.value, signed))
	end
	if b.op == "CONSTANT" then return with_constant(self, op, a, b.value, signed) end
	if a.op == "CONSTANT" and COMMUTES[op] then return with_constant(self, op, b, a.value, signed) end
	local made <const> = self:make(op, a, b, nil, nil, signed)
	made.stable, made.fails = a.stable and b.stable, a.fails or b.fails
	return made
end

local function narrowed(value, width, signed)
	local unused <const> = 64 - 8 * width
	return shifted(value << unused, unused, signed)
end

--- The low bytes of a value as an integer.
function Nodes:convert(a, width, signed)
	if width == 8 then return a end
	if a.op == "CONSTANT" then return self:constant(narrowed(a.value, width, signed)) end
	local is_narrow <const> = (a.op == "LOAD" or a.op == "CONTEXT" or a.op == "CONVERT") and a.width <= width
	if is_narrow and (not a.signed and (a.width < width or not signed) or a.signed and signed) then return a end
	local made <const> = self:make("CONVERT", a, nil, nil, width, signed)
	made.stable, made.fails = a.stable, a.fails
	return made
end

--- A few bits of a value: a bitfield.
function Nodes:bits(a, first, count, signed)
	local raised <const> = self:calculate("SHL", a, self:constant(64 - first - count))
	return self:calculate("SHR", raised, self:constant(64 - count), signed)
end

return node
