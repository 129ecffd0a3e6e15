--- options: checks the option tables that people write.

local core <const> = require "crumb.core"
local lazy <const> = require "crumb.lazy"

local habits <const> = lazy "crumb.habits"
local position <const> = lazy "crumb.position"
local text <const> = lazy "crumb.show.text"

local options = {}

local function keys_of(known)
	local names <const> = {}
	for name in pairs(known) do names[#names + 1] = name end
	table.sort(names)
	return names
end

local function is_a(value, wanted)
	for kind in wanted:gmatch "[%w_]+" do
		if kind == "integer" and core.integer(value) then return true end
		if kind == "any" or type(value) == kind then return true end
	end
	return false
end

-- How an option is written, with what was given where it fits.
local function written(name, value, wanted)
	if type(value) == "string" and is_a(value, wanted) then return ("%s = %s"):format(name, text.quote(value)) end
	if type(value) == "string" and name == "capture" then return ("capture = { %s }"):format(text.quote(value)) end
	return habits.WRITTEN[name]
end

-- What is said of a name that is no option: what it is called here, or the nearest, or all there are.
local function instead_of(name, value, known)
	local meant <const> = habits.OPTIONS[name]
	if known[meant] then return ": write " .. (written(meant, value, known[meant]) or meant .. " = …") end
	if habits.OTHERWISE[name] then return ": " .. habits.OTHERWISE[name] end
	local _ <const>, near <const> = core.nearest(name, keys_of(known))
	return near ~= "" and near or (" (there are %s)"):format(table.concat(keys_of(known), ", "))
end

-- The types without what only takes an option back.
local function types_of(wanted)
	return (wanted:gsub("|boolean$", ""):gsub("|", " or "))
end

--- Refuses unknown names (with the nearest) and wrong types.
--- Errors: raises at the caller's caller.
---@param what string what the options are of, such as "program:attach"
---@param given table? integer keys are left alone
---@param known table<string, string> name -> types that are taken ("integer|table")
---@return table given an empty table for nil
function options.check(what, given, known)
	if given == nil then return {} end
	if type(given) ~= "table" then
		error(("%s: expected a table of options, got %s"):format(what, type(given)), 3)
	end
	for name, value in pairs(given) do
		if type(name) == "string" then
			local wanted <const> = known[name]
			if not wanted then
				error(("%s: no option '%s'%s"):format(what, name, instead_of(name, value, known)), 3)
			elseif not is_a(value, wanted) then
				local instead <const> = written(name, value, wanted)
				error(("%s: option '%s': expected %s, got %s%s"):format(what, name, types_of(wanted), type(value),
					instead and ": write " .. instead or ""), 3)
			end
		end
	end
	return given
end

local function call_at(level, what, call, ...)
	local results <const> = table.pack(pcall(call, ...))
	if results[1] then return table.unpack(results, 2, results.n) end
	local message = results[2]
	-- What the script's own functions raised travels in a box.
	if type(message) == "table" and message.raised ~= nil then error(message.raised, 0) end
	if type(message) ~= "string" then error(message, 0) end
	message = position.cut(message)
	message = message:match "^bad argument #%-?%d+ to '.-' %((.*)%)$"
		or message:match "^calling '.-' on bad self %((.*)%)$" or message
	error(message:find(what, 1, true) == 1 and message or ("%s: %s"):format(what, message), level)
end

--- Calls a function for a person: what it raises names what they called, at their line.
--- Errors: raises at the caller's caller.
---@param what string what they called, such as "object:ring"
---@param call function
---@return ...
function options.call(what, call, ...)
	local results <const> = table.pack(call_at(4, what, call, ...))
	return table.unpack(results, 1, results.n)
end

--- The same for `return options.finish(…)`: such a call leaves no frame of its caller's.
---@param what string
---@param call function
---@return ...
function options.finish(what, call, ...)
	local results <const> = table.pack(call_at(3, what, call, ...))
	return table.unpack(results, 1, results.n)
end

local public <const> = setmetatable({}, { __mode = "k" })

--- Whether a method is for people: one of those that `options.methods` was told of.
---@param method function
---@return boolean
function options.is_public(method) return public[method] == true end

--- Makes methods, which are those for people, say how they are called when what they are called on is no object of theirs.
---@param class table
---@param what string what people call an object, such as "probe"
---@param names string[]
function options.methods(class, what, names)
	for _, name in ipairs(names) do
		local method <const> = class[name]
		local function checked(self, ...)
			local kind <const> = getmetatable(self)
			if type(kind) ~= "table" or kind[name] ~= class[name] then
				error(("%s:%s: call it with a colon"):format(what, name), 2)
			end
			return method(self, ...)
		end
		class[name], public[checked] = checked, true
	end
end

--- Seconds as nanoseconds.
--- Errors: raises for what is no number or negative.
---@param what string
---@param seconds number?
---@return integer? nanoseconds nil for nil
function options.duration(what, seconds)
	if seconds == nil then return nil end
	if type(seconds) ~= "number" or seconds ~= seconds or seconds < 0 then
		error(("%s: expected seconds, 0 or more, got %s"):format(what, tostring(seconds)), 3)
	end
	-- The clock counts in 63 bits: what is longer than a century is for ever.
	return math.floor(math.min(seconds, 3e9) * 1e9)
end

return options
