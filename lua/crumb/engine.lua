--- engine: the BPF object that traces, as Lua has it: what its maps hold, who has which of their elements.
--
-- bpf/wire.h says what the maps mean, doc/design/0002-tracer.md how they play together. What a rule is, and what a
-- person asked for, is not known here.

require "crumb.bpf.map"

local body <const> = require "crumb.engine.body"
local core <const> = require "crumb.core"
local members <const> = require "crumb.bpf.object"
local new_pool <const> = require "crumb.engine.pool"
local new_reclaim <const> = require "crumb.engine.reclaim"
local new_share <const> = require "crumb.engine.share"
local new_stacks <const> = require "crumb.engine.stacks"
local pattern <const> = require "crumb.engine.pattern"
local programs <const> = require "crumb.engine.programs"
local wire <const> = require "crumb.engine.wire"

local ENOSPC <const>, EINVAL <const> = 28, 22
local BATCH <const> = 1024
local TABLE_WEIGHT <const> = 16 -- it holds memory and a descriptor

---@class crumb.Engine
---@field wire crumb.Wire
---@field maps table<string, crumb.Map>
---@field programs table see crumb.engine.programs
---@field ring crumb.Ring of all ring buffers
---@field layouts table<integer, crumb.Layout> by generation
---@field reclaim crumb.Reclaim
---@field stacks crumb.Stacks
local Engine = {}
Engine.__index = Engine

--- Rings a program that finds it armed wakes the reader: "OFF", "NOW" or "NEARLY_FULL".
---@param how string
function Engine:set_bell(how) self.object:set_global("bell", self.wire.bell[how]) end

-- Takes a number, if need be after what waits to be free.
local function take(self, name, what)
	local pool <const> = self.pools[name]
	local number = pool:take()
	if number then return number end
	local done <const>, message <const>, errno <const> = self.reclaim:collect()
	if not done then return nil, message, errno end
	number = pool:take()
	if number then return number end
	return nil, ("all %d %s are in use"):format(pool:size(), what), ENOSPC
end

-- Takes a number and fills that element of a map with what `make` returns.
local function take_filled(self, name, what, make)
	local number <const>, message <const>, errno <const> = take(self, name, what)
	if not number then return nil, message, errno end
	local value <const>, why <const>, refused <const> = make()
	local done, wrong, code = value, why, refused
	if value then done, wrong, code = self.maps[name]:update(number, value) end
	if done then return number, value end
	self.pools[name]:give(number)
	return nil, wrong, code
end

-- A new inner map of one of the maps of maps, with these elements.
local function new_set(self, name, list)
	local map <const>, message <const>, errno <const> = self.maps[name]:create_inner { max_entries = math.max(1, #list) }
	if not map then return nil, message, errno end
	for first = 1, #list, BATCH do
		local keys <const>, values <const> = table.move(list, first, math.min(#list, first + BATCH - 1), 1, {}), {}
		for i, key in ipairs(keys) do
			values[i] = 1
			if name == "text_sets" then keys[i] = { bytes = key } end
		end
		local done <const>, why <const>, number <const> = map:update_batch(keys, values)
		if not done then
			map:close()
			return nil, why, number
		end
	end
	return map
end

local function add_set(self, name, list)
	local number <const>, map <const>, errno <const> = take_filled(self, name, "sets",
		function() return new_set(self, name, list) end)
	if not number then return nil, map, errno end
	map:close()
	return number
end

local function add_pattern(self, text)
	local automaton <const>, why <const> = pattern.compile(text)
	if not automaton then return nil, why, EINVAL end
	return (take_filled(self, "patterns", "patterns", function() return automaton end))
end

local function key_of(list)
	local parts <const> = {}
	for i, one in ipairs(list) do parts[i] = ("s8"):pack(tostring(one)) end
	return table.concat(parts)
end

local RESOURCES <const> = {
	patterns = function(self, text) return text, function() return add_pattern(self, text) end end,
	sets = function(self, list) return key_of(list), function() return add_set(self, "sets", list) end end,
	text_sets = function(self, list) return key_of(list), function() return add_set(self, "text_sets", list) end end,
}

local function drop_resources(self, taken)
	for _, one in ipairs(taken) do self.shares[one.share]:drop(one.shared) end
end

-- What the plan lists: the numbers by kind, and what was taken.
local function take_resources(self, plan)
	local numbers <const>, taken <const> = {}, {}
	for name, describe in pairs(RESOURCES) do
		numbers[name] = {}
		for i, one in ipairs(plan[name] or {}) do
			local shared <const>, message <const>, errno <const> = self.shares[name]:take(describe(self, one))
			if not shared then
				drop_resources(self, taken)
				return nil, message, errno
			end
			taken[#taken + 1] = { share = name, shared = shared }
			numbers[name][i] = shared.number
		end
	end
	return numbers, taken
end

--- What the programs at the sites of a plan must be able to do.
---@param plan table
---@return integer bits of enum feature
function Engine:needs(plan) return body.needs(plan, self.wire) end

---@class crumb.Body what a published rule is
---@field number integer
---@field generation integer
---@field plan table
---@field begun_by table<crumb.Body, true> calls at whose return spans begin that end by it

--- Makes a body of a plan; it is not published.
--- Errors: nil, message, errno.
---@param plan table
---@param layout crumb.Layout? of its records
---@param place { ring: integer?, table: integer?, owner: integer?, partner: crumb.Body?, once: boolean? } partner nil: itself
---@return crumb.Body?, string?, integer?
function Engine:body(plan, layout, place)
	local number <const>, message <const>, errno <const> = take(self, "bodies", "bodies of rules")
	if not number then return nil, message, errno end
	local numbers <const>, taken <const>, refused <const> = take_resources(self, plan)
	if not numbers then
		self.pools.bodies:give(number)
		return nil, taken, refused
	end
	local generation <const> = self.generation + 1
	self.generation = generation
	local done <const>, why <const>, code <const> = self.maps.bodies:update(number, body.encode(plan, self.wire, numbers, {
		generation = generation, ring = place.ring, table = place.table, owner = place.owner, once = place.once,
		partner = place.partner and not plan.begins and place.partner.number or number,
		to = plan.begins and place.partner.number or nil,
	}))
	if not done then
		drop_resources(self, taken)
		self.pools.bodies:give(number)
		return nil, why, code
	end
	self.layouts[generation] = layout
	local made <const> = { number = number, generation = generation, plan = plan, taken = taken }
	if plan.begins then place.partner.begun_by[made] = true end
	made.begun_by = {}
	return made
end

-- Whether pairs will end by a body, or calls are under way that will begin such.
local function is_awaited(self, one)
	for call in pairs(one.begun_by) do
		if self.references:get(call.number, 0, 8) ~= 0 then return true end
		one.begun_by[call] = nil
	end
	return self.references:get(one.number, 0, 8) ~= 0
end

--- A body that is at no site any more: its number comes back when nothing can refer to it.
---@param one crumb.Body
function Engine:retire(one)
	self.reclaim:add(function()
		drop_resources(self, one.taken)
		self.pools.bodies:give(one.number)
		self.reclaim:after_reading(function() self.layouts[one.generation] = nil end)
	end, function() return is_awaited(self, one) end)
end

--- Numbers for sites, which are at no body. Those with one cookie share its ticks and its budget.
--- Errors: nil, message, errno.
---@param cookies integer[] of each
---@return integer[]?, string?, integer?
function Engine:take_sites(cookies)
	local pool <const> = self.pools.sites
	if pool:left() < #cookies then
		local done <const>, message <const>, errno <const> = self.reclaim:collect()
		if not done then return nil, message, errno end
	end
	local numbers <const> = pool:take_many(#cookies)
	if not numbers then
		return nil, ("of the trace's %d sites %d are free, and %d are needed: crumb.trace { sites = n } makes more"):format(
			pool:size(), pool:left(), #cookies), ENOSPC
	end
	local at <const>, gauges <const>, first <const> = self.wire.at.site, {}, {}
	for i, cookie in ipairs(cookies) do
		local gauge <const> = first[cookie] or numbers[i]
		first[cookie], gauges[i] = gauge, gauge
	end
	self.sites:store(numbers, at.body, 4, 0)
	self.sites:store(numbers, at.gauge, 4, gauges)
	self.sites:store(numbers, at.cookie, 8, cookies)
	return numbers
end

--- What happens at sites from their next hit on; nil: nothing.
---@param numbers integer[]
---@param one crumb.Body?
function Engine:publish(numbers, one) self.sites:store(numbers, self.wire.at.site.body, 4, one and one.number or 0) end

--- Sites that nothing is attached to any more: their numbers come back.
---@param numbers integer[]
---@param forget fun() called when no record can name them any more
function Engine:retire_sites(numbers, forget)
	self.reclaim:add(function()
		self.reclaim:after_reading(function()
			for _, name in ipairs(self.wire.outcomes) do self.accounts:store(numbers, self.wire.at.account[name], 8, 0) end
			for i = #numbers, 1, -1 do self.pools.sites:give(numbers[i]) end
			forget()
		end)
	end)
end

--- What became of the hits of some sites: the sum of struct account.
---@param numbers integer[]
---@return table<string, integer>
function Engine:account(numbers)
	local account <const> = {}
	for _, name in ipairs(self.wire.outcomes) do
		account[name] = self.accounts:sum(numbers, self.wire.at.account[name])
	end
	return account
end

--- Whether a site that reports once has, and no pair of it is to end.
---@param site integer
---@return boolean
function Engine:has_reported(site)
	local accounts <const>, at <const> = self.accounts, self.wire.at.account
	if accounts:get(site, at.seen, 8) ~= self.wire.seen.DONE then return false end
	local ended <const> = accounts:get(site, at.closed, 8) + accounts:get(site, at.abandoned, 8)
	return accounts:get(site, at.opened, 8) == ended
end

--- Whether any of some sites that report once has, or is about to.
---@param numbers integer[]
---@return boolean
function Engine:any_seen(numbers) return self.accounts:sum(numbers, self.wire.at.account.seen) ~= 0 end

--- Whether a site that reports once has.
---@param site integer
---@return boolean
function Engine:seen(site) return self.accounts:get(site, self.wire.at.account.seen, 8) == self.wire.seen.DONE end

-- The accounts of sites as they were: `account` is as the engine's.
local Kept <const> = {}
Kept.__index = Kept

function Kept:account(numbers)
	local account <const> = {}
	for _, name in ipairs(self.wire.outcomes) do
		local sum, at <const> = 0, self.wire.at.account[name] + 1
		for _, number in ipairs(numbers) do sum = sum + ("<i8"):unpack(self.bytes, self.places[number] * self.size + at) end
		account[name] = sum
	end
	return account
end

--- The accounts of sites, to be asked for when the engine counts there for others.
---@param numbers integer[]
---@return { account: fun(self: table, numbers: integer[]): table<string, integer> }
function Engine:keep_accounts(numbers)
	local places <const> = {}
	for i, number in ipairs(numbers) do places[number] = i - 1 end
	return setmetatable({
		bytes = self.accounts:bytes(numbers), places = places, size = self.accounts.size, wire = self.wire,
	}, Kept)
end

--- Adds to one outcome of a site.
function Engine:count(site, outcome, by) self.accounts:add(site, self.wire.at.account[outcome], by) end

--- One more ring buffer than the first, whose number is 0; or one of that size which was given back.
--- Errors: nil, message, errno.
---@param size integer bytes
---@return integer? number
---@return string?, integer?
function Engine:add_ring(size)
	for spare in pairs(self.spare_rings) do
		if self.ring_sizes[spare] == size then
			self.spare_rings[spare] = nil
			return spare
		end
	end
	local number <const>, map <const>, errno <const> = take_filled(self, "rings", "rings",
		function() return self.maps.rings:create_inner { max_entries = size } end)
	if not number then return nil, map, errno end
	local added <const>, message <const>, code <const> = self.ring:add_map(map)
	if not added then
		self.pools.rings:give(number)
		return nil, message, code
	end
	self.ring_sizes[number] = size
	return number
end

--- A ring that is of no use any more: it stays, since its reader cannot leave it, and serves the next of its size.
---@param number integer
function Engine:spare_ring(number) self.spare_rings[number] = self.ring_sizes[number] and true end

---@class crumb.Table what one rule aggregates into
---@field name string small_tables or large_tables
---@field number integer
---@field map crumb.Map
---@field rows integer

--- A table for rows, with raw keys and values.
--- Errors: nil, message, errno.
---@param small boolean
---@param rows integer how many it holds
---@param has_stacks boolean? among its keys
---@return crumb.Table?, string?, integer?
function Engine:table(small, rows, has_stacks)
	local name <const> = small and "small_tables" or "large_tables"
	local number <const>, map <const>, errno <const> = take_filled(self, name, "tables",
		function() return self.maps[name]:create_inner { max_entries = rows, raw = true } end)
	if not number then return nil, map, errno end
	local made <const> = { name = name, number = number, map = map, rows = rows }
	if has_stacks then self.stacks:add(made) end
	return made
end

--- Puts an empty map in the place of a table's: the one before, which nobody writes to any more.
--- Errors: nil, message, errno.
---@param one crumb.Table
---@return crumb.Map?, string?, integer?
function Engine:exchange(one)
	local map <const>, message <const>, errno <const> = self.maps[one.name]:create_inner { max_entries = one.rows, raw = true }
	if not map then return nil, message, errno end
	local done <const>, why <const>, number <const> = self.maps[one.name]:update(one.number, map)
	if not done then
		map:close()
		return nil, why, number
	end
	local before <const> = one.map
	one.map = map
	return before
end

--- A table that no body adds to any more.
---@param one crumb.Table
function Engine:retire_table(one)
	self.stacks:remove(one)
	self.reclaim:add(function()
		self.maps[one.name]:delete(one.number)
		self.pools[one.name]:give(one.number)
		one.map:close()
	end, nil, TABLE_WEIGHT)
end

--- The one inner map of `pairs` or `stacks`, made when it is first wanted.
--- Errors: nil, message, errno.
---@param name string
---@return crumb.Map?, string?, integer?
function Engine:only(name)
	if self.inner[name] then return self.inner[name] end
	local map <const>, message <const>, errno <const> = self.maps[name]:create_inner { max_entries = self.limits[name] }
	if not map then return nil, message, errno end
	local done <const>, why <const>, number <const> = self.maps[name]:update(0, map)
	if not done then
		map:close()
		return nil, why, number
	end
	self.inner[name] = map
	return map
end

--- Unloads all: what is attached must be detached before.
function Engine:close()
	self.programs:close()
	self.object:close()
	for _, window in ipairs { self.sites, self.accounts, self.references } do window:close() end
	self.stacks:close()
	for _, map in pairs(self.inner) do map:close() end
end

-- How many processors there may be; many, where the kernel does not tell.
local function processors()
	local file <close> = io.open "/sys/devices/system/cpu/possible"
	local last <const> = file and file:read("a"):match "(%d+)%s*$"
	return last and math.tointeger(last) + 1 or 256
end

local function open_object(bytes, limits, slots_a_cpu)
	local object <const>, message <const>, errno <const> = core.object(bytes, "crumb", "the engine")
	if not object then return nil, message, errno end
	members(object)
	for _, program in pairs(object.programs) do program:set_autoload(false) end
	object.maps.sites:set_max_entries(limits.sites + 1)
	object.maps.accounts:set_max_entries(limits.sites + 1)
	object.maps.first_ring:set_max_entries(limits.ring_size)
	object.maps.scratches:set_max_entries(slots_a_cpu * (processors() + 1))
	local device <const>, inode <const> = core.pid_namespace()
	object.globals.pidns_dev, object.globals.pidns_ino = device or 0, inode or 0
	local loaded <const>, why <const>, number <const> = object:load()
	if loaded then return object end
	object:close()
	return nil, "load the engine: " .. why, number
end

local function pools_of(maps)
	local pools <const> = { families = new_pool(0, 63) }
	-- Site 0 and body 0 are none, ring 0 is the first.
	for _, name in ipairs { "rings", "sites", "bodies", "patterns", "sets", "text_sets", "small_tables", "large_tables" } do
		pools[name] = new_pool(1, maps[name].max_entries - 1)
	end
	return pools
end

local function fill(self)
	self.pools = pools_of(self.maps)
	self.shares = {}
	for name in pairs(RESOURCES) do
		self.shares[name] = new_share(function(number)
			if name ~= "patterns" then self.maps[name]:delete(number) end
			self.pools[name]:give(number)
		end)
	end
	for name, map in pairs { sites = "sites", accounts = "accounts", references = "references" } do
		local window <const>, message <const>, errno <const> = core.window(self.maps[map])
		if not window then return nil, message, errno end
		self[name] = window
	end
	local ring <const>, message <const>, errno <const> = core.ring(self.object)
	if not ring then return nil, message, errno end
	self.ring, self.reclaim.ring = ring, ring
	local added <const>, why <const>, code <const> = ring:add_map(self.maps.first_ring)
	if not added then return nil, why, code end
	return self
end

local engine = {}

--- Opens the engine, without a program loaded.
--- Errors: nil, message, errno.
---@param limits { sites: integer, pairs: integer, stacks: integer, ring_size: integer } how many there may be; bytes
---@return crumb.Engine?, string?, integer?
function engine.open(limits)
	local bytes <const> = core.engine(true)
	local numbers <const>, message <const>, errno <const> = wire.read(bytes)
	if not numbers then return nil, message, errno end
	local object <const>, why <const>, refused <const> = open_object(bytes, limits, numbers.limit.SCRATCHES_A_CPU)
	if not object then return nil, why, refused end
	local self <const> = setmetatable({
		wire = numbers, object = object, maps = object.maps, limits = limits, inner = {}, layouts = {}, generation = 0,
		ring_sizes = {}, spare_rings = {},
		reclaim = new_reclaim(), programs = programs.new(bytes, numbers.feature.FEW, object.maps),
	}, Engine)
	self.stacks = new_stacks(self)
	return fill(self)
end

return engine
