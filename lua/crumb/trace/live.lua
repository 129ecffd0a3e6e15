--- live: a rule at its sites: compiled for each class of them, published, and exchanged while programs run.

local arguments <const> = require "crumb.arguments"
local event <const> = require "crumb.trace.event"
local expression <const> = require "crumb.expression"
local stack <const> = require "crumb.lazy" "crumb.stack"

local live = {}

local EINVAL <const> = 22

---@class crumb.Place a site with a number and, as long as it is enabled, a body; its cookie is the site's
---@field site crumb.Site
---@field number integer
---@field kin crumb.Kin what places of one end of a probe or span have in common
---@field body crumb.Body?
---@field refused boolean? by the kernel: it is not attached

---@class crumb.Kin
---@field inbox crumb.Inbox
---@field pair string? "call", "from" or "to"
---@field from table? of a span's beginnings: what was said of them
---@field count integer places

---@class crumb.Live
---@field engine crumb.Engine
---@field attachment crumb.Attachment of the places
---@field places crumb.Place[]
---@field rule crumb.Rule? what is published
---@field columns crumb.Columns? of its rows
---@field table crumb.Table?
---@field cells table[]? of its events
---@field kept table<string, table>? of a span: what its beginnings capture, by name
local Live = {}
Live.__index = Live

-- The same for tables with the same content.
local function signature(value)
	if type(value) ~= "table" then return ("s4"):pack(tostring(value)) end
	local parts <const> = {}
	for key, part in pairs(value) do parts[#parts + 1] = signature(key) .. signature(part) end
	table.sort(parts)
	return ("s4"):pack(table.concat(parts))
end

-- The plan of a class, or the one that comes to the same, as those of classes do that differ in names which the rule
-- does not use. A first one is compared with nothing.
local function distinct(plan, of_options)
	if not of_options.first then
		of_options.first = plan
		return plan
	end
	local known = of_options.by_signature
	if not known then
		known = { [signature(of_options.first)] = of_options.first }
		of_options.by_signature = known
	end
	local same <const> = signature(plan)
	known[same] = known[same] or plan
	return known[same]
end

-- What an expression may speak of at a place.
local function scope_of(place, from)
	local scope <const> = arguments.scope(place.site)
	local kin <const> = place.kin
	scope.begins = kin.from and kin.from.returns
	scope.pair, scope.site_count, scope.from = scope.begins and "call" or kin.pair, kin.count, from
	return scope
end

local function compile_one(scope, options, of_options)
	local plan <const>, message <const> = expression.compile(options, scope)
	if not plan then return nil, message, EINVAL end
	return distinct(plan, of_options)
end

-- The plan of a place: that of all of its kind, when the rule speaks of nothing that is the place's own; else that of
-- its class.
local function plan_of(place, options, of_options, from)
	local kind <const> = arguments.kind(place.site)
	local of_kind <const> = of_options.by_kind[kind]
	if of_kind then return of_kind end
	local scope <const> = scope_of(place, from)
	local class <const> = of_kind == false and arguments.class(scope)
	if class and of_options.by_class[class] then return of_options.by_class[class] end
	local plan <const>, message <const>, errno <const> = compile_one(scope, options, of_options)
	if not plan then return nil, message, errno end
	of_options.by_kind[kind] = not scope.asked and plan
	if scope.asked then of_options.by_class[arguments.class(scope)] = plan end
	return plan
end

-- The plan of each place, whether it is enabled or not, in their order: one for all that share what holds for their
-- place and come to the same. `options_of` says what holds for a place; `from` is the plan of what begins the pairs
-- that end there; `before` is what was compiled last: where the same options hold as then, so does the same plan.
local function compile(places, options_of, from, before)
	local known <const>, plans <const> = {}, {}
	for i, place in ipairs(places) do
		local options <const> = options_of(place)
		local of_options = known[options]
		if not of_options then
			of_options = before and before[options] or { by_kind = {}, by_class = {} }
			known[options] = of_options
		end
		local plan <const>, message <const>, errno <const> = plan_of(place, options, of_options, from)
		if not plan then return nil, message, errno end
		plans[i] = plan
	end
	return plans, known
end

-- The plans of the places that are enabled, false for the others.
local function enabled(places, plans, options_of)
	local kept <const> = {}
	for i, plan in ipairs(plans) do kept[i] = options_of(places[i]).enabled ~= false and plan end
	return kept
end

-- Each plan of a list once.
local function set_of(plans)
	local set <const>, last = {}, nil
	for _, plan in ipairs(plans) do
		if plan and plan ~= last then set[plan], last = true, plan end
	end
	return set
end

-- What is to come of the plans' rows; false: they have none.
local function columns_of(plans)
	local columns, small, first = false, nil, nil
	for plan in pairs(plans) do
		if plan.row or #(plan.aggregate or {}) > 0 then
			local shape <const> = signature { plan.columns, plan.small or false }
			if first and first ~= shape then
				return nil, "the keys or the aggregates are of other types at some of the sites: give them a probe of their own", EINVAL
			end
			columns, small, first = plan.columns, plan.small, shape
		end
	end
	return columns, small, first
end

-- The table that the rows go to: the one there is, as long as they look the same.
local function table_for(self, plans)
	local columns <const>, small <const>, shape <const> = columns_of(plans)
	if columns == nil then return nil, small, shape end
	if not columns then return false end
	if self.table and self.shape == shape then return self.table, columns, shape end
	local plan <const> = next(plans)
	local made <const>, message <const>, errno <const> = self.engine:table(small, self.rows, plan.stack_columns)
	if not made then return nil, message, errno end
	return made, columns, shape
end

-- What the plans need besides bodies; of those of beginnings it is where stacks are kept.
local function prepare(self, plans, openings)
	local wanted <const> = { pairs = self.pairs }
	local features = self.pairs and self.engine.wire.feature.PAIRS or 0
	for plan in pairs(openings or {}) do
		wanted.stacks = wanted.stacks or plan.stack_keys
		features = features | self.engine:needs(plan)
	end
	if wanted.stacks then self.engine.stacks:hold(self, true) end
	for plan in pairs(plans) do
		features = features | self.engine:needs(plan)
		wanted.stacks = wanted.stacks or plan.stack_keys
		if plan.event and not self.ring_number then
			local number <const>, message <const>, errno <const> = self.ring()
			if not number then return nil, message, errno end
			self.ring_number = number
		end
	end
	for name, is_wanted in pairs(wanted) do
		local map, message, errno = true, nil, nil
		if is_wanted then map, message, errno = self.engine:only(name) end
		if not map then return nil, message, errno end
	end
	return self.attachment:need(features)
end

-- The cells that are shown as what was captured.
local function captures_of(cells)
	local captures <const> = {}
	for _, cell in ipairs(cells) do
		if not cell.whose then captures[#captures + 1] = cell end
	end
	return captures
end

-- All of the bodies but those that are kept.
local function retire(self, bodies, kept)
	for plan, body in pairs(bodies) do
		if not kept or kept[plan] ~= body then self.engine:retire(body) end
	end
end

-- A body for each plan: the one it has, as long as it adds to the same table; with `partner` the one of the end of
-- their pairs.
local function bodies_of(self, plans, made, partner)
	local bodies <const>, before <const> = {}, self.table == (made or nil) and self.bodies or {}
	for plan in pairs(plans) do
		bodies[plan] = before[plan]
		if not bodies[plan] then
			local layout <const> = plan.event and event.layout(plan.cells or {}, self.resolve) or nil
			local body <const>, message <const>, errno <const> = self.engine:body(plan, layout, {
				ring = self.ring_number, table = made and made.number, owner = self.owner, partner = partner, once = self.once,
			})
			if not body then
				retire(self, bodies, before)
				return nil, message, errno
			end
			bodies[plan] = body
		end
	end
	return bodies
end

-- The places at which something else is to happen from now on, by what; false: nothing.
local function changes_of(places, plans, bodies)
	local changes <const>, before <const> = {}, {}
	for i, place in ipairs(places) do
		local body <const> = plans[i] and bodies[plans[i]] or nil
		if place.body ~= body then
			if place.body then before[place.body.plan] = place.body end
			place.body = body
			local numbers = changes[body or false]
			if not numbers then
				numbers = {}
				changes[body or false] = numbers
			end
			numbers[#numbers + 1] = place.number
		end
	end
	return changes, before
end

local function publish(self, places, plans, bodies)
	local changes <const>, before <const> = changes_of(places, plans, bodies)
	for body, numbers in pairs(changes) do self.engine:publish(numbers, body or nil) end
	retire(self, before, bodies)
end

-- The one body at the end of a span: what began elsewhere can name one only.
local function partner_of(bodies)
	local plan <const>, body <const> = next(bodies)
	if plan and next(bodies, plan) then
		return nil, "to: the values of the rule lie in other places at some of the sites: give each a span of its own", EINVAL
	end
	return body
end

-- The bodies of both ends; those of the beginnings only where there are some.
local function make(self, plans, openings, made)
	local ready <const>, missing <const>, number <const> = prepare(self, plans, openings)
	if not ready then return nil, missing, number end
	local bodies <const>, message <const>, errno <const> = bodies_of(self, plans, made)
	if not bodies or not openings then return bodies, message, errno end
	local partner <const>, why <const>, refused <const> = partner_of(bodies)
	local begun, wrong, code = nil, why, refused
	if partner or not next(bodies) then begun, wrong, code = bodies_of(self, openings, nil, partner) end
	if begun then return bodies, begun end
	retire(self, bodies)
	return nil, wrong, code
end

-- What the end finds of a beginning: the names of its values, and how they are kept.
local function kept_by(plan)
	local list <const> = {}
	for name, value in pairs(plan.captures) do
		list[name] = { value.cell, value.kind, value.unsigned or false, plan.kept[value.cell + 1].size or false }
	end
	return signature(list)
end

-- The plans of the beginnings, of which all must keep the same.
local function compile_openings(self, rule)
	if not self.openings then return false end
	local options <const> = {}
	local plans <const>, message <const>, errno <const> = compile(self.openings, function(place)
		local from <const> = place.kin.from
		options[from] = options[from] or self.opening(rule, from)
		return options[from]
	end)
	if not plans then return nil, message, errno end
	local first <const> = plans[1]
	for plan in pairs(set_of(plans)) do
		if kept_by(plan) ~= kept_by(first) then
			return nil, "from: the same values are to be captured at all beginnings: give those with others a span of their own", EINVAL
		end
	end
	return plans, first
end

--- Makes a rule hold at all places, or leaves the one that does.
--- Errors: nil, message, errno.
---@param rule crumb.Rule
---@return true?, string?, integer?
function Live:apply(rule)
	local function options_of(place) return rule:of(place.site.cookie) end
	local openings <const>, from <const>, wrong <const> = compile_openings(self, rule)
	if openings == nil then return nil, from, wrong end
	-- The end of a span is decided with its beginning.
	local plans <const>, compiled <const>, errno <const> =
		compile(self.places, options_of, from, not openings and self.compiled)
	if not plans then return nil, compiled, errno end
	local made <const>, columns <const>, shape <const> = table_for(self, set_of(plans))
	if made == nil then return nil, columns, shape end
	local on <const> = enabled(self.places, plans, options_of)
	local on_set <const> = set_of(on)
	local begun_on <const> = openings and (next(on_set) and openings or {})
	local bodies <const>, begun <const>, refused <const> = make(self, on_set, begun_on and set_of(begun_on), made)
	if not bodies then
		if made and made ~= self.table then self.engine:retire_table(made) end
		self.engine.reclaim:collect() -- descriptors may be what was missing
		return nil, begun, refused
	end
	if openings then publish(self, self.openings, begun_on, begun) end
	publish(self, self.places, on, bodies)
	if not openings then self.bodies, self.compiled = bodies, compiled end
	if self.table and self.table ~= made then self.engine:retire_table(self.table) end
	self.table, self.columns, self.shape = made or nil, columns or nil, shape
	local plan <const> = plans[1]
	self.cells = plan.event and captures_of(plan.cells or {}) or nil
	self.kept, self.rule = from and from.captures, rule
	self.engine.reclaim:tidy()
	-- Who has ended when its stacks are read has names all the same.
	if self.pid and (plan.ustack or from and from.ustack) then stack.remember(self.pid) end
	return true
end

--- Nothing begins at the places any more; pairs that have begun may end.
function Live:cease() publish(self, self.openings or self.places, {}, {}) end

--- Nothing happens at the places any more.
function Live:withdraw()
	for _, places in ipairs { self.openings or {}, self.places } do publish(self, places, {}, {}) end
	self.bodies, self.compiled = nil, nil
end

--- Gives up the table and the ring, when nothing writes to them any more.
function Live:drop()
	self.engine.stacks:hold(self, false)
	if self.table then self.engine:retire_table(self.table) end
	if self.ring_number then self.engine:spare_ring(self.ring_number) end
	self.table, self.ring_number = nil, nil
end

--- What a rule is made to hold at, or, with `openings`, between.
--- Shape: { engine =, attachment = of the places, resolve = what words mean by kind (crumb.trace.event), places =,
--- rows = of a table, pairs = BOOLEAN, once = whether each site reports once, ring = function() → its number }, and of
--- spans { openings = places, opening = function(rule, from) → what is to be compiled for those of a beginning,
--- owner = the number of their pairs }
---@param given table
---@return crumb.Live
function live.new(given) return setmetatable(given, Live) end

return live
