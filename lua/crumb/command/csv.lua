--- csv: values as RFC 4180 has them, a record a line: text is escaped as on a terminal.
--
-- Exact bytes are JSON's affair.

local draw <const> = require "crumb.show.draw"
local lazy <const> = require "crumb.lazy"
local text <const> = require "crumb.show.text"

local json <const> = lazy "crumb.command.json"
local stack <const> = lazy "crumb.stack"

local csv = {}

local function is_stack(value) return type(value[1]) == "table" and value[1].address ~= nil end

--- One value; what could not be read, or is not there, is empty, a stack is folded, another table is as in JSON.
---@param value any
---@param kind string? as a column has it
---@return string
function csv.value(value, kind)
	if value == nil or value == false and kind ~= "bool" then return "" end
	local shown
	if type(value) == "table" then
		shown = is_stack(value) and text.escape(stack.folded(value)) or json.value(value)
	elseif math.type(value) == "float" then
		shown = ("%.17g"):format(value)
	else
		shown = draw.value(value, { kind = kind }, text.escape)
	end
	return shown:find '[",]' and '"' .. shown:gsub('"', '""') .. '"' or shown
end

--- A line of values.
---@param names string[]
---@param values table
---@param kinds table<string, string>
---@return string
function csv.line(names, values, kinds)
	local words <const> = {}
	for i, name in ipairs(names) do words[i] = csv.value(values[name], kinds[name]) end
	return table.concat(words, ",")
end

--- The names as a line.
---@param names string[]
---@return string
function csv.header(names)
	local words <const> = {}
	for i, name in ipairs(names) do words[i] = csv.value(name) end
	return table.concat(words, ",")
end

local HISTOGRAMS <const> = { HIST = true, LHIST = true }

-- Keys and plain values, and the histograms apart.
local function parted(columns)
	local names <const>, kinds <const>, histograms <const> = {}, {}, {}
	for _, list in ipairs { columns.keys, columns.values } do
		for _, column in ipairs(list) do
			kinds[column.name] = column.kind
			local to <const> = HISTOGRAMS[column.op] and histograms or names
			to[#to + 1] = column.name
		end
	end
	return names, kinds, histograms
end

--- Rows of aggregates. A row with histograms is a record for each bucket, with `histogram`, `low`, `high` and `bucket`.
---@param rows table[]
---@param columns crumb.Columns
---@return string[] header
---@return string[] lines
function csv.rows(rows, columns)
	local names <const>, kinds <const>, histograms <const> = parted(columns)
	local lines <const> = {}
	if #histograms == 0 then
		for i, row in ipairs(rows) do lines[i] = csv.line(names, row, kinds) end
		return names, lines
	end
	for _, row in ipairs(rows) do
		local begin <const> = #names > 0 and csv.line(names, row, kinds) .. "," or ""
		for _, histogram in ipairs(histograms) do
			for _, bucket in ipairs(row[histogram] or {}) do
				local kind <const> = kinds[histogram]
				local low <const>, high <const> = draw.ends(bucket, kind == "unsigned")
				lines[#lines + 1] = ("%s%s,%s,%s,%d"):format(begin, csv.value(histogram), csv.value(low, kind), csv.value(high, kind),
					bucket.count)
			end
		end
	end
	for _, name in ipairs { "histogram", "low", "high", "bucket" } do names[#names + 1] = name end
	return names, lines
end

return csv
