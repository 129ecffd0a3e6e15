--- place: what is wanted where the cursor stands: a target, an expression of some rule, an option, a file.

local context <const> = require "crumb.prompt.complete.context"
local words <const> = require "crumb.trace.words"

local place = {}

---@class crumb.TypedRule the rule that an expression being typed is of
---@field frame crumb.LuaFrame? the table that it stands in
---@field object string[]? the words of a probe that is there already
---@field known table<string, string>? the options that such a table takes
---@field span crumb.TypedRule? of an end of a span: the whole
---@field ending "from"|"to"|nil which end

local EXPRESSIONS <const> = {
	where = true, capture = true, by = true, key = true, sum = true, avg = true, min = true, max = true, hist = true,
	lhist = true,
}

local TARGET <const> = { probe = true, list = true, top = true }
local FILE <const> = { dofile = "file", loadfile = "file", require = "file", open = "file", spawn = "command" }

-- What a table takes that a function is called with.
local TAKES <const> = {
	probe = words.PROBE, span = words.SPAN, set = words.SETTABLE,
	run = { duration = "number", process = "userdata" }, read = { clear = "boolean", sort = "string", top = "integer" },
	events = { idle = "number", duration = "number" }, list = { pid = "integer" },
}

local function without_last(list) return table.move(list, 1, #list - 1, 1, {}) end

local table_at

-- What a table is that is the value of a key of another one.
local function nested(outer, key, frame)
	if outer.wants == "expression" then return outer end
	if outer.wants ~= "options" then return nil end
	local rule <const> = outer.rule
	if rule.known == words.SPAN and (key == "from" or key == "to") then
		return { wants = "options", takes_targets = true, rule = {
			frame = frame, known = key == "from" and words.FROM or words.TO, span = rule, ending = key,
		} }
	end
	if EXPRESSIONS[key] then return { wants = "expression", rule = rule } end
	if key == "either" then return { wants = "target", rule = rule } end
end

--- What is wanted in a table: { wants = "options", rule = …, takes_targets }, or { wants = "expression"|"target", rule }.
function table_at(frame)
	local parent <const> = frame.parent
	local key <const> = context.key(parent, frame)
	if key then
		local outer <const> = table_at(parent)
		return outer and nested(outer, key, frame)
	end
	local assigned <const> = context.assigned(parent, frame)
	if EXPRESSIONS[assigned[#assigned]] then
		return { wants = "expression", rule = { object = without_last(assigned) } }
	end
	local around <const> = parent.open == "{" and #context.item(parent, frame) == 0 and table_at(parent)
	if around and around.rule.ending == "from" then -- one of several beginnings
		return { wants = "options", takes_targets = true, rule = setmetatable({ frame = frame }, { __index = around.rule }) }
	end
	local called <const> = context.called(parent, frame)
	local name <const> = called[#called]
	local known = TAKES[name]
	if name == "trace" and #called > 1 then known = words.TRACE end
	return known and {
		wants = "options", takes_targets = name == "probe",
		rule = { frame = frame, known = known, object = name == "set" and without_last(called) or nil },
	}
end

-- In a string that stands in a table.
local function string_in_table(frame)
	local around <const>, key <const> = table_at(frame), context.key(frame)
	if not around then return nil end
	if around.wants ~= "options" then return around end
	if not key and around.takes_targets then return { wants = "target", rule = around.rule } end
	return EXPRESSIONS[key] and { wants = "expression", rule = around.rule } or nil
end

--- What is wanted in the string that the cursor is in; nil: nothing that is known.
---@param frame crumb.LuaFrame that holds the string
---@return { wants: "target"|"expression"|"file"|"command", rule: crumb.TypedRule? }?
function place.of_string(frame)
	if frame.open == "{" then return string_in_table(frame) end
	local assigned <const> = context.assigned(frame)
	if EXPRESSIONS[assigned[#assigned]] then
		return { wants = "expression", rule = { object = without_last(assigned) } }
	end
	local called <const> = context.called(frame)
	local name <const> = called[#called]
	if TARGET[name] then return { wants = "target" } end
	return FILE[name] and { wants = FILE[name] } or nil
end

--- The options that may be written where the cursor is: in a table, where no value is awaited; nil: none.
---@param frame crumb.LuaFrame
---@param typed boolean whether the word before the cursor is the last token
---@return table<string, string>? known
function place.options(frame, typed)
	if frame.open ~= "{" then return nil end
	local item <const> = context.item(frame)
	if #item > (typed and 1 or 0) then return nil end
	local around <const> = table_at(frame)
	return around and around.wants == "options" and around.rule.known or nil
end

return place
