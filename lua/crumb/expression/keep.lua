--- keep: what a plan keeps beside its steps: texts, patterns and sets, and what a pair keeps of its beginning.

local limits <const> = require "crumb.expression.limits"

local keep = {}

local Pool <const> = {}
Pool.__index = Pool

--- The texts, patterns and sets of a plan, which steps name by their place, from 0.
function keep.pool()
	return setmetatable({ texts = {}, patterns = {}, sets = {}, text_sets = {}, alone = {} }, Pool)
end

local function place_of(list, value)
	for i, known in ipairs(list) do
		if known == value then return i - 1 end
	end
	list[#list + 1] = value
	return #list - 1
end

--- What compares with a text: those for which a body has no room are sets of their own.
---@return string op
---@return integer place
function Pool:text(text)
	for i, known in ipairs(self.texts) do
		if known == text then return "TEXT_EQ", i - 1 end
	end
	if #self.texts < limits.TEXTS then return "TEXT_EQ", place_of(self.texts, text) end
	self.alone[text] = self.alone[text] or { text }
	return "TEXT_IN", place_of(self.text_sets, self.alone[text])
end

function Pool:pattern(pattern) return place_of(self.patterns, pattern) end
function Pool:set(values) return place_of(self.sets, values) end
function Pool:text_set(values) return place_of(self.text_sets, values) end

local Saves <const> = {}
Saves.__index = Saves

--- What a pair keeps: scalars and the numbers of stacks, which are the first slots at its end, then texts.
function keep.saves()
	return setmetatable({ nodes = {}, places = {}, stacks = {}, texts = {} }, Saves)
end

--- The number of the cell that keeps a SAVED node.
function Saves:scalar(node)
	local place = self.places[node]
	if not place then
		place = #self.nodes
		self.places[node], self.nodes[place + 1] = place, node.a
	end
	return place
end

--- The stack that is kept, a table whose `slot` is its cell when all are known.
---@param kind "kstack"|"ustack"
function Saves:stack(kind)
	for _, known in ipairs(self.stacks) do
		if known.kind == kind then return known end
	end
	self.stacks[#self.stacks + 1] = { kind = kind }
	return self.stacks[#self.stacks]
end

--- The text that is kept, a table whose `slot` is its cell when all are known.
---@param of table a value of kind "string"
---@param is_key boolean
function Saves:text(of, is_key)
	for _, text in ipairs(self.texts) do
		if text.address == of.address and (is_key or text.only_key or text.size == of.size) then
			if not is_key and text.only_key then text.size, text.only_key = of.size, false end
			text.is_key = text.is_key or is_key
			return text
		end
	end
	local size <const> = is_key and math.min(of.size or limits.TEXT_BYTES, limits.TEXT_BYTES) or of.size
	local text <const> = { address = of.address, size = size, is_key = is_key, only_key = is_key }
	self.texts[#self.texts + 1] = text
	return text
end

-- Those without a size of their own share what the others leave.
local function share(c, texts)
	local left, open = limits.SAVED_BYTES, 0
	for _, text in ipairs(texts) do
		left = left - (text.size or 0)
		if not text.size then open = open + 1 end
	end
	local each <const> = open > 0 and left // open or 0
	if left < 0 or open > 0 and each < 1 then
		c:too_large("the texts that are kept from the beginning have %d bytes, all together at most %d",
			limits.SAVED_BYTES - left, limits.SAVED_BYTES)
	end
	for _, text in ipairs(texts) do text.size = text.size or each end
end

--- The outputs that fill the pair's cells, with what is computed in the steps of its beginning.
---@param region table of the beginning
function Saves:outputs(c, region)
	local outputs <const> = {}
	local count <const> = #self.nodes + #self.stacks + #self.texts
	if count > limits.SAVES then
		c:too_large("%d values are kept from the beginning, at most %d", count, limits.SAVES)
	end
	for i, node in ipairs(self.nodes) do outputs[i] = { kind = "SLOT", slot = region:result(node) } end
	for _, stack in ipairs(self.stacks) do
		stack.slot = #outputs
		outputs[#outputs + 1] = { kind = stack.kind:upper() }
	end
	share(c, self.texts)
	-- A key is copied as a whole, so it lies before what is longer.
	table.sort(self.texts, function(a, b)
		if a.is_key ~= b.is_key then return a.is_key end
		return a.address.id < b.address.id
	end)
	for _, text in ipairs(self.texts) do
		text.slot = #outputs
		outputs[#outputs + 1] = { kind = "STRING", slot = region:result(text.address), size = text.size }
	end
	return outputs
end

return keep
