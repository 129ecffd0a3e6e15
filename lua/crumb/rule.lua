--- rule: what is to happen at the sites of a probe, as people write it, and what differs by cookie.
--
-- A rule is never changed: a change makes another one, which takes the first one's place when all of it holds.

local habits <const> = require "crumb.lazy" "crumb.habits"

local rule = {}

local EXPRESSIONS <const> = "string|table|boolean"

--- What a rule says. `false` takes an option back.
rule.OPTIONS = {
	where = "string|boolean", params = "table|boolean", capture = "table|boolean",
	count = "boolean", sum = EXPRESSIONS, avg = EXPRESSIONS, min = EXPRESSIONS, max = EXPRESSIONS, hist = EXPRESSIONS,
	lhist = "table|boolean", by = EXPRESSIONS, sample = "integer|boolean", limit = "integer|boolean", enabled = "boolean",
}

--- What may differ by cookie.
rule.BY_COOKIE = {
	where = "string|boolean", params = "table|boolean", sample = "integer|boolean", limit = "integer|boolean",
	enabled = "boolean",
}

---@class crumb.Rule
---@field options table what holds for all cookies
---@field by_cookie table<integer, table> what differs
---@field effective table<integer, table> what holds for one cookie, once it was asked for
local Rule = {}
Rule.__index = Rule

local function copy(from)
	local to <const> = {}
	for key, value in pairs(from or {}) do to[key] = value end
	return to
end

--- Checks what types do not tell.
--- Errors: raises (level 0).
---@param given table options of a rule
function rule.check(given)
	for _, name in ipairs { "sample", "limit" } do
		local value <const> = given[name]
		if value == true or value and value < 1 or value and value > 0xffffffff then
			error(("%s: expected an integer from 1 to 4294967295, got %s"):format(name, tostring(value)), 0)
		end
	end
	for _, name in ipairs { "where", "params", "capture", "sum", "avg", "min", "max", "hist", "lhist", "by" } do
		if given[name] == true then
			error(("%s: expected an expression, or false for none, got true: write %s"):format(name, habits.WRITTEN[name]), 0)
		end
	end
	for name in pairs(given.params or {}) do
		if type(name) ~= "string" then
			error(("params: expected names, such as { big = 4096 }, got [%s]"):format(tostring(name)), 0)
		end
	end
end

local INTEGERS <const> = { sample = true, limit = true }

-- The options with the changes made; false takes one back, parameters are changed one by one.
local function changed(before, changes)
	local after <const> = copy(before)
	for name, value in pairs(changes) do
		if name == "params" and value then
			value = copy(before.params)
			for parameter, wanted in pairs(changes.params) do
				if wanted == false then wanted = nil end
				value[parameter] = wanted
			end
		end
		if value == false and name ~= "enabled" then value = nil end
		if value and INTEGERS[name] then value = math.tointeger(value) end
		after[name] = value
	end
	return after
end

local function new(given, by_cookie)
	return setmetatable({ options = given, by_cookie = by_cookie, effective = {} }, Rule)
end

--- Another rule with these changes.
---@param changes table checked options
---@param cookie integer? only for this one
---@return crumb.Rule
function Rule:with(changes, cookie)
	if not cookie then return new(changed(self.options, changes), self.by_cookie) end
	local after <const> = self:without(cookie)
	after.by_cookie[cookie] = changed(self.by_cookie[cookie] or {}, changes)
	return after
end

--- Another rule, in which nothing differs for the cookie.
---@param cookie integer
---@return crumb.Rule
function Rule:without(cookie)
	local by_cookie <const> = copy(self.by_cookie)
	by_cookie[cookie] = nil
	local after <const> = new(self.options, by_cookie)
	after.effective = copy(self.effective)
	after.effective[cookie] = nil
	return after
end

--- What holds for a cookie: one table for all cookies for which the same holds.
---@param cookie integer
---@return table options
function Rule:of(cookie)
	local own <const> = self.by_cookie[cookie]
	if not own or not next(own) then return self.options end
	if not self.effective[cookie] then self.effective[cookie] = changed(self.options, own) end
	return self.effective[cookie]
end

--- The options of a rule among those of a probe, checked.
--- Errors: raises (level 0).
---@param given table
---@return crumb.Rule
function rule.new(given)
	local own <const> = {}
	for name in pairs(rule.OPTIONS) do own[name] = given[name] end
	if type(own.max) == "number" then own.max = nil end -- of a probe: how many sites it may have
	rule.check(own)
	return new(changed({}, own), {})
end

return rule
