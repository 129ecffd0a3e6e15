--- region: steps that run in one go, from values and conditions.
--
-- A value is computed where it is first needed, and known from there on. Behind a fork only what every way to a place
-- has computed is known: that is the common beginning of the chains of values that lead there. Registers are slots
-- that have no number yet: each lives from the step that sets it to the last one that reads it.

local limits <const> = require "crumb.expression.limits"

local Region <const> = {}
Region.__index = Region

local region = {}

local ALWAYS <const> = math.huge

--- An empty region.
---@param c table the compilation
---@param pool table the plan's lists of texts, patterns and sets
---@param saves table? of a pair's end: what is kept of its beginning
function region.new(c, pool, saves)
	return setmetatable({ c = c, pool = pool, saves = saves, steps = {}, fixed = {}, computed = {}, known = nil }, Region)
end

local function read(register, at)
	if type(register) ~= "table" then return end
	if register.last < at then register.last = at end
	register.reads = register.reads + 1
end

local function step(self, parts)
	local at <const> = #self.steps + 1
	self.steps[at] = parts
	if parts.to then parts.to.last, parts.to.reads = at, 0 end
	read(parts.a, at)
	read(parts.b, at)
	return parts
end

local function find(self, node)
	local link = self.computed[node] and self.known
	while link do
		if link.node == node then return link.register end
		link = link.before
	end
	return nil
end

local function learn(self, node, register)
	local before <const> = self.known
	self.computed[node] = true
	self.known = { node = node, register = register, before = before, depth = before and before.depth + 1 or 1 }
	return register
end

-- What two ways that meet have in common.
local function common(a, b)
	while a ~= b do
		if not a or not b then return nil end
		if a.depth >= b.depth then a = a.before else b = b.before end
	end
	return a
end

--- What is known is forgotten: another run may begin here.
function Region:forget()
	self.known = nil
	return #self.steps
end

-- The slot in which a pair's end finds what was kept.
local function kept(self, node)
	local number <const> = node.a and self.saves:scalar(node) or node.value
	self.fixed[number] = self.fixed[number] or { slot = number, last = 0, reads = 0 }
	return self.fixed[number]
end

--- The register of a value.
function Region:value(node)
	if node.op == "SAVED" then
		if self.saves or not node.a then return kept(self, node) end
		return self:value(node.a)
	end
	local register <const> = find(self, node)
	if register then return register end
	local parts <const> = { op = node.op, to = {}, value = node.value, width = node.width, signed = node.signed }
	if node.name then
		parts.a = node.name
	elseif node.a then
		parts.a = self:value(node.a)
		if node.b then
			parts.b = self:value(node.b)
		else
			parts.constant = node.op ~= "LOAD" and node.op ~= "CONVERT" or nil
		end
	end
	return learn(self, node, step(self, parts).to)
end

--- The register of a value that is read when the steps have ended.
function Region:result(node)
	local register <const> = self:value(node)
	register.last = ALWAYS
	return register
end

local function go(self, label)
	if label.used then
		label.known = common(label.known, self.known)
	else
		label.used, label.known = true, self.known
	end
	return label
end

--- A place further on.
function region.label() return {} end

--- The place of a label is here.
function Region:place(label)
	label.at, self.known = #self.steps, label.known
end

local function test(self, tree, yes, no)
	local parts <const> = {
		op = tree.op, a = tree.a and self:value(tree.a), b = tree.b and self:value(tree.b) or tree.bytes,
		value = tree.value, signed = tree.signed, negated = tree.negated, comm = tree.comm,
	}
	if tree.text then
		parts.op, parts.value = self.pool:text(tree.text)
	elseif tree.pattern then
		parts.value = self.pool:pattern(tree.pattern)
	elseif tree.set then
		parts.value = self.pool:set(tree.set)
	elseif tree.text_set then
		parts.value = self.pool:text_set(tree.text_set)
	elseif tree.value then
		parts.constant = tree.op ~= "FOLLOWED" or nil
	end
	step(self, parts)
	parts.yes, parts.no = go(self, yes), go(self, no)
end

--- Goes on at `yes` or `no`.
function Region:decide(tree, yes, no)
	if tree.kind == "test" then return test(self, tree, yes, no) end
	local between <const> = region.label()
	if tree.kind == "and" then self:decide(tree.left, between, no) else self:decide(tree.left, yes, between) end
	self:place(between)
	return self:decide(tree.right, yes, no)
end

--- Goes on only if the condition holds; otherwise at `no`.
function Region:require(tree, no)
	if tree.kind == "constant" then
		if not tree.value then step(self, { op = "REJECT" }) end
		return
	end
	local yes <const> = region.label()
	self:decide(tree, yes, no)
	self:place(yes)
end

--- Rejects unless the value can be read.
function Region:require_value(register, no)
	local yes <const> = region.label()
	step(self, { op = "EQ", a = register, b = register })
	self.steps[#self.steps].yes, self.steps[#self.steps].no = go(self, yes), go(self, no)
	self:place(yes)
end

--- Ends the steps; `no` is where those go that were refused.
function Region:accept(no)
	step(self, { op = "ACCEPT" })
	if not no.used then return end
	self:place(no)
	step(self, { op = "REJECT" })
end

-- Whether a step computes a builtin that only the next one, a comparison, reads: it takes the builtin itself.
local function is_taken(self, at)
	local builtin <const>, compares <const> = self.steps[at], self.steps[at + 1]
	return builtin.op == "BUILTIN" and compares ~= nil and compares.yes and compares.a == builtin.to
		and builtin.to.reads == 1 and builtin.to.last == at + 1
end

-- Leaves out the steps whose work the next one does.
local function shorten(self)
	local steps <const>, places <const> = {}, { [0] = 0 }
	for at, parts in ipairs(self.steps) do
		if is_taken(self, at) then
			self.steps[at + 1].a = parts.a
		else
			steps[#steps + 1] = parts
		end
		places[at] = #steps
	end
	for _, register in pairs(self.fixed) do register.last = places[register.last] or register.last end
	for _, parts in ipairs(steps) do
		if parts.to then parts.to.last = places[parts.to.last] or parts.to.last end
		if parts.yes then parts.yes, parts.no = places[parts.yes.at], places[parts.no.at] end
	end
	self.steps, self.places = steps, places
end

-- A slot that nothing needs any more when the step is done. It is never one that the step reads.
local function free_slot(busy, at)
	for slot = 0, limits.SLOTS - 1 do
		local register <const> = busy[slot]
		if not register or register.last < at then return slot end
	end
	return nil
end

-- Gives the registers their slots.
local function assign(self)
	local busy <const> = {}
	for number, register in pairs(self.fixed) do busy[number] = register end
	for at, parts in ipairs(self.steps) do
		if parts.to then
			local slot <const> = free_slot(busy, at)
			if not slot then
				self.c:too_large("%d values are needed at once, at most %d", limits.SLOTS + 1, limits.SLOTS)
			end
			parts.to.slot, busy[slot] = slot, parts.to
		end
	end
end

local function number(register)
	return type(register) == "table" and register.slot or register
end

--- Appends the steps to a list, with numbers for registers and labels.
---@return integer first where they begin
---@return table<integer, integer> places the step that each one became
function Region:append(list)
	shorten(self)
	assign(self)
	local first <const> = #list
	for i, parts in ipairs(self.steps) do
		parts.to, parts.a, parts.b = number(parts.to), number(parts.a), number(parts.b)
		if parts.yes then parts.yes, parts.no = first + parts.yes, first + parts.no end
		list[first + i] = parts
	end
	return first, self.places
end

return region
