--- json: values as JSON, exact, and in ASCII, so that it is harmless on a terminal.
--
-- A string of UTF-8 is a string; any other, and memory (`bytes`), is { "hex": "ff00" }. Integers have all their digits.
-- What could not be read, or is not there, is null.

local draw <const> = require "crumb.show.draw"
local u64 <const> = require "crumb.u64"

local json = {}

local SHORT <const> = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }
local UNSIGNED <const> = { unsigned = true, cookie = true, pointer = true }

local function escaped(code)
	if code < 0x10000 then return ("\\u%04x"):format(code) end
	local rest <const> = code - 0x10000
	return ("\\u%04x\\u%04x"):format(0xd800 + (rest >> 10), 0xdc00 + (rest & 0x3ff))
end

local function hex(bytes)
	return '{"hex":"' .. bytes:gsub(".", function(byte) return ("%02x"):format(byte:byte()) end) .. '"}'
end

--- A string, or, when it is no UTF-8, its bytes.
---@param bytes string
---@return string
function json.string(bytes)
	if not utf8.len(bytes) then return hex(bytes) end
	local text = bytes:gsub('[%c"\\]', function(c) return SHORT[c] or escaped(c:byte()) end)
	if text:find "[\128-\255]" then
		text = text:gsub(utf8.charpattern, function(c) return #c > 1 and escaped(utf8.codepoint(c)) or nil end)
	end
	return '"' .. text .. '"'
end

local function number(value, kind)
	if math.type(value) == "integer" then return UNSIGNED[kind] and u64.format(value) or ("%d"):format(value) end
	if value ~= value or value == math.huge or value == -math.huge then return "null" end
	return ("%.17g"):format(value)
end

-- The open ends of a histogram are no numbers.
local function bucket(one, kind)
	local low <const>, high <const> = draw.ends(one, UNSIGNED[kind])
	return ('{"low":%s,"high":%s,"count":%d}'):format(low and number(low, kind) or "null", high and number(high, kind) or "null",
		one.count)
end

local DEEPEST <const> = 100 -- tables within tables

-- What is within something has one level less.
local function deeper(levels)
	if levels == 0 then error("JSON: a table holds itself, or tables are too deep in one another", 0) end
	return levels - 1
end

local function list(values, kind, levels)
	local words <const> = {}
	for i, one in ipairs(values) do
		local is_bucket <const> = type(one) == "table" and one.low and one.high and one.count
		words[i] = is_bucket and bucket(one, kind) or json.value(one, nil, levels)
	end
	return "[" .. table.concat(words, ",") .. "]"
end

local function sorted(names)
	table.sort(names, function(a, b) return tostring(a) < tostring(b) end)
	return names
end

--- One value; a table is a list if it has [1] or nothing, else an object.
---@param value any
---@param kind string? as a column has it: "unsigned", "bytes", "bool", …
---@param levels integer? how deep tables may be in one another; 100
---@return string
function json.value(value, kind, levels)
	if value == nil or value == false and kind ~= "bool" then return "null" end
	if type(value) == "string" then return kind == "bytes" and hex(value) or json.string(value) end
	if type(value) == "number" then return number(value, kind) end
	if type(value) == "boolean" then return tostring(value) end
	if type(value) ~= "table" then return json.string(tostring(value)) end
	levels = deeper(levels or DEEPEST)
	if value[1] ~= nil or next(value) == nil then return list(value, kind, levels) end
	local names <const> = {}
	for name in pairs(value) do names[#names + 1] = name end
	return json.object(sorted(names), value, {}, levels)
end

--- An object with these members, in this order; those that are nil are left out.
---@param names any[]
---@param values table
---@param kinds table<string, string>
---@param levels integer? as for json.value
---@return string
function json.object(names, values, kinds, levels)
	local words <const> = {}
	for _, name in ipairs(names) do
		if values[name] ~= nil then
			words[#words + 1] = ("%s:%s"):format(json.name(name), json.value(values[name], kinds[name], levels))
		end
	end
	return "{" .. table.concat(words, ",") .. "}"
end

--- The name of a member, which can be no object.
---@param name any
---@return string
function json.name(name)
	name = tostring(name)
	return json.string(utf8.len(name) and name or name:gsub("[\128-\255]", function(c) return ("\\x%02x"):format(c:byte()) end))
end

return json
