--- engine: the engine (bpf/engine.bpf.c) by hand: bodies with names for numbers, hits of a victim, and what came of them.

local bpf = require "crumb.bpf"
local core = require "crumb.core"
local lab = require "support.lab"
local registers = require "crumb.arguments.registers"
local Victim = require "support.victim"

local ENUMS <const> = {
	"limit", "role", "op", "flag", "builtin", "reg", "output_kind", "key_kind", "aggregate_op", "body_flag", "bell", "seen",
	"feature",
}
local FLAGS <const> = { "event", "row", "small", "kstack", "ustack", "call", "scratch", "stack_keys", "once" }
local WORDS <const> = { SLOT = 1, SITE = 1, COMM = 2, STRING = 8, KSTACK = 1, USTACK = 1, SAVED_STRING = 8 }
local MEASURES <const> = { ticks = true, spent = true, seen = true }
local BODIES <const> = 8 -- that specs use
local OWN <const> = { [".rodata.copy"] = true, serving = true }
local ALL <const> = 0xffffffff -- of enum feature
local VERDICT <const> = { accept = 254, reject = 255 }
local UPROBE_MULTI <const> = bpf.features().hooks["uprobe.multi"].available

local _ <const>, _ <const>, MACHINE <const> = core.versions()
local RETVAL <const> = { x86_64 = "ax", aarch64 = "x0" }

local Engine = {}
Engine.__index = Engine

--- Where a register lies in the context of a place in a function: "sp", "ip", "retval", "arg0" of x86_64 …
function Engine.offset(name)
	return assert(registers.offset(name == "retval" and RETVAL[MACHINE] or name))
end

local function numbers()
	local btf <close> = assert(core.btf { bytes = core.engine() })
	local all <const> = {}
	for _, enum in ipairs(ENUMS) do
		for _, value in ipairs(assert(btf:type("enum " .. enum)).values) do all[value.name] = value.value end
	end
	return setmetatable(all, { __index = function(_, name) error("no " .. name, 2) end })
end

local function bits_of(features)
	local number <const>, bits = numbers(), 0
	for _, name in ipairs(features) do bits = bits | number["FEATURE_" .. name] end
	return bits
end

--- The program for a uprobe on this kernel.
Engine.UPROBE = UPROBE_MULTI and "serve_uprobe_multi" or "serve_probe"

-- The engine's object, of which one program is loaded, for the function `target` if it is fentry or fexit.
local function copy(program, target, prepare)
	local object <const> = assert(bpf.open { bytes = core.engine(), name = "engine" })
	for name, one in pairs(object.programs) do one:set_autoload(name == program) end
	object.globals.features = ALL
	if target then assert(object.programs[program]:set_attach_target(target)) end
	prepare(object)
	return assert(object:load())
end

--- Loads one program of the engine.
---@param given { program: string?, target: string?, features: string[]? }? target: the function of a fentry or fexit
--- program; features: those it has, instead of all; ring, pairs, stacks, small, large: how much these hold
function Engine.open(given)
	given = given or {}
	local program <const> = given.program or Engine.UPROBE
	local object <const> = copy(program, given.target, function(object)
		if given.features then object.globals.features = bits_of(given.features) end
		object.maps.first_ring:set_max_entries(given.ring or 1 << 16)
	end)
	local self <const> = setmetatable({
		object = object, maps = object.maps, program = object.programs[program], number = numbers(), inner = {}, copies = {},
	}, Engine)
	self:put("pairs", 0, given.pairs or 256)
	self:put("stacks", 0, given.stacks or 256)
	self:put("small_tables", 0, given.small or 256)
	self:put("large_tables", 0, given.large or 256)
	self.ring = assert(object:ring "first_ring")
	return self
end

--- The engine attached where a victim is called, for the tests of a file.
--- Shape: the engine, the victim, and what closes both and looks whether all is closed
function Engine.with_victim(site)
	local before <const>, victim <const>, engine <const> = lab.descriptors(), Victim.start(), Engine.open()
	engine:attach("uprobe:build/fixtures/victim:called", site)
	return engine, victim, function()
		engine:close()
		victim:stop()
		assert(before == lab.descriptors(), "descriptors are left open")
	end
end

--- Loads another program, of a copy of the object with the same maps.
function Engine:add(program, target)
	local object <const> = copy(program, target, function(object)
		for name, map in pairs(object.maps) do
			if not OWN[name] then assert(map:share(self.maps[name])) end
		end
	end)
	self.copies[#self.copies + 1] = object
	return object.programs[program]
end

--- A new inner map in a map of maps, whose only one it is; the one before is closed.
function Engine:put(name, index, size)
	if self.inner[name] then self.inner[name]:close() end
	local map <const> = assert(self.maps[name]:create_inner { max_entries = size })
	self.inner[name] = map
	assert(self.maps[name]:update(index, map))
	return map
end

function Engine:close()
	self.ring:close()
	for _, object in ipairs(self.copies) do object:close() end
	self.object:close()
	for _, map in pairs(self.inner) do map:close() end
end

Engine.__close = Engine.close

-- What `a` is: a slot, or the name of a register or builtin.
local function operand(number, one)
	if type(one.a) ~= "string" then return one.a or 0, 0 end
	if one.op == "REGISTER" then return number["REG_" .. one.a], 0 end
	return number["BUILTIN_" .. one.a], one.op == "BUILTIN" and 0 or number.FLAG_BUILTIN
end

-- Without a word a step goes on at the next one, the last one to "accept", and no comparison's `no` but to "reject".
local function assemble(number, one, i, count)
	local a <const>, flag <const> = operand(number, one)
	local flags = flag
	if one.value and one.op ~= "CONSTANT" then flags = flags | number.FLAG_CONSTANT end
	if one.signed then flags = flags | number.FLAG_SIGNED end
	if one.negated then flags = flags | number.FLAG_NOT end
	if one.comm then flags = flags | number.FLAG_COMM end
	local following <const> = i < count and i or VERDICT.accept
	return {
		op = number["OP_" .. one.op], to = one.to or 0, a = a, b = one.b or 0, width = one.width or 8, flags = flags,
		yes = VERDICT[one.yes] or one.yes or following, no = VERDICT[one.no] or one.no or VERDICT.reject, value = one.value or 0,
	}
end

local function map(list, convert)
	local out <const> = {}
	for i, one in ipairs(list or {}) do out[i] = convert(one, i, #list) end
	return out
end

local function words_of(by)
	local words = 0
	for _, key in ipairs(by or {}) do words = words + WORDS[key[1]] end
	return words
end

--- Writes a body. Steps are { op = "ADD", to =, a =, b = | value =, … }, outputs and keys { "STRING", slot, size =, length = },
--- aggregates { "SUM", slot, cell =, min =, max =, step = }, flags booleans; the rest is as in struct body.
function Engine:body(index, given)
	local number <const>, body <const>, flags = self.number, {}, 0
	for _, flag in ipairs(FLAGS) do
		if given[flag] then flags = flags | number["BODY_" .. flag:upper()] end
	end
	local large <const> = not given.small and (given.row or given.aggregate)
	if given.event or given.kstack or given.ustack or large then flags = flags | number.BODY_SCRATCH end
	local function output(one)
		return { kind = number["OUTPUT_" .. one[1]], slot = one[2] or 0, length = one.length or 0, size = one.size or 0 }
	end
	for _, name in ipairs { "sample", "limit", "ring", "table", "owner", "partner", "open_start", "key_start", "needed" } do
		body[name] = given[name] or 0
	end
	body.generation, body.flags = given.generation or index, flags
	body.start = given.start or given.steps and 0 or VERDICT.accept
	if not given.steps and not given.open_start then body.open_start = VERDICT.accept end
	body.key_slots = string.char(table.unpack(given.key_slots or { 0, 0 }))
	body.cells, body.saves = #(given.outputs or {}), #(given.saved or {})
	body.keys, body.aggregates = #(given.by or {}), #(given.aggregate or {})
	body.key_words = words_of(given.by)
	body.steps = map(given.steps, function(...) return assemble(number, ...) end)
	body.outputs, body.saved = map(given.outputs, output), map(given.saved, output)
	body.by = map(given.by, function(one) return { kind = number["KEY_" .. one[1]], slot = one[2] or 0 } end)
	body.aggregate = map(given.aggregate, function(one)
		return {
			op = number["AGGREGATE_" .. one[1]], slot = one[2] or 0, cell = one.cell or 0, min = one.min or 0, max = one.max or 0,
			step = one.step or 0,
		}
	end)
	body.texts, body.identity = given.texts or {}, given.identity or {}
	assert(self.maps.bodies:update(index, body))
end

--- Says what a site does: body 0 or nil, nothing.
function Engine:site(index, body, cookie, gauge)
	assert(self.maps.sites:update(index, { body = body or 0, gauge = gauge or index, cookie = cookie or 0 }))
end

--- Attaches the program to a place, as a site in a role ("HIT", "OPEN", "RETURN" or "TO").
---@param pid integer? only of this process
---@param program crumb.Program? one that was added
function Engine:attach(target, site, role, pid, program)
	local bits <const> = site | self.number["ROLE_" .. (role or "HIT")] << 32
	return assert((program or self.program):attach { target, pid = pid, cookie = bits })
end

--- What became of a site's hits: the outcomes that are not 0.
function Engine:account(site)
	local account <const> = {}
	for name, value in pairs(self.maps.accounts:lookup(site)) do
		if not MEASURES[name] and value ~= 0 then account[name] = value end
	end
	return account
end

--- Forgets what became of a site's hits.
function Engine:forget(site) assert(self.maps.accounts:update(site, {})) end

--- The pairs that a body is still to end.
function Engine:references(body) return self.maps.references:lookup(body) end

--- Sites without a rule and an account, and bodies that no pair refers to.
function Engine:start_over(sites)
	for _, site in ipairs(sites) do
		self:site(site)
		self:forget(site)
	end
	for body = 1, BODIES do assert(self.maps.references:update(body, 0)) end
end

--- Checks that what these sites' accounts call pending is what is kept, and what refers to bodies.
function Engine:check_pairs(sites)
	local pending, kept, referred = 0, 0, 0
	for _, site in ipairs(sites) do
		local account <const> = self.maps.accounts:lookup(site)
		pending = pending + account.opened - account.closed - account.abandoned
	end
	for _ in pairs(self.inner.pairs) do kept = kept + 1 end
	for body = 1, BODIES do referred = referred + self:references(body) end
	assert(pending == kept and kept == referred,
		("%d pairs are pending, %d are kept, %d refer to bodies"):format(pending, kept, referred))
end

--- Says of every scratch slot whether a hit holds it.
---@param busy boolean
function Engine:hold_scratches(busy)
	local scratches <const> = self.maps.scratches
	for slot = 0, scratches.max_entries - 1 do
		local scratch <const> = scratches:lookup(slot)
		scratch.busy = busy and 1 or 0
		assert(scratches:update(slot, scratch))
	end
end

local Record = {}
Record.__index = Record

--- The bytes that a cell tells of, and whether they were cut.
function Record:piece(cell)
	local word <const> = self[cell]
	local at <const>, length <const> = word & 0xffff, word >> 16 & 0xffff
	assert(at + length <= #self.bytes, "the piece lies outside the record")
	return self.bytes:sub(at + 1, at + length), word >> 32 == 1
end

--- The frames of a stack.
function Record:frames(cell)
	local bytes <const> = self:piece(cell)
	local frames <const> = {}
	for at = 1, #bytes, 8 do frames[#frames + 1] = ("<i8"):unpack(bytes, at) end
	return frames
end

-- The cells of a record by their numbers, from 0; false where one could not be read.
local function record_of(bytes, count)
	local record <const> = setmetatable({ bytes = bytes }, Record)
	record.time, record.generation, record.site, record.pid, record.tid, record.uid, record.gid, record.comm, record.failed,
		record.cpu = ("<I8I4I4I4I4I4I4c16I4I4"):unpack(bytes)
	for cell = 0, count - 1 do
		record[cell] = record.failed >> cell & 1 == 0 and ("<i8"):unpack(bytes, 57 + 8 * cell)
	end
	return record
end

--- Takes the records that wait, with so many cells each.
function Engine:records(cells)
	local records <const> = {}
	for bytes in self.ring:events { idle = 0 } do records[#records + 1] = record_of(bytes, cells or 0) end
	return records
end

local function before(a, b)
	for i, word in ipairs(a.words) do
		if word ~= b.words[i] then return word < b.words[i] end
	end
	return false
end

--- The rows of a table, by their keys: { words =, count =, cells = }.
function Engine:rows(name)
	local rows <const> = {}
	for key, row in pairs(self.inner[name or "small_tables"]) do
		rows[#rows + 1] = { words = key.words, count = row.count, cells = row.cells }
	end
	table.sort(rows, before)
	return rows
end

return Engine
