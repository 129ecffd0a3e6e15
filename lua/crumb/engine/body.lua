--- body: a plan, with its names, as the numbers that the engine reads (struct body in bpf/wire.h).

local body = {}

local FLAGS <const> = { constant = "CONSTANT", signed = "SIGNED", negated = "NOT", comm = "COMM" }
local NAMED <const> = { REGISTER = "reg", BUILTIN = "builtin" } -- what `a` names; of a comparison a builtin
local LISTED <const> = { IN = "sets", TEXT_LIKE = "patterns", TEXT_IN = "text_sets" } -- what `value` names

local function bits_of(names, from, numbers)
	local bits = 0
	for key, name in pairs(names) do
		if from[key] then bits = bits | numbers[name] end
	end
	return bits
end

-- Where to go on: a step that only ends the way is a verdict, which takes no step of its own.
local function way(steps, number, wire)
	local last <const> = steps[number + 1]
	if last and last.op == "ACCEPT" then return wire.verdict.ACCEPTED end
	if last and last.op == "REJECT" then return wire.verdict.REJECTED end
	return number
end

local function step(steps, number, wire, numbers)
	local one <const> = steps[number + 1]
	local named <const>, listed <const> = NAMED[one.op] or type(one.a) == "string" and "builtin", LISTED[one.op]
	local flags = bits_of(FLAGS, one, wire.flag)
	if named and not NAMED[one.op] then flags = flags | wire.flag.BUILTIN end
	return {
		op = wire.op[one.op], to = one.to or 0, width = one.width or 8,
		a = named and wire[named][one.a] or one.a or 0, b = one.b or 0,
		yes = way(steps, one.yes or number + 1, wire), no = way(steps, one.no or number + 1, wire), flags = flags,
		value = listed and numbers[listed][one.value + 1] or one.value or 0,
	}
end

local function steps_of(plan, wire, numbers)
	local out <const> = {}
	for number = 0, #plan.steps - 1 do out[number + 1] = step(plan.steps, number, wire, numbers) end
	return out
end

local function map(list, convert)
	local out <const> = {}
	for i, one in ipairs(list or {}) do out[i] = convert(one) end
	return out
end

local function needed_slots(plan)
	local bits = 0
	for _, one in ipairs(plan.aggregate or {}) do
		if one.slot then bits = bits | 1 << one.slot end
	end
	return bits
end

local function flags_of(plan, wire)
	local bits = bits_of({
		event = "EVENT", row = "ROW", small = "SMALL", kstack = "KSTACK", ustack = "USTACK", call = "CALL", stack_keys = "STACK_KEYS",
		begins = "BEGINS",
	}, plan, wire.body_flag)
	local large <const> = not plan.small and #(plan.aggregate or {}) + (plan.row and 1 or 0) > 0
	if plan.event or plan.kstack or plan.ustack or large then bits = bits | wire.body_flag.SCRATCH end
	return bits
end

--- What the programs at its sites must be able to do.
---@param plan table
---@param wire crumb.Wire
---@return integer bits of enum feature
function body.needs(plan, wire)
	local feature <const>, op <const> = wire.feature, wire.op
	local bits = bits_of({ event = "EVENTS", row = "TABLES", kstack = "STACKS", ustack = "STACKS", stack_keys = "STACKS" }, plan,
		feature)
	if #(plan.aggregate or {}) > 0 then bits = bits | feature.TABLES end
	for _, one in ipairs(plan.steps) do
		local number <const> = op[one.op]
		if number < op.ACCEPT then
			bits = bits | feature.STEPS
				| (number >= op.TEXT_EQ and feature.TEXTS or number >= op.EQ and feature.COMPARISONS
					or number >= op.ADD and feature.ARITHMETIC or 0)
		end
	end
	return bits
end

--- Encodes a plan for `bodies:update`.
---@param plan table see doc/design/0002-tracer.md
---@param wire crumb.Wire
---@param numbers { patterns: integer[], sets: integer[], text_sets: integer[] } of what the plan lists, in its order
---@param place { generation: integer, ring: integer?, table: integer?, owner: integer?, partner: integer?, to: integer?,
--- once: boolean? }
---@return table
function body.encode(plan, wire, numbers, place)
	local function output(one)
		return { kind = wire.output_kind[one.kind], slot = one.slot or 0, length = one.length or 0, size = one.size or 0 }
	end
	return {
		generation = place.generation, flags = flags_of(plan, wire) | (place.once and wire.body_flag.ONCE or 0),
		sample = plan.sample or 0, limit = plan.limit or 0,
		ring = place.ring or 0, table = place.table or 0, owner = place.owner or 0, partner = place.partner or 0, to = place.to or 0,
		open_start = way(plan.steps, plan.open_start or 0, wire), key_start = way(plan.steps, plan.key_start or 0, wire),
		start = way(plan.steps, plan.start or 0, wire),
		key_slots = string.char(table.unpack(plan.key_slots or {})),
		cells = #(plan.outputs or {}), saves = #(plan.saved or {}), keys = #(plan.by or {}),
		aggregates = #(plan.aggregate or {}), key_words = plan.key_words or 0, needed = needed_slots(plan),
		steps = steps_of(plan, wire, numbers),
		outputs = map(plan.outputs, output), saved = map(plan.saved, output),
		by = map(plan.by, function(one)
			return { kind = wire.key_kind[one.kind], slot = one.slot or 0, size = one.size or 0 }
		end),
		aggregate = map(plan.aggregate, function(one)
			return {
				op = wire.aggregate_op[one.op], slot = one.slot or 0, cell = one.cell or 0,
				min = one.min or 0, max = one.max or 0, step = one.step or 0,
			}
		end),
		texts = plan.texts or {}, identity = plan.identity or {},
	}
end

return body
